"""Images to choose from: all of the data set, and those whose answer follows the HFC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor

from passband.data.dataset import to_pixels
from passband.errors import InputError
from passband.explorer.look import as_bytes
from passband.explorer.scene import Scene
from passband.explorer.wire import Frame
from passband.instruments.flips import Flips
from passband.instruments.instrument import Subject
from passband.randomness import generator_for
from passband.types import Amplitude

THUMB = 64
"""Pixels of the longer side of a thumbnail, at most."""

MOST = 60
"""Thumbnails that are sent at once."""

LOOKED_AT = 500
"""Images among which flips are looked for; of more, so many are drawn, always the same ones."""

FLIPS = 48
"""Flips that are shown, the surest."""


def thumbs(scene: Scene, indices: Sequence[int]) -> Frame:
    """Return small pictures of some images of the data set, with their classes.

    Raises:
        InputError: If there are more than `MOST`, or no such images.
    """
    if len(indices) > MOST:
        raise InputError(f"at most {MOST} thumbnails are sent at once, {len(indices)} were asked for")
    height, width = scene.images.size
    factor = min(1.0, THUMB / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    payload, labels = b"", []
    if indices:
        dataset = scene.having(indices)
        order = torch.tensor(list(indices))
        labels = dataset.labels[order].tolist()
        pixels = to_pixels(dataset.images[order])
        small = pixels if size == (height, width) else F.interpolate(pixels, size=size, mode="area")
        payload = b"".join(as_bytes(each) for each in small)
    return Frame(
        {
            "kind": "thumbs",
            "size": list(size),
            "channels": scene.images.channels,
            "images": [list(pair) for pair in zip(indices, labels, strict=True)],
        },
        payload,
    )


def find_flips(scene: Scene, amplitude: Amplitude) -> dict[str, Any]:
    """Return the images that the first model is right on as a whole and on their HFC, and wrong on their LFC.

    Returns:
        `looked_at`, the number of images; `of`, out of how many they were drawn; `radii`, at each of which stands how many flips there are and how many chance alone
        would make; under `lists` and `flips`, the surest of them, one for each image: `sample`, `radius`, and the class that
        the LFC is taken for.

    Raises:
        InputError: If there is no data set, or as `passband.instruments.flips.Flips`.
    """
    if scene.dataset is None:
        raise InputError("flips are looked for in a data set, and none was loaded: give DATA too")
    dataset, model = scene.dataset, scene.models[0]
    drawn = drawn_images(len(dataset), LOOKED_AT)
    subject = Subject(model, dataset, model.name, indices=drawn, device=str(scene.device))
    found = subject.read(Flips(amplitude=amplitude))
    counts = found.flips.sum(dim=1).tolist()
    surest = found.to_table().unique("sample", keep="first", maintain_order=True).head(FLIPS)
    return {
        "looked_at": len(drawn),
        "of": len(dataset),
        "radii": [
            {"radius": radius, "flips": count, "by_chance": round(chance, 1)}
            for radius, count, chance in zip(found.radii, counts, found.expected.tolist(), strict=True)
        ],
        "lists": {
            "flips": [
                {"sample": row["sample"], "radius": row["radius"], "lfc": row["lfc_prediction"]}
                for row in surest.iter_rows(named=True)
            ]
        },
    }


def drawn_images(count: int, most: int) -> Int64[Tensor, " drawn"]:
    """Return positions of at most so many of `count` images, drawn by a seed that is always the same, in ascending order.

    The first images of a data set may be of one class, or of one day.

    Example:
        >>> drawn_images(3, 5), len(drawn_images(1000, 5))
        (tensor([0, 1, 2]), 5)
    """
    if count <= most:
        return torch.arange(count)
    return torch.randperm(count, generator=generator_for(0, "explored"))[:most].sort().values
