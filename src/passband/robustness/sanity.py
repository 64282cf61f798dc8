"""Whether an attack can be believed: five checks that fail where gradients are masked.

A model can withstand an attack because it is robust, or because its gradient leads nowhere: it is zero, saturated or
noise. Robust accuracy then says more about the attack than about the model. Each check is computed anew on some of the
images that the model gets right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from passband.attacks import Attack
from passband.attacks.ball import Ball, draw_in_ball, radius_of
from passband.attacks.gradient import attacking, loss_gradient
from passband.attacks.library import square
from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import ImageDataset
from passband.environment import choose_device
from passband.errors import InputError, MissingDependencyError
from passband.models.pixels import PixelModel, answers
from passband.models.trial import tried
from passband.randomness import generator_for
from passband.robustness.evaluate import AttackOutcome, evaluate_attack
from passband.types import Batch, Labels, Norm, Progress

MORE = 5  # times the steps of the attack are more steps
QUERIES = 300  # of the black-box attack: few, but gradients that lead somewhere need far fewer
SLACK = 0.02  # of the images may go the wrong way: steps of another length end elsewhere


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        name: `"more-steps"`, `"unbounded"`, `"black-box"`, `"gradients"` or `"larger-epsilon"`; or `"answers"`.
        passed: Whether the model behaves as one whose gradients lead somewhere.
        message: A sentence with the numbers.
    """

    name: str
    passed: bool
    message: str


class _Trial(NamedTuple):
    """What the checks look at: images that the model gets right, by their positions, and one of the epsilons."""

    model: PixelModel
    dataset: ImageDataset
    outcome: AttackOutcome
    rows: Int64[Tensor, " picked"]
    level: int
    batch_size: int
    device: torch.device
    seed: int

    @property
    def epsilon(self) -> float:
        return self.outcome.epsilons[self.level]

    @property
    def positions(self) -> Int64[Tensor, " picked"]:
        return self.outcome.samples[self.rows]

    @property
    def slack(self) -> int:
        return _slack(len(self.rows))

    def survivors(self, attack: Callable[[Batch, Labels], Batch]) -> int:
        """Return how many images stay right after an attack."""
        right = 0
        for part in batches(
            self.dataset, batch_size=self.batch_size, device=self.device, order=self.positions
        ):
            attacked = attack(part.images, part.labels)
            with attacking(self.model), torch.no_grad():
                right += int((self.answers(attacked) == part.labels).sum())
        return right

    def answers(self, attacked: Batch) -> Int64[Tensor, " batch"]:
        """Return the model's answers to what an attack made of images."""
        logits = answers(self.model, attacked, len(self.dataset.classes), "attacked images")
        return logits.argmax(dim=1)

    def standing(self, attack: Attack, epsilon: float) -> int:
        """Return how many images withstand an attack at one epsilon."""
        found = evaluate_attack(
            self.model,
            self.dataset,
            attack,
            [epsilon],
            indices=self.positions,
            batch_size=self.batch_size,
            device=str(self.device),
            seed=self.seed,
        )
        return int(found.robust.sum())


