"""Figure 7: the kernels of the first layer, natural and adversarial, as trained and smoothed."""

from __future__ import annotations

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, Term
from passband.analysis.measures import difference, least_of
from passband.analysis.rule import ANY, Rule
from passband.instruments.instrument import Instrument
from passband.instruments.kernels import MEASURES, KernelRoughness
from passband.rows import REMOVED
from passband.studies import section5_architectures as architectures
from passband.studies.catalog import STUDIES
from passband.studies.conditions import adversary, learned, robust
from passband.studies.figure5_heuristics import adversarial, adversarial_deviations, natural_and_adversarial
from passband.studies.kernel_figure import KernelFigure, KernelPanel
from passband.studies.presets import Setting
from passband.studies.study import Classifiers, Study

SMOOTH = 1.0
"""The rho of Figure 7."""


def runs(setting: Setting) -> Classifiers:
    """Return a natural and an adversarial network with a first layer of 3x3 kernels, and two with one of 5x5."""
    large = architectures.runs(setting)["LeNet"]
    return {
        **natural_and_adversarial(setting),
        "natural, 5x5": large,
        "adversarial, 5x5": adversarial(large, setting),
    }


def measurements(setting: Setting) -> dict[str, tuple[Instrument, ...]]:
    """Return the roughness of every run's kernels, and what tells whether adversarial training made a network robust."""
    return dict.fromkeys(runs(setting), (KernelRoughness((0.0, SMOOTH)), adversary(setting)))


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what sections 6.2 and 6.3 say of kernels."""
    return (
        *(
            Claim(
                "the kernels of M_adversarial tend to show a more smooth pattern",
                f"{text} in the first layer of {where}: natural minus adversarial.",
                difference(_measured(f"natural{size}", metric) - _measured(f"adversarial{size}", metric)),
                Rule("above", ANY),
                conditions=(
                    learned(f"natural{size}"),
                    robust(f"adversarial{size}", f"natural{size}", setting),
                ),
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
    *STUDIES.lines["kernels"],
    runs=runs,
    claims=claims,
    figure=figure,
    measurements=measurements,
    deviations=adversarial_deviations,
)
