"""Small networks and images to explore, servers of them, and what is looked at, put together again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from blobs import NAMES, Blobs, write_scenes
from helpers import noise
from passband.choices import ViewAmplitude
from passband.detection.detector import Detector, DetectorEntry
from passband.detection.objects import Detections
from passband.detection.sources import open_detection_data
from passband.explorer.app import make_app
from passband.explorer.classifier import ExploredClassifier
from passband.explorer.detector import ExploredDetector
from passband.explorer.detector_look import look as look_at_detector
from passband.explorer.detector_scene import DetectorPicture, DetectorScene
from passband.explorer.explored import Explored
from passband.explorer.look import look
from passband.explorer.scene import Scene
from passband.explorer.serve import address_of, listen, server_for
from passband.explorer.view import View
from passband.explorer.wire import Frame
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


def explored(scene: Scene | DetectorScene) -> Explored:
    """Return what answers for a scene."""
    return ExploredDetector(scene) if isinstance(scene, DetectorScene) else ExploredClassifier(scene)


@contextmanager
def serving(scene: Scene | DetectorScene, **options: Any) -> Iterator[str]:
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


class Scattered(Detector):
    """Finds boxes around three places, many of which overlap; where exactly follows from the pixels."""

    entry = DetectorEntry("scattered", "tests", "1" * 16, None)
    label_names = NAMES

    def detect(self, images: Sequence[Tensor]) -> list[Detections]:
        """Return forty boxes of each image."""
        return [self._find(image) for image in images]

    def _find(self, image: Tensor) -> Detections:
        draws = torch.Generator().manual_seed(int(image.double().abs().sum() * 1e4) % 2**40)
        height, width = image.shape[-2:]
        middle = torch.randint(3, (40, 1), generator=draws) * torch.tensor([[width / 4, height / 4]]) + 10
        corner = middle + 4 * torch.rand(40, 2, generator=draws)
        sides = 9 + 7 * torch.rand(40, 2, generator=draws)
        labels = torch.tensor(list(NAMES))[torch.randint(2, (40,), generator=draws)]
        return Detections(torch.cat([corner, corner + sides], dim=1), torch.rand(40, generator=draws), labels)


class Forgetful(Blobs):
    """Finds what `Blobs` finds, less some of it; what, follows from the pixels: so some images gain under any change."""

    def _find(self, pixels: np.ndarray) -> Detections:
        found = super()._find(pixels)
        draws = torch.Generator().manual_seed(int(np.abs(pixels).sum(dtype=float) * 1e4) % 2**40)
        kept = torch.rand(len(found), generator=draws) < 0.6
        return Detections(found.boxes[kept], found.scores[kept], found.labels[kept])


def make_detector_scene(
    folder: Path, detector: Detector | None = None, count: int = 6, **options: Any
) -> DetectorScene:
    """Return annotated scenes in a folder, and a detector that finds what is in them."""
    dataset = open_detection_data(*write_scenes(folder / "scenes", count))
    return DetectorScene.of(detector or Blobs(), dataset, **options)


def found_in(
    scene: DetectorScene, picture: DetectorPicture, amplitude: ViewAmplitude = "picture"
) -> tuple[dict[str, Any], dict[str, Any], list[Frame]]:
    """Return what is said of an image, and what is found in each view of it by the view's name."""
    frames = list(look_at_detector(scene, picture, amplitude))
    image, answers = frames[0].header, {}
    for frame in frames:
        if frame.header["kind"] == "whole":
            answers["full"] = frame.header["found"]
        if frame.header["kind"] == "answers":
            for at, pair in zip(frame.header["indices"], frame.header["found"], strict=True):
                answers |= dict(zip(image["shown"][at], pair, strict=True))
    return image, answers, frames