def check_attack(
    model: nn.Module,
    dataset: ImageDataset,
    outcome: AttackOutcome,
    *,
    samples: int = 100,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Finding, ...]:
    """Check whether the robust accuracies of an outcome can be believed.

    `more-steps`: one step of gradient ascent leaves no fewer images right than the attack's number of steps, and that no
    fewer than five times as many. `unbounded`: with an epsilon that allows any image, none stays right. `black-box`: an
    attack that sees logits and no gradient breaks no more than the attack. `gradients`: they are finite and not zero, on the
    images and wherever the attack came to on those that withstood it. `larger-epsilon`: no fewer are broken at a larger
    epsilon, where all that breaks them at a smaller one is allowed too. The first and the third look at the epsilon at which the robust accuracy is nearest to half the clean one. FGSM and AutoAttack have
    no steps to vary, so that PGD-20 stands in for them where steps or a larger epsilon are tried, and where an attack is
    held to a band, one that is not stands in for it in the second and the third.

    Args:
        model: The model that was attacked.
        dataset: The data set that it was attacked on.
        outcome: What came of it.
        samples: How many of the images that the model gets right to look at, at most; a random choice.
        batch_size: Images at a time; None chooses by size and device.
        device: See `passband.environment.choose_device`.
        seed: Decides all that is drawn.
        progress: Called along the way.

    Returns:
        Five findings. One that has not passed is a warning: gradients are masked, or the attack is too weak. A sixth,
        `answers`, is there where the model was found to draw at random, to return probabilities, or to answer differently in
        another batch: see `passband.models.trial`.

    Raises:
        InputError: If there are no samples to look at.

    Source:
        Athalye et al. 2018, Obfuscated gradients give a false sense of security; Carlini et al. 2019, On evaluating
        adversarial robustness.
    """
    if samples < 1:
        raise InputError(f"samples must be at least 1, got {samples}")
    right = outcome.correct.nonzero()[:, 0]
    if len(right) == 0:
        message = "No image was right to begin with, so there was nothing to attack."
        return tuple(Finding(name, True, message) for name in CHECKS)
    picked = torch.randperm(len(right), generator=generator_for(seed, "sanity"))[:samples].sort().values
    robust = outcome.robust.double().mean(dim=1)
    half = outcome.correct.double().mean() / 2
    place = choose_device(device)
    trial = _Trial(
        model=tried(model, dataset, place),
        dataset=dataset,
        outcome=outcome,
        rows=right[picked],
        level=int((robust - half).abs().argmin()),
        batch_size=choose_batch_size(batch_size, dataset, place),
        device=place,
        seed=seed,
    )
    findings = []
    for name, check in CHECKS.items():
        passed, message = check(trial)
        findings.append(Finding(name, passed, message))
        if progress:
            progress("checks of the attack", len(findings), len(CHECKS))
    doubts = () if trial.model.trial is None else trial.model.trial.doubts
    if doubts:
        findings.append(Finding("answers", False, " ".join(doubts)))
    return tuple(findings)


def _more_steps(trial: _Trial) -> tuple[bool, str]:
    attack = trial.outcome.attack.iterated
    lengths = sorted({1, attack.steps, MORE * attack.steps})

    def left(steps: int) -> int:
        share = 1.0 if steps == 1 else attack.step_share
        ascent = replace(attack, steps=steps, step_share=share, restarts=1, random_start=False)
        return trial.survivors(
            lambda images, labels: ascent.run(trial.model, images, labels, trial.epsilon, seed=trial.seed)
        )

    counts = [left(steps) for steps in lengths]
    passed = all(after <= before + trial.slack for before, after in pairwise(counts))
    listed = ", ".join(f"{count} after {steps}" for steps, count in zip(lengths, counts, strict=True))
    verdict = "more steps break no fewer" if passed else "more steps break fewer, so the gradient misleads"
    return (
        passed,
        f"Of {len(trial.rows)} images at epsilon {trial.epsilon:.3g}, steps of gradient ascent leave {listed}: {verdict}.",
    )


def _unbounded(trial: _Trial) -> tuple[bool, str]:
    attack = trial.outcome.attack.iterated.unconfined()
    values = trial.dataset.images[0].numel()
    anywhere = 1.0 if attack.norm == "linf" else math.sqrt(values)
    left = trial.standing(attack, anywhere)
    withstand = f"{left or 'none'} of {len(trial.rows)} images {'withstand' if left > 1 else 'withstands'}"
    verdict = "" if left == 0 else ", which no image can"
    return (
        left == 0,
        f"At epsilon {anywhere:.3g}, which allows any image, {withstand} {attack.label}{verdict}.",
    )


