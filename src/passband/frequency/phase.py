"""One image's Fourier amplitudes with another's phases."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from passband.errors import InputError
from passband.frequency.fourier import transform
from passband.types import Images


def swap_phase(amplitude_of: Images, phase_of: Images) -> Images:
    """Return images that have the Fourier amplitudes of some images and the phases of others, channel by channel.

    The mean of a channel is an amplitude too, and its phase is its sign: where both images have a positive mean, as [0, 1] pixels
    do, it is that of `amplitude_of`. A coefficient that `phase_of` does not have has no phase, and gets 0, a wave that is brightest
    at the first pixel. What is smaller than the rounding of a pixel counts as such: its phase would be that of the rounding.

    Args:
        amplitude_of: Pixel values. Half precision is computed in float32.
        phase_of: Pixel values of the same shape, likewise.

    Returns:
        Real images of the same shape, in the wider precision of the two. They are not clipped: they may leave [0, 1].

    Raises:
        InputError: If the shapes differ, or either has fewer than three dimensions, no elements, integer values, NaN or
            infinity.

    Example:
        >>> wave = torch.tensor([1.0, 0, -1, 0]).expand(1, 4, 4)
        >>> swap_phase(amplitude_of=3 * wave, phase_of=wave.roll(1, dims=-1))[0, 0]
        tensor([ 0.,  3.,  0., -3.])

    Source:
        Oppenheim and Lim 1981, "The importance of phase in signals", Proceedings of the IEEE 69; Piotrowski and Campbell 1982,
        "A demonstration of the visual importance and flexibility of spatial-frequency amplitude and phase", Perception 11.
    """
    amplitudes, phases = transform(amplitude_of).abs(), transform(phase_of)
    if amplitude_of.shape != phase_of.shape:
        raise InputError(
            "images that give amplitudes and images that give phases must have the same shape, got "
            f"{tuple(amplitude_of.shape)} and {tuple(phase_of.shape)}"
        )
    directions = phases.sgn().where(_is_there(phases, phase_of), 1)
    swapped = torch.fft.irfft2(amplitudes * directions, s=phase_of.shape[-2:])
    return swapped.to(torch.promote_types(amplitude_of.dtype, phase_of.dtype))


def _is_there(spectrum: Tensor, images: Images) -> Bool[Tensor, "*batch channels height half"]:
    """Return which coefficients are waves larger than the rounding of the channel's largest pixel."""
    largest = images.abs().amax(dim=(-2, -1), keepdim=True).to(spectrum.real.dtype)
    rounding = torch.finfo(spectrum.real.dtype).eps * largest
    return spectrum.abs() > math.prod(images.shape[-2:]) * rounding
