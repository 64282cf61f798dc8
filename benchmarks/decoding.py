"""What decoding costs: Pillow against torchvision, and a streamed set by the number of its worker processes.

    OMP_NUM_THREADS=1 python benchmarks/decoding.py [FOLDER_OR_FILE]

It takes `folder:PATH` or `parquet:PATH` with JPEG pictures, or else makes 1,000 of 500x375 pixels. The first table is
milliseconds a picture on one thread, median of three rounds: decoding alone, and decoding and resizing to 224 pixels as
`--size 224` does; and how many pictures both decoders read alike. The second is pictures a second of a pass of
`batches`, the second of two passes, whose workers' libraries have been imported.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image, features
from torchvision.io import ImageReadMode, decode_image

from passband.data.batches import batches
from passband.data.load import load_dataset
from passband.data.resizing import prepare
from passband.preparation import AS_STORED

PICTURES, ROUNDS = 200, 3
SQUARE = AS_STORED.changed(size=224)


def made_up(folder: Path, count: int = 1000) -> Path:
    """Write pictures whose spectrum falls as that of photographs does, each of about 70 KB."""
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


def milliseconds(work: Callable[[Any], object], items: list) -> float:
    """Return the median over rounds of what one item takes."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for item in items:
            work(item)
        taken.append(1000 * (time.perf_counter() - start) / len(items))
    return statistics.median(taken)


def main(source: str) -> None:
    """Print both tables."""
    libraries = f"Pillow {Image.__version__} (libjpeg-turbo {features.version('libjpeg_turbo')})"
    print(f"{libraries}, torchvision {torchvision.__version__}")
    streamed = load_dataset(source, size=224, memory_limit=1)
    stored = [streamed.images.stored[i] for i in range(min(PICTURES, len(streamed)))]
    contents = [each if isinstance(each, bytes) else each.read_bytes() for each in stored]
    alike = sum(np.array_equal(by_pillow(each), by_torchvision(each)) for each in contents)
    print(
        f"{alike} of {len(contents)} pictures decoded alike; mean {np.mean([len(c) for c in contents]):,.0f} bytes"
    )
    print("decoder      decode  decode and resize  (ms a picture)")
    for name, decode in (("Pillow", by_pillow), ("torchvision", by_torchvision)):
        whole = milliseconds(lambda c, decode=decode: prepare(Image.fromarray(decode(c)), SQUARE), contents)
        print(f"{name:12} {milliseconds(decode, contents):6.2f}  {whole:6.2f}")
    print("workers  pictures a second")
    for workers in (0, 1, 2, 4):
        dataset = load_dataset(source, size=224, memory_limit=1, num_workers=workers)
        for _ in range(2):
            start = time.perf_counter()
            for _ in batches(dataset, batch_size=8, device=torch.device("cpu")):
                pass
            rate = len(dataset) / (time.perf_counter() - start)
        print(f"{workers:7}  {rate:.0f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as place:
            main(f"folder:{made_up(Path(place) / 'pictures')}")
