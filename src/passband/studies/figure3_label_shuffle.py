"""Figure 3: natural against shuffled labels."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from passband.analysis.claim import Claim, Condition
from passband.analysis.contrast import Term, above_chance, accuracy, constant
from passband.analysis.estimate import fixed
from passband.analysis.figure import Curve, Figure, Panel, shades
from passband.analysis.lookup import NotMeasured, matching
from passband.analysis.measures import difference, epochs_ratio, farthest_of, least_of
from passband.analysis.rule import ANY, MUCH, Rule
from passband.analysis.table import SummaryTable
from passband.frequency.component import FULL, Component, Low
from passband.rows import FIT_ACCURACY
from passband.studies.catalog import STUDIES
from passband.studies.conditions import LEARNED, equally_fitted, fitted, more_than
from passband.studies.deviations import Deviation
from passband.studies.presets import Setting
from passband.studies.study import Classifiers, Study

STEPS_OF_AN_EPOCH = 500
"""Those of 50,000 images in batches of 100."""

TIMES_AS_LONG = 3
"""How many times as many epochs the network trains on shuffled labels as on natural ones: 300 and 100 in the paper."""


def runs(setting: Setting) -> Classifiers:
    """Return the network trained on natural labels and, longer, on shuffled ones."""
    natural = setting.vanilla
    if setting.preset == "laptop":
        natural = replace(
            natural,
            model="resnet14",
            batch_norm=True,
            limit=3_000,
            epochs=20,
            learning_rate=1e-3,
            schedule="constant",  # how long a network takes to a level must not follow from how long it was to train
        )
    shuffled = replace(natural, shuffle_labels=True, epochs=TIMES_AS_LONG * natural.epochs)
    return {"natural": natural, "shuffled": shuffled}


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what `laptop` changes."""
    smaller = Deviation(
        "label shuffling",
        "as vanilla",
        "3,000 images, resnet14 with BatchNorm, a constant rate",
        "so that shuffled labels are fitted as well as natural ones",
    )
    return (smaller,) if setting.preset == "laptop" else ()


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 4.2 says of the two."""

    def low(label: str, radius: float, when: float = 1.0):
        return accuracy(label, "train", Low(radius), when=when)

    trained = fitted("natural", "shuffled", level=LEARNED)
    return (
        Claim(
            "The first message is the M_shuffle takes a longer training time than M_natural to reach the same training "
            "accuracy (300 epoches vs. 100 epoches)",
            "Epochs until the accuracy on what is trained on reaches 0.9 of what the worse of the two reaches: how many times as "
            "many shuffled takes as natural.",
            epochs_ratio("shuffled", "natural"),
            Rule("above", 1.0),
            conditions=(trained,),
        ),
        Claim(
            "M_natural learns more of the low-frequent patterns (i.e., when r is 4 or 8) than M_shuffle.",
            "Accuracy on the LFC of training images after the last epoch, natural minus shuffled; the smaller "
            "difference of r = 4 and 8.",
            least_of(*(low("natural", r) - low("shuffled", r) for r in (4, 8))),
            Rule("above", ANY),
            conditions=(trained, equally_fitted("natural", "shuffled")),
        ),
        Claim(
            "M_shuffle barely learns any LFC when r = 4",
            "Accuracy of shuffled on the LFC of training images at r = 4 after the last epoch, minus the share "
            "of the most frequent class among their labels.",
            difference(above_chance("shuffled", "train", Low(4))),
            Rule("below", MUCH),
            conditions=(
                trained,
                more_than(
                    "natural must learn it: its accuracy on the LFC of training images at r = 4 above chance",
                    MUCH,
                    above_chance("natural", "train", Low(4)),
                    remedy="a network that learns more of the LFC from natural labels",
                ),
            ),
        ),
        Claim(
            "even at the first epoch, M_natural already learns around 40% of the correct LFC when r = 4.",
            "Accuracy of natural on the LFC of training images at r = 4 after epoch 1: its distance from 0.4.",
            farthest_of(low("natural", 4, when=0.0) - constant(0.4)),
            Rule("below", MUCH),
            conditions=(
                Condition(
                    f"an epoch must have as many steps as the paper's, {STEPS_OF_AN_EPOCH}",
                    lambda rows: fixed(_steps(rows, setting)),
                    Rule("above", STEPS_OF_AN_EPOCH),
                    "as many images as CIFAR-10 has",
                ),
            ),
        ),
    )


def _steps(rows: pl.DataFrame, setting: Setting) -> float:
    """Return how many steps an epoch of the natural network has."""
    images = matching(rows, Term("natural", "train", metric=FIT_ACCURACY))["count"]
    if images.is_empty():
        raise NotMeasured("natural has no fit-accuracy")
    return images.item(0) / setting.vanilla.batch_size


def figure(setting: Setting) -> Figure:
    """Return training accuracy on whole images and on LFCs by epoch."""
    marks = []
    for label, dashed in (("natural", False), ("shuffled", True)):
        whole = Term(label, "train", metric=FIT_ACCURACY)
        marks.append(Curve(f"{label}, whole", "full", dashed=dashed, term=whole))
        for radius, shade in zip(setting.radii, shades(len(setting.radii)), strict=True):
            low = Term(label, "train", str(Low(radius)))
            marks.append(Curve(f"{label}, LFC {radius:g}", "lfc", shade, dashed, term=low))
    return Figure(((Panel("Training accuracy, natural and shuffled labels", tuple(marks)),),))


def table(setting: Setting) -> SummaryTable:
    """Return where the curves of Figure 3 end."""
    shown: dict[str, Component] = {"original": FULL} | {f"LFC {r:g}": Low(r) for r in setting.radii}
    return SummaryTable(
        name="figure3",
        title="Figure 3 after the last epoch: accuracy on training images",
        head="labels",
        rows={
            label: {name: accuracy(label, "train", part) for name, part in shown.items()}
            for label in runs(setting)
        },
        printed=POSTER,
        printed_in="the authors' poster, read off within about 2 points: CIFAR-10, 100 epochs on natural labels and 300 on shuffled ones",
    )


POSTER = {
    "natural": {"original": 0.98, "LFC 4": 0.27, "LFC 8": 0.62, "LFC 12": 0.89, "LFC 16": 0.96},
    "shuffled": {"original": 0.97, "LFC 4": 0.145, "LFC 8": 0.53, "LFC 12": 0.90, "LFC 16": 0.97},
}

LABEL_SHUFFLE = Study(
    *STUDIES.lines["label-shuffle"],
    runs=runs,
    claims=claims,
    figure=figure,
    table=table,
    deviations=deviations,
)
