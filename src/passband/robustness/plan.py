"""Attacks as part of an audit: which ones, at which epsilons, and what each of them found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from passband.attacks import Attack
from passband.attacks.catalog import SANITY_SAMPLES, named_measure
from passband.attacks.epsilon import check_epsilon, check_epsilons
from passband.brief import Brief
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.models.class_mapping import fitted
from passband.models.pixels import PixelModel, answers, check_fits, evaluating
from passband.models.trial import tried
from passband.robustness.evaluate import AttackOutcome, evaluate_attack
from passband.robustness.sanity import Finding, check_attack
from passband.types import Progress

EXAMPLES = 3  # pictures that say what a perturbation looks like


@dataclass(frozen=True)
class AttackPlan:
    """One attack to run, and how far it may go.

    Attributes:
        attack: The attack and its settings.
        epsilons: Bounds on the perturbation, on the [0, 1] pixel scale, in the attack's norm.
        samples: How many of the evaluated samples are attacked, the first ones; None takes all.
        sanity_samples: How many of them the sanity report rests on; 0 leaves it out.

    Raises:
        InputError: If there is no epsilon, one is impossible or comes twice, or a number of samples is.

    Example:
        >>> from passband.attacks import PGD
        >>> AttackPlan(PGD("l2"), (0.5, 0.25)).measure
        'pgd-l2'
    """

    attack: Attack
    epsilons: tuple[float, ...]
    samples: int | None = None
    sanity_samples: int = SANITY_SAMPLES

    def __post_init__(self) -> None:
        """Sort the epsilons, and refuse what cannot be planned."""
        epsilons = tuple(sorted(float(epsilon) for epsilon in self.epsilons))
        if not epsilons:
            raise InputError(f"{self.attack.label} needs at least one epsilon, such as 8/255, got none")
        check_epsilons(epsilons, self.attack.norm)
        object.__setattr__(self, "attack", self.attack.resolved())
        object.__setattr__(self, "epsilons", epsilons)
        if self.samples is not None and self.samples < 1:
            raise InputError(f"an attack needs at least 1 sample, got {self.samples}")
        if self.sanity_samples < 0:
            raise InputError(f"sanity_samples must be >= 0, got {self.sanity_samples}")

    @property
    def measure(self) -> str:
        """What requirements and comparisons call it: `pgd`, `pgd-l2`, `pgd-lfc:8`."""
        return measure_of(self.attack)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        return {
            "attack": self.attack.to_dict(),
            "epsilons": list(self.epsilons),
            "samples": self.samples,
            "sanity_samples": self.sanity_samples,
        }


def measure_of(attack: Attack) -> str:
    """Return what requirements and comparisons call an attack, whatever its other settings."""
    return named_measure(attack.name, attack.norm) + ("" if attack.band is None else f"-{attack.band}")


@dataclass(frozen=True, eq=False)
class Example(Brief):
    """One image that an attack broke.

    Attributes:
        sample: Position in the data set.
        label: The true class.
        epsilon: The smallest bound at which it was broken.
        original: The image, [0, 1] pixels (channels, height, width).
        adversarial: What the attack made of it.
        probabilities: Of each class, for both, shaped (2, classes).
    """

    sample: int
    label: int
    epsilon: float
    original: Float[Tensor, "channels height width"]
    adversarial: Float[Tensor, "channels height width"]
    probabilities: Float[Tensor, "2 classes"]


@dataclass(frozen=True, eq=False)
class Attacked(Brief):
    """What one attack found: its outcome sample by sample, the sanity report, and some examples."""

    plan: AttackPlan
    outcome: AttackOutcome
    findings: tuple[Finding, ...]
    examples: tuple[Example, ...]

    def to_table(self) -> pl.DataFrame:
        """Return one row a sample and epsilon, with the columns `rows.ATTACK_COLUMNS`; epsilon 0 is the whole image."""
        outcome = self.outcome
        # What is wrong from the start is not attacked, and keeps its prediction at every epsilon.
        clean = torch.where(outcome.correct, outcome.labels, outcome.predictions[0])
        parts = [(0.0, clean, outcome.correct, torch.zeros_like(outcome.distance[0]))]
        parts += zip(outcome.epsilons, outcome.predictions, outcome.robust, outcome.distance, strict=True)
        count = len(outcome.samples)
        return pl.concat(
            pl.DataFrame(
                {
                    "sample": outcome.samples.numpy(),
                    "label": outcome.labels.numpy(),
                    "attack": [outcome.attack.label] * count,
                    "norm": [outcome.attack.norm] * count,
                    "epsilon": [epsilon] * count,
                    "prediction": predictions.numpy(),
                    "robust": robust.numpy(),
                    "distance": distance.float().numpy(),
                }
            )
            for epsilon, predictions, robust, distance in parts
        )


def check_plans(plans: Sequence[AttackPlan], model: nn.Module, dataset: ImageDataset) -> None:
    """Refuse attacks that cannot be run, before the work that precedes them.

    Raises:
        InputError: If an attack is planned twice, or does not fit the model or the data.
        MissingDependencyError: If an attack needs a library that is not installed.
    """
    names = [plan.measure for plan in plans]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"each attack is run once, at all its epsilons; {name} is asked for twice")
    pixels = fitted(model, dataset)
    if plans:
        check_fits(pixels, dataset)
    image = to_pixels(dataset.images[:1], pixels.mean.device)
    label = dataset.labels[:1].to(image.device)
    for plan in plans:
        for epsilon in plan.epsilons:
            check_epsilon(epsilon, plan.attack.norm, dataset.images[0].numel())
        with evaluating(pixels):
            answers(pixels, image, len(dataset.classes))
        plan.attack.check(pixels, image, label)


def concluded(
    model: nn.Module,
    dataset: ImageDataset,
    plan: AttackPlan,
    outcome: AttackOutcome,
    *,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Attacked:
    """Check an attack that was run, and keep some examples.

    Args:
        model: The classifier of [0, 1] pixels that was attacked.
        dataset: What it was attacked on.
        plan: The attack.
        outcome: What came of it.
        batch_size: Images at a time; None chooses by size and device.
        device: See `passband.environment.choose_device`.
        seed: Draws random starts.
        progress: Called along the way.
    """
    pixels = tried(model, dataset, choose_device(device))
    findings: tuple[Finding, ...] = ()
    if plan.sanity_samples:
        findings = check_attack(
            pixels,
            dataset,
            outcome,
            samples=plan.sanity_samples,
            batch_size=batch_size,
            device=device,
            seed=seed,
            progress=named(progress, plan.attack.label),
        )
    examples: tuple[Example, ...] = ()
    if len(picked := _clearest(outcome)):
        # To keep all images for these few may take gigabytes.
        again = evaluate_attack(
            pixels,
            dataset,
            plan.attack,
            plan.epsilons,
            indices=picked,
            batch_size=batch_size,
            device=device,
            seed=seed,
            keep_images=True,
        )
        examples = _examples(pixels, dataset, again, choose_device(device))
    return Attacked(plan, outcome, findings, examples)


def _clearest(outcome: AttackOutcome) -> Int64[Tensor, " few"]:
    """Return the positions of a few samples that the attack broke: at the smallest epsilons, of different classes."""
    broken = outcome.correct & ~outcome.robust
    steps = broken.int().argmax(dim=0)  # the first epsilon that breaks each
    chosen: dict[int, list[int]] = {}
    for row in steps.argsort(stable=True).tolist():
        if broken[:, row].any():
            chosen.setdefault(int(outcome.labels[row]), []).append(row)
    by_turns = sorted(
        (turn, place, row)
        for place, rows in enumerate(chosen.values())
        for turn, row in enumerate(rows[:EXAMPLES])
    )
    return outcome.samples[[row for _, _, row in by_turns[:EXAMPLES]]]


def _examples(
    model: PixelModel, dataset: ImageDataset, outcome: AttackOutcome, device: torch.device
) -> tuple[Example, ...]:
    """Return the examples that an outcome with images holds."""
    found = []
    assert outcome.images is not None
    with evaluating(model):
        for row, sample in enumerate(outcome.samples.tolist()):
            broken = (outcome.correct & ~outcome.robust)[:, row]
            if not broken.any():
                continue
            first = int(broken.int().argmax())
            original = to_pixels(dataset.images[sample], device)
            adversarial = outcome.images[first, row].to(device)
            shown = torch.stack([original, adversarial])
            logits = answers(model, shown, len(dataset.classes), f"images (sample {sample}, and it attacked)")
            found.append(
                Example(
                    sample=sample,
                    label=int(outcome.labels[row]),
                    epsilon=outcome.epsilons[first],
                    original=original.cpu(),
                    adversarial=adversarial.cpu(),
                    probabilities=logits.float().softmax(dim=1).cpu(),
                )
            )
    return tuple(found)


def named(progress: Progress | None, name: str) -> Progress | None:
    """Return a progress that says which of several attacks is going on."""
    if progress is None:
        return None
    return lambda stage, done, total: progress(f"{stage}: {name}", done, total)
