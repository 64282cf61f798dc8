"""Corollary 1: images and their LFCs as counterexamples to being accurate and robust."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from passband.analysis.claim import ANY, Claim, Rule, least_of
from passband.analysis.contrast import Contrast, Term, accuracy
from passband.analysis.figure import Curve, Figure, Panel, Role, shades
from passband.engine.measure import FinishedRun, Measurement, Work
from passband.instruments.components import check_radii
from passband.instruments.pairs import find_pairs, verify
from passband.rows import (
    COUNTEREXAMPLE_DISTANCE,
    COUNTEREXAMPLES,
    COUNTEREXAMPLES_RIGHT,
    COUNTEREXAMPLES_VERIFIED,
    CounterexampleRow,
)
from passband.studies.figure5_heuristics import adversarial_deviations, natural_and_adversarial
from passband.studies.presets import Setting
from passband.studies.study import Study
from passband.types import Norm

EXISTS = 0.02
"""The share of samples above which we say that there are such samples; a few in a thousand may be accidents."""

STEPS = 20
"""How many bounds on the distance are looked at, in each norm."""

NORMS: dict[Norm, str] = {"linf": "Linf", "l2": "L2"}


@dataclass(frozen=True)
class LowPassCounterexamples(Measurement):
    """On how many test images a network answers otherwise than on their LFC, and how far the two are apart.

    Attributes:
        radii: Cut-offs of the LFC, below the corner.
    """

    radii: tuple[float, ...]

    def __str__(self) -> str:
        """Say what is measured."""
        return f"answers to x and x_l at r = {', '.join(f'{radius:g}' for radius in self.radii)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {"kind": "low-pass-counterexamples", "radii": [float(radius) for radius in self.radii]}

    def work(self, images: int) -> Work:
        """Return that every image and its LFC is shown, and shown again to be verified."""
        return Work(answers=4 * len(self.radii) * images)

    def rows(self, finished: FinishedRun) -> Iterator[CounterexampleRow]:
        """Yield shares of all images, the share of pairs that was verified, and distances."""
        check_radii(self.radii, finished.test.size)
        for radius in self.radii:
            yield from self._rows(finished, radius)

    def _rows(self, finished: FinishedRun, radius: float) -> Iterator[CounterexampleRow]:
        pairs = find_pairs(finished.model, finished.test, radius, device=finished.device)
        verified = verify(finished.model, finished.test, radius, pairs, device=finished.device)
        total, found = len(pairs.labels), len(verified)
        row = partial(
            CounterexampleRow,
            run=finished.run,
            seed=finished.seed,
            subset="test",
            component="lfc",
            radius=float(radius),
            amplitude="clip",
        )
        share = partial(row, metric=COUNTEREXAMPLES, count=total)
        right = pairs.differ & (pairs.whole == pairs.labels)
        yield share(value=found / total)
        yield row(metric=COUNTEREXAMPLES_RIGHT, value=right.double().mean().item(), count=total)
        if found:
            yield row(metric=COUNTEREXAMPLES_VERIFIED, value=verified.double().mean().item(), count=found)
        for norm in get_args(Norm):
            distance = pairs.distance[norm]
            if found:
                median = distance[pairs.differ].median().item()
                yield row(metric=COUNTEREXAMPLE_DISTANCE, value=median, count=found, norm=norm)
            for epsilon in bounds(norm, finished.test.images[0].numel()):
                within = pairs.differ & (distance <= epsilon)
                yield share(value=within.double().mean().item(), norm=norm, epsilon=epsilon)


def bounds(norm: Norm, values: int) -> list[float]:
    """Return the bounds on a distance that are looked at, 0 aside.

    Args:
        norm: In L2 they reach as far as a change of every pixel by a quarter, in Linf to the whole range.
        values: Pixels times channels of an image.

    Example:
        >>> bounds("linf", 3072)[:2], round(bounds("l2", 3072)[-1], 2)
        ([0.05, 0.1], 13.86)
    """
    farthest = 1.0 if norm == "linf" else 0.25 * math.sqrt(values)
    return [farthest * step / STEPS for step in range(1, STEPS + 1)]


def measurements(setting: Setting) -> dict[str, tuple[Measurement, ...]]:
    """Return the counterexamples of both networks."""
    return dict.fromkeys(natural_and_adversarial(setting), (LowPassCounterexamples(setting.radii),))


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
        ),
        Claim(
            "there exists a sample ⟨x, y⟩ that the model θ cannot predict both accurately and robustly under any distance "
            "metric and bound ε as long as ε ≥ d(x, x_l).",
            "Share of test images that are answered right, and otherwise than their LFC, an image no farther than ε, "
            f"{where}",
            least_of(*(_share(label, smallest, COUNTEREXAMPLES_RIGHT) for label in networks)),
            Rule("above", EXISTS),
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
    return Term(label, "test", "lfc", radius, metric, norm=norm)


def _share(label: str, radius: float, metric: str = COUNTEREXAMPLES) -> Contrast:
    return Contrast((_term(label, radius, metric),))


COROLLARY = Study(
    name="corollary",
    title="Images and their LFCs as counterexamples",
    source="Corollary 1, section 3.2",
    question="On how many images can a network not be both accurate and robust, for no attack at all but low-pass filtering?",
    runs=natural_and_adversarial,
    claims=claims,
    figure=figure,
    measurements=measurements,
    deviations=adversarial_deviations,
)
