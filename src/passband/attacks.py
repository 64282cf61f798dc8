"""Adversarial examples: images that a model gets wrong, within a bound around images that it gets right.

Pixels are on the [0, 1] scale, and so is epsilon. The model is seen in evaluation mode, and left as it was: mode,
weights, gradients and running statistics.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from passband.errors import InputError, UnknownNameError
from passband.types import Batch, Labels, Norm

Bound = float | Float[Tensor, " batch"]
"""One number for all images, or one for each."""


def fgsm(model: nn.Module, images: Batch, labels: Labels, epsilon: Bound) -> Batch:
    """Return adversarial images after one step of size epsilon along the sign of the loss's gradient.

    Args:
        model: Takes [0, 1] pixels and returns logits.
        images: Pixels in [0, 1].
        labels: The true classes.
        epsilon: The largest change of any pixel, on the [0, 1] scale.

    Returns:
        Images in [0, 1], shaped like `images`, none further than epsilon from them.

    Raises:
        InputError: As `pgd`.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> images = torch.rand(5, 3, 2, 2)
        >>> adversarial = fgsm(model, images, torch.zeros(5, dtype=torch.int64), epsilon=8 / 255)
        >>> bool((adversarial - images).abs().max() <= 8 / 255 + 1e-6)
        True

    Source:
        Goodfellow et al. 2015; section 6 of the paper attacks with it.
    """
    return pgd(model, images, labels, epsilon, steps=1, step_size=epsilon, random_start=False)


def pgd(
    model: nn.Module,
    images: Batch,
    labels: Labels,
    epsilon: Bound,
    *,
    norm: Norm = "linf",
    steps: int = 10,
    step_size: Bound | None = None,
    random_start: bool = True,
    generator: torch.Generator | None = None,
) -> Batch:
    """Return adversarial images after projected gradient ascent on the cross-entropy.

    Args:
        model: Takes [0, 1] pixels and returns logits.
        images: Pixels in [0, 1].
        labels: The true classes.
        epsilon: The bound on the change, on the [0, 1] scale.
        norm: How a change is measured: its largest pixel (`"linf"`), or its length over all pixels (`"l2"`).
        steps: Number of steps.
        step_size: Length of a step in that norm; None is `2.5 * epsilon / steps`, with which the attack can
            cross the ball (Madry et al. 2018).
        random_start: Whether to start anywhere in the ball, and not at the images.
        generator: Draws the start, on the device of the images; None is torch's global generator.

    Returns:
        Images in [0, 1], shaped like `images`, none further than epsilon from them.

    Raises:
        InputError: If pixels are not in [0, 1], a number is negative or not finite, there are no steps, labels
            and images do not fit together, or the model has no gradient with respect to its images.
        UnknownNameError: If there is no such norm.

    Source:
        Madry et al. 2018; section 5.1 of the paper trains with it, section 6 attacks with it.
    """
    if norm not in get_args(Norm):
        raise UnknownNameError("norm", norm, get_args(Norm))
    if steps < 1:
        raise InputError(f"an attack needs at least one step, got {steps}")
    if len(images) != len(labels):
        raise InputError(f"as many labels as images are needed, got {len(labels)} and {len(images)}")
    lowest, highest = torch.aminmax(images)
    if not (lowest >= 0 and highest <= 1):
        raise InputError(f"pixels must be in [0, 1], got {lowest:.3g} to {highest:.3g}")
    radius = _per_image("epsilon", epsilon, images)
    step = 2.5 * radius / steps if step_size is None else _per_image("step_size", step_size, images)
    with torch.inference_mode(False), torch.enable_grad(), _evaluated(model):
        images = images.detach().clone()  # a tensor made in inference mode can have no gradient
        adversarial = images
        if random_start:
            adversarial = _confined(images, _draw_in_ball(images, norm, generator) * radius, radius, norm)
        for _ in range(steps):
            ascent = _direction(_loss_gradient(model, adversarial, labels), norm)
            adversarial = _confined(images, adversarial + step * ascent - images, radius, norm)
    return adversarial


def _loss_gradient(model: nn.Module, images: Batch, labels: Labels) -> Batch:
    """Return how each image's own cross-entropy changes with its pixels; nothing else is differentiated."""
    images = images.detach().requires_grad_()
    logits = model(images)
    if not logits.requires_grad:
        raise InputError(
            "the model has no gradient with respect to its images, so it cannot be attacked with one"
        )
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), images)
    return gradient


def _direction(gradient: Batch, norm: Norm) -> Batch:
    """Return the steepest ascent of length 1."""
    if norm == "linf":
        return gradient.sign()
    return gradient / _length(gradient).clamp_min(torch.finfo(gradient.dtype).tiny)


def _confined(images: Batch, change: Batch, radius: Tensor, norm: Norm) -> Batch:
    """Return `images + change` with the change brought into the ball, then the pixels into [0, 1].

    In this order both hold: each pixel that is cut to [0, 1] comes closer to its image's.
    """
    if norm == "linf":
        change = change.clamp(-radius, radius)
    else:
        change = change * (radius / _length(change).clamp_min(torch.finfo(change.dtype).tiny)).clamp_max(1)
    return (images + change).clamp(0, 1)


def _draw_in_ball(images: Batch, norm: Norm, generator: torch.Generator | None) -> Batch:
    """Return changes that are uniform in the ball of radius 1."""
    if norm == "linf":
        return torch.empty_like(images).uniform_(-1, 1, generator=generator)
    outward = _direction(torch.empty_like(images).normal_(generator=generator), norm)
    share = torch.empty_like(images[:, :1, :1, :1]).uniform_(generator=generator)
    return outward * share ** (1 / images[0].numel())


def _length(change: Batch) -> Float[Tensor, "batch 1 1 1"]:
    return change.flatten(1).norm(dim=1)[:, None, None, None]


def _per_image(what: str, value: Bound, images: Batch) -> Tensor:
    """Return a bound in a shape that multiplies images.

    Raises:
        InputError: If it is negative or not finite, or not one number an image.
    """
    numbers = torch.as_tensor(value, dtype=images.dtype, device=images.device).reshape(-1, 1, 1, 1)
    if len(numbers) not in (1, len(images)):
        raise InputError(
            f"{what} must be one number, or one for each of {len(images)} images, got {len(numbers)}"
        )
    if not (numbers >= 0).all() or not numbers.max() < math.inf:
        raise InputError(f"{what} must be 0 or positive, got {value}")
    return numbers


@contextmanager
def _evaluated(model: nn.Module) -> Generator[None]:
    """Put every module of a model into evaluation mode, and leave each as it was."""
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True
