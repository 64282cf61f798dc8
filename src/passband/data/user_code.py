"""Data sets that the user's own Python code makes: those of the MAITE protocol, of torch, and passband's own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from passband.data.arrays import from_arrays
from passband.data.dataset import ImageDataset
from passband.data.images import Request, Stored, decode_with_notices
from passband.data.labeling import UNLABELED, number_labels
from passband.data.order import fair_order, shuffled
from passband.data.pixels import as_bytes, channels_last, without_alpha
from passband.errors import InputError
from passband.notices import Notice
from passband.user_modules import import_code, importable, is_file, said, split_place


def load_from_code(argument: str, request: Request) -> ImageDataset:
    """Load `python:package.module:NAME` or `python:path/to/file.py:NAME`. It runs that code.

    NAME is a data set, or a function that returns one: called with `subset="train"` or `"test"` if it takes that, else it
    serves for either. A data set has a length, and its items are an image and its label: of MAITE's image classification
    (image, target, metadata), with the names of the classes in `metadata["index2label"]`; pairs, as torch and torchvision
    have them, with the names in `classes`; or it is an `ImageDataset`. Images are Pillow's, or arrays with channels first or
    last, of a type that `as_bytes` takes, all by one rule. They come in a fixed shuffled order, so that a limit takes a fair
    part and asks for no other item.

    Raises:
        InputError: If the code cannot be imported, fails, or makes something else.
    """
    module, name = split_place(argument, kind="Python data", prefix="python:")
    dataset = _make(module, name, argument, request)
    title = f"{Path(module).stem if is_file(module) else module}:{name}"
    if isinstance(dataset, ImageDataset):
        order, sorting = fair_order(dataset.labels.numpy())
        taken = dataset.take(torch.from_numpy(order[: request.count(len(order), argument)]))
        pixels, labels = taken.images[:].numpy().transpose(0, 2, 3, 1), taken.labels.numpy()
        made = from_arrays(pixels, labels, taken.classes, taken.name, request)
        return replace(made, notices=(*taken.notices, *sorting))
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise InputError(
            f"{argument} must be a data set with a length and items, or a function that returns one, got {_kind(dataset)}"
        )
    return _read(dataset, module, argument, title, request)


def _make(module: str, name: str, argument: str, request: Request) -> Any:
    found = getattr(import_code(module), name, None)
    if found is None:
        raise InputError(f"{module} has no {name!r}")
    if not callable(found) or (hasattr(found, "__getitem__") and not isinstance(found, type)):
        return found
    with importable(module):
        try:
            takes_subset = "subset" in inspect.signature(found).parameters
            return found(**({"subset": request.subset} if takes_subset else {}))
        except (Exception, SystemExit) as error:
            raise InputError(f"calling {argument} failed ({said(error)})") from error


@dataclass(frozen=True)
class _Item:
    image: Image.Image | np.ndarray
    label: Any
    scores: int = 0  # of how many classes the label was the highest


def _read(dataset: Any, module: str, argument: str, title: str, request: Request) -> ImageDataset:
    with importable(module):
        try:
            available = len(dataset)
        except Exception as error:
            raise InputError(f"{argument} has no length ({said(error)})") from error
        order = shuffled(available)[: request.count(available, argument)]
        names = [f"item {place} of {argument}" for place in order]
        items, needed = [], 0
        for place, name in zip(order, names, strict=True):
            items.append(_item(dataset, int(place), name))
            needed += _bytes(items[-1].image)
            request.check_memory(needed, f"{len(items):,} images of {argument}")
    stored, notices = _stored([item.image for item in items], argument, names)
    what = f"the labels of {argument}"
    labeling = number_labels([item.label for item in items], what, _class_names(dataset, items))
    if (labeling.labels == UNLABELED).any():
        raise InputError(f"{argument} has images without a label (null or negative). Leave them out")
    labels = torch.from_numpy(labeling.labels)
    images, seen, pictures = decode_with_notices(stored, names, request)
    notices = (*notices, *labeling.notices, *seen)
    return ImageDataset(
        images, labels, labeling.classes, title, request.subset, notices=notices, pictures=pictures
    )


def _item(dataset: Any, place: int, name: str) -> _Item:
    try:
        item = dataset[place]
    except Exception as error:
        raise InputError(f"{name} cannot be had ({said(error)})") from error
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        raise InputError(f"{name} must be an image and its label (and metadata), got {_kind(item)}")
    image, label = item[0], item[1]
    if not isinstance(image, Image.Image):
        image = _array(image, f"the image of {name}")
        if image.ndim not in (2, 3):
            raise InputError(f"{name} must be shaped (channels, height, width), got {image.shape}")
    elif image.mode[0] in "IF":  # more than 8 bits: on what scale, all of them say together
        image = np.asarray(image)
    if isinstance(label, str):
        return _Item(image, label)
    target = _array(label, f"the label of {name}")
    return _Item(image, _target(target, name), target.size if target.size > 1 else 0)


def _bytes(image: Image.Image | np.ndarray) -> int:
    return (
        image.nbytes if isinstance(image, np.ndarray) else image.width * image.height * len(image.getbands())
    )


def _array(value: Any, what: str) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    try:
        array = np.asarray(value)
    except Exception as error:
        raise InputError(f"{what} must be an array, got {_kind(value)} ({said(error)})") from error
    if array.dtype.hasobject and value is not None:
        raise InputError(f"{what} must be an array, got {_kind(value)}")
    return array


def _target(target: np.ndarray, name: str) -> Any:
    """Return a class's number, or the place of the highest of several scores, which is what MAITE calls a target."""
    if target.ndim == 0 or target.size == 1:
        return next(iter(target.reshape(-1).tolist()), None)
    if target.ndim != 1:
        raise InputError(
            f"the label of {name} must be a number or one score a class, got the shape {target.shape}"
        )
    if target.dtype.kind not in "biuf" or (target == target.max()).sum() != 1:
        raise InputError(f"the label of {name} must have one highest score, got {target[:10].tolist()}")
    return int(target.argmax())


