"""AutoAttack and Square as a library has them, kept from touching anything but the images that they return."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from passband.attacks.attack import Attack, Effort, check_norm
from passband.attacks.ball import Ball, Bound, radius_of, usable
from passband.attacks.catalog import ATTACKS
from passband.attacks.gradient import attacking, check_attacked, frozen, loss_gradient
from passband.errors import InputError
from passband.frequency.component import Component
from passband.optional import require
from passband.prediction import as_float, predict
from passband.types import Batch, Labels, Logits, Norm

LOGGER = "auto-attack"  # the library's
NORMS = {"linf": "Linf", "l2": "L2"}  # as the library writes them
CLASSES = 4  # the targeted loss looks at the four largest logits
TARGETS = 9  # classes that AutoAttack aims at, where there are as many
AUTOATTACK_BATCH = 250

Predict = Callable[[Batch], Logits]


@dataclass(frozen=True)
class AutoAttack(Attack):
    """The standard ensemble of Croce and Hein 2020: see `passband.autoattack`.

    Attributes:
        norm: How a perturbation is measured: its largest pixel (`"linf"`), or its length over all pixels (`"l2"`).

    Raises:
        UnknownNameError: If there is no such norm.

    Example:
        >>> AutoAttack("l2").iterated.label
        'PGD-20'
    """

    name, norms = ATTACKS.lines["autoattack"]
    least_classes: ClassVar[int] = CLASSES

    norm: Norm = "linf"
    band: Component | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse an unknown norm."""
        check_norm(self.norm)

    @property
    def label(self) -> str:
        """Its name: it has no settings."""
        return "AutoAttack"

    @property
    def effort(self) -> Effort:
        """Counted on images that withstood it."""
        return Effort(gradients=2_000, answers=5_000)

    def run(self, model: nn.Module, images: Batch, labels: Labels, epsilon: Bound, *, seed: int = 0) -> Batch:
        """Return adversarial images: see `Attack.run`."""
        return autoattack(
            model, images, labels, epsilon, norm=self.norm, seed=seed, batch_size=max(len(images), 1)
        )

    def check(self, model: nn.Module, images: Batch, labels: Labels) -> None:
        """Refuse also what the library breaks on: see `Attack.check`."""
        super().check(model, images, labels)
        _library()
        _check_library_takes(images, self.norm)


def autoattack(
    model: nn.Module,
    images: Batch,
    labels: Labels,
    epsilon: Bound,
    *,
    norm: Norm = "linf",
    seed: int = 0,
    batch_size: int = AUTOATTACK_BATCH,
) -> Batch:
    """Return adversarial images made by the standard AutoAttack: APGD on two losses, FAB and Square, one by one.

    Each of the four attacks what the ones before have left. It is slow: about two thousand gradients and five
    thousand predictions for an image that withstands all of it.

    Args:
        model: Takes [0, 1] pixels and returns logits of at least 4 classes.
        images: Pixels in [0, 1].
        labels: The true classes.
        epsilon: The bound on the change, on the [0, 1] scale. Images are attacked together with those of the same
            epsilon.
        norm: How a change is measured: its largest pixel (`"linf"`), or its length over all pixels (`"l2"`).
        seed: Decides all that is drawn.
        batch_size: Images at a time. The library draws for a batch, so this and the order of the images decide, with
            the seed, which of several adversarial images is found.

    Returns:
        Images in [0, 1], shaped like `images`, none further than epsilon from them; an image that is wrong from the
        start, or that nothing has changed the prediction of, is returned as it was.

    Raises:
        InputError: If images are not a batch of floating-point pixels in [0, 1] or too small, epsilon is negative or
            larger than the distance of any two images, labels and images do not fit together, the model has fewer
            than 4 classes, no gradient with respect to its images, or answers that are not finite.
        UnknownNameError: If there is no such norm.
        MissingDependencyError: If pyautoattack is not installed.

    Source:
        Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks.
    """
    library = _library()

    def make(predict: Predict, some: Batch, truth: Labels, bound: float) -> Batch:
        classes = loss_gradient(model, some[:1], truth[:1])[0].shape[1]
        if classes < CLASSES:
            raise InputError(f"AutoAttack needs a model of at least {CLASSES} classes, got {classes}")
        attack = library.AutoAttack(predict, norm=NORMS[norm], eps=bound, seed=seed, device=some.device)
        attack.fab.n_target_classes = min(TARGETS, classes - 1)
        attack.apgd_targeted.n_target_classes = min(TARGETS, classes - 1)
        return attack.run_standard_evaluation(some, truth, batch_size=batch_size)[0]

    return _made_by_library(make, model, images, labels, epsilon, norm)


