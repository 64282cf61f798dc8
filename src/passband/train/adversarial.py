"""Adversarial training: each step is taken on adversarial examples made against the network as it is."""

from __future__ import annotations

import torch
from torch import nn

from passband.attacks import pgd
from passband.train.config import RunConfig
from passband.types import Batch, Labels


def attacked(
    network: nn.Module, images: Batch, labels: Labels, config: RunConfig, generator: torch.Generator
) -> Batch:
    """Return what a run with `adversarial` trains on instead of `images`.

    The network is attacked in evaluation mode: dropout does not blur the gradient, and running statistics of BatchNorm
    are not those of adversarial examples twice. Where the gradient of an image is 0 or NaN, the image stays where the
    attack had come to, so that the loss is never taken of pixels that are none.

    Args:
        network: The network in training.
        images: Pixels in [0, 1].
        labels: What they are trained to be, shuffled or not.
        config: Epsilon, steps, step size and random start are taken from it; `adversarial` must be set.
        generator: Draws the random start, on the device of the images.

    Source:
        Madry et al. 2018; section 5.1 of the paper, epsilon 8/255. Its released code has 0.03 and 10 steps of a tenth
        of epsilon, without random start.
    """
    settings = config.resolved()
    assert settings.adversarial is not None
    return pgd(
        network,
        images,
        labels,
        settings.adversarial,
        steps=settings.attack_steps,
        step_size=settings.attack_step_size,
        random_start=settings.attack_random_start,
        generator=generator,
    )
