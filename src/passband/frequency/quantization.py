"""Whether the coefficients of 8x8 blocks lie on quantization steps, as those of JPEG do."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.types import Planes

BLOCK = 8  # side of a block of JPEG
MAX_BLOCKS = 5_000
GRIDS = (
    (0, 0),
    (4, 4),
    (2, 6),
    (6, 2),
)  # where blocks begin: that of JPEG, and three that share no line with it

STEPS = range(1, 61)  # candidate quantization steps, in gray levels
MIN_COUNT = 30  # coefficients that a step is judged on
CLEAR = 0.3  # clustering of a single frequency from which its step is believed
LOST = 0.05  # error as a share of power from which a frequency is not to be trusted


def measure_quantization(planes: Planes) -> tuple[float, Bool[Tensor, "8 8"]]:
    """Return how closely DCT coefficients cluster on steps, and at which of their frequencies the error is too large.

    A frequency's step is the one they cluster on most in one half of the images; what counts is how they cluster on
    it in the other half. So it is on every grid, and the most on a shifted one is subtracted: drawn images of few
    values cluster on all grids alike.
    """
    halves = planes[::2], planes[1::2]
    coefficients = [[_coefficients(half, *grid) for half in halves] for grid in GRIDS]
    measured = [[_clustering(half) for half in both] for both in coefficients]
    enough = torch.stack([count for both in measured for _, count in both]).amin(0) >= MIN_COUNT
    best = [torch.where(enough, choose, -1).argmax(1, keepdim=True) for (choose, _), _ in measured]
    clustering = torch.stack(
        [
            torch.where(enough, judge, 0).gather(1, step).squeeze(1)
            for (_, (judge, _)), step in zip(measured, best, strict=True)
        ]
    )
    aligned, *shifted = clustering.mean(1).tolist()

    error = (best[0].squeeze(1) + STEPS[0]).square() / 12  # of rounding to a multiple of the step
    power = torch.cat(coefficients[0], 1).square().mean(1)
    lost = (clustering[0] - clustering[1:].amax(0) > CLEAR) & (error > LOST * power)
    lost[0] = False  # the mean of a block is no HFC
    return aligned - max(shifted), lost.reshape(BLOCK, BLOCK)


def _coefficients(planes: Planes, top: int, left: int) -> Float[Tensor, "64 blocks"]:
    """Return the orthonormal DCT coefficients of the whole blocks of a grid that starts at (`top`, `left`)."""
    blocks = planes[:, top:, left:].unfold(1, BLOCK, BLOCK).unfold(2, BLOCK, BLOCK).reshape(-1, BLOCK, BLOCK)
    count = min(len(blocks), MAX_BLOCKS)
    blocks = blocks[torch.arange(count) * len(blocks) // count]
    index = torch.arange(BLOCK, device=planes.device)
    basis = torch.cos(math.pi / BLOCK * index[:, None] * (index + 0.5)) / 2  # (frequency, position)
    basis[0] /= math.sqrt(2)
    return (basis @ blocks @ basis.T).flatten(1).T


def _clustering(
    coefficients: Float[Tensor, "64 blocks"],
) -> tuple[Float[Tensor, "64 steps"], Int64[Tensor, "64 steps"]]:
    """Return how closely coefficients lie on multiples of each step, at least 0, and how many tell.

    Only those beyond half a step tell: small ones are near 0 without any quantization.
    """
    values, counts = [], []
    for step in STEPS:
        tells = coefficients.abs() > step / 2
        counts.append(tells.sum(1))
        total = (torch.cos(2 * math.pi / step * coefficients) * tells).sum(1)
        values.append((total / counts[-1].clamp(min=1)).clamp(min=0))
    return torch.stack(values, 1), torch.stack(counts, 1)


def lowest_radius(lost: Bool[Tensor, "8 8"], height: int, width: int) -> float | None:
    """Return the lowest radius of a lost frequency, rounded down: block frequency k has k / 16 cycles a pixel."""
    k = torch.arange(BLOCK, device=lost.device) / (2 * BLOCK)
    radii = torch.hypot(k[:, None] * height, k * width)[lost]
    return float(math.floor(radii.min())) if len(radii) else None
