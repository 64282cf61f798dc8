"""Shuffled labels: the data set on which nothing can be learned but the images themselves."""

from __future__ import annotations

from dataclasses import replace

import torch

from passband.data.dataset import ImageDataset


def shuffle_labels(dataset: ImageDataset, generator: torch.Generator) -> ImageDataset:
    """Return the same images with their labels permuted: each class keeps its size, and loses its meaning.

    Args:
        dataset: The images.
        generator: Draws the permutation.

    Source:
        Zhang et al. 2017; Wang et al. 2020, section 4.1, M_shuffle. The paper's own permutation is a file that its
        repository lacks.
    """
    order = torch.randperm(len(dataset), generator=generator)
    return replace(dataset, labels=dataset.labels[order])
