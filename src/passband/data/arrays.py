"""Arrays of pixels as data sets: NumPy's `.npz` archives and the IDX files of the MNIST family."""

from __future__ import annotations

import gzip
import math
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from passband.data.dataset import ImageDataset
from passband.data.images import Request, decode_with_notices
from passband.data.labeling import UNLABELED, number_labels
from passband.data.order import fair_order
from passband.data.pixels import as_bytes, channels_last, without_alpha
from passband.data.subset_names import SUBSET_NAMES
from passband.errors import InputError
from passband.notices import Notice
from passband.types import Subset

ROWS = 256  # read at a time

IMAGE_NAMES = ("images", "image", "imgs", "img", "x", "data", "inputs", "pixels")
LABEL_NAMES = ("labels", "label", "targets", "target", "y", "finelabels")
CLASS_NAMES = ("classes", "classnames", "labelnames", "targetnames", "categories", "names")
"""What arrays are called, in lower case, without underscores and the name of a subset."""


def load_npz(argument: str, request: Request) -> ImageDataset:
    """Load the archive `argument`, such as `numpy.savez("photos.npz", images=..., labels=...)` writes it.

    It holds images and labels, which serve for either subset, or those of both subsets: `images` and `labels`, `x_test` and
    `y_test`, `test_images` and `test_labels`, `X` and `y`, `data` and `targets`, in any case, or two arrays without a name.
    Images are shaped (samples, height, width), (samples, height, width, channels) or (samples, channels, height, width), and
    of a type that `as_bytes` takes; labels are of a kind that `number_labels` takes. An optional array `classes` holds the
    names of the classes. Samples keep their order, unless they lie there class by class (`fair_order`), and no more of the
    images is read than `request.limit` asks for.

    Raises:
        InputError: If the file is not such an archive; the message says what was found and how to convert it.
    """
    path = Path(argument).expanduser()
    with _open_archive(path) as archive:
        members = {name: _Member(archive, name, path) for name in _stored(archive)}
        images_name, labels_name = _choose_arrays(path, members, request.subset)
        member, labels = members[images_name], members[labels_name].read()
        what = f"{images_name!r} in {path}"
        if len(member.shape) not in (3, 4):
            raise InputError(
                f"images must be shaped (samples, height, width[, channels]), got {member.shape} for {what}"
            )
        if labels.shape[:1] != member.shape[:1]:
            raise InputError(
                f"{path} must have as many labels as images, got {len(np.atleast_1d(labels))} in {labels_name!r} and "
                f"{member.shape[0]} in {images_name!r}"
            )
        # The highest class may be missing from one of the subsets, which must agree on how many there are.
        others = [
            label for name in _other_labels(members, labels_name) for label in members[name].read().tolist()
        ]
        names = next((members[name].read_names() for name in members if _key(name) in CLASS_NAMES), ())
        labeling = number_labels(labels.tolist(), f"the labels {labels_name!r} in {path}", names, others)
        count = request.count(member.shape[0], what)
        request.check_memory(count * member.row_bytes, f"{count:,} images of {what}")
        order, sorting = fair_order(labeling.labels)
        chosen = order[:count]
        if (labeling.labels[chosen] == UNLABELED).any():
            raise InputError(
                f"{labels_name!r} in {path} holds negative labels, or none: those images are unlabeled. Leave them out."
            )
        rows = np.sort(chosen)
        [images], scaling = as_bytes([member.read(rows)[np.searchsorted(rows, chosen)]], what)
        images, alpha = without_alpha(channels_last(images, what), what)
    notices = (*labeling.notices, *sorting, *scaling, *alpha)
    found = from_arrays(images, labeling.labels[chosen], labeling.classes, path.stem, request)
    return replace(found, notices=(*notices, *found.notices))


