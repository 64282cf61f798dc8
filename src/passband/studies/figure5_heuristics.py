"""Figure 5: dropout, mixup, BatchNorm and adversarial training."""

from __future__ import annotations

from dataclasses import replace

from passband.analysis.claim import Claim, Condition
from passband.analysis.contrast import Contrast, Term, above_chance, accuracy, gap
from passband.analysis.figure import Curve, Figure, Panel, Role, in_rows, shades
from passband.analysis.measures import difference, farthest_of, greatest_of, least_of
from passband.analysis.rule import ANY, MUCH, SIMILAR, Rule
from passband.analysis.table import SummaryTable
from passband.attacks import PGD
from passband.frequency.component import Component, High, Low, lows_and_highs
from passband.instruments.instrument import Instrument
from passband.studies.catalog import STUDIES
from passband.studies.conditions import adversary, learned, more_than, robust
from passband.studies.deviations import Deviation
from passband.studies.presets import Preset, Setting
from passband.studies.study import Classifiers, Study
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig

ATTACK_STEPS: dict[Preset, int] = {"smoke": 1, "laptop": 10, "paper": 10}
"""Steps of the PGD in adversarial training."""

MIXUPS = ("mixup", "mixup, as released")
"""Both readings: the text's alpha of 0.5, and the code's of 1."""


def runs(setting: Setting) -> Classifiers:
    """Return the vanilla run and the same with each heuristic."""
    vanilla = setting.vanilla
    batch_norm = replace(vanilla, batch_norm=True)
    return {
        "vanilla": vanilla,
        "dropout": replace(vanilla, dropout=0.5),
        "mixup": replace(vanilla, mixup=0.5),
        "mixup, as released": replace(vanilla, mixup=1.0),
        "batchnorm": batch_norm,
        "batchnorm, batch statistics": replace(batch_norm, batch_statistics=True),
        "adversarial": adversarial(vanilla, setting),
    }


def natural_and_adversarial(setting: Setting) -> Classifiers:
    """Return two of these runs under the names that section 6 gives them."""
    return {"natural": setting.vanilla, "adversarial": adversarial(setting.vanilla, setting)}


def adversarial(config: RunConfig, setting: Setting) -> RunConfig:
    """Return the same run with adversarial training, as the text or the code has it."""
    steps = ATTACK_STEPS[setting.preset]
    if setting.source == "text":
        return replace(config, adversarial=Adversary(8 / 255, PGD(steps=steps)))
    step_size = 0.03 / steps  # a tenth of epsilon at its 10 steps
    adversary = Adversary.of_options(
        0.03, attack_steps=steps, attack_step_size=step_size, attack_random_start=False
    )
    return replace(config, adversarial=adversary, augment=True)


def adversarial_deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what adversarial training does otherwise than in the paper, or where that leaves it open."""
    if setting.preset == "smoke":
        return ()
    what = ("steps of PGD in training", "not said")
    return (Deviation(*what, "10 steps of 2.5 epsilon / 10", "the usual choice (Madry et al. 2018)"),)


def measurements(setting: Setting) -> dict[str, tuple[Instrument, ...]]:
    """Return what tells whether adversarial training made a network robust."""
    return dict.fromkeys(("vanilla", "adversarial"), (adversary(setting),))


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return those of adversarial training, and what the code is not followed in."""
    dropout = Deviation(
        "dropout", "code: result unused", "0.5 before the classifier", "else it would be the vanilla run"
    )
    return adversarial_deviations(setting) + ((dropout,) if setting.source == "code" else ())


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 5.1 says of each heuristic."""
    trained = learned("vanilla")
    strong = (trained, robust("adversarial", "vanilla", setting))
    return (
        Claim(
            "Dropout roughly behaves similarly to the vanilla set-up in our experiments.",
            "Accuracy of dropout minus vanilla on test images, their LFC and their HFC at r = 4 and 8: how far from 0 the "
            "farthest is.",
            farthest_of(
                accuracy("dropout") - accuracy("vanilla"),
                *(_gain("dropout", component) for component in lows_and_highs((4, 8))),
            ),
            Rule("below", SIMILAR),
            conditions=(trained,),
        ),
        *(
            Claim(
                "Mix-up delivers a similar prediction accuracy",
                f"Accuracy on test images, {label} minus vanilla: how far from 0.",
                farthest_of(accuracy(label) - accuracy("vanilla")),
                Rule("below", SIMILAR),
                conditions=(trained,),
            )
            for label in MIXUPS
        ),
        *(
            Claim(
                "however, it catches much more HFC",
                f"Accuracy on the HFC of test images, {label} minus vanilla; the smaller difference of r = 4 and 8.",
                least_of(*(_gain(label, High(r)) for r in (4, 8))),
                Rule("above", MUCH),
                conditions=(trained,),
            )
            for label in MIXUPS
        ),
        *(
            Claim(
                "BatchNorm picks more information in both LFC and HFC, especially when r = 4 and r = 8.",
                f"Accuracy on the {kind.kind.upper()} of test images, {label} minus vanilla; the smaller difference of "
                "r = 4 and 8.",
                least_of(*(_gain(label, kind(r)) for r in (4, 8))),
                Rule("above", ANY),
                conditions=(trained, learned(label)),
            )
            for label in ("batchnorm", "batchnorm, batch statistics")
            for kind in (Low, High)
        ),
        Claim(
            "Adversarial training mostly behaves as expected: it reports a lower prediction accuracy",
            "Accuracy on test images: vanilla minus adversarial.",
            difference(accuracy("vanilla") - accuracy("adversarial")),
            Rule("above", ANY),
            conditions=strong,
        ),
        Claim(
            "It also reports a smaller generalization gap",
            "Accuracy on clean training images minus accuracy on test images: vanilla minus adversarial.",
            difference(gap("vanilla") - gap("adversarial")),
            Rule("above", ANY),
            conditions=strong,
        ),
        Claim(
            "its invariance towards HFC (e.g., r = 12 or r = 16)",
            "Accuracy of adversarial on the HFC of test images at r = 12 and 16, minus the share of the most "
            "frequent class among their labels; the greater difference of the two.",
            greatest_of(*(above_chance("adversarial", component=High(r)) for r in (12, 16))),
            Rule("below", SIMILAR),
            conditions=(
                *strong,
                more_than(
                    "vanilla must not be as invariant itself: its accuracy on the HFC at r = 12 and 16 above chance",
                    SIMILAR,
                    *(above_chance("vanilla", component=High(r)) for r in (12, 16)),
                    remedy="data of which a natural network uses so high frequencies",
                ),
            ),
        ),
        Claim(
            "adversarial training seems to be sensitive to the HFC when r = 4, which is ignored even by the vanilla set-up.",
            "Accuracy on the HFC of test images at r = 4: adversarial minus vanilla.",
            difference(_gain("adversarial", High(4))),
            Rule("above", ANY),
            conditions=(
                *strong,
                Condition(
                    "vanilla must ignore the HFC at r = 4: its accuracy there above chance",
                    difference(above_chance("vanilla", component=High(4))),
                    Rule("below", SIMILAR),
                    "data or networks of which the vanilla one does",
                ),
            ),
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return one panel a run: accuracy by epoch on training and test images and on the test images' components."""
    return in_rows((Panel(label, tuple(_curves(setting, label))) for label in runs(setting)), 3)


