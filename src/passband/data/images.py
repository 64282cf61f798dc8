"""From stored images of any kind to bytes of one size: decoding, colors, resizing, at once or whenever they are needed."""

from __future__ import annotations

import io
import math
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from passband.data.resizing import nyquist_radius, prepare
from passband.data.stream import FEW, Indexed, StreamedImages, choose_workers
from passband.errors import InputError, UnknownNameError, few
from passband.notices import Notice
from passband.preparation import AS_STORED, Preparation
from passband.types import ByteImages, Subset

Stored = bytes | Path | np.ndarray
"""An image as a source holds it: an encoded file's content, its path, or pixels (height, width[, 3])."""

MEMORY_LIMIT = 4 * 2**30
"""Bytes that the images of a data set may take in memory, where nobody says how many."""

GRAYISH = 16  # levels by which the channels of a gray picture may differ, after JPEG
CHUNK = 16  # images a task of the thread pool: one image a task costs as much to schedule as to decode

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
        memory_limit: Keep images in memory up to so many bytes; more are decoded when they are looked at.
        num_workers: Processes that decode those; None chooses.
    """

    subset: Subset = "test"
    preparation: Preparation = AS_STORED
    channels: int | None = None
    limit: int | None = None
    root: Path = Path()
    memory_limit: int = MEMORY_LIMIT
    num_workers: int | None = None

    def __post_init__(self) -> None:
        """Check what a user may have typed."""
        if self.subset not in get_args(Subset):
            raise UnknownNameError("subset", self.subset, get_args(Subset))
        if self.channels not in (None, 1, 3):
            raise InputError(f"channels must be 1 (gray) or 3 (color), got {self.channels}")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1 image, got {self.limit}")
        choose_workers(self.num_workers)

    def count(self, available: int, what: str) -> int:
        """Return how many of the `available` images of `what` are asked for.

        Raises:
            InputError: If there is none.
        """
        if available == 0:
            raise InputError(f"{what} has no images. At least one is needed.")
        return available if self.limit is None else min(available, self.limit)

    def check_memory(self, needed: int, what: str) -> None:
        """Refuse what would not fit and cannot be read image by image, before it is read.

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
    alpha: bool
    rotated: bool
    deep: bool
    jpeg: bool


@dataclass(frozen=True)
class _Seen:
    transparent: bool
    rotated: bool
    highest: int | None = None  # of the higher bytes of an image with 16 bits a channel


class _Undecoded(InputError):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"cannot decode {name}: {reason}. Mend, replace or remove it.")
        self.short = f"{name} ({reason})"
        self.made_of = name, reason

    def __reduce__(self) -> tuple:
        """Return how a copy is made in the process that waits for the one where it was raised."""
        return type(self), self.made_of


class Decoded(NamedTuple):
    """What became of stored images.

    Attributes:
        images: Pixels (samples, channels, height, width), or what decodes them.
        notices: How many are transparent, stored on their side or of more than 8 bits, and the like.
        pictures: What decodes the same images again, so that they can be prepared otherwise; None where nothing prepares them,
            or where they are arrays for which, beside the pixels, there is no room.
    """

    images: ByteImages | StreamedImages
    notices: tuple[Notice, ...]
    pictures: StreamedImages | None


def decode_images(stored: Indexed, names: Sequence[str], request: Request) -> ByteImages | StreamedImages:
    """Decode images as `decode_with_notices` does, where nothing needs to be said of them."""
    return decode_with_notices(stored, names, request).images


def decode_with_notices(stored: Indexed, names: Sequence[str], request: Request) -> Decoded:
    """Decode images into one tensor of bytes, in order, on torch's threads; if it is too large, whenever they are needed.

    The header of every image is read at once, so that most of what is wrong with one is known before a model sees the first.

    Gray stays gray unless one image of the set is in color, or `request` says otherwise. A palette counts as
    color. Of an animation, the first frame is taken. As torchvision's and timm's loaders do, alpha is dropped, so that what
    lies beneath shows, and EXIF rotation is not applied. Of 16 bits a channel the higher 8 are used, which is Pillow's rule
    for color; the scale is fixed, so a set that uses only the lower part of it, as 12 bits in files of 16 do, is refused.

    Args:
        stored: The images, already cut to `request.limit`.
        names: What each is called in an error message.
        request: The size and channels wanted, and the memory allowed.

    Raises:
        InputError: If images cannot be decoded, or have floats or 32 bits as pixels, if images with 16 bits reach no higher
            than half their scale, or if they differ in size and none is asked for.
    """
    with warnings.catch_warnings():
        # Pillow warns above 89 million pixels, which a photograph may have, and refuses twice as many.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        headers, lengths = zip(*_map_chunks(partial(_measured, names), stored), strict=True)
        height, width = _common_size(headers, names, request)
        channels = request.channels or (3 if any(header.color for header in headers) else 1)
        shape = torch.Size((len(stored), channels, height, width))
        decode = Decoder(channels, request.preparation)
        known = tuple(_of_headers(headers, request.preparation))
        if channels == 1:
            known += _of_color(stored, names, headers)
        arrays = isinstance(stored[0], np.ndarray)
        # Arrays are in this process's memory, and each worker would have all of them in its own.
        workers = 0 if arrays else choose_workers(request.num_workers)
        mean = sum(lengths) / len(lengths)
        sizes = frozenset((header.height, header.width) for header in headers)
        everything = torch.arange(len(stored))
        streamed = StreamedImages(stored, names, decode, shape, mean, workers, everything, sizes=sizes)
        prepared = request.preparation.size is not None
        if shape.numel() > request.memory_limit:
            said = (*_notices(_glanced(stored, names, headers)), *known)
            return Decoded(streamed, said, streamed if prepared else None)
        pixels = np.empty(shape, np.uint8)

        def fill(i: int, image: Stored) -> _Seen:
            seen, pixels[i] = decode.look(image, names[i])
            return seen

        seen = _map_chunks(fill, stored)
    held = pixels.nbytes + (sum(each.nbytes for each in stored) if arrays else 0)
    kept = streamed if prepared and held <= request.memory_limit else None
    return Decoded(torch.from_numpy(pixels), (*_notices(seen), *known), kept)


