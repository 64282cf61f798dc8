"""Detections from what a detector returns: one mapping an image, with boxes, scores and labels. What cannot be is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from passband.detection.objects import Detections
from passband.errors import InputError
from passband.notices import Notice

KEYS = ("boxes", "scores", "labels")

ROUNDING = 1e-2
"""By how many pixels the right edge of a box may lie left of its left one: edges are rounded, and held to the image."""

TELLING = 10
"""From how many boxes on it is said what is strange about all of them."""

BEYOND = 1.1
"""Boxes that end beyond this share of the image's sides leave it by more than carelessness."""

LARGE = 50
"""In images of so many pixels a side, boxes within the first pixel are strange."""


def read_answers(answers: Any, count: int, *, name: str) -> list[Detections]:
    """Return what a detector found in each of `count` images, on the CPU.

    Args:
        answers: A sequence of one mapping an image, as torchvision's detectors return them: `boxes` (left, top, right and
            bottom edge in pixels), `scores` and `labels`, as tensors, arrays or lists.
        count: How many images it was shown.
        name: What messages call the detector.

    Raises:
        InputError: If there is not one answer an image, or one cannot be read: a key is missing, shapes do not fit, a number
            is not finite, a label is not whole, or a box ends left of where it begins.
    """
    if isinstance(answers, Mapping) or not isinstance(answers, Sequence):
        raise InputError(
            f"{name} must return a list of one dict an image, with {', '.join(KEYS)}; got a {type(answers).__name__}"
        )
    if len(answers) != count:
        raise InputError(
            f"{name} must return one dict an image: it was shown {count} and returned {len(answers)}"
        )
    return [_read(answer, name) for answer in answers]


class Watch:
    """What is strange about what a detector has found so far: boxes as shares of the image or beyond it, scores that are no shares.

    Args:
        name: What notices call the detector.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._boxes, self._in_first_pixel, self._beyond, self._unbounded = 0, 0, 0, False

    def see(self, sizes: Sequence[tuple[int, int]], found: Sequence[Detections]) -> None:
        """Look at what was found in images of these heights and widths."""
        for size, each in zip(sizes, found, strict=True):
            self._unbounded |= bool(((each.scores < 0) | (each.scores > 1)).any())
            if min(size) >= LARGE:
                boxes = each.boxes[(each.boxes[:, 2:] > each.boxes[:, :2]).all(1)]
                self._boxes += len(boxes)
                self._in_first_pixel += int((boxes.abs() <= 1.5).all(1).sum())
                ends = torch.tensor([BEYOND * size[1], BEYOND * size[0]])
                self._beyond += int((boxes[:, 2:] > ends).any(1).sum())

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is to be said of it."""
        said = []
        if self._boxes >= TELLING and self._in_first_pixel == self._boxes:
            said.append(
                Notice(
                    "model",
                    f"all boxes of {self.name} lie within the first pixel: they may be shares of the image, between 0 and 1. "
                    f"Boxes are edges in pixels: multiply them by the image's width and height.",
                )
            )
        if self._boxes >= TELLING and 2 * self._beyond > self._boxes:
            said.append(
                Notice(
                    "model",
                    f"most boxes of {self.name} leave their image. Boxes are left, top, right and bottom edge in pixels of the image "
                    f"that was given, before any resize; these may be of another size, or hold width and height.",
                )
            )
        if self._unbounded:
            message = f"scores of {self.name} leave [0, 1], as logits do: only their order counts"
            said.append(Notice("model", message, warning=False))
        return tuple(said)


def label_names_of(detector: object, name: str) -> dict[int, str] | None:
    """Return what an attribute `label_names` or `categories` says: a name for each label, or names in order, from 0 on.

    Raises:
        InputError: If it says something else.
    """
    names = getattr(detector, "label_names", None)
    names = getattr(detector, "categories", None) if names is None else names
    if names is None:
        return None
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names) if _is_list(names) else None
    try:
        if pairs is None:
            raise TypeError(f"a {type(names).__name__}")
        return {int(label): str(each) for label, each in pairs}
    except (TypeError, ValueError) as error:
        raise InputError(
            f"label_names of {name} must be a dict from labels, which are whole numbers, to names, or a list of names from label "
            f"0 on; got {error}"
        ) from error


def _is_list(names: object) -> bool:
    return isinstance(names, Sequence) and not isinstance(names, str)


def _read(answer: Any, name: str) -> Detections:
    if not isinstance(answer, Mapping):
        raise InputError(
            f"{name} must return one dict an image, with {', '.join(KEYS)}; got a {type(answer).__name__}"
        )
    missing = [key for key in KEYS if key not in answer]
    if missing:
        raise InputError(
            f"{name} must return {', '.join(KEYS)} of each image; {' and '.join(missing)} missing, "
            f"it has {', '.join(map(str, answer)) or 'nothing'}"
        )
    boxes, scores, labels = (_numbers(answer[key], key, name) for key in KEYS)
    if boxes.numel() == scores.numel() == labels.numel() == 0:
        boxes, scores, labels = boxes.reshape(0, 4), scores.reshape(0), labels.reshape(0)
    many = len(boxes) if boxes.ndim else 0
    if boxes.shape != (many, 4) or scores.shape != (many,) or labels.shape != (many,):
        shapes = ", ".join(
            f"{key} {tuple(v.shape)}" for key, v in zip(KEYS, (boxes, scores, labels), strict=True)
        )
        raise InputError(
            f"{name} must return boxes (objects, 4), scores (objects,) and labels (objects,); got {shapes}"
        )
    for key, values in (("boxes", boxes), ("scores", scores), ("labels", labels)):
        if not bool(values.isfinite().all()):
            raise InputError(f"{name} returned {key} that are NaN or infinite")
    if labels.is_floating_point() and not bool((labels == labels.round()).all()):
        raise InputError(
            f"{name} must return whole numbers as labels, got {labels[labels != labels.round()][0].item()}"
        )
    return Detections(_ordered(boxes, name), scores, labels.long())


def _ordered(boxes: Tensor, name: str) -> Tensor:
    """Return boxes whose right and lower edges do not come before the others, which differ by rounding at most."""
    sides = boxes[:, 2:] - boxes[:, :2]
    bad = (sides < -ROUNDING).any(1)
    if bool(bad.any()):
        example = ", ".join(f"{value:g}" for value in boxes[bad][0].tolist())
        raise InputError(
            f"{int(bad.sum())} of {len(boxes)} boxes of {name} end before they begin, such as ({example}). Boxes are left, top, "
            f"right and bottom edge in pixels; these may be left, top, width and height, or a center with width and height."
        )
    return torch.cat([boxes[:, :2], torch.maximum(boxes[:, :2], boxes[:, 2:])], dim=1)


def _numbers(value: Any, key: str, name: str) -> Tensor:
    """Return boxes, scores or labels as a tensor on the CPU: real numbers as float32 or float64, whole ones as int64."""
    try:
        array = value.detach().cpu() if isinstance(value, Tensor) else np.asarray(_plain(value))
        found = array if isinstance(array, Tensor) else torch.from_numpy(np.ascontiguousarray(array))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} returned {key} that are no numbers ({error})") from error
    if found.dtype == torch.bool or found.is_complex():
        raise InputError(f"{name} returned {key} of the type {found.dtype}, expected real numbers")
    if key == "labels":
        return found if found.is_floating_point() else found.long()
    return found if found.dtype in (torch.float32, torch.float64) else found.float()


def _plain(value: Any) -> Any:
    """Return a list with its tensors as arrays: NumPy takes a list of numbers, not one of tensors on a GPU."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value
