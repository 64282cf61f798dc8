"""What is given in place of a data set, or of its parts, and the line that makes one of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from passband.errors import InputError

BYTES = "(255 * {}).round().byte()"
MADE = 'data = passband.ImageDataset({images}, {labels}, classes=("cat", "dog"), name="mine")'
RANGE = "with all your classes' names, and images in [0, 1] (not normalized: that is a part of the model, mean= and std= of passband.PixelModel)"


def check_images(images: Any) -> None:
    """Refuse images that are no bytes: numbers from 0 to 1 would be taken for nearly black ones.

    Raises:
        InputError: If they are something else; it says how they are made what they have to be.
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        raise InputError(
            f"images are bytes from 0 to 255, shaped (samples, channels, height, width), got {_described(images)}. {_bytes_of(images)}"
        )
    if images.shape[1] > 4 and images.shape[3] in (1, 3):
        raise InputError(
            f"images are shaped (samples, channels, height, width), got {tuple(images.shape)}: write images.permute(0, 3, 1, 2)"
        )


def check_labels(labels: Any) -> None:
    """Refuse labels that are no class numbers.

    Raises:
        InputError: If they are something else; it says how they are made what they have to be.
    """
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
        how = "torch.as_tensor(labels).long()"
        raise InputError(
            f"labels are class numbers from 0 on, shaped (samples,) and int64, got {_described(labels)}: write {how}"
        )


def refuse_as_dataset(given: Any) -> InputError:
    """Return the message for what is no data set: with the line that makes one of it, where that can be told."""
    if isinstance(given, DataLoader):
        lines = ["images, labels = map(torch.cat, zip(*loader))", _made("images", "labels")]
    elif isinstance(given, Tensor):
        lines = [_made("images", "labels")]
    elif isinstance(given, list | tuple) and given and all(isinstance(each, Tensor) for each in given):
        pair = len(given) == 2 and given[0].ndim == 4
        lines = [
            _made("data[0]", "data[1]") if pair else _made("torch.stack(images)", "torch.as_tensor(labels)")
        ]
    elif isinstance(given, str | Path):
        lines = [f"data = passband.load_dataset({str(given)!r})"]
        return InputError(
            f"data is a passband.ImageDataset, got a {type(given).__name__}. Write:\n    {lines[0]}"
        )
    elif hasattr(given, "annotations"):
        return InputError(
            "annotated images are for detectors: write passband.audit_detector(detector, data), or give a passband.ImageDataset"
        )
    elif hasattr(given, "__getitem__") and hasattr(given, "__len__"):
        lines = ["images, labels = zip(*dataset)", _made("torch.stack(images)", "torch.as_tensor(labels)")]
    else:
        lines = [_made("images", "labels")]
    written = "\n    ".join(lines)
    return InputError(
        f"data is a passband.ImageDataset, got a {type(given).__name__}. Write:\n    {written}\n{RANGE}."
    )


def _made(images: str, labels: str) -> str:
    return MADE.format(images=BYTES.format(images), labels=labels)


def _bytes_of(images: Any) -> str:
    """Return what makes bytes of images."""
    if not isinstance(images, Tensor):
        stacked = "torch.stack(images)" if isinstance(images, list | tuple) else "torch.as_tensor(images)"
        return f"Write {stacked}, and {BYTES.format('images')} if they are in [0, 1]."
    if images.ndim == 3:
        return "Write images[:, None], which gives gray images their one channel."
    if images.is_floating_point():
        return f"Write {BYTES.format('images')} of images in [0, 1]."
    return "Write images.byte() of whole numbers from 0 to 255."


def _described(value: Any) -> str:
    if isinstance(value, Tensor) or hasattr(value, "dtype"):
        return f"a {type(value).__name__} of {str(value.dtype).removeprefix('torch.')}, shaped {tuple(value.shape)}"
    return f"a {type(value).__name__}"
