"""The pictures of a data set prepared in several ways, side by side: decoded once more, since images do not tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int64
from torch import Tensor

from passband.data.dataset import ImageDataset
from passband.data.images import SeveralWays
from passband.errors import InputError
from passband.preparation import Preparation
from passband.types import ByteImages


def side_by_side(dataset: ImageDataset, ways: Sequence[Preparation]) -> ImageDataset:
    """Return a data set of the same samples, whose images hold their pictures in several preparations.

    Its images have the channels of those of `dataset`, then those of each other way. Nothing is decoded before it is looked at,
    by as many processes as a set that is streamed; nothing is kept.

    Args:
        dataset: Loaded by `load_dataset`, with pictures that were prepared.
        ways: Other preparations, to the size of its images.

    Raises:
        InputError: If it has no such pictures, or a way is to another size.
    """
    how, pictures = dataset.preparation, dataset.pictures
    if how is None or pictures is None:
        raise InputError(
            f"the pictures of {dataset.name} cannot be prepared otherwise, since nothing prepared them: its images are as they "
            "are stored, or were made or replaced by a program. Give --size (size=), or take the original pictures."
        )
    for way in ways:
        if way.size != how.size:
            raise InputError(f"pictures are compared that have one size, got {how} and {way}")
    several = SeveralWays(dataset.channels, how, tuple(ways))
    shape = torch.Size((len(pictures), dataset.channels * (1 + len(ways)), *dataset.size))
    images = replace(pictures, decode=several, shape=shape, _digest=None)
    return replace(dataset, images=images, pictures=None)


def makes_a_difference(dataset: ImageDataset, way: Preparation) -> bool:
    """Return whether another preparation does anything to some picture that was not done: not where both leave all of them."""
    how, pictures = dataset.preparation, dataset.pictures
    if how is None or pictures is None or way == how:
        return False
    return not all(way.leaves(size) and how.leaves(size) for size in pictures.sizes)


def check_same(dataset: ImageDataset, indices: Int64[Tensor, " samples"], prepared_again: ByteImages) -> None:
    """Refuse images that are not what their pictures give when they are prepared as they were.

    Args:
        dataset: The images; those that are streamed are prepared again whenever they are looked at.
        indices: Positions of some.
        prepared_again: What their pictures give.

    Raises:
        InputError: If pixels differ: files were changed, or images were replaced.
    """
    if not isinstance(dataset.images, Tensor):
        return
    differ = (dataset.images[indices] != prepared_again).flatten(1).any(dim=1)
    if differ.any():
        raise InputError(
            f"{int(differ.sum())} of {len(indices)} pictures of {dataset.name} do not give the images that it has, image "
            f"{int(indices[differ][0])} first: files have changed since it was loaded, or its images were replaced. Load it again."
        )
