"""Images to choose from: all of the data set, and those whose answer follows the HFC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from passband.data.dataset import to_pixels
from passband.errors import InputError
from passband.explorer.look import as_bytes
from passband.explorer.scene import Scene
from passband.explorer.wire import Frame
from passband.instruments.flips import Flips
from passband.instruments.instrument import Subject
from passband.types import Amplitude

THUMB = 64
"""Pixels of the longer side of a thumbnail, at most."""

MOST = 60
"""Thumbnails that are sent at once."""

LOOKED_AT = 500
"""Images among which flips are looked for: the data set's first."""

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
        `looked_at`, the number of images; `radii`, at each of which stands how many flips there are and how many chance alone
        would make; `flips`, the surest of them, one for each image: `sample`, `radius`, and the class that the LFC is taken for.

    Raises:
        InputError: If there is no data set, or as `passband.instruments.flips.Flips`.
    """
    if scene.dataset is None:
        raise InputError("flips are looked for in a data set, and none was loaded: give DATA too")
    dataset = scene.dataset.take(slice(LOOKED_AT))
    subject = Subject(scene.models[0], dataset, scene.models[0].name, device=str(scene.device))
    found = subject.read(Flips(amplitude=amplitude))
    counts = found.flips.sum(dim=1).tolist()
    surest = found.to_table().unique("sample", keep="first", maintain_order=True).head(FLIPS)
    return {
        "looked_at": len(dataset),
        "radii": [
            {"radius": radius, "flips": count, "by_chance": round(chance, 1)}
            for radius, count, chance in zip(found.radii, counts, found.expected.tolist(), strict=True)
        ],
        "flips": [
            {"sample": row["sample"], "radius": row["radius"], "lfc": row["lfc_prediction"]}
            for row in surest.iter_rows(named=True)
        ],
    }
