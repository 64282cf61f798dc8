"""Image files sorted into one folder a class."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from passband.data.dataset import ImageDataset
from passband.data.images import Request, decode_with_notices
from passband.errors import InputError
from passband.types import Subset

SUBSET_FOLDERS: dict[Subset, tuple[str, ...]] = {"train": ("train",), "test": ("test", "val", "validation")}
"""What the folder of a subset is called, in the order tried."""

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}


def load_folder(argument: str, request: Request) -> ImageDataset:
    """Load the images under the folder `argument`, one folder a class.

    Either `PATH/train/<class>/*.png` with `PATH/test`, `PATH/val` or `PATH/validation` beside it, or
    `PATH/<class>/*.png`, which then serves for either subset. Classes are the sorted folder names of all
    subsets together. The images come in a fixed shuffled order, so that a prefix is a fair subset: a folder
    listed by name would begin with one class alone.

    Raises:
        InputError: If there is no such folder, it holds no images or is laid out in another way, or an image
            cannot be decoded.
    """
    path = Path(argument).expanduser()
    if not path.is_dir():
        raise InputError(f"no folder {path}")
    subsets = [
        folder
        for names in SUBSET_FOLDERS.values()
        for folder in (path / name for name in names)
        if folder.is_dir() and _class_folders(folder)
    ]
    folder = _choose_folder(path, subsets, request.subset) if subsets else path
    classes = sorted({each.name for parent in subsets or [path] for each in _class_folders(parent)})
    if not classes:
        raise InputError(
            f"{path} must hold one folder of images a class, such as {path}/cat and {path}/dog, or train "
            "and test folders of that kind, and holds none"
        )
    return load_class_folders(folder, classes, classes, path.resolve().name, request)


def load_class_folders(
    folder: Path, folders: Sequence[str], classes: Sequence[str], name: str, request: Request
) -> ImageDataset:
    """Load `folder/<one of folders>/...`, in the order of `shuffle_key`.

    Args:
        folder: Where the folders of the classes are.
        folders: Their names, in the order of the labels. One that is missing has no images.
        classes: What each class is called.
        name: What the data set is called.
        request: What is wanted of it.
    """
    labels = {
        file: label
        for label, each in enumerate(folders)
        for file in (folder / each).rglob("*")
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    }
    count = request.count(len(labels), f"{folder} (files named {', '.join(sorted(SUFFIXES))})")
    files = sorted(labels, key=lambda file: shuffle_key(file.relative_to(folder)))[:count]
    images, notices = decode_with_notices(files, [str(file) for file in files], request)
    return ImageDataset(
        images,
        torch.tensor([labels[file] for file in files]),
        tuple(classes),
        name,
        request.subset,
        notices=notices,
    )


def shuffle_key(path: Path) -> bytes:
    """Return what to sort files by for an order that looks random and is the same on every machine."""
    return hashlib.sha256(path.as_posix().encode()).digest()


def _class_folders(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.is_dir() and not each.name.startswith((".", "__"))]


def _choose_folder(path: Path, subsets: Sequence[Path], subset: Subset) -> Path:
    for name in SUBSET_FOLDERS[subset]:
        if path / name in subsets:
            return path / name
    raise InputError(
        f"{path} must hold a folder {' or '.join(map(repr, SUBSET_FOLDERS[subset]))} for the {subset} subset, and "
        f"holds {', '.join(repr(each.name) for each in subsets)}. Another folder can be given itself: folder:{subsets[0]}"
    )
