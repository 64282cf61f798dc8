"""Small networks and images to explore, servers of them, and what is looked at, put together again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from helpers import noise
from passband.explorer.app import make_app
from passband.explorer.classifier import ExploredClassifier
from passband.explorer.explored import Explored
from passband.explorer.look import look
from passband.explorer.scene import Scene
from passband.explorer.serve import address_of, listen, server_for
from passband.explorer.view import View
from passband.models.pixels import PixelModel


def make_network(channels: int = 3, classes: int = 4, seed: int = 0) -> PixelModel:
    """Return a network of random weights whose answers differ from part to part."""
    torch.manual_seed(seed)
    last = nn.Linear(72, classes)
    with torch.no_grad():
        last.weight.mul_(12)
    layers = nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), last
    return PixelModel(nn.Sequential(*layers).eval(), name=f"small-{seed}")


def make_scene(
    channels: int = 3, size: tuple[int, int] = (12, 10), models: int = 1, samples: int = 30
) -> Scene:
    """Return some of them, and images without any structure."""
    networks = [make_network(channels, seed=seed) for seed in range(models)]
    return Scene.of(networks, noise(samples, channels=channels, size=size), device="cpu")


def looked_at(scene: Scene, index: int, view: View) -> tuple[dict[str, Any], list, list, list]:
    """Return what is said of an image, the answers to it, those to its parts by model and place, and the kinds of frames."""
    frames = list(look(scene, scene.picture(index), view))
    image, whole = frames[0].header, frames[1].header["models"]
    answers: list[list] = [[None] * len(image["places"]) for _ in whole]
    for frame in frames:
        if frame.header["kind"] == "answers":
            for model, pairs in enumerate(frame.header["models"]):
                for at, pair in zip(frame.header["indices"], pairs, strict=True):
                    answers[model][at] = pair
    return image, whole, answers, [frame.header["kind"] for frame in frames]


def answers_of(scene: Scene) -> list:
    """Return the most probable class of every part of the first image, with its probability."""
    _, whole, answers, _ = looked_at(scene, 0, View())
    return [whole[0]["top"][0], *(each["top"][0] for pair in answers[0] for each in pair)]


def explored(scene: Scene) -> Explored:
    """Return what answers for a scene."""
    return ExploredClassifier(scene)


@contextmanager
def serving(scene: Scene, **options: Any) -> Iterator[str]:
    """Serve a scene on a free port of the loopback address, and end; yield its address."""
    listening = listen("127.0.0.1", 0)
    began = threading.Event()
    server = server_for(make_app(explored(scene), **options), began.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        assert began.wait(30)
        yield address_of(listening, "127.0.0.1")
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
    assert not thread.is_alive()
