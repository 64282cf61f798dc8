"""Files of pictures as people send them: good ones of many kinds, and bad ones."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """Return a picture with some structure."""
    values = np.add.outer(np.arange(height) * 3, np.arange(width) * 2) % 256
    colors = np.stack([values, values[::-1], 255 - values], axis=2).astype(np.uint8)
    return Image.fromarray(colors).convert(mode)


def saved(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def turned() -> bytes:
    """Return a JPEG that EXIF turns by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture(), "JPEG", exif=exif)


def deep(highest: int = 65535) -> bytes:
    """Return a PNG with 16 bits a pixel."""
    values = np.linspace(0, highest, 40 * 30).reshape(30, 40).astype(np.uint16)
    return saved(Image.fromarray(values), "PNG")


def claims(width: int, height: int) -> bytes:
    """Return a PNG that says it has so many pixels, and has none."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + end


GOOD = {
    "color.png": saved(picture(), "PNG"),
    "photo.jpg": saved(picture(), "JPEG"),
    "cmyk.jpg": saved(picture(mode="CMYK"), "JPEG"),
    "gray.png": saved(picture(mode="L"), "PNG"),
    "palette.gif": saved(picture(mode="P"), "GIF"),
    "alpha.webp": saved(picture(mode="RGBA"), "WEBP", lossless=True),
    "bits.bmp": saved(picture(mode="1"), "BMP"),
    "turned.jpg": turned(),
    "deep.png": deep(),
    "tiny.png": saved(picture(1, 1), "PNG"),
    "thin.png": saved(picture(300, 2), "PNG"),
    "large.png": saved(picture(3000, 2000), "PNG"),
}
BAD = {
    "empty.png": (b"", "no picture that can be read"),
    "text.txt": (b"hello, this is no picture", "no picture that can be read"),
    "vector.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture that can be read"),
    "page.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture that can be read"),
    "scan.tiff": (saved(picture(), "TIFF"), "no picture that can be read"),
    "cut.jpg": (saved(picture(400, 300), "JPEG")[:900], "cannot decode"),
    "cut.png": (saved(picture(400, 300), "PNG")[:600], "cannot decode"),
    "huge.png": (claims(20_000, 20_000), "many pixels"),
    "larger.png": (claims(8_000, 7_000), "at most 50 million"),
    "dark.png": (deep(4095), "upper half"),
}