def _class_names(dataset: Any, items: Sequence[_Item]) -> tuple[str, ...]:
    """Return the names of the classes that a data set has, in the order of their numbers."""
    metadata = getattr(dataset, "metadata", None)
    named = metadata.get("index2label") if isinstance(metadata, Mapping) else None
    if isinstance(named, Mapping) and named:
        by_number = {int(number): str(name) for number, name in named.items()}
        highest = max([*by_number, *(item.label for item in items if isinstance(item.label, int))])
        return tuple(by_number.get(number, str(number)) for number in range(highest + 1))
    classes = getattr(dataset, "classes", None)
    if isinstance(classes, list | tuple) and classes:
        return tuple(map(str, classes))
    return tuple(map(str, range(max(item.scores for item in items))))


def _stored(
    images: Sequence[Image.Image | np.ndarray], argument: str, names: Sequence[str]
) -> tuple[list[Stored], tuple[Notice, ...]]:
    """Return arrays (height, width[, channels]) of bytes: those of Pillow as they are, others by one rule for all."""
    what = f"the images of {argument}"
    arrays = [image for image in images if isinstance(image, np.ndarray)]
    found, notices = as_bytes(arrays, what) if arrays else ([], ())
    scaled = iter(found)
    stored: list[Stored] = []
    opaque: set[Notice] = set()
    for image, name in zip(images, names, strict=True):
        if isinstance(image, Image.Image):
            gray = "L" if image.mode in ("1", "L") else "RGB"
            stored.append(np.asarray(image.convert("RGBA" if image.has_transparency_data else gray)))
            continue
        pixels = next(scaled)[None]
        whole, said_of_alpha = without_alpha(channels_last(pixels, f"the image of {name}"), what)
        opaque.update(said_of_alpha)
        stored.append(np.ascontiguousarray(whole[0, ..., 0] if whole.shape[3] == 1 else whole[0]))
    return stored, (*notices, *sorted(opaque, key=str))


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
