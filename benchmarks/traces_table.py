"""Measure the statistics of `find_traces` on data sets and print them as Markdown.

    python benchmarks/traces_table.py [--process] NAME=SOURCE ...

A source is one that `load_dataset` knows, such as `fashion-mnist` or `parquet:PATH`. With `--process` each set is
measured after JPEG, padding, cropping, halving and enlarging as well. Without a source, the built-in ones are measured.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from PIL import Image

from passband.data.load import load_dataset
from passband.frequency.traces import find_traces
from passband.types import ByteImages

QUALITIES = (10, 50, 75, 90, 95, 98, 100)
KERNELS = ("NEAREST", "BILINEAR", "BICUBIC", "LANCZOS")
BUILT_IN = ("fashion-mnist=fashion-mnist", "phantom=phantom")
SAMPLES = 500


def each(images: ByteImages, process: Callable[[Image.Image], Image.Image]) -> ByteImages:
    """Return `images` with each processed as a Pillow image."""
    done = []
    for image in images:
        pixels = image.permute(1, 2, 0).numpy()
        made = np.asarray(process(Image.fromarray(pixels.squeeze(-1) if len(image) == 1 else pixels)))
        done.append(torch.from_numpy(made.reshape(*made.shape[:2], -1).copy()).permute(2, 0, 1))
    return torch.stack(done)


def compress(image: Image.Image, quality: int, subsampling: int = 2) -> Image.Image:
    """Return `image` as it comes back from JPEG; `subsampling` 2 halves the color of color images, 0 does not."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=subsampling if image.mode == "RGB" else -1)
    return Image.open(file).convert(image.mode)


def resize(images: ByteImages, factor: float, kernel: str) -> ByteImages:
    """Return `images` with sides `factor` times as long."""
    height, width = (round(side * factor) for side in images.shape[-2:])
    return each(images, lambda image: image.resize((width, height), Image.Resampling[kernel]))


def processed(images: ByteImages) -> Iterator[tuple[str, ByteImages]]:
    """Yield `images` after JPEG, padding, cropping, halving and enlarging, each with what was done."""
    for quality in QUALITIES:
        yield f"JPEG {quality}", each(images, partial(compress, quality=quality))
    if images.shape[1] == 3:
        yield "JPEG 75, full color", each(images, partial(compress, quality=75, subsampling=0))
    compressed = each(images, partial(compress, quality=75))
    yield "padded by 2, zeros", torch.nn.functional.pad(images, (2, 2, 2, 2))
    yield "JPEG 75, padded by 2, zeros", torch.nn.functional.pad(compressed, (2, 2, 2, 2))
    reflected = torch.nn.functional.pad(compressed.float(), (2, 2, 2, 2), mode="reflect")
    yield "JPEG 75, padded by 2, reflected", reflected.byte()
    yield "JPEG 75, cropped by 3 and 5", compressed[:, :, 3:, 5:]
    yield "halved", resize(images, 0.5, "LANCZOS")
    for factor in (2, 4 / 3):
        smaller = resize(images, 1 / factor, "LANCZOS")
        for kernel in KERNELS:
            yield f"enlarged {factor:.2f}x, {kernel.lower()}", resize(smaller, factor, kernel)


def print_row(name: str, images: ByteImages) -> None:
    """Print the statistics of `images`, those that something was found by in bold."""
    traces = find_traces(images)
    used = {statistic.name for finding in traces.findings for statistic in finding.evidence}
    cells = [
        "" if s.value is None else f"**{s.value:.3f}**" if s.name in used else f"{s.value:.3f}"
        for s in traces.statistics
    ]
    found = [
        f.kind
        + (f" on {f.grid}" if f.grid not in (None, (0, 0)) else "")
        + (f" from {f.radius:g}" if f.radius else "")
        for f in traces.findings
    ]
    print(f"| {name} | {' | '.join(cells)} | {', '.join(found)} |", flush=True)


def main(arguments: list[str]) -> None:
    """Print the table for the arguments of the command line."""
    nothing = find_traces(torch.zeros(1, 1, 1, 1, dtype=torch.uint8))
    print(f"| data | {' | '.join(s.name for s in nothing.statistics)} | found |")
    print(f"|---|{'--:|' * len(nothing.statistics)}---|")
    sources = [argument for argument in arguments if argument != "--process"]
    for named in sources or BUILT_IN:
        name, source = named.split("=", 1)
        images = load_dataset(source, limit=SAMPLES).images
        print_row(name, images)
        if "--process" in arguments:
            for what, made in processed(images):
                print_row(f"{name}, {what}", made)


if __name__ == "__main__":
    main(sys.argv[1:])
