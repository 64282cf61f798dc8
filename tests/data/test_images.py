from __future__ import annotations

import io
import os
import signal
import struct
import threading
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from passband.data.images import CHUNK, Request, decode_images, decode_with_notices
from passband.data.stream import StreamedImages
from passband.environment import limited_threads
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


def messages(*stored) -> list[str]:
    return [str(n) for n in decode_with_notices(stored, [str(i) for i in range(len(stored))], ANY)[1]]


def transparent_pictures() -> dict[str, bytes]:
    """Pictures of every mode that PNG keeps alpha in, each half or wholly transparent."""
    colors = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    alpha = np.linspace(0, 200, 30).reshape(6, 5).astype(np.uint8)
    gray, palette = Image.fromarray(colors[..., 0]), Image.fromarray(colors).quantize(16)
    return {
        "RGBA": png(Image.fromarray(np.dstack([colors, alpha]))),
        "LA": png(Image.merge("LA", (gray, Image.fromarray(alpha)))),
        "palette": png(palette, transparency=bytes([0] * 8 + [255] * 8)),
        "one color of a palette": png(palette, transparency=int(np.asarray(palette)[0, 0])),
        "one color": png(Image.fromarray(colors), transparency=tuple(map(int, colors[2, 2]))),
        "one gray": png(gray, transparency=int(colors[2, 2, 0])),
        "all": png(Image.fromarray(np.dstack([colors, alpha * 0]))),
    }


@pytest.mark.parametrize("kind", transparent_pictures())
@pytest.mark.filterwarnings(
    "ignore:Palette images with Transparency:UserWarning"
)  # of torchvision's way alone
def test_alpha_is_dropped_as_torchvision_does_and_said(kind):
    stored = transparent_pictures()[kind]
    loaded = np.asarray(Image.open(io.BytesIO(stored)).convert("RGB")).transpose(2, 0, 1)
    assert torch.equal(decode(stored, channels=3)[0], torch.from_numpy(loaded.copy()))
    opaque = png(Image.new("RGB", (5, 6)))
    (message,) = messages(opaque, stored)
    assert message.startswith("Note: 1 of 2 pictures are transparent in part or whole; alpha is dropped")


def test_alpha_that_hides_nothing_is_not_worth_a_word():
    opaque = Image.new("RGBA", (2, 2), (1, 2, 3, 255))
    assert messages(png(opaque)) == []
    assert decode(png(opaque))[0, :, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_that_exif_would_turn_are_taken_as_stored_and_counted(kind):
    turned = Image.Exif()
    turned[0x0112] = 6
    plain, file = io.BytesIO(), io.BytesIO()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8))
    image.save(plain, kind)
    image.save(file, kind, exif=turned)
    assert torch.equal(decode(file.getvalue()), decode(plain.getvalue()))
    (message,) = messages(plain.getvalue(), file.getvalue())
    assert message.startswith("Warning: 1 of 2 pictures are to be turned or mirrored by their EXIF")


