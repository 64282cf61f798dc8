"""Accuracy under attacks of a network whose first kernels are smoothed: one measurement of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from passband.attacks import Attack
from passband.errors import InputError
from passband.instruments.counterexamples import find_counterexamples, robust_accuracy_ceiling
from passband.instruments.instrument import Cost, Instrument, Rows, Subject
from passband.models.pixels import PixelModel
from passband.robustness.evaluate import attack_rows, evaluate_attack
from passband.robustness.smoothing import smoothed
from passband.rows import RobustnessRow

FGSM, AUTOATTACK = Attack("fgsm"), Attack("autoattack")

PGD = Attack("pgd", steps=20)
"""Twice the steps of the PGD in training."""

EPSILONS = (0.03, 0.06, 0.09)
"""Those of Table 2."""

WITHSTAND = 0.1
"""The share of images that is taken to withstand an attack where its cost is estimated."""

BROKEN_AFTER = 4
"""How many gradients PGD takes for an image that it breaks, about."""

AUTOATTACK_WORK = Cost(gradients=2_000, answers=5_000)
"""What AutoAttack asks for each image that it does not break, about."""

CEILING_ANSWERS = 15
"""How many LFCs of an image are looked at for Corollary 1's ceiling, about."""


@dataclass(frozen=True)
class Threat:
    """What finished networks are attacked with: FGSM, PGD and AutoAttack in linf.

    Attributes:
        epsilons: Bounds of the perturbation, ascending.
        pgd: The settings of PGD.
        samples: Random test images that are attacked; None is all.
        autoattack_samples: How many of these AutoAttack has, from the first on; None is all.
        autoattack_epsilons: Its bounds, some of `epsilons` or all, the largest among them.
    """

    epsilons: tuple[float, ...] = EPSILONS
    pgd: Attack = PGD
    samples: int | None = None
    autoattack_samples: int | None = 1_000
    autoattack_epsilons: tuple[float, ...] = EPSILONS

    def __post_init__(self) -> None:
        """Check that AutoAttack's epsilons are among the others.

        Raises:
            InputError: If not, or if the largest is missing.
        """
        if not {self.epsilons[-1]} <= set(self.autoattack_epsilons) <= set(self.epsilons):
            raise InputError(
                f"AutoAttack's epsilons must be some of {self.epsilons}, the largest among them, got "
                f"{self.autoattack_epsilons}"
            )


@dataclass(frozen=True)
class SmoothedRobustness(Instrument[Rows]):
    """Accuracy of a network with smoothed first kernels, under all attacks, beside Corollary 1's ceiling.

    AutoAttack has the images that PGD leaves, and what PGD breaks counts as broken by it: it is never weaker.

    Attributes:
        rho: Strength of smoothing; 0 leaves the network as it was trained.
        normalized: Whether smoothing keeps the kernels' scale: the control.
        threat: The attacks.
    """

    rho: float
    normalized: bool
    threat: Threat

    name: ClassVar[str] = "smoothed-robustness"
    summary: ClassVar[str] = (
        "accuracy under attacks of a network with smoothed first kernels, and its ceiling"
    )
    source: ClassVar[str] = "Table 2, section 6.3"
    needs_gradient: ClassVar[bool] = True

    def __str__(self) -> str:
        """Say what is measured."""
        return f"rho {self.rho:g}{', normalized' * self.normalized}: FGSM, {self.threat.pgd.label}, AutoAttack, ceiling"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {
            "instrument": self.name,
            "rho": float(self.rho),
            "normalized": self.normalized,
            "epsilons": list(self.threat.epsilons),
            "each_epsilon": "alone",  # not with what was broken at smaller ones, as results of before were
            "pgd": self.threat.pgd.resolved().to_dict(),
            "samples": self.threat.samples,
            "autoattack_samples": self.threat.autoattack_samples,
            "autoattack_epsilons": list(self.threat.autoattack_epsilons),
        }

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return the work if one image in ten withstands each attack beyond the first epsilon, where all may."""
        samples = min(self.threat.samples or samples, samples)
        few = min(self.threat.autoattack_samples or samples, samples)
        later = len(self.threat.epsilons) - 1
        whole = 1 + self.threat.pgd.steps
        each = whole + later * (WITHSTAND * whole + (1 - WITHSTAND) * BROKEN_AFTER)
        withstanding = WITHSTAND * few * len(self.threat.autoattack_epsilons)
        gradients, answers = (withstanding * part for part in AUTOATTACK_WORK)
        return Cost(samples * each + gradients, samples * CEILING_ANSWERS + answers)

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
        test, epsilons = subject.dataset, self.threat.epsilons
        order = subject.draw(self.threat.samples)
        evaluate = partial(evaluate_attack, model, test, device=subject.device, seed=subject.seed)
        write = partial(attack_rows, dataset=test, run=subject.run, seed=subject.run_seed)
        yield from write(evaluate(attack=FGSM, epsilons=epsilons, order=order))
        few = order[: self.threat.autoattack_samples]
        same = len(few) == len(order)
        pgd = evaluate(attack=self.threat.pgd, epsilons=epsilons, order=order, keep_images=same)
        yield from write(pgd)
        if not same:  # on fewer samples PGD does again what it did, since it draws by sample
            pgd = evaluate(attack=self.threat.pgd, epsilons=epsilons, order=few, keep_images=True)
        strongest = evaluate(
            attack=AUTOATTACK, epsilons=self.threat.autoattack_epsilons, order=few, after=pgd
        )
        yield from write(strongest)
        found = find_counterexamples(model, test, order=order, device=subject.device)
        ceiling = robust_accuracy_ceiling(found.correct, found.distance["linf"], epsilons)
        for epsilon, value in zip(epsilons, ceiling.tolist(), strict=True):
            yield RobustnessRow(
                run=subject.run,
                seed=subject.run_seed,
                subset=test.subset,
                norm="linf",
                epsilon=epsilon,
                metric="accuracy-ceiling",
                value=round(value * len(order)) / len(order),  # a share in double precision, as the others
                count=len(order),
            )
