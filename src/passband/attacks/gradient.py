"""FGSM and PGD: up the gradient of the loss, within a ball around the image."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import get_args

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from passband.attacks.ball import Ball, Bound, check_band, draw_in_ball, per_image, radius_of
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import Component
from passband.frequency.fourier import check_images
from passband.prediction import as_float, predict
from passband.types import Batch, Labels, Logits, Norm

REACH = 2.5  # steps times their length, in epsilons, where no length is given (Madry et al. 2018)


def fgsm(
    model: nn.Module, images: Batch, labels: Labels, epsilon: Bound, *, band: Component | None = None
) -> Batch:
    """Return adversarial images after one step of size epsilon along the sign of the loss's gradient.

    Args:
        model: Takes [0, 1] pixels and returns logits.
        images: Pixels in [0, 1].
        labels: The true classes.
        epsilon: The largest change of any pixel, on the [0, 1] scale.
        band: The frequencies that the change may have: see `pgd`.

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
    return pgd(model, images, labels, epsilon, steps=1, step_size=epsilon, random_start=False, band=band)


def pgd(
    model: nn.Module,
    images: Batch,
    labels: Labels,
    epsilon: Bound,
    *,
    norm: Norm = "linf",
    steps: int = 10,
    step_size: Bound | None = None,
    restarts: int = 1,
    random_start: bool = True,
    band: Component | None = None,
    generator: torch.Generator | None = None,
    trusted: bool = False,
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
        restarts: How often to start. Each image is given the result of the first start that fools the model, or
            of the last one if none does.
        random_start: Whether to start anywhere in the ball, and not at the images.
        band: The frequencies that the change may have. After each step it is projected on them and shrunk into
            the ball; what is cut off pixels that would leave [0, 1] is the one thing that may lie outside the band.
        generator: Draws the starts, on the device of the images; None is torch's global generator.
        trusted: Take it that the images are in [0, 1], as those are that were made of bytes: to look waits for a GPU.

    Returns:
        Images in [0, 1], shaped like `images`, none further than epsilon from them. Where the gradient is 0 or NaN there
        is no way up: an image that has no other pixels stays where it is.

    Raises:
        InputError: If images are not a batch of floating-point pixels in [0, 1], epsilon is negative or larger than
            the distance of any two images, a number is negative or not finite, there are no steps or starts, the
            band is none or past the corner, labels and images do not fit together, the model has no
            gradient with respect to its images, or its answer decides whether to start again and is not finite.
        UnknownNameError: If there is no such norm.

    Source:
        Madry et al. 2018; section 5.1 of the paper trains with it, section 6 attacks with it.
    """
    check_attacked(images, labels, norm, trusted=trusted)
    for what, number in (("step", steps), ("start", restarts)):
        if number < 1:
            raise InputError(f"an attack needs at least one {what}, got {number}")
    check_band(band, (images.shape[-2], images.shape[-1]))
    ball = Ball(radius_of(epsilon, norm, images), norm, band)
    step = REACH * ball.radius / steps if step_size is None else per_image("step_size", step_size, images)
    with attacking(model):
        images = images.detach().clone()  # a tensor made in inference mode can have no gradient
        adversarial, left = images, torch.arange(len(images), device=images.device)
        for restart in range(restarts):
            if restart > 0:
                left = left[_is_right(model, adversarial[left], labels[left])]
                if len(left) == 0:
                    break
            some, inside = images[left], ball.of(left)
            moved = some
            if random_start:
                moved = inside.start(some, draw_in_ball(some, norm, generator))
            for _ in range(steps):
                _, gradient = loss_gradient(model, moved, labels[left])
                moved, _ = climb(some, moved, gradient, step if len(step) == 1 else step[left], inside)
            adversarial = adversarial.index_copy(0, left, moved)
    return adversarial


def climb(
    images: Batch, adversarial: Batch, gradient: Batch, step: Tensor, ball: Ball
) -> tuple[Batch, Bool[Tensor, " batch"]]:
    """Take a step.

    Returns:
        The adversarial images one step further up the gradient, and back in the ball around `images`; and which of them
        had a gradient that is 0, or not finite somewhere. Those go on with what is left of it, and stay exactly where
        they were where nothing is.
    """
    ascent = ball.ascent(gradient)
    moves = (ascent != 0).flatten(1).any(dim=1)
    moved = ball.confined(images, adversarial + step * ascent - images)
    astray = ~moves | ~gradient.isfinite().flatten(1).all(dim=1)
    return torch.where(moves[:, None, None, None], moved, adversarial), astray


def loss_gradient(model: nn.Module, images: Batch, labels: Labels) -> tuple[Logits, Batch]:
    """Return the logits, and how each image's own cross-entropy changes with its pixels.

    Nothing else is differentiated, so parameters keep their gradients. Gradients must be enabled.

    Raises:
        InputError: As `pixel_gradient`.
    """
    return pixel_gradient(model, images, lambda logits: F.cross_entropy(logits, labels, reduction="sum"))


def pixel_gradient(
    model: nn.Module, images: Batch, number: Callable[[Logits], Float[Tensor, ""]]
) -> tuple[Logits, Batch]:
    """Return the logits, and how a number that follows from them changes with the pixels.

    Nothing else is differentiated, so parameters keep their gradients. Gradients must be enabled.

    Args:
        model: Takes [0, 1] pixels and returns logits.
        images: Pixels in [0, 1].
        number: What is differentiated, of the logits of all images; a sum over images gives each its own gradient.

    Raises:
        InputError: If the model has no gradient with respect to its images, or it cannot be computed.
    """
    images = images.detach().requires_grad_()
    logits = as_float(model(images))
    gradient = None
    if logits.requires_grad:
        value = number(logits)
        try:
            (gradient,) = torch.autograd.grad(value, images, allow_unused=True)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # an operation has none, or was undone in place
            said = str(error).strip().split("\n")[0]
            raise InputError(
                f"the model's gradient with respect to its images cannot be computed ({said})"
            ) from error
    if gradient is None:
        raise InputError(
            "the model has no gradient with respect to its images, so it cannot be attacked with one, nor looked at by what "
            "needs one. An ONNX file has none: load the network that it was made from, or choose what needs none: "
            "`passband instruments` says which do."
        )
    return logits.detach(), gradient


def check_attacked(images: Tensor, labels: Labels, norm: Norm, *, trusted: bool = False) -> None:
    """Refuse what no attack can start from; of trusted images the pixels are not looked at.

    Raises:
        InputError: If images are not a batch of floating-point pixels in [0, 1], or labels are not as many.
        UnknownNameError: If there is no such norm.
    """
    if norm not in get_args(Norm):
        raise UnknownNameError("norm", norm, get_args(Norm))
    check_images(images)
    if images.dim() != 4:
        raise InputError(
            f"images to attack must have shape (batch, channels, height, width), got {tuple(images.shape)}"
        )
    if len(images) != len(labels):
        raise InputError(f"as many labels as images are needed, got {len(labels)} and {len(images)}")
    if trusted:
        return
    lowest, highest = torch.aminmax(images)
    if not (lowest >= 0 and highest <= 1):
        raise InputError(f"pixels must be in [0, 1], got {lowest:.3g} to {highest:.3g}")


@contextmanager
def attacking(model: nn.Module) -> Generator[None]:
    """Enable gradients, put every module of a model into evaluation mode, and leave each as it was."""
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:
            module.training = False  # not .eval(), which exported programs refuse
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def frozen(model: nn.Module) -> Generator[None]:
    """Let no parameter require a gradient, and leave each as it was: an attack is about a fifth faster on a CPU."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _is_right(model: nn.Module, images: Batch, labels: Labels) -> Tensor:
    with torch.no_grad():
        return predict(model(images), "the model", "images made by PGD") == labels
