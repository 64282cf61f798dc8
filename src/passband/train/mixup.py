"""Mixup: training on blends of two images and of their labels."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from passband.types import Batch

Probabilities = Float[Tensor, "batch classes"]
"""What a network is to answer: one probability a class, summing to 1."""


def mixup(
    images: Batch, targets: Probabilities, weight: float, order: Int64[Tensor, " batch"]
) -> tuple[Batch, Probabilities]:
    """Blend each image and its target with those of another.

    Args:
        images: A batch.
        targets: Their targets.
        weight: How much of the image itself remains, in [0, 1].
        order: Position in the batch of each image's partner.

    Returns:
        Images and targets, shaped like those given.

    Example:
        >>> images, targets = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), torch.eye(2)
        >>> blend, soft = mixup(images, targets, 0.75, torch.tensor([1, 0]))
        >>> blend.flatten(), soft[0]
        (tensor([0.2500, 0.7500]), tensor([0.7500, 0.2500]))

    Source:
        Zhang et al. 2018; section 5.1 of the paper.
    """
    return torch.lerp(images[order], images, weight), torch.lerp(targets[order], targets, weight)


def sample_mixup(
    size: int, alpha: float, generator: torch.Generator
) -> tuple[float, Int64[Tensor, " batch"]]:
    """Draw what `mixup` needs for a batch: one weight from Beta(alpha, alpha), and everyone's partner.

    Args:
        size: Images in the batch.
        alpha: Positive; 0.5 in the paper. At 1 all weights are equally likely, below it most are near 0 or 1.
        generator: On the CPU.
    """
    order = torch.randperm(size, generator=generator)
    # Torch's Beta distribution draws from the global generator only, so NumPy's is seeded from ours.
    numbers = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    return float(numbers.beta(alpha, alpha)), order
