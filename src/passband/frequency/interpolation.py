"""What enlarging leaves behind: differences of neighbors that ripple, and an empty band of high frequencies."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from passband.types import Planes

FREQUENCIES = torch.linspace(0.25, 0.5, 65)  # cycles per pixel; slower ripples come from what the images show
NATURAL_FALL = 10.0  # dB an octave; photographs fall by 5 to 8, with a soft resize by 10 to 11
ROUNDING = 1 / 12  # variance that rounding to whole gray levels adds to a pixel


def ripple(planes: Planes, order: int) -> Float[Tensor, "2 frequencies"]:
    """Return how much differences of an order grow and shrink along rows and columns, by frequency.

    Interpolation repeats with the grid of the smaller image, so the variance of differences does (Gallagher 2005,
    for second differences; first ones show a doubling). What the images show varies it too, but not with one phase
    all along: the least of three thirds counts.
    """
    axes = []
    for lines in (planes, planes.transpose(1, 2)):
        power = lines.diff(n=order, dim=2).square().mean((0, 1)) + math.comb(2 * order, order) * ROUNDING
        middle, around = power[1:-1], (power[:-2] + power[2:]) / 2
        position = torch.arange(len(middle), device=lines.device)
        wave = torch.exp(-2j * math.pi * FREQUENCIES.to(lines.device)[:, None] * position)
        rippling = torch.tensor_split((middle - around) * wave, 3, dim=1)
        present = torch.tensor_split(middle + around, 3)
        thirds = torch.stack([part.sum(1) / all_.sum() for part, all_ in zip(rippling, present, strict=True)])
        together = torch.sgn(thirds.sum(0))
        axes.append((thirds * together.conj()).real.amin(0).clamp(min=0))
    return torch.stack(axes)


def pairing(ripple: Float[Tensor, "*axes frequencies"]) -> Float[Tensor, "*axes"]:
    """Return the ripple of period 2 beyond that of periods 4 and 8/3, which blocks of JPEG have alike.

    A pixel less the mean of its neighbors has (1 - cos 2 pi f) / 2 of a wave's amplitude, which is undone here.
    """
    quarter, three_eighths, half = (ripple[..., i] for i in (0, 32, 64))  # of FREQUENCIES
    return half - (quarter / 0.5 + three_eighths / 0.854) / 2


def enlarged_radius(
    ripples: Float[Tensor, "2 frequencies"], missing: float, cutoff: float, side: int
) -> float | None:
    """Return the highest radius of the smaller image, or None where the factor cannot be told.

    A ripple of frequency f comes with a factor of 1 / f, or of 1 / (1 - f): the spectrum's fall tells which.
    """
    strongest = ripples.max()
    if pairing(ripples[0]) > 0.6 * strongest:
        share = 0.5
    elif missing > 0:
        f = FREQUENCIES[ripples.amax(0).argmax()].item()
        share = min(f, 1 - f, key=lambda candidate: abs(candidate - cutoff))
    else:  # nearest neighbor leaves no empty band
        return None
    return float(math.floor(share * side / 2))


def empty_band(planes: Planes) -> tuple[float, float]:
    """Return the power missing in the highest band in dB, and where that band begins as a share of Nyquist."""
    spectra = []
    for lines in (planes, planes.transpose(1, 2)):
        length = lines.shape[2]
        window = torch.hann_window(length, device=lines.device)  # the edges' jump would fill the band
        power = torch.fft.rfft((lines - lines.mean(2, keepdim=True)) * window).abs().square().mean((0, 1))
        share = torch.arange(len(power), device=lines.device) * 2 / length
        spectra.append((share, power / window.square().sum() + ROUNDING))
    cutoffs = torch.linspace(0.25, 0.75, 17).tolist()
    return max((sum(_missing(*spectrum, cutoff) for spectrum in spectra) / 2, cutoff) for cutoff in cutoffs)


def _missing(share: Float[Tensor, " bins"], power: Float[Tensor, " bins"], cutoff: float) -> float:
    """Return how far, in dB, the power above a cutoff lies below a natural fall from the octave beneath it."""
    below = (share >= cutoff / 2) & (share <= 0.8 * cutoff)
    above = share >= (1 + cutoff) / 2
    if not below.any():  # between two bins of a small image
        return -math.inf
    octaves = share[above].log2().mean() - share[below].log2().mean()
    fall = 10 * (power[below].mean() / power[above].mean()).log10()
    return (fall - NATURAL_FALL * octaves).item()
