"""From stored images of any kind to bytes of one size: decoding, colors, resizing, and what fits in memory."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError

from passband.data.resizing import prepare
from passband.errors import InputError, UnknownNameError
from passband.notices import Notice
from passband.preparation import AS_STORED, Preparation
from passband.types import ByteImages, Subset

Stored = bytes | Path | np.ndarray
"""An image as a source holds it: an encoded file's content, its path, or pixels (height, width[, 3])."""

CHUNK = 64  # images a task of the thread pool: one image a task costs as much to schedule as to decode

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What is asked of a source of images, whatever kind of source it is.

    Attributes:
        subset: `"train"` or `"test"`.
        preparation: How pictures become images of one size; without a size they must have one.
        channels: 1 (luma, ITU-R 601 as Pillow computes it), 3 (gray repeated), or None: color where at least
            one image is in color.
        limit: Take at most this many images, from the beginning.
        root: Where downloads lie.
        memory_limit: Refuse images that take more bytes than this.
    """

    subset: Subset = "test"
    preparation: Preparation = AS_STORED
    channels: int | None = None
    limit: int | None = None
    root: Path = Path()
    memory_limit: int = 8 * 2**30

    def __post_init__(self) -> None:
        """Check what a user may have typed."""
        if self.subset not in get_args(Subset):
            raise UnknownNameError("subset", self.subset, get_args(Subset))
        if self.channels not in (None, 1, 3):
            raise InputError(f"channels must be 1 (gray) or 3 (color), got {self.channels}")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1 image, got {self.limit}")

    def count(self, available: int, what: str) -> int:
        """Return how many of the `available` images of `what` are asked for.

        Raises:
            InputError: If there is none.
        """
        if available == 0:
            raise InputError(f"{what} has no images. At least one is needed.")
        return available if self.limit is None else min(available, self.limit)

    def check_memory(self, needed: int, what: str) -> None:
        """Refuse what would not fit, before it is read.

        Raises:
            InputError: If `needed` bytes, taken by `what`, are more than the memory limit.
        """
        if needed > self.memory_limit:
            raise InputError(
                f"{what} would take {needed / 2**30:.2f} GiB of memory, and the limit is "
                f"{self.memory_limit / 2**30:.2f} GiB. Take fewer images with limit=, smaller ones with size=, or "
                "raise memory_limit="
            )


@dataclass(frozen=True)
class _Header:
    height: int
    width: int
    color: bool


@dataclass(frozen=True)
class _Seen:
    transparent: bool
    rotated: bool


class _Undecoded(InputError):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"cannot decode {name}: {reason}. Mend, replace or remove it.")
        self.short = f"{name} ({reason})"


def decode_images(stored: Sequence[Stored], names: Sequence[str], request: Request) -> ByteImages:
    """Decode images as `decode_with_notices` does, where nothing needs to be said of them."""
    return decode_with_notices(stored, names, request)[0]


def decode_with_notices(
    stored: Sequence[Stored], names: Sequence[str], request: Request
) -> tuple[ByteImages, tuple[Notice, ...]]:
    """Decode images into one tensor of bytes, in order, on several threads.

    Gray stays gray unless one image of the set is in color, or `request` says otherwise. A palette counts as
    color. Of an animation, the first frame is taken. As torchvision's and timm's loaders do, alpha is dropped, so that what
    lies beneath shows, and EXIF rotation is not applied.

    Args:
        stored: The images, already cut to `request.limit`.
        names: What each is called in an error message.
        request: The size and channels wanted, and the memory allowed.

    Returns:
        Pixels (samples, channels, height, width), and how many are transparent or stored on their side.

    Raises:
        InputError: If images cannot be decoded or have more than 8 bits a channel, if they differ in
            size and none is asked for, or if they would not fit in memory.
    """
    with warnings.catch_warnings():
        # Pillow warns above 89 million pixels, which a photograph may have, and refuses twice as many.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        headers = _map_chunks(lambda i: _decoded(stored[i], names[i], _header), len(stored))
        height, width = _common_size(headers, names, request)
        channels = request.channels or (3 if any(header.color for header in headers) else 1)
        request.check_memory(
            len(stored) * channels * height * width, f"{len(stored):,} images of {channels}x{height}x{width}"
        )
        pixels = np.empty((len(stored), channels, height, width), np.uint8)

        def fill(i: int) -> _Seen:
            seen, image = _decoded(
                stored[i], names[i], lambda image: (_look(image), _convert(image, channels))
            )
            values = np.asarray(prepare(image, request.preparation)).reshape(height, width, channels)
            pixels[i] = values.transpose(2, 0, 1)
            return seen

        seen = _map_chunks(fill, len(stored))
    return torch.from_numpy(pixels), tuple(_notices(seen))


def _map_chunks(function: Callable[[int], T], count: int) -> list[T]:
    """Apply a function to the numbers below `count`, on threads; name how many images it cannot decode, and the first."""

    def attempt(i: int) -> T | _Undecoded:
        try:
            return function(i)
        except _Undecoded as error:
            return error

    starts = range(0, count, CHUNK)
    with ThreadPoolExecutor() as pool:
        chunks = pool.map(lambda start: [attempt(i) for i in range(start, min(start + CHUNK, count))], starts)
        results = [result for chunk in chunks for result in chunk]
    broken = [result for result in results if isinstance(result, _Undecoded)]
    if len(broken) > 1:
        more = f" and {len(broken) - 3:,} more" if len(broken) > 3 else ""
        raise InputError(
            f"cannot decode {len(broken):,} of {count:,} images: {'; '.join(error.short for error in broken[:3])}{more}. "
            "Mend, replace or remove them."
        ) from broken[0]
    if broken:
        raise broken[0]
    return [result for result in results if not isinstance(result, _Undecoded)]


def _decoded(stored: Stored, name: str, use: Callable[[Image.Image], T]) -> T:
    """Open an image, hand it to `use` and close it; say which image it was when that fails."""
    try:
        if isinstance(stored, np.ndarray):
            return use(Image.fromarray(stored))
        with Image.open(io.BytesIO(stored) if isinstance(stored, bytes) else stored) as image:
            return use(image)
    except Exception as error:
        # Pillow's decoders raise a dozen kinds on broken files, SyntaxError and struct.error among them.
        raise _Undecoded(name, _reason(error, stored)) from error


def _reason(error: Exception, stored: Stored) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return "it has more pixels than Pillow takes for a picture; store it smaller"
    if not isinstance(error, UnidentifiedImageError) or isinstance(stored, np.ndarray):
        return str(error).rstrip(".") or type(error).__name__
    content = stored if isinstance(stored, bytes) else stored.read_bytes()
    if not content:
        return "it is empty"
    if content.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS; fetch the file with git lfs pull"
    return "Pillow does not know its format"


def _header(image: Image.Image) -> _Header:
    # Pillow opens a color PNG with 16 bits a channel as "RGB" and drops the low bits; only its tiles tell.
    if image.mode[0] in "IF" or any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        raise InputError(f"it has more than 8 bits a channel (mode {image.mode!r}); convert it to 8 first")
    return _Header(image.height, image.width, image.mode not in ("1", "L", "LA", "La"))


def _look(image: Image.Image) -> _Seen:
    image.load()  # what stands at the end of a PNG is known only then
    transparent = image.has_transparency_data and bool(np.asarray(image.convert("RGBA"))[..., 3].min() < 255)
    orientation = 1
    with suppress(Exception):  # EXIF that is broken says nothing of the pixels
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return _Seen(transparent, orientation in range(2, 9))


def _convert(image: Image.Image, channels: int) -> Image.Image:
    image.info.pop("transparency", None)  # dropped in any case, and of a palette's Pillow would warn
    return image.convert("L" if channels == 1 else "RGB")


def _notices(seen: Sequence[_Seen]) -> list[Notice]:
    transparent, rotated = sum(each.transparent for each in seen), sum(each.rotated for each in seen)
    notices = []
    if transparent:
        message = f"{transparent:,} of {len(seen):,} pictures are transparent in part or whole; alpha is dropped, as torchvision's "
        message += "and timm's loaders do, so what lies beneath shows"
        notices.append(Notice("data", message, warning=False))
    if rotated:
        message = f"{rotated:,} of {len(seen):,} pictures are to be turned or mirrored by their EXIF; they are taken as stored, as "
        message += "torchvision's loader does and OpenCV's does not"
        notices.append(Notice("data", message))
    return notices


def _common_size(headers: Sequence[_Header], names: Sequence[str], request: Request) -> tuple[int, int]:
    if request.preparation.size is not None:
        return request.preparation.size
    first = headers[0]
    for header, name in zip(headers, names, strict=True):
        if (header.height, header.width) != (first.height, first.width):
            raise InputError(
                f"the images of a data set must have one size, but {names[0]} has {first.height}x{first.width} "
                f"pixels (height x width) and {name} has {header.height}x{header.width}. "
                f"Resize them with size=, such as size={min(first.height, first.width)}"
            )
    return first.height, first.width
