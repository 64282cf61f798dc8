"""Pairs of images of different classes: which image goes with which, and how sure a mean over such pairs is."""

from __future__ import annotations

import math

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from passband.randomness import derive_seed
from passband.types import Labels


def draw_partners(
    labels: Labels, positions: Int64[Tensor, " samples"], seed: int
) -> Int64[Tensor, " samples"]:
    """Return for each sample the place of another whose label differs, each of them as likely as the others.

    Args:
        labels: Of at least two classes.
        positions: Of the samples in their data set; with the seed they decide, and not the order in which they come.
        seed: Draws.

    Example:
        >>> draw_partners(torch.tensor([0, 0, 1]), torch.arange(3), seed=0)[:2]
        tensor([2, 2])
    """
    order = positions.argsort()
    order = order[labels[order].argsort(stable=True)]  # class after class
    sizes = torch.bincount(labels)
    first, own = (sizes.cumsum(0) - sizes)[labels], sizes[labels]
    others = (len(labels) - own).tolist()
    drawn = torch.tensor(
        [
            derive_seed(seed, "partner", position) % other
            for position, other in zip(positions.tolist(), others, strict=True)
        ]
    )
    return order[torch.where(drawn < first, drawn, drawn + own)]  # past those of its own class


def error_over_pairs(values: Shaped[Tensor, " samples"], partners: Int64[Tensor, " samples"]) -> float:
    """Return the standard error of a mean over pairs of images, some of which share an image.

    An image may give its amplitudes to several others. What follows amplitudes is alike in all of them, so that the mean rests on
    fewer images than there are pairs. It is never less than the error of independent pairs.

    Args:
        values: One of each pair.
        partners: The second image of each pair; the first one of pair `i` is image `i`.

    Source:
        Aronow, Samii and Assenova 2015, Cluster-robust variance estimation for dyadic data.
    """
    count = len(values)
    deviations = values.double() - values.double().mean()
    alone = deviations.square().sum()
    of_image = deviations.clone().index_add_(0, partners, deviations)  # the sum over the pairs that it is in
    both_ways = partners[partners] == torch.arange(count)  # such two pairs share both of their images
    twice = (deviations * deviations[partners])[both_ways].sum()
    shared = of_image.square().sum() - alone - twice
    return math.sqrt(max(alone.item(), shared.item()) / (count * (count - 1)))