def square(
    model: nn.Module,
    images: Batch,
    labels: Labels,
    epsilon: Bound,
    *,
    norm: Norm = "linf",
    queries: int = 1000,
    seed: int = 0,
) -> Batch:
    """Return adversarial images made by Square, which sees logits and no gradient.

    Args:
        model: Takes [0, 1] pixels and returns logits.
        images: Pixels in [0, 1]; they are attacked as one batch.
        labels: The true classes.
        epsilon: The bound on the change, on the [0, 1] scale.
        norm: How a change is measured.
        queries: How many images it shows the model for each that it attacks, at most.
        seed: Decides all that is drawn.

    Returns:
        As `autoattack`.

    Raises:
        InputError: As `autoattack`, but for classes and gradient.
        UnknownNameError: If there is no such norm.
        MissingDependencyError: If pyautoattack is not installed.

    Source:
        Andriushchenko et al. 2020, Square Attack: a query-efficient black-box adversarial attack via random search.
    """
    library = require("pyautoattack.square", extra="attacks", purpose="the Square attack")

    def make(predict: Predict, some: Batch, truth: Labels, bound: float) -> Batch:
        attack = library.SquareAttack(
            predict, norm=NORMS[norm], eps=bound, n_queries=queries, seed=seed, device=some.device
        )
        with torch.no_grad():
            return attack.perturb(some, truth)

    return _made_by_library(make, model, images, labels, epsilon, norm)


def _library() -> Any:
    return require("pyautoattack", extra="attacks", purpose="AutoAttack")


def _made_by_library(
    make: Callable[[Predict, Batch, Labels, float], Batch],
    model: nn.Module,
    images: Batch,
    labels: Labels,
    epsilon: Bound,
    norm: Norm,
) -> Batch:
    """Return what a library makes of images, those of one epsilon at a time, confined and verified."""
    check_attacked(images, labels, norm)
    _check_library_takes(images, norm)
    ball = Ball(radius_of(epsilon, norm, images), norm)
    bounds = ball.radius.flatten().expand(len(images))

    def answering(some: Batch) -> Logits:
        """Return logits that are finite, with gradients that are: the library makes images of NaN of others."""
        if some.requires_grad:
            some = some.view_as(some)
            some.register_hook(lambda gradient: usable(gradient, norm))
        logits = as_float(model(some))
        predict(logits, "the model", "images made by pyautoattack")
        return logits.clone()  # the library writes into logits, which may be the model's own

    with attacking(model), _undisturbed(model):
        images, labels = images.detach().clone(memory_format=torch.contiguous_format), labels.clone()
        adversarial = images.clone()
        for bound in bounds[bounds > 0].unique().tolist():
            rows = (bounds == bound).nonzero()[:, 0]
            adversarial[rows] = make(answering, images[rows], labels[rows], bound)
        adversarial = ball.confined(images, adversarial - images)
    ball.verify(images, adversarial)
    return adversarial


def _check_library_takes(images: Batch, norm: Norm) -> None:
    """Refuse images that pyautoattack breaks on.

    Raises:
        InputError: If they are not float32, or of a size that its Square cannot cut into tiles in l2.
    """
    if images.dtype != torch.float32:
        raise InputError(f"pyautoattack computes in float32, got images of {images.dtype}")
    height, width = images.shape[-2:]
    tile = height // 5
    edge = (height - 5 * tile) // 2
    tiled = tile == 1 or (tile > 1 and all(edge + n // tile * tile <= n for n in (height, width)))
    if norm == "l2" and not tiled:
        raise InputError(
            f"pyautoattack cannot cut images of {height}x{width} pixels into tiles, as its Square does in l2. Resize "
            f"them, for example to 28x28, 32x32 or 224x224, or attack in linf."
        )


@contextmanager
def _undisturbed(model: nn.Module) -> Generator[None]:
    """Undo what the library does beside attacking.

    It seeds the global generators, differentiates the parameters along with the images, takes the trace function of
    debuggers and coverage away, and warns on a logger of its own. `passband.robustness.sanity` measures what it warns of.
    """
    logger, trace = logging.getLogger(LOGGER), sys.gettrace()
    silent = logger.disabled
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        logger.disabled = True
        with frozen(model), torch.random.fork_rng(devices=devices):
            yield
    finally:
        logger.disabled = silent
        sys.settrace(trace)
