"""Convolution kernels: smoothing them (Eq. 3 of the paper), and how rough they are.

A kernel lies on the last two axes of a weight; filters, channels and groups before them are left alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from passband.checks import check_rho
from passband.errors import InputError

NEIGHBORS = 8
"""How many neighbors of a weight Eq. 3 adds to it."""

GRID = 32
"""Frequencies a side at which kernels are looked at; larger kernels are looked at with as many as they have weights."""

Weight = Float[Tensor, "*filters height width"]


class Roughness(NamedTuple):
    """How much the weights of a layer's kernels go up and down, whatever their scale.

    Attributes:
        difference: Mean squared difference of neighboring weights over the mean square of all weights. 0 for
            constant kernels, about 2 for weights that know nothing of each other, 4 for a checkerboard.
        high_frequency: Share of the kernels' energy beyond half the Nyquist frequency, in [0, 1]. About 0.81 for
            weights that know nothing of each other, and less the smoother the kernels are.
    """

    difference: float
    high_frequency: float


def smooth_kernel(weight: Weight, rho: float, *, normalize: bool = False) -> Weight:
    """Add to each weight rho times its eight neighbors, with the values at the border repeated beyond it.

    Eq. 3 adds and does not average: the weights of each kernel sum to 1 + 8 rho times what they summed to, and so
    grows the response to a constant image.

    Args:
        weight: Kernels of any size on the last two axes; what is before them is never mixed.
        rho: Strength, 0 or positive; 0 changes nothing.
        normalize: Divide by 1 + 8 rho, so that the sum stays. It is the control that tells smoothness from scale.

    Returns:
        The smoothed kernels, shaped like `weight`, through which gradients flow. A 1x1 kernel is its own neighbor
        on all sides, so it is multiplied by 1 + 8 rho.

    Raises:
        InputError: If `rho` is negative or not finite, or `weight` is not a floating-point tensor of two or more axes.

    Example:
        >>> smooth_kernel(torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), rho=0.5)
        tensor([[0.5000, 0.5000, 0.5000],
                [0.5000, 1.0000, 0.5000],
                [0.5000, 0.5000, 0.5000]])

    Source:
        Wang et al. 2020, section 6.3, Eq. 3.
    """
    check_rho(rho)
    _check_weight(weight)
    around = (
        _add_both_sides(_add_both_sides(weight, -1), -2) - weight
    )  # the 3x3 box around each, without itself
    smooth = weight + rho * around
    return smooth / (1 + NEIGHBORS * rho) if normalize else smooth


@torch.no_grad()
def roughness(weight: Weight) -> Roughness:
    """Return how rough the kernels of one layer are; all its kernels count together, the stronger ones more.

    The energy is that of the kernels' frequency response (zero-padded, see `frequency_response`), and a frequency is
    high beyond 1/4 cycle a pixel in Euclidean distance: half of what the pixel grid can carry along an axis. A 1x1
    kernel has no neighbors, hence a difference of 0, and passes all frequencies alike, hence a share of 0.81. A
    constant 3x3 kernel still passes some high frequencies: 0.19. Kernels of zeros have neither: both numbers are 0.

    Smoothing by Eq. 3 never raises the difference of 3x3 kernels, whatever rho. That of larger kernels it lowers as a
    rule; there is no guarantee.

    Args:
        weight: Kernels on the last two axes. Call it with one kernel, `weight[i, j]`, to look at that alone.

    Raises:
        InputError: If `weight` is not a floating-point tensor of two or more axes, is empty, or is not finite.

    Example:
        >>> roughness(torch.tensor([[1.0, -1.0], [-1.0, 1.0]])).difference
        4.0
    """
    _check_weight(weight)
    if not weight.numel() or not weight.isfinite().all():
        raise InputError("the roughness of weights that are NaN, infinite or not there is not defined")
    kernels = weight.cpu().double().reshape(-1, *weight.shape[-2:])
    scale = kernels.abs().max()
    if scale == 0:
        return Roughness(0.0, 0.0)
    kernels = kernels / scale  # so that no square is too small or too large
    steps = torch.cat([kernels.diff(dim=axis).flatten() for axis in (-1, -2)])
    difference = steps.square().mean() / kernels.square().mean() if len(steps) else 0.0
    size = max(GRID, *kernels.shape[-2:])
    energy = torch.fft.fft2(kernels, s=(size, size)).abs().square().sum(dim=0)
    frequency = torch.fft.fftfreq(size, dtype=torch.float64)  # cycles a pixel
    high = frequency[:, None].square() + frequency.square() > 0.25**2
    return Roughness(float(difference), float(energy[high].sum() / energy.sum()))


def frequency_response(weight: Weight, size: int = GRID) -> Float[Tensor, "size size"]:
    """Return by how much a layer's kernels multiply each frequency, averaged over filters and channels.

    Args:
        weight: Kernels on the last two axes.
        size: Frequencies a side, at least as many as the kernels have weights; as in an image of this size.

    Returns:
        Mean magnitude of the Fourier transform of the zero-padded kernels, with the zero frequency at
        `[size // 2, size // 2]`. There it is the mean of the absolute sums of the kernels.

    Raises:
        InputError: If `size` is smaller than the kernels, or `weight` is not a floating-point tensor of two or more
            axes.

    Example:
        >>> frequency_response(torch.ones(8, 3, 3, 3), size=5)[2, 2]
        tensor(9.)
    """
    _check_weight(weight)
    if size < max(weight.shape[-2:]):
        raise InputError(
            f"size must be at least that of the kernels, {max(weight.shape[-2:])}, for a frequency response; got {size}"
        )
    wide = weight.float() if weight.dtype in (torch.float16, torch.bfloat16) else weight
    gain = torch.fft.fft2(wide, s=(size, size)).abs()
    return torch.fft.fftshift(gain.reshape(-1, size, size).mean(dim=0))


def _add_both_sides(weight: Tensor, axis: int) -> Tensor:
    """Return each weight plus the one before and the one after it along an axis; the border is repeated."""
    last = weight.shape[axis] - 1
    index = torch.arange(last + 1, device=weight.device)
    before, after = (index - 1).clamp(min=0), (index + 1).clamp(max=last)
    return weight + weight.index_select(axis, before) + weight.index_select(axis, after)


def _check_weight(weight: Tensor) -> None:
    if not weight.is_floating_point():
        raise InputError(f"a kernel must be a floating-point tensor, got {weight.dtype}")
    if weight.ndim < 2:
        raise InputError(
            f"a kernel needs two axes, height and width, as the last of its weight; got a tensor shaped {tuple(weight.shape)}"
        )
