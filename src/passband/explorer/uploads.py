"""Pictures that a user sends: bounded before anything is decoded, decoded as data sets are, and forgotten in time."""

from __future__ import annotations

import io
import warnings
from collections import OrderedDict
from threading import Lock
from typing import Generic, NamedTuple

from PIL import Image

from passband.data.images import Decoded, Request, decode_with_notices
from passband.errors import InputError
from passband.explorer.explored import P
from passband.files import digest

MOST_BYTES = 20 * 2**20
MOST_PIXELS = 50 * 10**6
KEPT = 16
"""How many uploaded pictures are kept; older ones are forgotten."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""What is decoded. Pillow reads forty more, some with the help of other programs, which strangers' files are not given to."""

KNOWN = {*FORMATS, "MPO"}
"""What Pillow calls them: a JPEG of some phones holds several pictures, of which the first is taken."""


class Upload(NamedTuple):
    """A picture that was sent.

    Attributes:
        name: What it is called.
        decoded: What became of it.
    """

    name: str
    decoded: Decoded


def decode_upload(content: bytes, name: str, request: Request, most_pixels: int = MOST_PIXELS) -> Upload:
    """Return an uploaded picture, decoded as pictures of a data set are.

    Args:
        content: The file.
        name: What whoever sent it calls it.
        request: What is made of it.
        most_pixels: How many it may have.

    Raises:
        InputError: If it is too large, of another format, or broken; the message is for whoever sent it.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"a picture has at most {MOST_BYTES // 2**20} MiB here; this one is larger")
    called = name[:80] or "the picture"
    width, height = _measured(content, called, most_pixels)
    if width * height > most_pixels:
        raise InputError(
            f"{called} has {width:,}x{height:,} pixels, and at most {most_pixels // 10**6} million are taken. Store it smaller."
        )
    return Upload(called, decode_with_notices([content], [called], request))


def _measured(content: bytes, name: str, most_pixels: int) -> tuple[int, int]:
    """Return width and height of a picture of a known format, of which only the header is read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                kind, size = image.format, image.size
            with Image.open(io.BytesIO(content)) as image:  # as the decoder will take it
                same = image.format == kind and image.size == size
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name} has too many pixels: at most {most_pixels // 10**6} million are taken. Store it smaller."
        ) from error
    except Exception as error:  # Pillow raises a dozen kinds on broken files
        raise InputError(
            f"{name} is no picture that can be read here: {', '.join(FORMATS)} can. It may be damaged, or of another kind."
        ) from error
    if not same or kind not in KNOWN:
        raise InputError(f"{name} can be read as more than one kind of file, so it is not read at all")
    return size


class Uploads(Generic[P]):
    """The pictures that were sent last, by a name that follows from their content."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, P] = OrderedDict()
        self._lock = Lock()

    def add(self, content: bytes, picture: P) -> str:
        """Keep a picture, and return its name."""
        name = digest(content)[:16]
        with self._lock:
            self._kept[name] = picture
            self._kept.move_to_end(name)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return name

    def find(self, name: str) -> P:
        """Return a picture.

        Raises:
            InputError: If it was never sent, or is forgotten.
        """
        with self._lock:
            picture = self._kept.get(name)
        if picture is None:
            raise InputError("this picture is no longer here: the last 16 are kept. Upload it again.")
        return picture
