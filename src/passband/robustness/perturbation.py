"""Where the energy of a perturbation lies: which frequencies an attack needs."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from passband.frequency.spectrum import radial_sum
from passband.types import Batch


def perturbation_spectra(
    change: Batch,
) -> tuple[Float[Tensor, "batch n_radii"], Float[Tensor, "batch height width"]]:
    """Return how the energy of each perturbation is spread over radii, and its power spectrum.

    Args:
        change: Adversarial images minus the images they were made from.

    Returns:
        The share of its energy at radius 0, 1, 2, ... to the corner (a coefficient is at the whole radius that it is
        nearest to), in [0, 1]; the shares sum to 1, or are all 0 where nothing was changed. And its power, the mean
        over channels, orthonormal transform, [0, 1] pixels, with the zero frequency at [0, 0].

    Example:
        >>> shares, power = perturbation_spectra(torch.ones(1, 3, 4, 4))  # all of it is a change of the mean
        >>> shares[0].tolist(), power[0].sum().item()
        ([1.0, 0.0, 0.0, 0.0], 16.0)
    """
    power = torch.fft.fft2(change, norm="ortho").abs().square().mean(dim=1)
    energy = radial_sum(power)
    total = energy.sum(dim=1, keepdim=True)
    return energy / torch.where(total > 0, total, 1), power
