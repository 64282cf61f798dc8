"""What a step is trained on: stored images and labels become pixels and targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from passband.data.dataset import to_device, to_pixels
from passband.frequency.component import FULL
from passband.frequency.rescale import rescale
from passband.train.augment import crop_and_flip, sample_crops
from passband.train.config import RunConfig
from passband.train.mixup import Probabilities, mixup, sample_mixup
from passband.types import Batch, ByteImages, Labels


@dataclass(frozen=True)
class Drawn:
    """What is drawn for a batch.

    Attributes:
        order: Which images it has.
        crops: The corners of their windows, and which of them to mirror; None without augmentation.
        blend: How much of each image remains in mixup, and its partner's position in the batch; None without.
    """

    order: Int64[Tensor, " batch"]
    crops: tuple[Int64[Tensor, "batch 2"], Bool[Tensor, " batch"]] | None = None
    blend: tuple[float, Int64[Tensor, " batch"]] | None = None


def draw_epoch(
    count: int, config: RunConfig, generator: torch.Generator, device: torch.device | str = "cpu"
) -> list[Drawn]:
    """Return what is drawn for each batch of an epoch, on the device: a step then waits for nothing that is drawn.

    Args:
        count: Training images.
        config: `batch_size`, `augment` and `mixup` are taken from it.
        generator: On the CPU.
        device: Where the images are.
    """
    epoch = []
    for order in torch.randperm(count, generator=generator).split(config.batch_size):
        crops = blend = None
        if config.augment:
            corners, mirrored = sample_crops(len(order), generator)
            crops = to_device(corners, device), to_device(mirrored, device)
        if config.mixup is not None:
            weight, partners = sample_mixup(len(order), config.mixup, generator)
            blend = weight, to_device(partners, device)
        epoch.append(Drawn(to_device(order, device), crops, blend))
    return epoch


def make_examples(
    images: ByteImages, labels: Labels, classes: int, config: RunConfig, drawn: Drawn
) -> tuple[Batch, Probabilities]:
    """Return the pixels and targets that a run trains on, adversarial examples aside.

    Components are made here, batch by batch: nothing is stored per component, and it takes a few percent of a step
    (benchmarks/training.py).

    Args:
        images: A batch of stored images.
        labels: Their classes.
        classes: Number of classes.
        config: `component` and `amplitude` are taken from it. They come after augmentation, and before mixup.
        drawn: Augmentation and mixup of this batch.
    """
    if drawn.crops is not None:
        images = crop_and_flip(images, *drawn.crops)
    pixels = to_pixels(images, images.device)
    component = config.trained_component
    if component != FULL:  # section 4.2 and Table 1: "normalized to have the standard pixel scale"
        pixels = rescale(component.of(pixels), config.amplitude, original=pixels)
    targets = (labels[:, None] == torch.arange(classes, device=labels.device)).float()
    if drawn.blend is not None:
        pixels, targets = mixup(pixels, targets, *drawn.blend)
    return pixels, targets