def _black_box(trial: _Trial) -> tuple[bool, str]:
    attack = trial.outcome.attack
    if attack.band is None:
        white = int(trial.outcome.robust[trial.level, trial.rows].sum())
    else:
        attack = attack.unconfined()
        white = trial.standing(attack, trial.epsilon)
    try:
        how = f"Square with {QUERIES} queries"
        black = trial.survivors(
            lambda images, labels: square(
                trial.model, images, labels, trial.epsilon, norm=attack.norm, queries=QUERIES, seed=trial.seed
            )
        )
    except (MissingDependencyError, InputError) as error:
        how = f"the best of {QUERIES} random perturbations (Square was left out: {error})"
        black = trial.survivors(lambda images, labels: _random_search(trial, images, labels, attack.norm))
    passed = black >= white - trial.slack
    verdict = "no more" if passed else "more than with the gradient, which is masked or followed too briefly"
    return passed, (
        f"Of {len(trial.rows)} images at epsilon {trial.epsilon:.3g}, {attack.label} leaves {white} and {how}, without a "
        f"gradient, leaves {black}: it breaks {verdict}."
    )


def _gradients(trial: _Trial) -> tuple[bool, str]:
    zero = unsound = 0
    with attacking(trial.model):
        for part in batches(
            trial.dataset, batch_size=trial.batch_size, device=trial.device, order=trial.positions
        ):
            _, gradient = loss_gradient(trial.model, part.images, part.labels)
            steepest = gradient.flatten(1).abs().amax(dim=1)
            zero += int((steepest == 0).sum())
            unsound += int((~steepest.isfinite()).sum())
    message = f"The gradient of the loss is zero at {zero} of {len(trial.rows)} images, and not finite at {unsound}."
    outcome = trial.outcome
    standing = (outcome.robust & outcome.astray).sum(dim=1)
    most, level = int(standing.max()), int(standing.argmax())
    if most:
        message += (
            f" Of {int(outcome.correct.sum())} images that {outcome.attack.label} attacked at epsilon "
            f"{outcome.epsilons[level]:.3g}, {most} withstood it after it had come to a point with such a gradient."
        )
    return zero + unsound <= trial.slack and most <= _slack(int(outcome.correct.sum())), message


def _larger_epsilon(trial: _Trial) -> tuple[bool, str]:
    counts = trial.outcome.robust[:, trial.rows].sum(dim=1).tolist()
    passed = all(after <= before + trial.slack for before, after in pairwise(counts))
    listed = ", ".join(
        f"{count} at {epsilon:.3g}" for epsilon, count in zip(trial.outcome.epsilons, counts, strict=True)
    )
    verdict = (
        "breaks no fewer" if passed else "breaks fewer, though all that the smaller one allows is allowed"
    )
    return passed, (
        f"Of {len(trial.rows)} images {trial.outcome.attack.label} leaves, by epsilon, {listed}: a larger epsilon {verdict}."
    )


CHECKS: dict[str, Callable[[_Trial], tuple[bool, str]]] = {
    "more-steps": _more_steps,
    "unbounded": _unbounded,
    "black-box": _black_box,
    "gradients": _gradients,
    "larger-epsilon": _larger_epsilon,
}


def _slack(images: int) -> int:
    return max(1, round(SLACK * images))


def _random_search(trial: _Trial, images: Batch, labels: Labels, norm: Norm) -> Batch:
    """Return, for each image, the first of some random perturbations that fools the model, or else the last."""
    ball = Ball(radius_of(trial.epsilon, norm, images), norm)
    generator = generator_for(trial.seed, "random-search")
    fooled: Bool[Tensor, " batch"] = torch.zeros_like(labels, dtype=torch.bool)
    best = images
    with attacking(trial.model), torch.no_grad():
        for _ in range(QUERIES):
            drawn = draw_in_ball(torch.empty(images.shape), norm, generator).to(images.device)
            tried = ball.start(images, drawn)
            best = torch.where(fooled[:, None, None, None], best, tried)
            fooled = fooled | (trial.answers(tried) != labels)
            if fooled.all():
                break
    return best
