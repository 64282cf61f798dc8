"""Small data sets and models whose right answers are known."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

import passband as pb
from passband.audit.card import Card
from passband.data.dataset import ImageDataset
from passband.frequency.component import lows_and_highs
from passband.instruments.components import Answers, ComponentAccuracy
from passband.instruments.instrument import Subject
from passband.models.pixels import as_pixel_model

Edited = TypeVar("Edited", bound=Card)


def noise(
    samples: int = 40, classes: int = 4, channels: int = 3, size: tuple[int, int] = (12, 10), seed: int = 0
):
    """Return images without any structure, labelled at random."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (samples, channels, *size), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, classes, (samples,), generator=generator)
    return ImageDataset(images, labels, tuple("abcdefghijklmnopqrstuvwxyz"[:classes]), "noise")


@cache
def trained_on(cue: str) -> tuple[nn.Module, ImageDataset]:
    """Return a network trained on phantoms in which the shape alone, or the texture alone, tells the class, and test images."""
    source = f"phantom:shape={int(cue == 'shape')},texture={int(cue == 'texture')}"
    train, test = pb.load_dataset(source, "train", limit=1200), pb.load_dataset(source, "test", limit=400)
    config = pb.RunConfig(
        dataset=source, model="resnet8", width=8, batch_norm=True, learning_rate=1e-2, epochs=6
    )
    network = pb.build_model(config.model, num_classes=4, width=config.width, batch_norm=True, seed=0)
    return pb.train(network, train, config), test


class Memory(nn.Module):
    """A linear classifier fitted to a data set by least squares: right on its images, unsure of their components."""

    def __init__(self, dataset: ImageDataset) -> None:
        super().__init__()
        pixels = dataset.images.flatten(1).double() / 255
        targets = nn.functional.one_hot(dataset.labels, len(dataset.classes)).double()
        self.weight = nn.Parameter(torch.linalg.lstsq(pixels, targets, driver="gelsd").solution.float())

    def forward(self, images: Tensor) -> Tensor:
        """Return one score a class."""
        return images.flatten(1) @ self.weight * 10


class Constant(nn.Module):
    """A classifier that always gives the same answer."""

    def __init__(self, answer: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("logits", 2 * nn.functional.one_hot(torch.tensor(answer), classes).float())

    def forward(self, images: Tensor) -> Tensor:
        """Return the same logits for every image."""
        return self.logits.expand(len(images), -1)


class Standardized(nn.Module):
    """Divides each image by its own deviation, which is 0 where the image is constant: the answer is NaN."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        """Return the body's logits."""
        flat = images.flatten(1)
        standard = (flat - flat.mean(dim=1, keepdim=True)) / flat.std(dim=1, keepdim=True)
        return self.body(standard.reshape(images.shape))


def bright_sides(samples: int, *, channels: int = 3, size: int = 28, seed: int = 0) -> ImageDataset:
    """Return noise with one bright side, which is the class: left, right or top."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 128, (samples, channels, size, size), generator=generator, dtype=torch.uint8)
    labels = torch.arange(samples) % 3
    half = size // 2
    images[labels == 0, :, :, :half] += 100
    images[labels == 1, :, :, half:] += 100
    images[labels == 2, :, :half] += 100
    return ImageDataset(images, labels, ("left", "right", "top"), "sides", "train")


def sides_source(folder: Path, *, train: int, test: int) -> str:
    """Write bright sides of 16x16 pixels, so many training and test images, and return what names them as data."""
    file, arrays = folder / "sides.npz", {}
    for subset, samples in (("train", train), ("test", test)):
        images = bright_sides(samples, size=16, seed=samples)
        arrays[f"x_{subset}"] = images.images.permute(0, 2, 3, 1).numpy()
        arrays[f"y_{subset}"] = images.labels.numpy()
    np.savez(file, **arrays)
    return f"npz:{file}"


def subject(model: nn.Module, dataset: ImageDataset, **settings) -> Subject:
    """Return a network with the images that it is looked at with."""
    return Subject(as_pixel_model(model), dataset, "run", **{"device": "cpu", **settings})


def ask(
    model: nn.Module, dataset: ImageDataset, radii, *, amplitude="max", precision=None, **settings
) -> Answers:
    """Return the answers to whole images, and to the LFC and the HFC at each radius."""
    instrument = ComponentAccuracy(lows_and_highs(radii), amplitude, precision)
    return instrument.measure(subject(model, dataset, **settings))


def edited(card: Edited, key: str, value: object) -> Edited:
    """Return a card whose document has another value at a key, such as `critical_radius.half` or `curves.3.loss`."""
    document = json.loads(json.dumps(card.to_dict()))
    place = document
    *path, last = (int(part) if part.isdigit() else part for part in key.split("."))
    for part in path:
        place = place[part]
    place[last] = value
    return type(card).from_dict(document)


def same(one: object, two: object) -> bool:
    """Return whether two results are equal in every field, tensors and tables bit by bit (NaN equals NaN)."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        exact = {"rtol": 0, "atol": 0, "equal_nan": True}
        return one.dtype == two.dtype and one.shape == two.shape and torch.allclose(one, two, **exact)
    if isinstance(one, pl.DataFrame) and isinstance(two, pl.DataFrame):
        return one.schema == two.schema and one.equals(two)
    if type(one) is not type(two):
        return False
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(two, f.name)) for f in fields(one))
    if isinstance(one, tuple | list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return one == two