def test_broken_exif_is_no_broken_picture():
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "JPEG", exif=b"Exif\0\0nonsense")
    assert messages(file.getvalue()) == []


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "LAB", "YCbCr"])
def test_modes_are_read_as_torchvision_reads_them(mode):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)).convert(mode)
    file = io.BytesIO()
    image.save(file, "TIFF")
    loaded = np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1)
    assert torch.equal(decode(file.getvalue(), channels=3)[0], torch.from_numpy(loaded.copy()))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(kind):
    frames = [Image.new("L", (4, 4), value).convert("RGB") for value in (200, 10)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    assert (decode(file.getvalue()).float() - 200).abs().max() <= 2


def test_huge_pictures_are_read_and_larger_ones_refused(monkeypatch):
    stored = png(Image.new("1", (40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow warns above this, and refuses twice as many
    assert decode(stored).shape == (1, 1, 40, 40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)
    with pytest.raises(
        InputError, match="cannot decode image 0: it has more pixels than Pillow takes .* store it smaller"
    ):
        decode(stored)


def test_palettes_become_colors():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    assert decode(png(image))[0, :, 0, 0].tolist() == [9, 8, 7]


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


def test_broken_images_are_counted_and_the_first_named():
    whole = png(Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)))
    stored = [whole, b"<html>", whole, b"", b"version https://git-lfs.github.com/spec/v1", whole[:50], b"?"]
    with pytest.raises(InputError) as caught:
        decode(*stored)
    assert (
        "cannot decode 4 of 7 images: image 1 (Pillow does not know its format); image 3 (it is empty)"
        in str(caught.value)
    )
    assert "image 4 (it is a pointer of Git LFS; fetch the file with git lfs pull) and 1 more. Mend" in str(
        caught.value
    )
    with pytest.raises(InputError, match="cannot decode image 0: "):  # known once the pixels are read
        decode(whole[:50], whole)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_neither_pixels_nor_errors(threads):
    """100 pictures of sizes that take from no time to some milliseconds, so that threads finish out of order."""
    draw = np.random.default_rng(0)
    sides = draw.integers(8, 400, 100)
    stored = [
        png(Image.fromarray(draw.integers(0, 256, (n, n + 3, 3), np.uint8)), compress_level=1) for n in sides
    ]
    one_by_one = torch.cat([decode(each, size=16) for each in stored])
    broken = [content[: len(content) // 2] if i in (41, 77) else content for i, content in enumerate(stored)]
    with limited_threads(threads):
        assert torch.equal(decode(*stored, size=16), one_by_one)
        with pytest.raises(InputError, match=r"^cannot decode 2 of 100 images: image 41 \(.*\); image 77 \("):
            decode(*broken, size=16)


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_threads_than_torch_has_and_few_images_are_held(threads):
    """What is read from a file is taken by one thread at a time, in order, and given up when it is decoded."""
    picture = png(Image.new("L", (4, 4), 9))
    read, used = [], set()

    class Counted(bytes):
        alive = most = 0

        def __init__(self, *_):
            Counted.alive += 1
            Counted.most = max(Counted.most, Counted.alive)

        def __del__(self):
            Counted.alive -= 1

    class File:
        def __len__(self):
            return 400

        def __getitem__(self, index):
            read.append(index)
            used.add(threading.get_ident())
            return Counted(picture)

    with limited_threads(threads):
        decode_images(File(), [str(i) for i in range(400)], ANY)
    assert sorted(read[1:]) == sorted([*range(400)] * 2)
    assert Counted.most <= (threads + 1) * CHUNK
    assert len(used) <= 2 * threads + 1  # two passes, and this one


def test_an_interrupt_ends_the_reading():
    """Ctrl-C is heard while threads decode, and what was not begun is not begun."""
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    picture = png(Image.new("L", (4, 4), 9))
    read = []

    class File:
        def __len__(self):
            return 1000

        def __getitem__(self, index):
            read.append(index)
            if index == 100:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1e-4)
            return picture

    try:
        with limited_threads(2), pytest.raises(KeyboardInterrupt):
            decode_images(File(), [str(i) for i in range(1000)], ANY)
    finally:
        signal.signal(signal.SIGINT, heard)
    assert len(read) < 500


def deep_color(values: list[int]) -> bytes:
    """Return a PNG of one pixel with 16 bits a channel, which Pillow reads, and cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixel = b"\0" + struct.pack(">3H", *values)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixel)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep_gray(values: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize("factor", [256, 257])
def test_of_16_bits_the_higher_8_are_used(kind, factor):
    """Gray, whichever of the two customs made 16 bits of 8; and beside a picture of 8 bits."""
    every = np.arange(256).reshape(16, 16)
    deep, plain = deep_gray(every * factor, kind), np.zeros((16, 16), np.uint8)
    pixels, notices, _ = decode_with_notices([deep, plain], ["a", "b"], ANY)
    assert pixels[0, 0].tolist() == every.tolist()
    assert [str(notice) for notice in notices] == [
        "Note: 1 of 2 pictures have 16 bits a channel: the higher 8 are used"
    ]
    assert decode(deep, channels=3).shape == (1, 3, 16, 16)


def test_color_of_16_bits():
    pixels, notices, _ = decode_with_notices([deep_color([65535, 257, 511])], ["a"], ANY)
    assert pixels.flatten().tolist() == [255, 1, 1]
    assert len(notices) == 1


@pytest.mark.parametrize("stored", [deep_gray(np.full((2, 2), 4095), "PNG"), deep_color([4095, 0, 0])])
def test_12_bits_in_files_of_16_are_refused(stored):
    with pytest.raises(InputError, match="1 of 1 pictures have 16 bits .* no pixel reaches the upper half"):
        decode(stored)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_on_a_scale_that_nobody_states_are_refused(kind):
    file = io.BytesIO()
    Image.fromarray(np.ones((2, 2), kind)).save(file, "TIFF")
    with pytest.raises(
        InputError, match="image 0: its pixels are floats, or .* what is black .*save it with 8 bits"
    ):
        decode(file.getvalue())


def test_what_does_not_fit_is_decoded_when_it_is_looked_at():
    stored = [png(Image.new("RGB", (4, 3), (9 * i, 20, 30))) for i in range(5)]
    assert isinstance(decode(*stored, memory_limit=5 * 36), torch.Tensor)
    streamed = decode(*stored, memory_limit=5 * 36 - 1)
    assert isinstance(streamed, StreamedImages)
    assert torch.equal(streamed[:], decode(*stored))


def test_notices_of_what_is_not_decoded_yet():
    turned, clear = Image.Exif(), Image.new("RGBA", (4, 3), (9, 9, 9, 0))
    turned[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, "JPEG", exif=turned)
    stored = [file.getvalue(), png(clear), png(Image.new("RGBA", (4, 3), "red")), png(Image.new("L", (4, 3)))]
    held, streamed = (
        decode_with_notices(stored, ["a", "b", "c", "d"], Request(memory_limit=limit)) for limit in (1000, 1)
    )
    assert isinstance(streamed[0], StreamedImages)
    assert len(held[1]) == 2
    assert streamed[1] == held[1]


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


def test_color_that_a_model_of_one_channel_does_not_see_is_a_warning():
    color = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    gray = color[..., :1].repeat(3, axis=2)
    for image, warned in ((color, True), (gray, False)):
        for limit in (1000, 1):
            _, notices, _ = decode_with_notices([image], ["a"], Request(channels=1, memory_limit=limit))
            assert [notice.warning for notice in notices] == [True] * warned
    assert decode_with_notices([color], ["a"], Request())[1] == ()


def test_what_follows_from_how_pictures_are_stored_and_resized_is_said():
    file = io.BytesIO()
    Image.new("RGB", (40, 24)).save(file, "JPEG")
    stored, names = [file.getvalue(), png(Image.new("RGB", (30, 16)))], ["a", "b"]

    def said(**wanted) -> list[str]:
        for limit in (10**6, 1):
            request = Request(preparation=Preparation(**wanted), memory_limit=limit)
            found = [str(each) for each in decode_with_notices(stored, names, request)[1]]
        return found

    jpeg = "Note: 1 of 2 pictures are JPEG files that were resized: a part of their high frequencies"
    assert [each[: len(jpeg)] for each in said(size=(16, 16))] == [jpeg]
    enlarged, again = said(size=(20, 20))
    assert enlarged.startswith("Warning: 1 of 2 pictures were enlarged: beyond radius 8, which is as far")
    assert again.startswith(jpeg)
    assert said(size=(32, 48), fit="squash")[0].startswith(
        "Warning: 2 of 2 pictures were enlarged: beyond radius 8,"
    )
    for how in (Preparation(), Preparation((24, 40), "squash")):
        assert decode_with_notices(stored[:1], names[:1], Request(preparation=how))[1] == ()
