"""Whether the coefficients of 8x8 blocks lie on quantization steps, as those of JPEG do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.types import Planes

BLOCK = 8  # side of a block of JPEG
GRIDS = tuple(product(range(BLOCK), repeat=2))  # where the first block can begin, as (top, left)
MAX_BLOCKS = 5_000

STEPS = range(1, 61)  # candidate quantization steps, in gray levels
BINS = 8  # bins of a histogram to a gray level: a step of 1 loses 3% of its clustering
PEAK = BLOCK * 128  # the largest coefficient of a block of -128 to 127
MIN_COUNT = 30  # coefficients that a step is judged on
CLEAR = 0.3  # clustering of a single frequency from which its step is believed
LOST = 0.05  # error as a share of power from which a frequency is not to be trusted


@dataclass(frozen=True)
class Quantization:
    """How the DCT coefficients of images lie on steps.

    Attributes:
        clustering: How closely they cluster beyond what they do on the median grid, averaged over frequencies:
            near 0 without quantization, at most 1.
        grid: The top and left, 0 to 7 each, of the first block of the grid on which they cluster.
        lost: The vertical and horizontal block frequencies where the error of rounding is too large.
    """

    clustering: float
    grid: tuple[int, int]
    lost: Bool[Tensor, "8 8"]


def measure_quantization(planes: Planes) -> Quantization:
    """Return how closely DCT coefficients cluster on steps, on which of the 64 grids, and what that has cost.

    A frequency's step is the one they cluster on most in one half of the images; what counts is how they cluster on
    it in the other half, so the best of 64 grids is hardly above the others by chance. The median over grids is
    subtracted: drawn images of few values cluster on all grids alike.

    Args:
        planes: Gray images, -128 to 127, with sides of at least 15 pixels, so that every grid has a block.
    """
    waves = _waves(planes.device)
    measured = [_on_grid(planes, waves, *grid) for grid in GRIDS]
    clustering = torch.stack([values for values, _ in measured])
    means = clustering.mean(1)
    # Where images are flat, blocks half a block further cluster as well, down or across, but not both.
    table = means.reshape(BLOCK, BLOCK)
    down, across, both = (
        table.roll(by, (0, 1)) for by in ((BLOCK // 2, 0), (0, BLOCK // 2), (BLOCK // 2, BLOCK // 2))
    )
    found = int((table + (down + across - both) / 2).argmax())
    top, left = GRIDS[found]

    error = measured[found][1].square() / 12  # of rounding to a multiple of the step
    power = _coefficients(planes, top, left).square().mean(0)
    lost = (clustering[found] - clustering.median(0).values > CLEAR) & (error > LOST * power)
    lost[0] = False  # the mean of a block is no HFC
    return Quantization((means[found] - means.median()).item(), (top, left), lost.reshape(BLOCK, BLOCK))


def _on_grid(
    planes: Planes, waves: Float[Tensor, "bins steps"], top: int, left: int
) -> tuple[Float[Tensor, " 64"], Int64[Tensor, " 64"]]:
    """Return how closely coefficients cluster at each frequency, and on which step."""
    (choose, few), (judge, fewer) = (
        _clustering(_coefficients(half, top, left), waves) for half in (planes[::2], planes[1::2])
    )
    enough = torch.minimum(few, fewer) >= MIN_COUNT
    best = torch.where(enough, choose, -1).argmax(1, keepdim=True)
    return torch.where(enough, judge, 0).gather(1, best).squeeze(1), best.squeeze(1) + STEPS[0]


def _coefficients(planes: Planes, top: int, left: int) -> Float[Tensor, "blocks 64"]:
    """Return the orthonormal DCT coefficients of the whole blocks of a grid that starts at (`top`, `left`)."""
    blocks = planes[:, top:, left:].unfold(1, BLOCK, BLOCK).unfold(2, BLOCK, BLOCK)
    present = math.prod(blocks.shape[:3])
    count = min(present, MAX_BLOCKS)
    blocks = blocks[torch.unravel_index(torch.arange(count) * present // count, blocks.shape[:3])]
    index = torch.arange(BLOCK, device=planes.device)
    basis = torch.cos(math.pi / BLOCK * index[:, None] * (index + 0.5)) / 2  # (frequency, position)
    basis[0] /= math.sqrt(2)
    return blocks.flatten(1) @ torch.kron(basis, basis).T


def _waves(device: torch.device) -> Float[Tensor, "bins steps"]:
    """Return cos(2 pi c / step) for each size c of a coefficient, 0 where it does not tell.

    Only those beyond half a step tell: small ones are near 0 without any quantization.
    """
    size = torch.arange(PEAK * BINS + 1, device=device)[:, None] / BINS
    step = torch.tensor(STEPS, device=device)
    return torch.cos(2 * math.pi / step * size) * (size > step / 2)


def _clustering(
    coefficients: Float[Tensor, "blocks 64"], waves: Float[Tensor, "bins steps"]
) -> tuple[Float[Tensor, "64 steps"], Float[Tensor, "64 steps"]]:
    """Return how closely coefficients lie on multiples of each step, at least 0, and how many tell."""
    bins, frequencies = len(waves), coefficients.shape[1]
    first = bins * torch.arange(frequencies, device=waves.device)
    index = (coefficients.abs() * BINS + (first + 0.5)).int()  # one bincount for all frequencies
    histogram = (
        torch.bincount(index.flatten(), minlength=bins * frequencies).reshape(frequencies, bins).float()
    )
    half_steps = torch.tensor(STEPS, device=waves.device) * BINS // 2
    count = len(coefficients) - histogram.cumsum(1)[:, half_steps]
    return (histogram @ waves / count.clamp(min=1)).clamp(min=0), count


def lowest_radius(lost: Bool[Tensor, "8 8"], height: int, width: int) -> float | None:
    """Return the lowest radius of a lost frequency, rounded down: block frequency k has k / 16 cycles a pixel."""
    k = torch.arange(BLOCK, device=lost.device) / (2 * BLOCK)
    radii = torch.hypot(k[:, None] * height, k * width)[lost]
    return float(math.floor(radii.min())) if len(radii) else None
