"""How fast components are made and shown to a model, as ratios within one run.

    OMP_NUM_THREADS=1 python benchmarks/probe.py

Alternatives take turns, so that a machine that slows down slows all of them; figures are medians over the rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

import passband as pb
from passband.instruments.components import evaluate_components

ROUNDS = 7
RADII = [1, 2, 4, 6, 8, 12, 16, 20]


def split_one_by_one(images: torch.Tensor) -> None:
    """Split at each radius with complex transforms of its own, as the definition is usually written down."""
    height, width = images.shape[-2:]
    for radius in RADII:
        mask = pb.radial_mask(height, width, radius)
        low = torch.fft.ifft2(torch.fft.fft2(images) * mask).real
        images - low


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(title: str, count: int, ways: dict[str, Callable[[], object]]) -> None:
    """Time ways to do the same in turn, and print images a second and the speed relative to the first."""
    for work in ways.values():
        work()  # warm up
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, work in ways.items():
            times[name].append(seconds(work))
    first = next(iter(times.values()))
    print(f"\n{title}")
    for name, measured in times.items():
        ratios = [f / m for f, m in zip(first, measured, strict=True)]
        print(
            f"  {name:34} {count / statistics.median(measured):8.0f} images/s   {statistics.median(ratios):5.2f} times "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


def main() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), CPU, {ROUNDS} rounds")
    images = torch.rand(256, 3, 32, 32)
    compare(
        f"Splitting 256 images of 32x32 at {len(RADII)} radii",
        len(images) * len(RADII),
        {
            "one by one, complex transforms": lambda: split_one_by_one(images),
            "split_many": lambda: pb.split_many(images, RADII),
            "split_many, 42 images at a time": lambda: [pb.split_many(b, RADII) for b in images.split(42)],
        },
    )

    data = pb.make_phantom(252, classes=10)
    model = pb.PixelModel(pb.build_model("resnet14", seed=0), name="resnet14", channels=3).eval()
    shown = len(data) * (1 + 2 * len(RADII))
    compare(
        "Showing the components of 252 images of 32x32 to resnet14",
        shown,
        {
            f"{size} images at a time": lambda size=size: evaluate_components(
                model, data, RADII, batch_size=size, device="cpu"
            )
            for size in (252, 126, 42, 16)
        },
    )
    pixels = torch.rand(42, 3, 32, 32)
    with torch.inference_mode():
        compare(
            "One batch of 42 through resnet14",
            len(pixels),
            {
                "channels first": lambda: model.body(pixels),
                "channels last (PixelModel)": lambda: model(pixels),
            },
        )


if __name__ == "__main__":
    main()
