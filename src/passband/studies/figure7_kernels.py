"""Figure 7: the kernels of the first layer, natural and adversarial, as trained and smoothed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from passband.analysis.claim import ANY, Claim, Rule, difference, least_of
from passband.analysis.contrast import Contrast, Term
from passband.engine.measure import FinishedRun, Measurement, Work
from passband.kernels import roughness, smooth_kernel
from passband.robustness.smoothing import find_convolution
from passband.rows import KERNEL_HIGH_FREQUENCY, REMOVED, ROUGHNESS, KernelRow
from passband.stats import jackknife_error
from passband.studies import section5_architectures as architectures
from passband.studies.figure5_heuristics import adversarial, adversarial_deviations, natural_and_adversarial
from passband.studies.kernel_figure import KernelFigure, KernelPanel
from passband.studies.presets import Setting
from passband.studies.study import Runs, Study

SMOOTH = 1.0
"""The rho of Figure 7."""

MEASURES = {
    ROUGHNESS: "Mean squared difference of neighboring weights over their mean square",
    KERNEL_HIGH_FREQUENCY: "Share of the kernels' energy beyond half the Nyquist frequency",
}
"""Both are of one layer, its kernels together, and do not depend on their scale: normalized smoothing has the same."""


@dataclass(frozen=True)
class KernelRoughness(Measurement):
    """How rough the first layer's kernels are, as they were trained and smoothed.

    Attributes:
        rhos: Strengths of smoothing; 0 is the kernels as they were trained.
    """

    rhos: tuple[float, ...]

    def __str__(self) -> str:
        """Say what is measured."""
        return f"roughness of the first kernels at rho {', '.join(f'{rho:g}' for rho in self.rhos)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {"kind": "kernel-roughness", "rhos": list(self.rhos)}

    def work(self, images: int) -> Work:
        """Return that no image is shown."""
        return Work()

    def rows(self, finished: FinishedRun) -> Iterator[KernelRow]:
        """Yield what `measures` returns, with its standard errors; a layer of one filter has none."""
        _, convolution = find_convolution(finished.model)
        weight = convolution.weight.detach()
        for rho in self.rhos:
            values = measures(weight, rho)
            errors = jackknife_errors(partial(measures, rho=rho), weight) if len(weight) > 1 else {}
            for metric, value in values.items():
                yield KernelRow(
                    run=finished.run,
                    seed=finished.seed,
                    subset=None,
                    metric=metric,
                    value=value,
                    error=errors.get(metric),
                    count=len(weight),
                    rho=rho,
                    normalized=False,
                )


def measures(weight: Float[Tensor, "filters channels height width"], rho: float) -> dict[str, float]:
    """Return how rough a layer's kernels are once they are smoothed, and how much of that smoothing has removed.

    The latter is a number of its own since it is surer than the two that it is the difference of: both are of the same
    kernels.
    """
    before, after = (roughness(kernels) for kernels in (weight, smooth_kernel(weight, rho)))
    values = dict(zip(MEASURES, after, strict=True))
    if rho > 0:
        removed = zip(MEASURES, before, after, strict=True)
        values |= {f"{name}{REMOVED}": rough - smooth for name, rough, smooth in removed}
    return values


def jackknife_errors(
    measure: Callable[[Tensor], Mapping[str, float]], weight: Float[Tensor, "filters channels height width"]
) -> dict[str, float]:
    """Return the standard errors of numbers of a layer over its filters, of which there must be two or more."""
    without = [measure(torch.cat([weight[:i], weight[i + 1 :]])) for i in range(len(weight))]
    return {name: jackknife_error([numbers[name] for numbers in without]) for name in without[0]}


def runs(setting: Setting) -> Runs:
    """Return a natural and an adversarial network with a first layer of 3x3 kernels, and two with one of 5x5."""
    large = architectures.runs(setting)["LeNet"]
    return {
        **natural_and_adversarial(setting),
        "natural, 5x5": large,
        "adversarial, 5x5": adversarial(large, setting),
    }


def measurements(setting: Setting) -> dict[str, tuple[Measurement, ...]]:
    """Return the roughness of every run's kernels."""
    return dict.fromkeys(runs(setting), (KernelRoughness((0.0, SMOOTH)),))


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what sections 6.2 and 6.3 say of kernels."""
    return (
        *(
            Claim(
                "the kernels of M_adversarial tend to show a more smooth pattern",
                f"{text} in the first layer of {where}: natural minus adversarial.",
                difference(_measured(f"natural{size}", metric) - _measured(f"adversarial{size}", metric)),
                Rule("above", ANY),
            )
            for size, where in (("", "the residual network (3x3)"), (", 5x5", "LeNet (5x5)"))
            for metric, text in MEASURES.items()
        ),
        *(
            Claim(
                "As the visualization shows, the resulting kernels tend to show a significantly smoother pattern.",
                f"{text} in the first layer: as trained minus smoothed with rho = {SMOOTH:g}; the smallest difference of "
                "the four networks.",
                least_of(*(_measured(label, f"{metric}{REMOVED}", SMOOTH) for label in LABELS)),
                Rule("above", ANY),
            )
            for metric, text in MEASURES.items()
        ),
    )


def figure(setting: Setting) -> KernelFigure:
    """Return natural beside adversarial kernels, as trained and, below, smoothed; then the same with 5x5 kernels."""
    return KernelFigure(
        tuple(
            tuple(KernelPanel(f"{label}{text}", label, rho) for label in pair)
            for pair in (LABELS[:2], LABELS[2:])
            for rho, text in ((0.0, ""), (SMOOTH, f", ρ = {SMOOTH:g}"))
        )
    )


LABELS = ("natural", "adversarial", "natural, 5x5", "adversarial, 5x5")


def _measured(label: str, metric: str, rho: float = 0.0) -> Contrast:
    return Contrast((Term(label, None, None, metric=metric, rho=rho, normalized=False),))


KERNELS = Study(
    name="kernels",
    title="First-layer kernels, natural, adversarial and smoothed",
    source="Figure 7, section 6.2",
    question="Are the kernels of an adversarially trained network smoother?",
    runs=runs,
    claims=claims,
    figure=figure,
    measurements=measurements,
    deviations=adversarial_deviations,
)
