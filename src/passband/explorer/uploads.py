"""Pictures that a user sends: bounded before anything is decoded, decoded as data sets are, and forgotten in time."""

from __future__ import annotations

import io
import warnings
from collections import OrderedDict
from threading import Lock

from PIL import Image

from passband.data.images import Request, decode_with_notices
from passband.errors import InputError
from passband.explorer.scene import Picture, Scene
from passband.files import digest

MOST_BYTES = 20 * 2**20
MOST_PIXELS = 50 * 10**6
KEPT = 16
"""How many uploaded pictures are kept; older ones are forgotten."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""What is decoded. Pillow reads forty more, some with the help of other programs, which strangers' files are not given to."""

KNOWN = {*FORMATS, "MPO"}
"""What Pillow calls them: a JPEG of some phones holds several pictures, of which the first is taken."""


def decode_upload(content: bytes, name: str, scene: Scene) -> Picture:
    """Return an uploaded picture as an image like those of a scene, prepared as `passband audit` would prepare it.

    Raises:
        InputError: If it is too large, of another format, or broken; the message is for whoever sent it.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"a picture has at most {MOST_BYTES // 2**20} MiB here; this one is larger")
    called = name[:80] or "the picture"
    width, height = _measured(content, called)
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{called} has {width:,}x{height:,} pixels, and at most {MOST_PIXELS // 10**6} million are taken. Store it smaller."
        )
    request = Request(preparation=scene.preparation, channels=scene.images.channels)
    decoded = decode_with_notices([content], [called], request)
    return Picture(decoded.images[0], None, called, decoded.notices)


def _measured(content: bytes, name: str) -> tuple[int, int]:
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
            f"{name} has too many pixels: at most {MOST_PIXELS // 10**6} million are taken. Store it smaller."
        ) from error
    except Exception as error:  # Pillow raises a dozen kinds on broken files
        raise InputError(
            f"{name} is no picture that can be read here: {', '.join(FORMATS)} can. It may be damaged, or of another kind."
        ) from error
    if not same or kind not in KNOWN:
        raise InputError(f"{name} can be read as more than one kind of file, so it is not read at all")
    return size


class Uploads:
    """The pictures that were sent last, by a name that follows from their content."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = Lock()

    def add(self, content: bytes, picture: Picture) -> str:
        """Keep a picture, and return its name."""
        name = digest(content)[:16]
        with self._lock:
            self._kept[name] = picture
            self._kept.move_to_end(name)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return name

    def find(self, name: str) -> Picture:
        """Return a picture.

        Raises:
            InputError: If it was never sent, or is forgotten.
        """
        with self._lock:
            picture = self._kept.get(name)
        if picture is None:
            raise InputError("this picture is no longer here: the last 16 are kept. Upload it again.")
        return picture
