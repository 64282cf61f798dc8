"""What a step is trained on: stored images and labels become pixels and targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from passband.data.dataset import to_pixels
from passband.frequency.component import FULL
from passband.frequency.rescale import rescale
from passband.train.augment import augment
from passband.train.config import RunConfig
from passband.train.mixup import Probabilities, mixup, sample_mixup
from passband.types import Batch, ByteImages, Labels


def make_examples(
    images: ByteImages, labels: Labels, classes: int, config: RunConfig, generator: torch.Generator
) -> tuple[Batch, Probabilities]:
    """Return the pixels and targets that a run trains on, adversarial examples aside.

    Components are made here, batch by batch: nothing is stored per component, and it takes a few percent of a step
    (benchmarks/training.py).

    Args:
        images: A batch of stored images.
        labels: Their classes.
        classes: Number of classes.
        config: `augment`, `component`, `amplitude` and `mixup` are taken from it, and done in this order.
        generator: Draws the augmentation and mixup, on the CPU.
    """
    if config.augment:
        images = augment(images, generator)
    pixels = to_pixels(images, images.device)
    component = config.trained_component
    if component != FULL:  # section 4.2 and Table 1: "normalized to have the standard pixel scale"
        pixels = rescale(component.of(pixels), config.amplitude, original=pixels)
    targets = F.one_hot(labels, classes).float()
    if config.mixup is not None:
        weight, order = sample_mixup(len(labels), config.mixup, generator)
        pixels, targets = mixup(pixels, targets, weight, order.to(labels.device))
    return pixels, targets
