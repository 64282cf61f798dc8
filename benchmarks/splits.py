"""How fast images are split, beside the transforms that a program without passband would write.

    OMP_NUM_THREADS=1 python benchmarks/splits.py

Each row times two programs in turn, after one warm-up of both: the ratio of medians, and the least and the greatest ratio of
neighbors. `low_pass` stands against one rfft2, a mask and one irfft2; `split_many` against fft2, a mask and ifft2 for each radius
and component, as the released code of the paper has it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch

from passband.frequency.fourier import low_pass, radial_mask, split_many

ROUNDS = 9


def plain_low(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the LFC by one transform there and one back."""
    spectrum = torch.fft.rfft2(images) * mask[:, : images.shape[-1] // 2 + 1]
    return torch.fft.irfft2(spectrum, s=images.shape[-2:])


def plain_splits(images: torch.Tensor, masks: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the LFC and the HFC at each radius, each by transforms of its own."""
    return [torch.fft.ifft2(torch.fft.fft2(images) * kept).real for mask in masks for kept in (mask, ~mask)]


def compare(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float, list[float]]:
    """Return the median seconds of either, and the ratio in each round."""
    first(), second()
    taken: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        each = []
        for program in (first, second):
            start = time.perf_counter()
            program()
            each.append(time.perf_counter() - start)
        taken.append((each[0], each[1]))
    one, two = (statistics.median(column) for column in zip(*taken, strict=True))
    return one, two, [a / b for a, b in taken]


def row(what: str, count: int, plain: Callable[[], object], ours: Callable[[], object]) -> None:
    """Print one comparison."""
    before, after, ratios = compare(plain, ours)
    print(
        f"| {what} | {count / before:,.0f} | {count / after:,.0f} | {before / after:.2f} | "
        f"{min(ratios):.2f} to {max(ratios):.2f} |"
    )


def main() -> None:
    """Print the table."""
    print(f"CPU, {torch.get_num_threads()} threads, torch {torch.__version__}, float32, {ROUNDS} rounds\n")
    print("| what | plain, images/s | passband, images/s | ratio of medians | ratios |")
    print("|---|--:|--:|--:|--:|")
    for side, batch, radii in ((32, 4096, (4, 8, 16)), (32, 100, (8,)), (224, 64, (16, 64))):
        images = torch.rand(batch, 3, side, side)
        for radius in radii:
            mask = radial_mask(side, side, radius)
            row(
                f"`low_pass`, {batch:,} x 3 x {side} x {side}, r = {radius}",
                batch,
                lambda images=images, mask=mask: plain_low(images, mask),
                lambda images=images, radius=radius: low_pass(images, radius),
            )
    for side, batch, radii in (
        (32, 1024, (4, 8, 12, 16)),
        (32, 100, (4, 8, 12, 16)),
        (224, 16, (8, 16, 32, 64)),
    ):
        images, masks = torch.rand(batch, 3, side, side), [radial_mask(side, side, r) for r in radii]
        row(
            f"`split_many`, {batch:,} x 3 x {side} x {side}, r = {', '.join(map(str, radii))}",
            batch,
            lambda images=images, masks=masks: plain_splits(images, masks),
            lambda images=images, radii=radii: split_many(images, radii),
        )


if __name__ == "__main__":
    main()
