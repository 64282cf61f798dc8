"""Arrays of pixels as data sets: NumPy's `.npz` archives and the IDX files of the MNIST family."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from passband.data.dataset import ImageDataset
from passband.data.images import Request, decode_images
from passband.errors import InputError
from passband.types import Subset

ARRAY_NAMES: dict[Subset, tuple[tuple[str, str], ...]] = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels")),
    "test": (
        ("x_test", "y_test"),
        ("test_images", "test_labels"),
        ("val_images", "val_labels"),
        ("images", "labels"),
    ),
}
"""Names of the images and the labels in an archive, in the order tried: Keras', MedMNIST's, and one subset alone."""


def load_npz(argument: str, request: Request) -> ImageDataset:
    """Load the archive `argument`, such as `numpy.savez("photos.npz", images=..., labels=...)` writes it.

    It holds `images` and `labels`, which serve for either subset, or both subsets under Keras' names (`x_train`,
    `y_train`, `x_test`, `y_test`) or MedMNIST's (`train_images`, ...). Images are uint8, or floats in [0, 1],
    shaped (samples, height, width), (samples, height, width, channels) or (samples, channels, height, width)
    with 1 or 3 channels; labels are integers shaped (samples,) or (samples, 1). An optional array `classes`
    holds the names of the classes. No more of the images is read than `request.limit` asks for.

    Raises:
        InputError: If the file is not such an archive; the message says what was found and how to convert it.
    """
    path = Path(argument).expanduser()
    with _open_archive(path) as archive:
        stored = [name.removesuffix(".npy") for name in archive.namelist()]
        images_name, labels_name = _choose_arrays(path, stored, request.subset)
        labels = _read_labels(archive, labels_name, path)
        # The highest class may be missing from one of the subsets, which must agree on how many there are.
        others = {name for pairs in ARRAY_NAMES.values() for _, name in pairs} & set(stored) - {labels_name}
        highest = max(
            int(each.max(initial=0)) for each in (labels, *(_read_labels(archive, o, path) for o in others))
        )
        classes = [str(number) for number in range(highest + 1)]
        if "classes" in stored:
            classes = [str(name) for name in _Member(archive, "classes", path).read()]
        member = _Member(archive, images_name, path)
        if len(member.shape) not in (3, 4):
            raise InputError(
                f"images must be shaped (samples, height, width[, channels]), got {member.shape} for {images_name!r} "
                f"in {path}"
            )
        if len(labels) != member.shape[0]:
            raise InputError(
                f"{path} must have as many labels as images, got {len(labels)} in {labels_name!r} and "
                f"{member.shape[0]} in {images_name!r}"
            )
        count = request.count(member.shape[0], f"{images_name!r} in {path}")
        request.check_memory(count * member.row_bytes, f"{count:,} images of {images_name!r} in {path}")
        images = _as_bytes(member.read(count), f"{images_name!r} in {path}")
    return from_arrays(images, labels[:count], classes, path.stem, request)


def from_arrays(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str], name: str, request: Request
) -> ImageDataset:
    """Make a data set of pixels in memory, cut, resized and converted as `request` says.

    Args:
        images: uint8, shaped (samples, height, width), (samples, height, width, channels) or
            (samples, channels, height, width).
        labels: Integers, shaped (samples,).
        classes: Names of the classes.
        name: What the data set is called.
        request: What is wanted of it.
    """
    count = request.count(len(images), name)
    images = _channels_last(images[:count], name)
    height, width, channels = images.shape[1:]
    if request.preparation.leaves((height, width)) and request.channels in (None, channels):
        pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    else:
        rows = list(images[..., 0] if channels == 1 else images)
        pixels = decode_images(rows, [f"image {i} of {name}" for i in range(count)], request)
    return ImageDataset(
        pixels, torch.from_numpy(labels[:count].astype(np.int64)), tuple(classes), name, request.subset
    )


def read_idx(path: Path, limit: int | None = None) -> np.ndarray:
    """Read unsigned bytes in the IDX format of the MNIST family, compressed with gzip or not.

    Args:
        path: The file.
        limit: Read at most this many items, along the first axis.

    Raises:
        InputError: If the file is missing, truncated or not IDX.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            zeros, kind, axes = struct.unpack(">HBB", file.read(4))
            if zeros != 0 or kind != 0x08:  # 8: unsigned byte, the only kind the MNIST family has
                raise InputError(
                    f"{path} must be an IDX file of unsigned bytes, and its first bytes say otherwise"
                )
            items, *shape = struct.unpack(f">{axes}I", file.read(4 * axes))
            items = items if limit is None else min(items, limit)
            content = file.read(items * math.prod(shape))
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise InputError(f"cannot read {path} as an IDX file: {error}") from error
    if len(content) < items * math.prod(shape):
        raise InputError(f"{path} is truncated: fetch it again")
    return np.frombuffer(content, np.uint8).reshape(items, *shape)