def _curves(setting: Setting, label: str) -> list[Curve]:
    curves = [
        Curve("train", "muted", dashed=True, term=Term(label, "train")),
        Curve("test", "full", term=Term(label)),
    ]
    roles: tuple[tuple[type[Low | High], Role], ...] = ((Low, "lfc"), (High, "hfc"))
    for kind, role in roles:
        curves += [
            Curve(
                f"{role.upper()} {radius:g}",
                role,
                shade,
                term=Term(label, "test", str(kind(radius))),
            )
            for radius, shade in zip(setting.radii, shades(len(setting.radii)), strict=True)
        ]
    return curves


def _gain(label: str, component: Component) -> Contrast:
    return accuracy(label, component=component) - accuracy("vanilla", component=component)


def table(setting: Setting) -> SummaryTable:
    """Return where the curves of Figure 5 end."""
    parts = {
        f"{kind.kind.upper()} {radius:g}": kind(radius) for kind in (Low, High) for radius in setting.radii
    }

    def cells(label: str) -> dict[str, Contrast]:
        whole = {"train": accuracy(label, "train"), "test": accuracy(label)}
        return whole | {name: accuracy(label, component=part) for name, part in parts.items()}

    return SummaryTable(
        name="figure5",
        title="Figure 5 after the last epoch: accuracy on test images, where it does not say train",
        head="network",
        rows={label: cells(label) for label in runs(setting)},
        printed={
            label: {name: number for name, number in zip(PRINTED, numbers, strict=True) if number is not None}
            for label, numbers in POSTER.items()
        },
        printed_in="the authors' poster, read off within about 2 points: CIFAR-10, the released code's network and 100 epochs; BatchNorm "
        "with the statistics of the batch, and no common amplitude in the adversarial panel",
    )


POSTER: dict[str, tuple[float | None, ...]] = {
    "vanilla": (0.92, 0.84, 0.23, 0.55, 0.80, 0.83, 0.10, 0.10, 0.15, 0.13),
    "dropout": (0.90, 0.83, 0.21, 0.50, 0.79, 0.82, 0.20, 0.20, 0.20, 0.13),
    "mixup": (0.76, 0.85, 0.25, 0.57, 0.80, 0.83, 0.48, 0.35, 0.15, 0.13),
    "batchnorm, batch statistics": (0.96, 0.84, 0.38, 0.69, 0.81, 0.84, 0.65, 0.54, 0.39, 0.18),
    "adversarial": (None, 0.69, 0.55, 0.67, 0.69, 0.69, 0.18, 0.10, 0.10, 0.10),
}
PRINTED = ("train", "test", "LFC 4", "LFC 8", "LFC 12", "LFC 16", "HFC 4", "HFC 8", "HFC 12", "HFC 16")
"""What these are of."""

HEURISTICS = Study(
    *STUDIES.lines["heuristics"],
    runs=runs,
    claims=claims,
    figure=figure,
    table=table,
    measurements=measurements,
    deviations=deviations,
)
