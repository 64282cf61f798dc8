"""Accuracy under attacks of a network whose first kernels are smoothed: one measurement of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from passband.errors import InputError
from passband.instruments.attacks import cost_of
from passband.instruments.counterexamples import find_counterexamples, robust_accuracy_ceiling
from passband.instruments.instrument import Cost, Instrument, Rows, Subject
from passband.models.pixels import PixelModel
from passband.robustness.evaluate import AttackOutcome, attack_rows, evaluate_attack
from passband.robustness.plan import AttackPlan
from passband.robustness.smoothing import smoothed
from passband.rows import RobustnessRow

CEILING_ANSWERS = 15
"""How many LFCs of an image are looked at for Corollary 1's ceiling, about."""


@dataclass(frozen=True)
class SmoothedRobustness(Instrument[Rows]):
    """Accuracy of a network with smoothed first kernels, under all attacks, beside Corollary 1's ceiling.

    The last attack has the images that the one before leaves, and what that breaks counts as broken by it: it is never
    weaker.

    Attributes:
        rho: Strength of smoothing; 0 leaves the network as it was trained.
        normalized: Whether smoothing keeps the kernels' scale: the control.
        plans: The attacks, all in one norm. Samples are drawn for the first, and each has as many of them as it says, from
            the first on; the epsilons of the last are some of those before it, the largest among them.
    """

    rho: float
    normalized: bool
    plans: tuple[AttackPlan, ...]

    def __post_init__(self) -> None:
        """Check that the last attack can follow the one before.

        Raises:
            InputError: If there are fewer than two, or its epsilons are others, or the largest is missing.
        """
        if len(self.plans) < 2:
            raise InputError(f"at least two attacks are needed, got {len(self.plans)}")
        before, last = self.plans[-2:]
        if not {before.epsilons[-1]} <= set(last.epsilons) <= set(before.epsilons):
            raise InputError(
                f"the epsilons of {last.attack.label} must be some of {before.epsilons}, the largest among them, got "
                f"{last.epsilons}"
            )

    name: ClassVar[str] = "smoothed-robustness"
    summary: ClassVar[str] = (
        "accuracy under attacks of a network with smoothed first kernels, and its ceiling"
    )
    source: ClassVar[str] = "Table 2, section 6.3"
    needs_gradient: ClassVar[bool] = True

    def __str__(self) -> str:
        """Say what is measured."""
        labels = ", ".join(plan.attack.label for plan in self.plans)
        return f"rho {self.rho:g}{', normalized' * self.normalized}: {labels}, ceiling"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {
            "instrument": self.name,
            "rho": float(self.rho),
            "normalized": self.normalized,
            "each_epsilon": "alone",  # not with what was broken at smaller ones, as results of before were
            "plans": [plan.to_dict() for plan in self.plans],
        }

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return the cost of each attack, as the instrument `UnderAttack` estimates it, and of the ceiling."""
        samples = min(self.plans[0].samples or samples, samples)
        costs = [cost_of(plan, samples) for plan in self.plans]
        gradients = sum(cost.gradients for cost in costs)
        return Cost(gradients, sum(cost.answers for cost in costs) + samples * CEILING_ANSWERS)

    def measure(self, subject: Subject) -> Rows:
        """Attack: accuracy under each attack at each epsilon, clean accuracy at epsilon 0, and the ceiling.

        Without smoothing the normalized network is the same one, and its rows are written too.
        """
        model = smoothed(subject.model, self.rho, normalize=self.normalized)
        measured = list(self._measure(model, subject))
        kinds = (False, True) if self.rho == 0 else (self.normalized,)
        return Rows(
            tuple(replace(row, rho=float(self.rho), normalized=kind) for kind in kinds for row in measured)
        )

    def _measure(self, model: PixelModel, subject: Subject) -> Iterator[RobustnessRow]:
        test, (*first, before, last) = subject.dataset, self.plans
        norm, epsilons = before.attack.norm, before.epsilons
        order = subject.draw(self.plans[0].samples)
        few = order[: last.samples]
        write = partial(attack_rows, dataset=test, run=subject.run, seed=subject.run_seed)

        def attack(plan: AttackPlan, samples: Tensor, **settings: Any) -> AttackOutcome:
            return evaluate_attack(
                model,
                test,
                plan.attack,
                plan.epsilons,
                indices=samples,
                device=subject.device,
                seed=subject.seed,
                **settings,
            )

        for plan in first:
            yield from write(attack(plan, order[: plan.samples]))
        samples = order[: before.samples]
        same = len(few) == len(samples)
        found = attack(before, samples, keep_images=same)
        yield from write(found)
        if not same:  # on fewer samples PGD does again what it did, since it draws by sample
            found = attack(before, few, keep_images=True)
        yield from write(attack(last, few, after=found))
        counterexamples = find_counterexamples(model, test, order=order, device=subject.device)
        ceiling = robust_accuracy_ceiling(counterexamples.correct, counterexamples.distance[norm], epsilons)
        for epsilon, value in zip(epsilons, ceiling.tolist(), strict=True):
            yield RobustnessRow(
                run=subject.run,
                seed=subject.run_seed,
                subset=test.subset,
                norm=norm,
                epsilon=epsilon,
                metric="accuracy-ceiling",
                value=round(value * len(order)) / len(order),  # a share in double precision, as the others
                count=len(order),
            )
