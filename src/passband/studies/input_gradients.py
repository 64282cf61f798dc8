"""Whether the spectrum of a network's gradient, one backward pass an image, tells how much it uses the HFC.

A question of ours, asked of the networks of section 5.1, whose accuracy on LFC and HFC the paper compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, Term, accuracy
from passband.analysis.figure import Figure, Panel, Point, Role
from passband.analysis.measures import correlation_of
from passband.analysis.rule import ANY, Rule
from passband.frequency.component import High, Low
from passband.instruments.input_gradient import InputGradient
from passband.instruments.instrument import Instrument
from passband.rows import GRADIENT_BEYOND
from passband.studies import figure5_heuristics, section5_architectures
from passband.studies.catalog import STUDIES
from passband.studies.conditions import learned
from passband.studies.deviations import Deviation
from passband.studies.presets import Setting
from passband.studies.study import Classifiers, Study

LOOKS: dict[str, tuple[Role, float]] = {
    "vanilla": ("full", 1.0),
    "dropout": ("full", 0.2),
    "mixup": ("energy", 1.0),
    "mixup, as released": ("energy", 0.6),
    "batchnorm": ("hfc", 1.0),
    "adversarial": ("lfc", 1.0),
    "ResNet": ("ochre", 0.6),
    "LeNet": ("energy", 0.2),
    "AlexNet": ("hfc", 0.2),
    "VGG": ("lfc", 0.2),
    "ViT": ("muted", 1.0),
    "ConvNeXt": ("muted", 0.4),
}
"""Color and shade of each run."""

REGULARIZED = ("mixup", "mixup, as released", "adversarial")
"""Those whose accuracy on clean training images says less of how far they are trained."""

KINDS: tuple[tuple[type[Low | High], Literal["above", "below"], str], ...] = (
    (High, "above", "higher"),
    (Low, "below", "lower"),
)
"""On what accuracy is measured, on which side of 0 its correlation should lie, and in a word."""


def runs(setting: Setting) -> Classifiers:
    """Return those of the studies of heuristics and architectures whose answer to an image does not depend on its batch."""
    found = {
        label: config
        for label, config in figure5_heuristics.runs(setting).items()
        if not config.batch_statistics
    }
    others = section5_architectures.runs(setting).items()  # the vanilla run is among them too
    return found | {label: config for label, config in others if config not in found.values()}


def measurements(setting: Setting) -> dict[str, tuple[Instrument, ...]]:
    """Return the spectrum of each network's gradient."""
    return {label: (InputGradient(setting.radii),) for label in runs(setting)}


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return which network of section 5.1 is left out."""
    return (
        Deviation(
            "BatchNorm with the statistics of the batch",
            "not said",
            "left out",
            "no image has a gradient of its own there",
        ),
    )


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what the gradient should say of accuracy on the HFC and the LFC: over all radii together, then at each."""
    labels = list(runs(setting))
    every = f"r = {', '.join(f'{radius:g}' for radius in setting.radii)}, means over r"
    each = [((radius,), f"r = {radius:g}") for radius in setting.radii]
    return tuple(
        Claim(
            f"the more of a gradient's energy lies beyond r, the {word} the accuracy on the {kind.kind.upper()} at r ({text})",
            "Spearman's rank correlation over all runs of the share of the gradient's energy beyond r with the accuracy on the "
            f"{kind.kind.upper()} of test images at {text}.",
            correlation_of(
                labels,
                partial(_beyond, radii=radii),
                partial(_accuracies, kind=kind, radii=radii),
                ranks=True,
            ),
            Rule(side, ANY),
            asked_by="passband",
            conditions=(learned(*(label for label in labels if label not in REGULARIZED)),),
        )
        for radii, text in ((setting.radii, every), *each)
        for kind, side, word in KINDS
    )


def figure(setting: Setting) -> Figure:
    """Return the accuracy on HFC and LFC against the gradient's energy, a panel a radius and a point a network."""
    return Figure(
        tuple(
            tuple(
                Panel(
                    f"{kind.kind.upper()}, r = {radius:g}",
                    tuple(
                        Point(
                            label,
                            *LOOKS[label],
                            x=(_beyond(label, (radius,)),),
                            y=accuracy(label, component=kind(radius)),
                        )
                        for label in runs(setting)
                    ),
                    x="share of the gradient's energy beyond r",
                    y=f"accuracy on the {kind.kind.upper()}",
                )
                for radius in setting.radii
            )
            for kind, _, _ in KINDS
        )
    )


def _beyond(label: str, radii: Sequence[float]) -> Contrast:
    """Return the share of energy beyond a radius, the mean over several."""
    return Contrast(
        tuple(
            Term(label, "test", str(High(radius)), GRADIENT_BEYOND, weight=1 / len(radii)) for radius in radii
        )
    )


def _accuracies(label: str, kind: type[High | Low], radii: Sequence[float]) -> list[Contrast]:
    return [accuracy(label, component=kind(radius)) for radius in radii]


INPUT_GRADIENT = Study(
    *STUDIES.lines["input-gradient"],
    runs=runs,
    claims=claims,
    figure=figure,
    measurements=measurements,
    deviations=deviations,
)
