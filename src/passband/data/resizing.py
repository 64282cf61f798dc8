"""Carrying out a `Preparation`: from a picture of any size to a model's input, by the filter of a library."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from passband.optional import require
from passband.preparation import Preparation, Resize

ROUNDING = 1e-6
"""Keeps 232 whole where it is written as 224 / (224 / 232)."""

TORCH = {  # the interpolation as torchvision calls it, and whether it is antialiased
    "torch": ("bilinear", True),
    "torch-bicubic": ("bicubic", True),
    "torch-no-antialias": ("bilinear", False),
    "torch-bicubic-no-antialias": ("bicubic", False),
    "torch-nearest": ("nearest", False),
}


def check_available(rule: Resize) -> None:
    """Refuse a filter whose library is not installed.

    Raises:
        MissingDependencyError: If it is OpenCV's, which is not installed.
    """
    if rule.startswith("opencv"):
        _opencv()


def prepare(image: Image.Image, how: Preparation) -> Image.Image:
    """Return a picture as a model gets it.

    A crop is made as torchvision's `Resize` and `CenterCrop` make it, one after the other, and timm's and transformers'
    with them.

    Args:
        image: Gray (mode L) or color (mode RGB).
        how: What is to be done.

    Raises:
        MissingDependencyError: If the filter is OpenCV's, which is not installed.
    """
    if how.size is None or how.leaves((image.height, image.width)):
        return image
    height, width = how.size
    if how.fit == "squash":
        return _resize(image, how.size, how.resize)
    covering = covering_size((image.height, image.width), how)
    image = _resize(image, covering, how.resize)
    top, left = (
        round((whole - part) / 2) for whole, part in zip(covering, how.size, strict=True)
    )  # Python's rounding, as torchvision's
    return image.crop((left, top, left + width, top + height))


def covering_size(size: tuple[int, int], how: Preparation) -> tuple[int, int]:
    """Return to what height and width a picture is resized before its middle is taken.

    Args:
        size: Its own.
        how: A crop.

    Example:
        >>> covering_size((480, 640), Preparation((224, 224), crop_fraction=0.875))
        (256, 341)
    """
    assert how.size is not None
    wanted = [max(math.floor(side / how.crop_fraction + ROUNDING), side) for side in how.size]
    across = int(wanted[0] * size[1] / size[0])  # the width that this height comes with
    if across >= wanted[1]:
        return wanted[0], across
    return max(int(wanted[1] * size[0] / size[1]), wanted[0]), wanted[1]


def nyquist_radius(size: tuple[int, int], how: Preparation) -> float | None:
    """Return up to which radius an enlarged picture has frequencies of its own; None if it is not enlarged.

    Args:
        size: Its height and width before.
        how: What is done to it.

    Example:
        >>> nyquist_radius((224, 224), Preparation((224, 224), crop_fraction=0.875))
        98.0
    """
    if how.size is None or how.leaves(size):
        return None
    resized = how.size if how.fit == "squash" else covering_size(size, how)
    reached = [
        side * before / after / 2
        for side, before, after in zip(how.size, size, resized, strict=True)
        if after > before
    ]
    return min(reached, default=None)


def _resize(image: Image.Image, size: tuple[int, int], rule: Resize) -> Image.Image:
    if (image.height, image.width) == size:
        return image
    library, _, name = rule.partition("-")
    if library == "pillow":
        return image.resize(size[::-1], Image.Resampling[name.upper()])
    pixels = np.asarray(image)
    return Image.fromarray(
        _by_torch(pixels, size, rule) if library == "torch" else _by_opencv(pixels, size, name)
    )


def _by_torch(pixels: np.ndarray, size: tuple[int, int], rule: Resize) -> np.ndarray:
    from torchvision.transforms.v2 import InterpolationMode, functional  # takes seconds to import

    interpolation, antialias = TORCH[rule]
    planes = torch.from_numpy(np.atleast_3d(pixels).transpose(2, 0, 1).copy())
    resized = functional.resize(planes, [*size], InterpolationMode(interpolation), antialias=antialias)
    return resized.numpy().transpose(1, 2, 0).reshape(*size, *pixels.shape[2:])


def _by_opencv(pixels: np.ndarray, size: tuple[int, int], name: str) -> np.ndarray:
    opencv = _opencv()
    flag = opencv.INTER_LANCZOS4 if name == "lanczos" else getattr(opencv, f"INTER_{name.upper()}")
    return opencv.resize(pixels, size[::-1], interpolation=flag)


@cache
def _opencv() -> Any:
    return require("cv2", extra="opencv", purpose="resizing as OpenCV does")
