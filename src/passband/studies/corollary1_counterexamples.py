"""Corollary 1: images and their LFCs as counterexamples to being accurate and robust."""

from __future__ import annotations

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, Term, accuracy
from passband.analysis.figure import Curve, Figure, Panel, Role, shades
from passband.analysis.measures import least_of
from passband.analysis.rule import ANY, Rule
from passband.frequency.component import Low
from passband.instruments.instrument import Instrument
from passband.instruments.pairs import LowPassCounterexamples
from passband.rows import COUNTEREXAMPLES, COUNTEREXAMPLES_RIGHT
from passband.studies.catalog import STUDIES
from passband.studies.conditions import adversary, learned, robust
from passband.studies.figure5_heuristics import adversarial_deviations, natural_and_adversarial
from passband.studies.presets import Setting
from passband.studies.study import Study
from passband.types import Norm

EXISTS = 0.02
"""The share of samples above which we say that there are such samples; a few in a thousand may be accidents."""

NORMS: dict[Norm, str] = {"linf": "Linf", "l2": "L2"}


def measurements(setting: Setting) -> dict[str, tuple[Instrument, ...]]:
    """Return the counterexamples of both networks, and what tells whether adversarial training made one robust."""
    each = (LowPassCounterexamples(setting.radii), adversary(setting))
    return dict.fromkeys(natural_and_adversarial(setting), each)


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 3.2 says."""
    networks, smallest = list(natural_and_adversarial(setting)), setting.radii[0]
    where = (
        f"at r = {smallest:g}; the smaller of both networks. More than {EXISTS:g}, so that it is no accident."
    )
    return (
        Claim(
            "for model θ, there exists a sample ⟨x, y⟩ such that: f(x; θ) ≠ f(x_l; θ)",
            f"Share of test images that are answered otherwise than their LFC, clipped to [0, 1], {where}",
            least_of(*(_share(label, smallest) for label in networks)),
            Rule("above", EXISTS),
            conditions=(learned("natural"),),
        ),
        Claim(
            "there exists a sample ⟨x, y⟩ that the model θ cannot predict both accurately and robustly under any distance "
            "metric and bound ε as long as ε ≥ d(x, x_l).",
            "Share of test images that are answered right, and otherwise than their LFC, an image no farther than ε, "
            f"{where}",
            least_of(*(_share(label, smallest, COUNTEREXAMPLES_RIGHT) for label in networks)),
            Rule("above", EXISTS),
            conditions=(learned("natural"),),
        ),
        Claim(
            "the existing trade-off between CNN's accuracy and robustness, by offering examples of how CNN exploits the "
            "high-frequency components of images to trade robustness for accuracy",
            "Natural minus adversarial: accuracy on test images, and the share of them that are answered otherwise than "
            "their LFC, at each radius; the smallest difference.",
            least_of(
                accuracy("natural") - accuracy("adversarial"),
                *(_share("natural", radius) - _share("adversarial", radius) for radius in setting.radii),
            ),
            Rule("above", ANY),
            conditions=(learned("natural"), robust("adversarial", "natural", setting)),
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return the share of samples with f(x) != f(x_l) by radius, and how many of them lie within which distance."""
    colors: dict[str, Role] = {"natural": "full", "adversarial": "energy"}
    by_radius = [
        Curve(name, role, dashed=dashed, term=_term(label, None, metric), along="radius")
        for label, role in colors.items()
        for name, dashed, metric in (
            (label, False, COUNTEREXAMPLES),
            (f"{label}, x predicted right", True, COUNTEREXAMPLES_RIGHT),
        )
    ]

    def within(norm: Norm, label: str) -> Panel:
        curves = (
            Curve(f"r = {radius:g}", "lfc", shade, term=_term(label, radius, norm=norm), along="epsilon")
            for radius, shade in zip(setting.radii, shades(len(setting.radii)), strict=True)
        )
        title = f"{label}: samples with f(x) ≠ f(x_l) and d(x, x_l) ≤ ε, {NORMS[norm]}"
        return Panel(title, tuple(curves), x=f"ε ({NORMS[norm]})", y="share of test images")

    first = Panel("Samples with f(x) ≠ f(x_l)", tuple(by_radius), x="radius", y="share of test images")
    return Figure(((first,), *(tuple(within(norm, label) for label in colors) for norm in NORMS)))


def _term(
    label: str, radius: float | None, metric: str = COUNTEREXAMPLES, *, norm: Norm | None = None
) -> Term:
    shown = Low.kind if radius is None else str(Low(radius))
    return Term(label, "test", shown, metric, norm=norm)


def _share(label: str, radius: float, metric: str = COUNTEREXAMPLES) -> Contrast:
    return Contrast((_term(label, radius, metric),))


COROLLARY = Study(
    *STUDIES.lines["corollary"],
    runs=natural_and_adversarial,
    claims=claims,
    figure=figure,
    measurements=measurements,
    deviations=adversarial_deviations,
)