class _Member:
    """One array of an archive: its shape and type are known before its content is read."""

    def __init__(self, archive: zipfile.ZipFile, name: str, path: Path) -> None:
        self.archive, self.file, self.what = archive, f"{name}.npy", f"{name!r} in {path}"
        with self.archive.open(self.file) as stream:
            self.shape, self.fortran, self.dtype = self._read_header(stream)
        if self.dtype.hasobject:
            raise InputError(
                f"{self.what} holds Python objects. Save it as a plain array: numpy.stack(images)"
            )

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def read(self, count: int | None = None) -> np.ndarray:
        """Return the first `count` rows; where they lie one after the other, no others are decompressed."""
        with self.archive.open(self.file) as stream:
            if count is None or self.fortran:
                return np.lib.format.read_array(stream)[:count]
            self._read_header(stream)
            return np.frombuffer(stream.read(count * self.row_bytes), self.dtype).reshape(
                count, *self.shape[1:]
            )

    def _read_header(self, stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        return read(stream)


@contextmanager
def _open_archive(path: Path) -> Generator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError as error:
        raise InputError(f"no file {path}") from error
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"cannot read {path} as an .npz archive (numpy.savez writes them): {error}"
        ) from error


def _choose_arrays(path: Path, stored: Sequence[str], subset: Subset) -> tuple[str, str]:
    for pair in ARRAY_NAMES[subset]:
        if set(pair) <= set(stored):
            return pair
    expected = " or ".join(f"{images!r} and {labels!r}" for images, labels in ARRAY_NAMES[subset])
    raise InputError(
        f"{path} must hold {expected} for the {subset} subset, and holds {', '.join(stored) or 'nothing'}"
    )


def _read_labels(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    labels = _Member(archive, name, path).read()
    if labels.ndim == 2 and labels.shape[1] == 1:  # as Keras and MedMNIST have them
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels must be integers shaped (samples,), got {labels.dtype} shaped {labels.shape} for {name!r} in "
            f"{path}. One-hot labels become integers with .argmax(1)"
        )
    if labels.min(initial=0) < 0:
        raise InputError(
            f"{name!r} in {path} holds negative labels: those images are unlabeled. Leave them out."
        )
    return labels


def _as_bytes(images: np.ndarray, what: str) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise InputError(
            f"pixels must be uint8, or floats in [0, 1], got {images.dtype} for {what}. If they lie between 0 and "
            "255, convert with images.astype('uint8')"
        )
    if not np.isfinite(images).all():
        raise InputError(f"pixels must be finite, got NaN or infinity for {what}")
    lowest, highest = images.min(), images.max()
    if lowest < 0 or highest > 1:
        conversion = (
            "(images + 1) / 2"
            if lowest >= -1 and highest <= 1
            else "images / 255"
            if lowest >= 0 and highest <= 255
            else "images * std + mean, with the mean and standard deviation that they were normalized with"
        )
        raise InputError(
            f"float pixels must lie in [0, 1], got {lowest:g} to {highest:g} for {what}. Convert them: {conversion}"
        )
    return np.rint(images * 255).astype(np.uint8)


def _channels_last(images: np.ndarray, what: str) -> np.ndarray:
    if images.ndim == 3:
        return images[..., None]
    if images.shape[3] in (1, 3):
        return images
    if images.shape[1] in (1, 3):
        return images.transpose(0, 2, 3, 1)
    raise InputError(
        f"images must have 1 or 3 channels, as second or last axis, got the shape {images.shape} for {what}"
    )
