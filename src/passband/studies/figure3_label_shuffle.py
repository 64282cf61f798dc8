"""Figure 3: natural against shuffled labels."""

from __future__ import annotations

from dataclasses import replace

from passband.analysis.claim import ANY, MUCH, Claim, Rule, difference, extra_epochs, farthest_of, least_of
from passband.analysis.contrast import Term, above_chance, accuracy, constant
from passband.analysis.figure import Curve, Figure, Panel, shades
from passband.frequency.component import Low
from passband.rows import FIT_ACCURACY
from passband.studies.catalog import STUDIES
from passband.studies.deviations import Deviation
from passband.studies.presets import Preset, Setting
from passband.studies.study import Classifiers, Study

SHUFFLED_EPOCHS: dict[Preset, int] = {"smoke": 2, "laptop": 40, "paper": 300}
"""How long the network trains on shuffled labels."""


def runs(setting: Setting) -> Classifiers:
    """Return the network trained on natural labels and, longer, on shuffled ones."""
    natural = setting.vanilla
    if setting.preset == "laptop":
        natural = replace(natural, model="resnet14", batch_norm=True, limit=3_000, epochs=15)
    shuffled = replace(natural, shuffle_labels=True, epochs=SHUFFLED_EPOCHS[setting.preset])
    return {"natural": natural, "shuffled": shuffled}


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what `laptop` changes."""
    smaller = Deviation(
        "label shuffling",
        "as vanilla, 100 and 300 epochs",
        "3,000 images, resnet14 with BatchNorm, 15 and 40 epochs",
        "so that shuffled labels are fitted as well as natural ones",
    )
    return (smaller,) if setting.preset == "laptop" else ()


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 4.2 says of the two."""

    def low(label: str, radius: float, when: float = 1.0):
        return accuracy(label, "train", Low(radius), when=when)

    return (
        Claim(
            "The first message is the M_shuffle takes a longer training time than M_natural to reach the same training "
            "accuracy (300 epoches vs. 100 epoches)",
            "Epochs until the accuracy on what is trained on reaches 0.9 of what the worse of the two reaches: shuffled "
            "minus natural.",
            extra_epochs("shuffled", "natural"),
            Rule("above", ANY),
        ),
        Claim(
            "M_natural learns more of the low-frequent patterns (i.e., when r is 4 or 8) than M_shuffle.",
            "Accuracy on the LFC of training images after the last epoch, natural minus shuffled; the smaller "
            "difference of r = 4 and 8.",
            least_of(*(low("natural", r) - low("shuffled", r) for r in (4, 8))),
            Rule("above", ANY),
        ),
        Claim(
            "M_shuffle barely learns any LFC when r = 4",
            "Accuracy of shuffled on the LFC of training images at r = 4 after the last epoch, minus the share "
            "of the most frequent class among their labels.",
            difference(above_chance("shuffled", "train", Low(4))),
            Rule("below", MUCH),
        ),
        Claim(
            "even at the first epoch, M_natural already learns around 40% of the correct LFC when r = 4.",
            "Accuracy of natural on the LFC of training images at r = 4 after epoch 1: its distance from 0.4.",
            farthest_of(low("natural", 4, when=0.0) - constant(0.4)),
            Rule("below", MUCH),
        ),
    )


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


LABEL_SHUFFLE = Study(
    *STUDIES.lines["label-shuffle"],
    runs=runs,
    claims=claims,
    figure=figure,
    deviations=deviations,
)
