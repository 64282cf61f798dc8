"""Test images for a source that has none of its own: a part of its images is held out from training."""

from __future__ import annotations

from dataclasses import replace

import torch

from passband.data.dataset import ImageDataset
from passband.errors import InputError
from passband.notices import Notice
from passband.randomness import generator_for

SHARE = 0.2
"""Of the images, held out for test."""


def shares_images(train: ImageDataset, test: ImageDataset) -> bool:
    """Return whether test images are training images: whether one of the sets begins with all of the other.

    So it is with a source without subsets, which gives the same images for either, whatever limit each is loaded with.
    """
    count = min(len(train), len(test))
    # Labels first: of a test set that is streamed, images are then only decoded where they may well be the same.
    return torch.equal(train.labels[:count], test.labels[:count]) and torch.equal(
        train.images[:count], test.images[:count]
    )


def hold_out(
    whole: ImageDataset, *, limit: int | None = None, test_limit: int | None = None
) -> tuple[ImageDataset, ImageDataset]:
    """Return training and test images: a fifth of the images, drawn at random, is for test, the rest for training.

    Which ones depends on their number alone, so that all runs on a source have the same test images.

    Args:
        whole: All images of a source.
        limit: Use only the first so many training images; None uses all.
        test_limit: The same of test images.

    Raises:
        InputError: If there is only one image.
    """
    count = max(1, round(SHARE * len(whole)))
    if len(whole) < 2:
        raise InputError(f"{whole.name} has one image, and both training and test need some")
    order = torch.randperm(len(whole), generator=generator_for(0, "held-out"))
    held, rest = order[:count].sort().values[:test_limit], order[count:].sort().values[:limit]
    said = (
        f"{whole.source or whole.name} has no test images of its own: {SHARE:.0%} of its {len(whole)} images, drawn at random and "
        "the same in every run, are held out from training for test"
    )
    known = replace(whole, notices=(*whole.notices, Notice("data", said, warning=False)))
    return replace(known.take(rest), subset="train"), replace(known.take(held), subset="test")
