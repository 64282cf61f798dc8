"""Attacking many samples at several epsilons, each no longer than it takes.

Each epsilon stands alone: what is found at it is what is found where it is the only one. In gradient ascent the logits
at an iterate come with its gradient, so a sample that is fooled at any iterate is noticed at no cost. It goes on to its next epsilon at once,
as one that withstands does; after its last it leaves the batch, and another one takes its place. So the batch is full until
the last samples, and nothing is computed for an epsilon that a sample is done with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from passband.attacks import PGD, Attack
from passband.attacks.ball import Ball, draw_in_ball
from passband.attacks.gradient import climb, loss_gradient
from passband.data.batches import Sequel, batches
from passband.data.dataset import ImageDataset, to_pixels
from passband.prediction import as_float, predict
from passband.randomness import generator_for
from passband.types import Batch, Labels


@dataclass(frozen=True, eq=False)
class Targets:
    """The samples of an attack.

    Attributes:
        dataset: Where they are from.
        samples: Their positions in it, shaped (samples,).
        tried: Which of the epsilons to try on each, shaped (levels, samples); a sample with none is left in peace.
        device: Where they are attacked.
    """

    dataset: ImageDataset
    samples: Int64[Tensor, " samples"]
    tried: Bool[Tensor, "levels samples"]
    device: torch.device

    def load(self, rows: Int64[Tensor, " n"]) -> tuple[Batch, Labels]:
        """Return images, [0, 1] pixels, and labels of some samples."""
        positions = self.samples[rows.cpu()]
        images, labels = self.dataset.images[positions], self.dataset.labels[positions]
        return to_pixels(images, self.device), labels.to(self.device)


class Attempts(NamedTuple):
    """Samples that an attack is done with, each at one epsilon.

    Attributes:
        rows: Which of the targets.
        levels: At which of the epsilons.
        images: The originals.
        adversarial: What the attack made of them.
        predictions: The answers to that. Where one is the label, the sample has withstood the epsilon.
        astray: Whether the gradient was 0, or not finite somewhere, at a point that the attack had to go on from.
    """

    rows: Int64[Tensor, " n"]
    levels: Int64[Tensor, " n"]
    images: Batch
    adversarial: Batch
    predictions: Int64[Tensor, " n"]
    astray: Bool[Tensor, " n"]


def search(
    model: nn.Module,
    targets: Targets,
    attack: Attack,
    epsilons: Float[Tensor, " levels"],
    *,
    seed: int,
    batch_size: int,
) -> Iterator[Attempts]:
    """Attack each sample at each epsilon that is to be tried on it, until it is fooled or has withstood.

    To be called with `passband.attacks.gradient.attacking(model)`.

    Args:
        model: Takes [0, 1] pixels and returns logits.
        targets: The samples, those to be attacked all right on the original.
        attack: The attack.
        epsilons: Bounds on the [0, 1] pixel scale.
        seed: Decides all that is drawn. A random start follows from seed, sample, epsilon and restart alone.
        batch_size: Images at a time. The result of gradient ascent does not depend on it, that of an attack that is
            called with whole batches does.

    Raises:
        InputError: If the model's answer to what the attack makes is not finite, or it has no gradient.
    """
    ascent = attack.ascent
    if ascent is None:
        return _by_batches(model, targets, attack, epsilons, seed, batch_size)
    return _by_steps(model, targets, ascent, attack.label, epsilons, seed, batch_size)


def _by_batches(
    model: nn.Module,
    targets: Targets,
    attack: Attack,
    epsilons: Float[Tensor, " levels"],
    seed: int,
    batch_size: int,
) -> Iterator[Attempts]:
    for level, epsilon in enumerate(epsilons.tolist()):
        left = targets.tried[level].nonzero()[:, 0]
        if len(left) == 0:
            continue
        parts = batches(
            targets.dataset, batch_size=batch_size, device=targets.device, order=targets.samples[left]
        )
        for rows, part in zip(left.split(batch_size), parts, strict=True):
            images = part.images
            adversarial = attack.run(model, images, part.labels, epsilon, seed=seed)
            with torch.no_grad():
                predictions = predict(
                    model(adversarial), "the model", f"images made by {attack.label} at epsilon {epsilon:g}"
                )
            # What it does where there is no gradient, it does inside.
            astray = torch.zeros_like(predictions, dtype=torch.bool)
            yield Attempts(rows, torch.full_like(rows, level), images, adversarial, predictions, astray)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Samples under gradient ascent; all tensors have one entry a sample, on one device.

    Attributes:
        rows: Which of the targets.
        attempt: Level times restarts, plus restart.
        step: Steps taken in this attempt.
        images: The originals.
        labels: The true classes.
        adversarial: Where the attack is.
        uphill: The gradient at the original, with which every attempt begins that starts there.
        astray: Whether a gradient led nowhere, in any attempt at this level.
    """

    rows: Int64[Tensor, " n"]
    attempt: Int64[Tensor, " n"]
    step: Int64[Tensor, " n"]
    images: Float[Tensor, "n channels height width"]
    labels: Int64[Tensor, " n"]
    adversarial: Float[Tensor, "n channels height width"]
    uphill: Float[Tensor, "n channels height width"]
    astray: Bool[Tensor, " n"]

    def of(self, kept: Bool[Tensor, " n"]) -> _Batch:
        return _Batch(*(getattr(self, field.name)[kept] for field in fields(self)))

    def __add__(self, other: _Batch) -> _Batch:
        return _Batch(*(torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


def _by_steps(
    model: nn.Module,
    targets: Targets,
    attack: PGD,
    label: str,
    epsilons: Float[Tensor, " levels"],
    seed: int,
    batch_size: int,
) -> Iterator[Attempts]:
    device = targets.device
    shown = f"images made by {label} in {attack.norm}, at epsilon {', '.join(f'{e:g}' for e in epsilons)}"
    after = _next_tried(targets.tried).to(device)
    epsilons = epsilons.to(device)
    waiting = targets.tried.any(dim=0).nonzero()[:, 0]

    def ball(batch: _Batch) -> Ball:
        radius = epsilons[batch.attempt // attack.restarts][:, None, None, None]
        return Ball(radius, attack.norm, attack.band)

    def begun(batch: _Batch) -> _Batch:
        """Return the batch where its attempts start."""
        if not attack.random_start or len(batch.rows) == 0:
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
        moved, astray = climb(batch.images, batch.adversarial, gradient, attack.share * inside.radius, inside)
        return replace(batch, adversarial=moved, step=batch.step + 1, astray=batch.astray | astray)

    coming = Sequel(targets.dataset, targets.samples[waiting], batch_size)

    def fresh(rows: Int64[Tensor, " n"]) -> _Batch:
        images = to_pixels(coming.next(len(rows)), device)
        labels = targets.dataset.labels[targets.samples[rows]].to(device)
        rows = rows.to(device)
        attempt = after[0, rows] * attack.restarts
        step, uphill = torch.zeros_like(rows), torch.zeros_like(images)
        astray = torch.zeros_like(rows, dtype=torch.bool)
        return begun(_Batch(rows, attempt, step, images, labels, images, uphill, astray))

    batch = fresh(waiting[:0])
    while len(batch.rows) > 0 or len(waiting) > 0:
        room = batch_size - len(batch.rows)
        if room > 0 and len(waiting) > 0:
            batch, waiting = batch + fresh(waiting[:room]), waiting[room:]
        if (batch.step == attack.steps).all():  # as FGSM's samples, which go in step: nothing climbs here
            with torch.no_grad():
                logits, gradient = as_float(model(batch.adversarial)), torch.zeros_like(batch.images)
        else:
            logits, gradient = loss_gradient(model, batch.adversarial, batch.labels)
        predictions = predict(logits, "the model", shown)
        fooled = predictions != batch.labels
        ended = fooled | (batch.step == attack.steps)
        done = fooled | (ended & (batch.attempt % attack.restarts == attack.restarts - 1))
        level = batch.attempt // attack.restarts
        if done.any():
            over = batch.of(done)
            yield Attempts(
                over.rows, level[done], over.images, over.adversarial, predictions[done], over.astray
            )

        follows = after[level + 1, batch.rows]
        batch = replace(
            batch,
            attempt=torch.where(done, follows * attack.restarts, batch.attempt + ended),
            step=torch.where(ended, 0, batch.step),
            uphill=torch.where(_over_pixels(batch.step == 0), gradient, batch.uphill),
            astray=batch.astray & ~done,
        )
        stays = ~done | (follows < len(epsilons))
        batch, gradient, ended = batch.of(stays), gradient[stays], ended[stays]
        if attack.random_start:
            batch = climbed(batch.of(~ended), gradient[~ended]) + begun(batch.of(ended))
        else:
            back = replace(
                batch, adversarial=torch.where(_over_pixels(ended), batch.images, batch.adversarial)
            )
            batch = climbed(back, torch.where(_over_pixels(ended), batch.uphill, gradient))


def _next_tried(tried: Bool[Tensor, "levels samples"]) -> Int64[Tensor, "levels+1 samples"]:
    """Return, from each level on, the first that is to be tried on each sample; the number of levels if none is."""
    following = [torch.full_like(tried[0], len(tried), dtype=torch.int64)]
    for level in reversed(range(len(tried))):
        following.insert(0, torch.where(tried[level], level, following[0]))
    return torch.stack(following)


def _over_pixels(condition: Bool[Tensor, " n"]) -> Bool[Tensor, "n 1 1 1"]:
    return condition[:, None, None, None]
