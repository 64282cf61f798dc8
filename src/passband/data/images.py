"""From stored images of any kind to bytes of one size: decoding, colors, resizing, and what fits in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

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


def decode_images(stored: Sequence[Stored], names: Sequence[str], request: Request) -> ByteImages:
    """Decode images as `decode_with_notices` does, where nothing needs to be said of them."""
    return decode_with_notices(stored, names, request)[0]


def decode_with_notices(
    stored: Sequence[Stored], names: Sequence[str], request: Request
) -> tuple[ByteImages, tuple[Notice, ...]]:
    """Decode images into one tensor of bytes, in order, on several threads.

    Gray stays gray unless one image of the set is in color, or `request` says otherwise. A palette counts as
    color. Transparent pixels are laid over white. Of an animation, the first frame is taken. EXIF rotation is
    not applied, as torchvision does not. Of 16 bits a channel the higher 8 are used, which is Pillow's rule for color; the
    scale is fixed, so a set that uses only the lower part of it, as 12 bits in files of 16 do, is refused.

    Args:
        stored: The images, already cut to `request.limit`.
        names: What each is called in an error message.
        request: The size and channels wanted, and the memory allowed.

    Returns:
        Pixels (samples, channels, height, width), and how many had more than 8 bits.

    Raises:
        InputError: If an image cannot be decoded, or has floats or 32 bits as pixels, if images with 16 bits reach no higher
            than half their scale, if they differ in size and none is asked for, or if they would not fit in memory.
    """
    headers = _map_chunks(lambda i: _decoded(stored[i], names[i], _header), len(stored))
    height, width = _common_size(headers, names, request)
    channels = request.channels or (3 if any(header.color for header in headers) else 1)
    request.check_memory(
        len(stored) * channels * height * width, f"{len(stored):,} images of {channels}x{height}x{width}"
    )
    pixels = np.empty((len(stored), channels, height, width), np.uint8)

    def fill(i: int) -> int | None:
        highest, image = _decoded(
            stored[i], names[i], lambda image: (_highest_of_deep(image), _convert(image, channels))
        )
        values = np.asarray(prepare(image, request.preparation)).reshape(height, width, channels)
        pixels[i] = values.transpose(2, 0, 1)
        return highest

    highest = [each for each in _map_chunks(fill, len(stored)) if each is not None]
    return torch.from_numpy(pixels), _notice_depth(highest, len(stored))


def _map_chunks(function: Callable[[int], T], count: int) -> list[T]:
    starts = range(0, count, CHUNK)
    with ThreadPoolExecutor() as pool:
        chunks = pool.map(
            lambda start: [function(i) for i in range(start, min(start + CHUNK, count))], starts
        )
        return [result for chunk in chunks for result in chunk]


def _decoded(stored: Stored, name: str, use: Callable[[Image.Image], T]) -> T:
    """Open an image, hand it to `use` and close it; say which image it was when that fails."""
    try:
        if isinstance(stored, np.ndarray):
            return use(Image.fromarray(stored))
        with Image.open(io.BytesIO(stored) if isinstance(stored, bytes) else stored) as image:
            return use(image)
    except Exception as error:
        # Pillow's decoders raise a dozen kinds on broken files, SyntaxError and struct.error among them.
        reason = "Pillow does not know its format" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"cannot decode {name}: {reason}. Mend, replace or remove it.") from error


def _header(image: Image.Image) -> _Header:
    if image.mode[0] in "IF" and not _is_deep(image):
        raise InputError(
            f"its pixels are floats, or whole numbers of more than 16 bits (mode {image.mode!r}), and nothing says what is black "
            "and what is white; save it with 8 bits, or with 16 of their full range"
        )
    return _Header(
        image.height, image.width, image.mode not in ("1", "L", "LA", "La") and image.mode[0] != "I"
    )


def _is_deep(image: Image.Image) -> bool:
    """Return whether an image is stored with 16 bits a channel, counted from 0."""
    # Pillow opens a color PNG with 16 bits a channel as "RGB" and drops the low bits; only its tiles tell.
    tiles = [str(tile[3]) for tile in getattr(image, "tile", ())]
    signed = any("S" in tile.partition(";16")[2] for tile in tiles)
    deep = image.mode.startswith("I;16") or any(";16" in tile for tile in tiles)
    return not signed and (
        deep or (image.mode == "I" and image.format == "PPM")
    )  # which Pillow scales to 16 bits


def _highest_of_deep(image: Image.Image) -> int | None:
    """Return the highest of the higher bytes of an image with 16 bits; None of another."""
    return int(np.asarray(_to_8_bits(image)).max()) if _is_deep(image) else None


def _to_8_bits(image: Image.Image) -> Image.Image:
    if image.mode[0] != "I":
        return image
    return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))


def _convert(image: Image.Image, channels: int) -> Image.Image:
    image = _to_8_bits(image)
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def _notice_depth(highest: Sequence[int], count: int) -> tuple[Notice, ...]:
    """Say how many images had 16 bits; refuse a set of which none reaches the upper half of that scale."""
    if not highest:
        return ()
    if max(highest) < 128:
        raise InputError(
            f"{len(highest):,} of {count:,} pictures have 16 bits a channel, and no pixel reaches the upper half of that scale, as "
            "of 12 bits in files of 16: they would be dark to a model. Save them on their full range, or with 8 bits"
        )
    message = f"{len(highest):,} of {count:,} pictures have 16 bits a channel: the higher 8 are used"
    return (Notice("data", message, warning=False),)


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
