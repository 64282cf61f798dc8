"""Accuracy under attacks of a network whose first kernels are smoothed: one measurement of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from passband.attacks import FGSM, AutoAttack
from passband.engine.measure import FinishedRun, Measurement, Work
from passband.instruments.counterexamples import find_counterexamples, robust_accuracy_ceiling
from passband.models.pixels import PixelModel
from passband.robustness.evaluate import attack_rows, evaluate_attack
from passband.robustness.smoothing import smoothed
from passband.rows import RobustnessRow
from passband.studies.presets import Threat

ONE_STEP, STRONGEST = FGSM(), AutoAttack()

WITHSTAND = 0.1
"""The share of images that is taken to withstand an attack where its cost is estimated."""

BROKEN_AFTER = 4
"""How many gradients PGD takes for an image that it breaks, about."""

AUTOATTACK_WORK = Work(gradients=2_000, answers=5_000)
"""What AutoAttack asks for each image that it does not break, about."""

CEILING_ANSWERS = 15
"""How many LFCs of an image are looked at for Corollary 1's ceiling, about."""


@dataclass(frozen=True)
class SmoothedRobustness(Measurement):
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

    def __str__(self) -> str:
        """Say what is measured."""
        return f"rho {self.rho:g}{', normalized' * self.normalized}: FGSM, {self.threat.pgd.label}, AutoAttack, ceiling"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {
            "kind": "smoothed-robustness",
            "rho": float(self.rho),
            "normalized": self.normalized,
            "epsilons": list(self.threat.epsilons),
            "each_epsilon": "alone",  # not with what was broken at smaller ones, as results of before were
            "pgd": self.threat.pgd.resolved().to_dict(),
            "samples": self.threat.samples,
            "autoattack_samples": self.threat.autoattack_samples,
            "autoattack_epsilons": list(self.threat.autoattack_epsilons),
        }

    def work(self, images: int) -> Work:
        """Return the work if one image in ten withstands each attack beyond the first epsilon, where all may."""
        samples = min(self.threat.samples or images, images)
        few = min(self.threat.autoattack_samples or samples, samples)
        later = len(self.threat.epsilons) - 1
        whole = 1 + self.threat.pgd.steps
        each = whole + later * (WITHSTAND * whole + (1 - WITHSTAND) * BROKEN_AFTER)
        withstanding = WITHSTAND * few * len(self.threat.autoattack_epsilons)
        gradients, answers = (withstanding * part for part in AUTOATTACK_WORK)
        return Work(samples * each + gradients, samples * CEILING_ANSWERS + answers)

    def rows(self, finished: FinishedRun) -> Iterator[RobustnessRow]:
        """Yield accuracy under each attack at each epsilon, clean accuracy at epsilon 0, and the ceiling.

        Without smoothing the normalized network is the same one, and its rows are written too.
        """
        model = smoothed(finished.model, self.rho, normalize=self.normalized)
        measured = list(self._measure(model, finished))
        for normalized in (False, True) if self.rho == 0 else (self.normalized,):
            for row in measured:
                yield replace(row, rho=float(self.rho), normalized=normalized)

    def _measure(self, model: PixelModel, finished: FinishedRun) -> Iterator[RobustnessRow]:
        test, epsilons = finished.test, self.threat.epsilons
        order = finished.draw(self.threat.samples)
        evaluate = partial(evaluate_attack, model, test, device=finished.device, seed=finished.seed)
        write = partial(attack_rows, dataset=test, run=finished.run, seed=finished.seed)
        yield from write(evaluate(attack=ONE_STEP, epsilons=epsilons, indices=order))
        few = order[: self.threat.autoattack_samples]
        same = len(few) == len(order)
        pgd = evaluate(attack=self.threat.pgd, epsilons=epsilons, indices=order, keep_images=same)
        yield from write(pgd)
        if not same:  # on fewer samples PGD does again what it did, since it draws by sample
            pgd = evaluate(attack=self.threat.pgd, epsilons=epsilons, indices=few, keep_images=True)
        strongest = evaluate(
            attack=STRONGEST, epsilons=self.threat.autoattack_epsilons, indices=few, after=pgd
        )
        yield from write(strongest)
        found = find_counterexamples(model, test, order=order, device=finished.device)
        ceiling = robust_accuracy_ceiling(found.correct, found.distance["linf"], epsilons)
        for epsilon, value in zip(epsilons, ceiling.tolist(), strict=True):
            yield RobustnessRow(
                run=finished.run,
                seed=finished.seed,
                subset=test.subset,
                norm="linf",
                epsilon=epsilon,
                metric="accuracy-ceiling",
                value=round(value * len(order)) / len(order),  # a share in double precision, as the others
                count=len(order),
            )