def from_arrays(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str], name: str, request: Request
) -> ImageDataset:
    """Make a data set of pixels in memory, cut, resized and converted as `request` says.

    Args:
        images: uint8, shaped as `channels_last` takes them, without alpha.
        labels: Integers, shaped (samples,).
        classes: Names of the classes.
        name: What the data set is called.
        request: What is wanted of it.
    """
    count = request.count(len(images), name)
    images = channels_last(images[:count], name)
    height, width, channels = images.shape[1:]
    notices: tuple[Notice, ...] = ()
    pictures = None
    if request.preparation.leaves((height, width)) and request.channels in (None, channels):
        pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    else:
        rows = list(images[..., 0] if channels == 1 else images)
        names = [f"image {i} of {name}" for i in range(count)]
        pixels, notices, pictures = decode_with_notices(rows, names, request)
    return ImageDataset(
        pixels,
        torch.from_numpy(labels[:count].astype(np.int64)),
        tuple(classes),
        name,
        request.subset,
        notices=notices,
        pictures=pictures,
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

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def read(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Return these rows, ascending, or all; where they lie one after the other, none after the last is decompressed."""
        if self.dtype.hasobject:
            raise InputError(
                f"{self.what} holds Python objects, which could run code. Save it as a plain array: numpy.stack(images), "
                "numpy.array(labels.tolist())"
            )
        with self.archive.open(self.file) as stream:
            if rows is None or self.fortran:
                content = np.lib.format.read_array(stream)
                return content if rows is None else content[rows]
            self._read_header(stream)
            found = np.empty((len(rows), *self.shape[1:]), self.dtype)
            at = 0
            for start in range(0, int(rows[-1]) + 1, ROWS):
                size = min(ROWS, self.shape[0] - start)
                block = np.frombuffer(stream.read(size * self.row_bytes), self.dtype).reshape(
                    size, *self.shape[1:]
                )
                wanted = rows[(rows >= start) & (rows < start + size)] - start
                found[at : at + len(wanted)] = block[wanted]
                at += len(wanted)
            return found

    def read_names(self) -> tuple[str, ...]:
        """Return text, which may have been saved as objects: of these nothing else is made than an array of text."""
        if not self.dtype.hasobject:
            names = self.read().tolist()
        else:
            with self.archive.open(self.file) as stream:
                self._read_header(stream)
                try:
                    names = _TextUnpickler(stream).load().tolist()
                except (pickle.UnpicklingError, AttributeError, IndexError, TypeError) as error:
                    raise InputError(
                        f"{self.what} must hold text: {error}. Save it as numpy.array(names)"
                    ) from error
        if not isinstance(names, list) or not all(isinstance(name, str | bytes | int) for name in names):
            raise InputError(
                f"{self.what} must be a list of names, got the shape {self.shape} and the type {self.dtype}"
            )
        return tuple(
            name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names
        )

    def _read_header(self, stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        return read(stream)


class _TextUnpickler(pickle.Unpickler):
    """Makes arrays of text and nothing else, so that reading runs no code of the file."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what makes an array."""
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return np.empty(0).__reduce__()[0]
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it holds {module}.{name}")


@contextmanager
def _open_archive(path: Path) -> Generator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, and an .npz archive is a file") from error
    except FileNotFoundError as error:
        raise InputError(f"no file {path}") from error
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        if _begins_with(path, b"\x93NUMPY"):
            raise InputError(
                f"{path} holds one array, and labels are needed beside the images. Save both in one archive: "
                "numpy.savez('FILE.npz', images=images, labels=labels)"
            ) from error
        raise InputError(
            f"cannot read {path} as an .npz archive (numpy.savez writes them): {error}"
        ) from error


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _stored(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _named(stored: Iterable[str], subset: str, names: Sequence[str]) -> list[str]:
    """Return the arrays called by one of the names, before or after that of the subset."""
    wanted = {key for name in names for key in (name + subset, subset + name)}
    return [name for name in stored if _key(name) in wanted]


def _choose_arrays(path: Path, members: Mapping[str, _Member], subset: Subset) -> tuple[str, str]:
    for name in (*SUBSET_NAMES[subset], ""):
        images, labels = _named(members, name, IMAGE_NAMES), _named(members, name, LABEL_NAMES)
        if len(images) == 1 == len(labels):
            return images[0], labels[0]
        if images and labels:
            raise InputError(
                f"{path} must hold one array of images and one of labels for the {subset} subset, and holds "
                f"{', '.join(map(repr, images + labels))}. Save the right two in an archive"
            )
    if set(members) == {"arr_0", "arr_1"}:
        images, labels = sorted(members, key=lambda name: -len(members[name].shape))
        if len(members[labels].shape) < 3:
            return images, labels
    word = SUBSET_NAMES[subset][0]
    raise InputError(
        f"{path} must hold 'x_{word}' and 'y_{word}', '{word}_images' and '{word}_labels', or 'images' and 'labels' for the "
        f"{subset} subset, and holds {', '.join(members) or 'no array'}"
    )


def _other_labels(members: Mapping[str, _Member], chosen: str) -> list[str]:
    words = (*(name for names in SUBSET_NAMES.values() for name in names), "")
    found = {name for word in words for name in _named(members, word, LABEL_NAMES)}
    return sorted(found - {chosen})
