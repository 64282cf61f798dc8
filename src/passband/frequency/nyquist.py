"""Frequencies of a grid against the highest that it can hold: by ring up to there, and beyond that of a coarser grid."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from passband.frequency.spectrum import radial_sum
from passband.types import Batch, Images, Mask

VALUES_AT_ONCE = 2**21
"""Values whose transform is taken at a time: of a large map that is some of its channels, so that memory stays flat."""


def relative_frequencies(height: int, width: int) -> list[float]:
    """Return of each whole radius from 1 up to a grid's Nyquist frequency, half its shorter side, which share of it it is.

    Example:
        >>> relative_frequencies(8, 8), relative_frequencies(6, 5)
        ([0.25, 0.5, 0.75, 1.0], [0.4, 0.8])
    """
    shorter = min(height, width)
    return [2 * radius / shorter for radius in range(1, shorter // 2 + 1)]


def ring_amplitudes(maps: Batch) -> Float[Tensor, "batch rings"]:
    """Return the mean amplitude of each image's maps by ring, over channels and over the coefficients of the ring.

    The transform is orthonormal. Ring r has the coefficients whose distance from the zero frequency rounds to r cycles per
    image, from 1 to the Nyquist frequency of the shorter side; what is beyond, in the corners, is in none.

    Args:
        maps: Any numbers on a grid; half precision is computed in float32.

    Example:
        >>> ring_amplitudes(torch.ones(1, 3, 8, 8))  # a flat map has its mean, and nothing else
        tensor([[0., 0., 0., 0.]])
    """
    height, width = maps.shape[-2:]
    radii = slice(1, min(height, width) // 2 + 1)
    counts = radial_sum(torch.ones(height, width, device=maps.device))[radii]
    found = []
    for image in maps:
        amplitudes = (_transformed(piece).abs().sum(dim=0) for piece in _pieces(image))
        total = torch.stack([radial_sum(each)[radii] for each in amplitudes]).sum(dim=0)
        found.append(total / (counts * len(image)))
    return torch.stack(found)


def beyond_grid(height: int, width: int, stride: tuple[int, int]) -> Mask:
    """Return which coefficients of a grid lie beyond the Nyquist frequency of that with each so-manieth row and column.

    Those at it are not beyond. The zero frequency is at [0, 0].

    Example:
        >>> beyond_grid(4, 4, (2, 1))[:, 0]
        tensor([False, False,  True, False])
    """
    down, across = (
        2 * step * torch.fft.fftfreq(side, 1 / side).round().abs().long() > side
        for side, step in zip((height, width), stride, strict=True)
    )
    return down[:, None] | across


def aliasing_energy(maps: Images, stride: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return how much of the maps' energy, their means aside, aliases when each so-manieth row and column is kept, and all of it.

    Args:
        maps: Of one image, shaped (channels, height, width).
        stride: Down and across.

    Returns:
        `(aliased, total)`, single numbers: sums of squares over all channels.
    """
    beyond = beyond_grid(*maps.shape[-2:], stride).to(maps.device)
    powers = [_transformed(piece).abs().square().sum(dim=0) for piece in _pieces(maps)]
    power = torch.stack(powers).sum(dim=0)
    return power[beyond].sum(), power.sum()


def _transformed(maps: Images) -> Tensor:
    """Return the coefficients of maps without their means: taken away before, so that of flat maps exactly nothing is left."""
    wide = maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps
    return torch.fft.fft2(wide - wide.mean(dim=(-2, -1), keepdim=True), norm="ortho")


def _pieces(maps: Images) -> tuple[Tensor, ...]:
    """Return the maps some channels at a time."""
    return maps.split(max(1, VALUES_AT_ONCE // maps[0].numel()))
