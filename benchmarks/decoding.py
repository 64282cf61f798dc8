"""How fast pictures are read and made square: beside Pillow in one thread, and beside torchvision's decoder.

    OMP_NUM_THREADS=1 python benchmarks/decoding.py [FOLDER_OR_FILE]

It takes `folder:PATH` or `parquet:PATH` with JPEG pictures, or else makes 1,000 of 500x375 pixels. Each becomes a square of 224
pixels as `--size 224` makes it. What is read into memory uses as many threads as there are processors, the others one. A
streamed pass is one of `batches`, after one whose workers' libraries have been imported.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bench import Line, main, rates
from PIL import Image
from torchvision.io import ImageReadMode, decode_image

from passband.data.batches import batches
from passband.data.dataset import ImageDataset
from passband.data.load import load_dataset
from passband.data.resizing import prepare
from passband.environment import limited_threads
from passband.preparation import AS_STORED

SIDE, COUNT, FEW, ROUNDS = 224, 1000, 200, 3
SQUARE = AS_STORED.changed(size=SIDE)
PROCESSORS = len(os.sched_getaffinity(0))

Decoder = Callable[[bytes], np.ndarray]


def made_up(folder: Path, count: int = COUNT) -> Path:
    """Write pictures whose spectrum falls as that of photographs does, each of about 140 KB."""
    draw = np.random.default_rng(0)
    down, across = np.fft.fftfreq(375)[:, None, None], np.fft.rfftfreq(500)[None, :, None]
    falling = 1 / np.maximum(np.hypot(down, across), 1 / 500)
    (folder / "all").mkdir(parents=True)
    for number in range(count):
        waves = draw.normal(size=(375, 251, 3)) + 1j * draw.normal(size=(375, 251, 3))
        plane = np.fft.irfft2(waves * falling, s=(375, 500), axes=(0, 1))
        pixels = np.clip(128 + 50 * plane / plane.std(), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "all" / f"{number}.jpg", quality=92)
    return folder


def by_pillow(content: bytes) -> np.ndarray:
    """Decode as passband does."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def by_torchvision(content: bytes) -> np.ndarray:
    """Decode by torchvision, laid out as Pillow has it."""
    encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return decode_image(encoded, ImageReadMode.RGB).permute(1, 2, 0).contiguous().numpy()


def squares(stored: Sequence[bytes | Path]) -> np.ndarray:
    """Return squares of pictures as a loop writes it: the shorter side resized, the middle cropped."""
    found = np.empty((len(stored), SIDE, SIDE, 3), np.uint8)
    for place, each in zip(found, stored, strict=True):
        with Image.open(io.BytesIO(each) if isinstance(each, bytes) else each) as image:
            width, height = image.size
            across, down = max(SIDE, int(SIDE * width / height)), max(SIDE, int(SIDE * height / width))
            resized = image.convert("RGB").resize((across, down), Image.Resampling.LANCZOS)
        left, top = round((across - SIDE) / 2), round((down - SIDE) / 2)
        place[:] = np.asarray(resized.crop((left, top, left + SIDE, top + SIDE)))
    return found


def in_memory(source: str) -> ImageDataset:
    """Read them all, on all processors."""
    with limited_threads(PROCESSORS):
        return load_dataset(source, size=SIDE)


def visit(dataset: ImageDataset) -> None:
    """Walk through a data set once."""
    for _ in batches(dataset, batch_size=8, device=torch.device("cpu")):
        pass


def decode(decoder: Decoder, contents: Sequence[bytes], *, resized: bool) -> None:
    """Decode pictures one by one."""
    for content in contents:
        pixels = decoder(content)
        if resized:
            prepare(Image.fromarray(pixels), SQUARE)


def lines() -> Iterator[Line]:
    """Yield the lines of pictures that are made up."""
    with tempfile.TemporaryDirectory() as place:
        yield from lines_of(f"folder:{made_up(Path(place) / 'pictures')}")


def lines_of(source: str) -> Iterator[Line]:
    """Yield the lines of a source."""
    streamed = load_dataset(source, size=SIDE, memory_limit=1)
    stored = [streamed.images.stored[i] for i in range(len(streamed))]
    if not np.array_equal(squares(stored), in_memory(source).images.permute(0, 2, 3, 1).numpy()):
        raise SystemExit(
            "the loop and passband make other pixels of these pictures: the lines would compare two things"
        )
    read = partial(
        rates, count=len(stored), peer="Pillow, one thread", theirs=lambda: squares(stored), rounds=ROUNDS
    )
    yield read(
        f"`load_dataset`, {len(stored):,} pictures to {SIDE} x {SIDE}, {PROCESSORS} threads, {ROUNDS} rounds",
        ours=lambda: in_memory(source),
        target=">= 1.5",
    )
    for workers in (0, PROCESSORS):
        dataset = load_dataset(source, size=SIDE, memory_limit=1, num_workers=workers)
        yield read(
            f"a streamed pass over them, {workers or 'no'} worker processes, {ROUNDS} rounds",
            ours=lambda dataset=dataset: visit(dataset),
        )
    contents = [each if isinstance(each, bytes) else each.read_bytes() for each in stored[:FEW]]
    alike = sum(np.array_equal(by_pillow(each), by_torchvision(each)) for each in contents)
    for resized in (False, True):
        yield rates(
            f"decoding {len(contents)} of them by Pillow, {ROUNDS} rounds{f', and resizing; {alike} were decoded alike' if resized else ''}",
            len(contents),
            "torchvision's decoder",
            lambda resized=resized: decode(by_torchvision, contents, resized=resized),
            lambda resized=resized: decode(by_pillow, contents, resized=resized),
            rounds=ROUNDS,
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(lines_of(sys.argv[1]) if len(sys.argv) > 1 else lines())
