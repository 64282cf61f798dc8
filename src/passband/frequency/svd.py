"""Images split by the ranks of their singular values, which know nothing of frequencies (section 8 of the paper)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from passband.errors import InputError
from passband.frequency.fourier import check_images
from passband.types import Images


class Factors(NamedTuple):
    """The singular value decomposition of each channel: `left @ diag(values) @ right`.

    Attributes:
        left: Orthonormal columns, shaped (..., channels, height, ranks).
        values: Singular values, the largest first, shaped (..., channels, ranks); there are as many as the shorter side.
        right: Orthonormal rows, shaped (..., channels, ranks, width).
    """

    left: Float[Tensor, "*batch channels height ranks"]
    values: Float[Tensor, "*batch channels ranks"]
    right: Float[Tensor, "*batch channels ranks width"]

    def dominant(
        self, ranks: Int64[Tensor, " *batch"] | int
    ) -> Float[Tensor, "*batch channels height width"]:
        """Return what the largest singular values make, so many of each channel; a number for each image, or one for all."""
        kept = torch.as_tensor(ranks, device=self.values.device)[..., None, None]
        places = torch.arange(self.values.shape[-1], device=self.values.device)
        return (self.left * self.values.where(places < kept, 0)[..., None, :]) @ self.right

    def trailing_energy(self) -> Float[Tensor, "*batch more_ranks"]:
        """Return how much energy (the sum of squares over all pixels and channels) is left out at rank 0, 1, 2, ... to all."""
        energy = self.values.double().square().sum(dim=-2)  # over channels
        left_out = energy.flip(-1).cumsum(dim=-1).flip(-1)
        return torch.nn.functional.pad(left_out, (0, 1))

    def ranks_that_leave_out(self, energy: Float[Tensor, " *batch"]) -> Int64[Tensor, " *batch"]:
        """Return the rank of each image whose trailing part has most nearly an energy, from 1 to all but one.

        At rank 0 nothing would be left of an image, and all of it would be its trailing part; at full rank the reverse.

        Raises:
            InputError: If a side has less than two pixels, so that there is no such rank.
        """
        if self.values.shape[-1] < 2:
            raise InputError("only an image with at least 2 pixels on each side has two parts by rank")
        between = self.trailing_energy()[..., 1:-1]
        return (between - energy.double()[..., None]).abs().argmin(dim=-1) + 1


def factorize(images: Images) -> Factors:
    """Return the singular value decomposition of each channel of images, in float32 or wider.

    Raises:
        InputError: If `images` has fewer than three dimensions, no elements, integer values, NaN or infinity.
    """
    check_images(images)
    if not images.isfinite().all():
        raise InputError("images must be finite, got NaN or infinite pixels")
    wide = images.float() if images.dtype in (torch.float16, torch.bfloat16) else images
    return Factors(*torch.linalg.svd(wide, full_matrices=False))


def split_by_rank(images: Images, rank: int) -> tuple[Images, Images]:
    """Split images into what their dominant singular values make and what the trailing ones make.

    Each channel is a matrix of height x width, decomposed on its own. The mean of an image is not set apart, as an LFC has
    it: most of it is in the first singular value. Where two singular values are equal at the cut, so are several splits.

    Args:
        images: Pixel values. Half precision is computed in float32.
        rank: How many singular values of each channel are dominant, from 0 (none) to the shorter side and beyond (all).

    Returns:
        `(dominant, trailing)`, shaped like `images`. They sum to `images`. Neither is clipped: `dominant` may leave [0, 1],
        `trailing` is signed.

    Raises:
        InputError: If `rank` is no whole number of at least 0, or `images` has fewer than three dimensions, no elements,
            integer values, NaN or infinity.

    Example:
        >>> dominant, trailing = split_by_rank(torch.rand(2, 3, 32, 32), rank=6)
        >>> torch.linalg.matrix_rank(dominant)
        tensor([[6, 6, 6],
                [6, 6, 6]])

    Source:
        Wang et al. 2020, section 8, which says neither the rank nor what becomes of color.
    """
    check_rank(rank)
    dominant = factorize(images).dominant(rank)
    return dominant.to(images.dtype), (images - dominant).to(images.dtype)


def check_rank(rank: int, least: int = 0) -> None:
    """Refuse what is no count of singular values.

    Raises:
        InputError: If it is no whole number, or less than `least`.
    """
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < least:
        raise InputError(f"rank must be a whole number of at least {least}, got {rank!r}")
