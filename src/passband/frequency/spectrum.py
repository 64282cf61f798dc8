"""How the power of images is spread over spatial frequencies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from passband.errors import InputError
from passband.frequency.fourier import check_images, frequency_distance
from passband.types import Images

ROUNDING = 1e-12
"""Energy over that of the mean below which it is rounding: flat images have up to 5e-14 of it, measured to 331 pixels a side;
one pixel of such a white image that is one gray level off has 1.4e-10."""


def power_spectrum(images: Images) -> Float[Tensor, "height width"]:
    """Return the mean power of each Fourier coefficient, over all images and channels.

    The transform is orthonormal, so the powers of an image sum to the squares of its pixels (Parseval).

    Returns:
        Power in squared pixel units, with the zero frequency at [0, 0].

    Raises:
        InputError: If `images` is not a floating-point tensor shaped (..., channels, height, width).
    """
    check_images(images)
    wide = images.float() if images.dtype in (torch.float16, torch.bfloat16) else images
    power = torch.fft.fft2(wide, norm="ortho").abs().square()
    return power.flatten(end_dim=-3).mean(dim=0)


def radial_power(images: Images) -> Float[Tensor, " n_radii"]:
    """Return the mean power by integer radius: of all coefficients whose distance rounds to 0, 1, 2, ...

    Returns:
        Power in squared pixel units, from radius 0 (the mean) to the corner.

    Raises:
        InputError: As `power_spectrum`.

    Example:
        >>> radial_power(torch.ones(3, 8, 8))  # a flat image has its mean, and nothing else
        tensor([64.,  0.,  0.,  0.,  0.,  0.,  0.])
    """
    return radial_mean(power_spectrum(images))


def radial_mean(power: Float[Tensor, "height width"]) -> Float[Tensor, " n_radii"]:
    """Return the mean by integer radius of a power spectrum with the zero frequency at [0, 0]."""
    count = radial_sum(torch.ones_like(power))  # thin images have rings without any coefficient
    return radial_sum(power) / count.clamp(min=1)


def radial_sum(power: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch n_radii"]:
    """Return the sum by integer radius, to the corner: of all coefficients whose distance rounds to 0, 1, 2, ...

    Args:
        power: Anything that is one number a coefficient, with the zero frequency at [0, 0].

    Example:
        >>> radial_sum(torch.ones(4, 4))
        tensor([1., 8., 6., 1.])
    """
    ring = frequency_distance(*power.shape[-2:]).round().long().to(power.device).flatten()
    total = power.new_zeros(*power.shape[:-2], int(ring.max()) + 1)
    return total.index_add(-1, ring, power.flatten(-2))


def energy_fraction(images: Images, radius: float, *, include_mean: bool = False) -> Float[Tensor, "*batch"]:
    """Return the share of each image's energy that its LFC at `radius` holds.

    Args:
        images: Pixel values.
        radius: Cut-off in cycles per image, inclusive.
        include_mean: Whether the zero frequency counts. It holds most of the energy of any photograph and
            tells no image from another, so by default it does not.

    Returns:
        Fractions in [0, 1], one an image. A flat image, which has no other energy, gets 1.

    Raises:
        InputError: As `power_spectrum`, and if `radius` is negative or NaN.

    Example:
        >>> energy_fraction(torch.rand(2, 3, 32, 32), radius=23)
        tensor([1., 1.])
    """
    check_images(images)
    if not radius >= 0:
        raise InputError(f"radius must be >= 0, got {radius}")
    wide = images.float() if images.dtype in (torch.float16, torch.bfloat16) else images
    if not include_mean:
        wide = wide - wide.mean(
            dim=(-2, -1), keepdim=True
        )  # before the transform: exact zero for a flat image
    power = torch.fft.fft2(wide, norm="ortho").abs().square()
    kept = (frequency_distance(*images.shape[-2:]) <= radius).to(images.device)
    total = power.sum(dim=(-3, -2, -1))
    low = (power * kept).sum(dim=(-3, -2, -1))
    return torch.where(total > 0, low / torch.where(total > 0, total, 1), 1)


def energy_within(power: Float[Tensor, "height width"], radii: Sequence[float]) -> Float[Tensor, " radii"]:
    """Return the share of a power spectrum's energy, the mean left out, within each of `radii`.

    Args:
        power: Mean power with the zero frequency at [0, 0], as `power_spectrum` returns it.
        radii: Cut-offs in cycles per image, inclusive.

    Returns:
        Fractions in [0, 1]; all 1 where there is no energy beside the mean.
    """
    distance = frequency_distance(*power.shape).to(power.device)
    mean, power = power[0, 0], power.where(distance > 0, 0)
    total = power.sum()
    if total <= ROUNDING * mean:
        return torch.ones(len(radii), dtype=power.dtype, device=power.device)
    return torch.stack([power[distance <= radius].sum() / total for radius in radii])
