"""Other splits of an image at the energy of its HFC: what a Fourier split is compared with.

Energy is the sum of squares over all pixels and channels of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from passband.frequency.fourier import split_many
from passband.frequency.svd import factorize
from passband.types import Batch

Split = Literal["hfc", "svd", "random", "noise"]
"""How a part is taken: Fourier's HFC, trailing singular values, a random subspace, or noise that was never in the image."""

Energies = Float[Tensor, " batch"]


def splits_of_equal_energy(
    images: Batch, radii: Sequence[float], draws: Float[Tensor, "2 batch channels height width"]
) -> Iterator[tuple[tuple[Split, float], Batch, Batch, Int64[Tensor, " batch"]]]:
    """Yield each way of splitting images at each radius: what it is, what is left, the part taken, the rank of what is left.

    Args:
        images: [0, 1] pixels.
        radii: Those of the HFCs whose energy is taken, image by image.
        draws: Standard normal numbers for the random subspace and for the noise.
    """
    factors = factorize(images)
    for radius, low, high in zip(radii, *split_many(images, radii), strict=True):
        energy = energy_of(high)
        rank = factors.ranks_that_leave_out(energy)
        dominant = factors.dominant(rank)
        yield ("hfc", radius), low, high, torch.zeros_like(rank)
        yield ("svd", radius), dominant, images - dominant, rank
        yield ("random", radius), *split_at_random(images, energy, draws[0]), torch.zeros_like(rank)
        yield ("noise", radius), *split_off_noise(images, energy, draws[1]), torch.zeros_like(rank)


def energy_of(images: Batch) -> Energies:
    """Return the energy of each image.

    Example:
        >>> energy_of(torch.full((1, 3, 2, 2), 0.5))
        tensor([3.])
    """
    return images.square().sum(dim=(1, 2, 3))


def split_at_random(images: Batch, energy: Energies, draws: Batch) -> tuple[Batch, Batch]:
    """Split images by a random subspace: what lies in it, and what is orthogonal to that.

    The mean of each channel stays with the first part, as in an LFC. Of the rest, a, the second part is the orthogonal
    projection v on a random subspace, drawn evenly among all of a dimension, given that v has the energy E. No basis is made:
    v and a - v are orthogonal, so that <v, a> = E, which fixes the part of v along a, and the length of what is across a; its
    direction there is evenly distributed, since rotations that leave a alone leave the law of the subspace alone. So

        v = E / |a|^2 a + sqrt(E (1 - E / |a|^2)) u

    with u drawn evenly among the unit vectors orthogonal to a and to the channels' means, whatever the dimension. It is exact.

    Args:
        images: Pixel values.
        energy: That of each second part; not more than the image has without its channels' means, as no HFC has more.
        draws: Standard normal numbers, which decide u.

    Returns:
        `(kept, removed)`, shaped like `images`. They sum to `images` and are orthogonal to each other.
    """
    varying = images - images.mean(dim=(2, 3), keepdim=True)
    whole = energy_of(varying)
    share = _ratio(energy, whole).clamp(0, 1)
    across = draws - draws.mean(dim=(2, 3), keepdim=True)
    along = _ratio((across * varying).sum(dim=(1, 2, 3)), whole)
    across = across - _each(along) * varying
    length = (energy * (1 - share) * _ratio(torch.ones_like(whole), energy_of(across))).clamp(min=0).sqrt()
    removed = _each(share) * varying + _each(length) * across
    return images - removed, removed


def split_off_noise(images: Batch, energy: Energies, draws: Batch) -> tuple[Batch, Batch]:
    """Take Gaussian noise from images, as if it were a part of them.

    Args:
        images: Pixel values.
        energy: That of each image's noise.
        draws: Standard normal numbers, scaled to that energy.

    Returns:
        `(kept, removed)`, shaped like `images`: the image without the noise, and the noise. They sum to `images`.
    """
    removed = draws * _each(_ratio(energy, energy_of(draws)).sqrt())
    return images - removed, removed


def _ratio(part: Energies, whole: Energies) -> Energies:
    """Return part / whole, and 0 where there is nothing."""
    return torch.where(whole > 0, part / whole.where(whole > 0, 1), 0)


def _each(numbers: Energies) -> Float[Tensor, "batch 1 1 1"]:
    return numbers[:, None, None, None]
