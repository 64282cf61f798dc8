from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from passband.data.images import Request, decode_images
from passband.errors import InputError, UnknownNameError
from passband.preparation import Preparation

ANY = Request()


def png(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def decode(*stored, size: int | tuple[int, int] | None = None, **wanted) -> torch.Tensor:
    request = replace(ANY, preparation=Preparation().changed(size=size), **wanted)
    return decode_images(stored, [f"image {i}" for i in range(len(stored))], request)


@given(
    count=st.integers(1, 70),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    color=st.booleans(),
    encoded=st.booleans(),
)
def test_lossless_images_come_back_in_order(count, height, width, color, encoded):
    shape = (count, height, width, 3) if color else (count, height, width)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    decoded = decode(*(png(Image.fromarray(image)) if encoded else image for image in images))
    expected = images.transpose(0, 3, 1, 2) if color else images[:, None]
    assert torch.equal(decoded, torch.from_numpy(expected))


def test_files_are_read_by_path(tmp_path):
    (tmp_path / "a.png").write_bytes(png(Image.new("RGB", (4, 3), (10, 20, 30))))
    assert decode(tmp_path / "a.png")[0, :, 0, 0].tolist() == [10, 20, 30]


def test_color_wins_over_gray():
    gray, color = Image.new("L", (2, 2), 7), Image.new("RGB", (2, 2), (1, 2, 3))
    assert decode(png(gray), png(color))[:, :, 0, 0].tolist() == [[7, 7, 7], [1, 2, 3]]
    assert decode(png(gray), png(gray)).shape == (2, 1, 2, 2)
    assert decode(png(gray), channels=3).shape == (1, 3, 2, 2)


def test_gray_is_the_luma_of_itu_r_601():
    pixels = decode(png(Image.new("RGB", (1, 1), (200, 100, 50))), channels=1)
    assert pixels.item() == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGBA", (2, 2), (0, 0, 255, 0)), [255, 255, 255]),
        (Image.new("RGBA", (2, 2), (0, 0, 255, 51)), [204, 204, 255]),
        (Image.new("LA", (2, 2), (0, 0)), [255]),
        (Image.new("1", (2, 2), 1), [255]),
    ],
)
def test_transparency_lies_over_white(image, expected):
    assert decode(png(image))[0, :, 0, 0].tolist() == expected


def test_palettes_become_colors():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    assert decode(png(image))[0, :, 0, 0].tolist() == [9, 8, 7]
    assert decode(png(image, transparency=1))[0, :, 0, 0].tolist() == [255, 255, 255]


def test_cmyk_jpeg():
    file = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(file, "JPEG")
    assert decode(file.getvalue()).shape == (1, 3, 8, 8)


def test_an_integer_size_crops_the_center_and_keeps_the_aspect():
    wide = np.zeros((4, 12), np.uint8)
    wide[:, 4:8] = 200  # exactly the central square
    assert decode(wide, size=4).unique().tolist() == [200]
    larger = decode(wide, size=9)
    assert larger.shape == (1, 1, 9, 9)
    assert larger.min() > 100  # at its edge the filter reaches beyond the crop, as torchvision's does


def test_a_pair_of_sizes_is_height_and_width():
    assert decode(np.zeros((4, 12), np.uint8), size=(6, 5)).shape == (1, 1, 6, 5)


def test_reducing_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (32, 16))  # at the Nyquist frequency: gray once halved
    reduced = decode(stripes, size=16)[..., 2:-2].float()
    assert (reduced - 127.5).abs().max() < 3


def test_the_same_size_leaves_pixels_alone():
    image = np.random.default_rng(0).integers(0, 256, (7, 7, 3), np.uint8)
    assert torch.equal(decode(image, size=7), decode(image))


def test_differing_sizes_need_a_size():
    images = np.zeros((5, 6), np.uint8), np.zeros((7, 6), np.uint8)
    with pytest.raises(
        InputError, match=r"image 0 has 5x6 .* image 1 has 7x6\. Resize them with size=, such as size=5"
    ):
        decode(*images)
    assert decode(*images, size=5).shape == (2, 1, 5, 5)


def test_broken_images_are_named():
    whole = png(Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)))
    for broken in (whole[:400], b"", b"<html>", whole[:60] + b"\0" * 60 + whole[120:]):
        with pytest.raises(InputError, match=r"cannot decode image 1: .*\. Mend, replace or remove it"):
            decode(whole, broken)


@pytest.mark.parametrize(
    "image",
    [Image.fromarray(np.zeros((2, 2), np.uint16)), Image.fromarray(np.zeros((2, 2), np.float32))],
)
def test_more_than_8_bits_are_refused(image):
    file = io.BytesIO()
    image.save(file, "TIFF")
    with pytest.raises(InputError, match="image 0: it has more than 8 bits a channel"):
        decode(file.getvalue())


def test_16_bit_color_png_is_refused():
    """Pillow cannot write such a file, and reads it as 8 bits without a word."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + bytes(6))) + chunk(b"IEND", b"")
    with pytest.raises(InputError, match="more than 8 bits"):
        decode(b"\x89PNG\r\n\x1a\n" + content)


def test_memory_is_checked_before_decoding():
    with pytest.raises(
        InputError, match=r"2 images of 3x1000x1000 would take 0\.01 GiB .* limit is 0\.01 GiB.*limit="
    ):
        decode(*[np.zeros((10, 10), np.uint8)] * 2, size=1000, channels=3, memory_limit=5_999_999)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"channels": 4}, r"channels must be 1 \(gray\) or 3 \(color\), got 4"),
        ({"limit": 0}, "limit must be at least 1 image, got 0"),
    ],
)
def test_requests_are_checked(wanted, message):
    with pytest.raises(InputError, match=message):
        Request(**wanted)


def test_unknown_subset(untyped):
    with pytest.raises(UnknownNameError, match="no subset named 'val'"):
        Request("val")  # ty: ignore[invalid-argument-type]
