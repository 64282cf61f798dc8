"""Attacking many samples at several epsilons, each no longer than it takes.

PGD's logits at an iterate come with its gradient, so a sample that is fooled at any iterate is noticed at no cost. It
leaves the batch and another one takes its place; one that withstands an epsilon goes on to the next. So the batch is full
until the last samples, and nothing is computed for a sample that is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from passband.attacks.ball import Ball, draw_in_ball
from passband.attacks.gradient import climb, loss_gradient
from passband.attacks.library import autoattack
from passband.attacks.settings import REACH, Attack
from passband.data.dataset import ImageDataset, to_pixels
from passband.randomness import generator_for
from passband.types import Batch, Labels


@dataclass(frozen=True, eq=False)
class Targets:
    """The samples of an attack.

    Attributes:
        dataset: Where they are from.
        samples: Their positions in it, shaped (samples,).
        levels: How many of the epsilons to try on each, from the smallest on; 0 leaves a sample in peace.
        device: Where they are attacked.
    """

    dataset: ImageDataset
    samples: Int64[Tensor, " samples"]
    levels: Int64[Tensor, " samples"]
    device: torch.device

    def load(self, rows: Int64[Tensor, " n"]) -> tuple[Batch, Labels]:
        """Return images, [0, 1] pixels, and labels of some samples."""
        positions = self.samples[rows.cpu()]
        images, labels = self.dataset.images[positions], self.dataset.labels[positions]
        return to_pixels(images, self.device), labels.to(self.device)


class Caught(NamedTuple):
    """Samples that an attack is done with, each at one epsilon.

    Attributes:
        rows: Which of the targets.
        levels: At which of the epsilons.
        images: The originals.
        adversarial: What the attack made of them.
        predictions: The answers to that. Where one is the label, the sample has withstood the epsilon; where it is not,
            the sample does not come again.
    """

    rows: Int64[Tensor, " n"]
    levels: Int64[Tensor, " n"]
    images: Batch
    adversarial: Batch
    predictions: Int64[Tensor, " n"]


def pursue(
    model: nn.Module,
    targets: Targets,
    attack: Attack,
    epsilons: Float[Tensor, " levels"],
    *,
    seed: int,
    batch_size: int,
) -> Iterator[Caught]:
    """Attack samples at ascending epsilons until each is fooled or has withstood all that are to be tried on it.

    To be called with `passband.attacks.gradient.attacking(model)`.

    Args:
        model: Takes [0, 1] pixels and returns logits.
        targets: The samples, those to be attacked all right on the original.
        attack: The attack.
        epsilons: Ascending bounds on the [0, 1] pixel scale. At 0 there is nothing to try.
        seed: Decides all that is drawn. A start of PGD follows from seed, sample, epsilon and restart alone.
        batch_size: Images at a time. PGD's result does not depend on it, AutoAttack's does.
    """
    if attack.name == "autoattack":
        return _by_autoattack(model, targets, attack, epsilons, seed, batch_size)
    return _by_gradient(model, targets, attack, epsilons, seed, batch_size)


def _by_autoattack(
    model: nn.Module,
    targets: Targets,
    attack: Attack,
    epsilons: Float[Tensor, " levels"],
    seed: int,
    batch_size: int,
) -> Iterator[Caught]:
    standing = torch.ones_like(targets.levels, dtype=torch.bool)
    for level, epsilon in enumerate(epsilons.tolist()):
        if epsilon == 0:
            continue
        left = (standing & (targets.levels > level)).nonzero()[:, 0]
        for rows in left.split(batch_size) if len(left) else ():  # splitting nothing gives one empty part
            images, labels = targets.load(rows)
            adversarial = autoattack(
                model, images, labels, epsilon, norm=attack.norm, seed=seed, batch_size=batch_size
            )
            with torch.no_grad():
                predictions = model(adversarial).argmax(dim=1)
            standing[rows] = (predictions == labels).cpu()
            yield Caught(rows, torch.full_like(rows, level), images, adversarial, predictions)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Samples under attack by PGD; all tensors have one entry a sample, on one device.

    Attributes:
        rows: Which of the targets.
        attempt: Level times restarts, plus restart.
        step: Steps taken in this attempt.
        images: The originals.
        labels: The true classes.
        adversarial: Where the attack is.
        uphill: The gradient at the original, with which every attempt begins that starts there.
    """

    rows: Int64[Tensor, " n"]
    attempt: Int64[Tensor, " n"]
    step: Int64[Tensor, " n"]
    images: Float[Tensor, "n channels height width"]
    labels: Int64[Tensor, " n"]
    adversarial: Float[Tensor, "n channels height width"]
    uphill: Float[Tensor, "n channels height width"]

    def of(self, kept: Bool[Tensor, " n"]) -> _Batch:
        return _Batch(*(getattr(self, field.name)[kept] for field in fields(self)))

    def __add__(self, other: _Batch) -> _Batch:
        return _Batch(*(torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


def _by_gradient(
    model: nn.Module,
    targets: Targets,
    attack: Attack,
    epsilons: Float[Tensor, " levels"],
    seed: int,
    batch_size: int,
) -> Iterator[Caught]:
    steps, share, random = attack.steps, attack.step_share or REACH / attack.steps, attack.random_start
    if attack.name == "fgsm":
        steps, share, random = 1, 1.0, False
    device = targets.device
    epsilons, levels = epsilons.to(device), targets.levels.to(device)
    first = int(epsilons[0] == 0)  # the level to begin at
    waiting = (targets.levels > first).nonzero()[:, 0]

    def ball(batch: _Batch) -> Ball:
        radius = epsilons[batch.attempt // attack.restarts][:, None, None, None]
        return Ball(radius, attack.norm, attack.band)

    def begun(batch: _Batch) -> _Batch:
        """Return the batch where its attempts start."""
        if not random or len(batch.rows) == 0:
            return replace(batch, adversarial=batch.images)
        draws = []
        for row, attempt in zip(batch.rows.tolist(), batch.attempt.tolist(), strict=True):
            level, restart = divmod(attempt, attack.restarts)
            purpose = ("attack", int(targets.samples[row]), repr(epsilons[level].item()), restart)
            like = torch.empty(1, *batch.images.shape[1:])
            draws.append(draw_in_ball(like, attack.norm, generator_for(seed, *purpose)))
        return replace(batch, adversarial=ball(batch).start(batch.images, torch.cat(draws).to(device)))

    def climbed(batch: _Batch, gradient: Tensor) -> _Batch:
        if len(batch.rows) == 0:
            return batch
        inside = ball(batch)
        moved = climb(batch.images, batch.adversarial, gradient, share * inside.radius, inside)
        return replace(batch, adversarial=moved, step=batch.step + 1)

    def fresh(rows: Int64[Tensor, " n"]) -> _Batch:
        images, labels = targets.load(rows)
        rows = rows.to(device)
        attempt = torch.full_like(rows, first * attack.restarts)
        step, uphill = torch.zeros_like(rows), torch.zeros_like(images)
        return begun(_Batch(rows, attempt, step, images, labels, images, uphill))

    batch = fresh(waiting[:0])
    while len(batch.rows) > 0 or len(waiting) > 0:
        room = batch_size - len(batch.rows)
        if room > 0 and len(waiting) > 0:
            batch, waiting = batch + fresh(waiting[:room]), waiting[room:]
        logits, gradient = loss_gradient(model, batch.adversarial, batch.labels)
        predictions = logits.argmax(dim=1)
        fooled = predictions != batch.labels
        ended = fooled | (batch.step == steps)
        done = fooled | (ended & (batch.attempt % attack.restarts == attack.restarts - 1))
        if done.any():
            caught = batch.of(done)
            level = caught.attempt // attack.restarts
            yield Caught(caught.rows, level, caught.images, caught.adversarial, predictions[done])

        stays = ~fooled & (~ended | (batch.attempt + 1 < levels[batch.rows] * attack.restarts))
        uphill = torch.where(_over_pixels(batch.step == 0), gradient, batch.uphill)
        batch = replace(batch, uphill=uphill).of(stays)
        gradient, ended = gradient[stays], ended[stays]
        batch = replace(batch, attempt=batch.attempt + ended, step=torch.where(ended, 0, batch.step))
        if random:
            batch = climbed(batch.of(~ended), gradient[~ended]) + begun(batch.of(ended))
        else:
            back = replace(
                batch, adversarial=torch.where(_over_pixels(ended), batch.images, batch.adversarial)
            )
            batch = climbed(back, torch.where(_over_pixels(ended), batch.uphill, gradient))


def _over_pixels(condition: Bool[Tensor, " n"]) -> Bool[Tensor, "n 1 1 1"]:
    return condition[:, None, None, None]