@dataclass(frozen=True)
class Decoder:
    """From a stored image to its pixels.

    Attributes:
        channels: 1 or 3.
        preparation: How it becomes one of the size that is wanted.
    """

    channels: int
    preparation: Preparation

    def __call__(self, stored: Stored, name: str) -> UInt8[np.ndarray, "channels height width"]:
        """Decode an image.

        Raises:
            InputError: If it cannot be decoded.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return self.look(stored, name)[1]

    def look(self, stored: Stored, name: str) -> tuple[_Seen, UInt8[np.ndarray, "channels height width"]]:
        """Decode an image, and return what is to be noticed of it too."""
        seen, image = _decoded(stored, name, lambda image: (_look(image), _convert(image, self.channels)))
        return seen, self._pixels(image, self.preparation)

    def _pixels(self, image: Image.Image, how: Preparation) -> UInt8[np.ndarray, "channels height width"]:
        values = np.asarray(prepare(image, how))
        return values.reshape(*values.shape[:2], self.channels).transpose(2, 0, 1)


@dataclass(frozen=True)
class SeveralWays(Decoder):
    """From a stored image to its pixels in several preparations: the channels of the first, then those of each other.

    Attributes:
        others: The preparations beside the first, of its size.
    """

    others: tuple[Preparation, ...]

    def look(self, stored: Stored, name: str) -> tuple[_Seen, UInt8[np.ndarray, "channels height width"]]:
        """Decode an image once, prepare it in each way, and return what is to be noticed of it too."""
        seen, image = _decoded(stored, name, lambda image: (_look(image), _convert(image, self.channels)))
        return seen, np.concatenate([self._pixels(image, how) for how in (self.preparation, *self.others)])


def _measured(names: Sequence[str], i: int, image: Stored) -> tuple[_Header, int]:
    """Return the header of an image, and what the image takes in memory as it is stored."""
    return _decoded(image, names[i], _header), len(image) if isinstance(image, bytes) else 0


def _glanced(stored: Indexed, names: Sequence[str], headers: Sequence[_Header]) -> list[_Seen]:
    """Return what is to be noticed of images of which only those are decoded now that may be transparent, or dark."""
    if not any(header.alpha or header.deep for header in headers):
        return [_Seen(transparent=False, rotated=header.rotated) for header in headers]

    def glance(i: int, image: Stored) -> _Seen:
        header = headers[i]
        if header.alpha or header.deep:
            return _decoded(image, names[i], _look)
        return _Seen(False, header.rotated)

    return _map_chunks(glance, stored)


def _map_chunks(function: Callable[[int, Stored], T], stored: Indexed) -> list[T]:
    """Apply a function to each position and image; name how many images it cannot decode, and the first.

    Pillow decodes and resizes without Python's lock, so threads share the work: as many as torch may use here, so that who
    limits those, as studies do that train several networks side by side, limits these.
    """
    count = len(stored)
    reading = threading.Lock()  # one thread reads at a time, nearly in the order of the file

    def attempt(i: int, image: Stored) -> T | _Undecoded:
        try:
            return function(i, image)
        except _Undecoded as error:
            return error

    def part(start: int) -> list[T | _Undecoded]:
        with reading:
            images = [stored[i] for i in range(start, min(start + CHUNK, count))]
        return [attempt(start + i, image) for i, image in enumerate(images)]

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        results = [result for results in pool.map(part, range(0, count, CHUNK)) for result in results]
    broken = [result for result in results if isinstance(result, _Undecoded)]
    if len(broken) > 1:
        named = few([error.short for error in broken], 3, "; ")
        raise InputError(
            f"cannot decode {len(broken):,} of {count:,} images: {named}. Mend, replace or remove them."
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
    deep = _is_deep(image)
    if image.mode[0] in "IF" and not deep:
        raise InputError(
            f"its pixels are floats, or whole numbers of more than 16 bits (mode {image.mode!r}), and nothing says what is black "
            "and what is white; save it with 8 bits, or with 16 of their full range"
        )
    # A PNG may have its EXIF at the end, where it is found only by decoding it; a JPEG has it in front.
    rotated = ("exif" in image.info or image.format != "PNG") and _rotated(image)
    color = image.mode not in ("1", "L", "LA", "La") and image.mode[0] != "I"
    jpeg = image.format in ("JPEG", "MPO")
    return _Header(image.height, image.width, color, image.has_transparency_data, rotated, deep, jpeg)


def _is_deep(image: Image.Image) -> bool:
    """Return whether an image is stored with 16 bits a channel, counted from 0."""
    # Pillow opens a color PNG with 16 bits a channel as "RGB" and drops the low bits; only its tiles tell.
    tiles = [str(tile[3]) for tile in getattr(image, "tile", ())]
    signed = any("S" in tile.partition(";16")[2] for tile in tiles)
    deep = image.mode.startswith("I;16") or any(";16" in tile for tile in tiles)
    # Pillow scales what PPM files hold to 16 bits.
    return not signed and (deep or (image.mode == "I" and image.format == "PPM"))


def _look(image: Image.Image) -> _Seen:
    deep = _is_deep(image)  # before it is loaded: then its tiles are gone
    image.load()  # what stands at the end of a PNG is known only then
    alpha = image.has_transparency_data and image.mode[0] != "I"
    transparent = alpha and bool(np.asarray(image.convert("RGBA"))[..., 3].min() < 255)
    return _Seen(transparent, _rotated(image), int(np.asarray(_to_8_bits(image)).max()) if deep else None)


def _to_8_bits(image: Image.Image) -> Image.Image:
    if image.mode[0] != "I":
        return image
    return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))


def _rotated(image: Image.Image) -> bool:
    with suppress(Exception):  # EXIF that is broken says nothing of the pixels
        return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    return False


def _convert(image: Image.Image, channels: int) -> Image.Image:
    image.info.pop("transparency", None)  # dropped in any case, and of a palette's Pillow would warn
    image = _to_8_bits(image)
    return image.convert("L" if channels == 1 else "RGB")


def _of_headers(headers: Sequence[_Header], how: Preparation) -> Iterator[Notice]:
    """Say what is wrong with high frequencies, as far as it follows from how images are stored and prepared.

    Once they are resized, it can hardly be told from their pixels any more.
    """
    reached = [
        r for header in headers if (r := nyquist_radius((header.height, header.width), how)) is not None
    ]
    if reached:
        yield Notice(
            "data",
            f"{len(reached):,} of {len(headers):,} pictures were enlarged: beyond radius {math.floor(min(reached))}, which is as far "
            "as the smallest of them reaches, the HFC is made by interpolation",
        )
    if jpeg := sum(header.jpeg and not how.leaves((header.height, header.width)) for header in headers):
        yield Notice(
            "data",
            f"{jpeg:,} of {len(headers):,} pictures are JPEG files that were resized: a part of their high frequencies is "
            "compression's, also where no trace of it is found",
            warning=False,
        )


def _of_color(stored: Indexed, names: Sequence[str], headers: Sequence[_Header]) -> tuple[Notice, ...]:
    """Say that color is lost, if a few of the images that are stored in color show some."""

    def spread(image: Image.Image) -> int:
        pixels = np.asarray(image.convert("RGB")).astype(int)
        return int((pixels.max(axis=2) - pixels.min(axis=2)).max())

    looked_at = [i for i, header in enumerate(headers) if header.color][:FEW]
    if not any(_decoded(stored[i], names[i], spread) > GRAYISH for i in looked_at):
        return ()
    return (Notice("data", "the pictures are in color, and are shown to a model of one channel in gray"),)


def _notices(seen: Sequence[_Seen]) -> list[Notice]:
    """Say what is odd about how many images.

    Raises:
        InputError: If there are images with 16 bits, and none reaches the upper half of that scale.
    """
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
    if deep := [each.highest for each in seen if each.highest is not None]:
        message = f"{len(deep):,} of {len(seen):,} pictures have 16 bits a channel"
        if max(deep) < 128:
            raise InputError(
                f"{message}, and no pixel reaches the upper half of that scale, as of 12 bits in files of 16: they would be dark "
                "to a model. Save them on their full range, or with 8 bits"
            )
        notices.append(Notice("data", f"{message}: the higher 8 are used", warning=False))
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
