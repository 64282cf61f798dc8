"""Section 5.1, other tests: optimizers."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from passband.analysis.claim import SIMILAR, Claim, Rule, farthest_of, least_of
from passband.analysis.contrast import Contrast, accuracy
from passband.analysis.figure import Figure
from passband.frequency.component import High
from passband.studies.catalog import STUDIES
from passband.studies.deviations import Deviation
from passband.studies.presets import Preset, Setting
from passband.studies.section5_architectures import bars_of
from passband.studies.study import Classifiers, Study

OTHERS = ("adam", "adagrad", "adadelta", "rmsprop")

LAPTOP = {"sgd": 0.1, "adadelta": 1.0, "rmsprop": 1e-3}
RATES: dict[Preset, dict[str, float]] = {"smoke": LAPTOP, "laptop": LAPTOP, "paper": {}}
"""Learning rates of the optimizers that do not take their own."""


def runs(setting: Setting) -> Classifiers:
    """Return the vanilla run, which uses Adam, and the same with other optimizers at their own rates."""
    return {
        name: setting.vanilla
        if name == setting.vanilla.optimizer
        else replace(setting.vanilla, optimizer=name, learning_rate=RATES[setting.preset].get(name))
        for name in ("sgd", *OTHERS)
    }


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return which rates were chosen where the paper names none."""
    what = ("rates of optimizers", "not said")
    return {
        "smoke": (),
        "laptop": (Deviation(*what, "SGD 0.1, AdaDelta 1, RMSprop 1e-3", "so that 12 epochs are enough"),),
        "paper": (Deviation(*what, "those of the code, else the usual ones", "one must be chosen"),),
    }[setting.preset]


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 5.1 says of SGD and of the rest."""
    return (
        Claim(
            "SGD seems to be the only one suffering from the tendency towards significantly capturing HFC",
            "Accuracy on the HFC of test images at r = 4, SGD minus each other optimizer; the smallest difference.",
            least_of(*(_hfc("sgd") - _hfc(other) for other in OTHERS)),
            Rule("above", SIMILAR),
        ),
        Claim(
            "while the rest are on par within our experiments.",
            "Accuracy on the HFC of test images at r = 4, each pair of the others: how far from 0 the farthest difference "
            "is.",
            farthest_of(*(_hfc(one) - _hfc(other) for one, other in combinations(OTHERS, 2))),
            Rule("below", SIMILAR),
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return bars of test accuracy, gap, and accuracy on the HFC at each radius."""
    return bars_of(list(runs(setting)), setting.radii)


def _hfc(label: str) -> Contrast:
    return accuracy(label, component=High(4))


OPTIMIZERS = Study(
    *STUDIES.lines["optimizers"],
    runs=runs,
    claims=claims,
    figure=figure,
    deviations=deviations,
)
