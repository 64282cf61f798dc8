"""Section 5.1, other tests: optimizers."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, accuracy
from passband.analysis.figure import Figure
from passband.analysis.measures import farthest_of, least_of
from passband.analysis.rule import MUCH, SIMILAR, Rule
from passband.frequency.component import High
from passband.studies.catalog import STUDIES
from passband.studies.conditions import equally_trained, learned
from passband.studies.deviations import Deviation
from passband.studies.presets import Preset, Setting
from passband.studies.section5_architectures import bars_of
from passband.studies.study import Classifiers, Study

OTHERS = ("adam", "adagrad", "adadelta", "rmsprop")

LAPTOP = {"sgd": 0.3, "adagrad": 0.1, "adadelta": 3.0, "rmsprop": 3e-3}
RATES: dict[Preset, dict[str, float]] = {"smoke": LAPTOP, "laptop": LAPTOP, "paper": {}}
"""Learning rates of the optimizers that do not take their own. Those of `laptop` are the ones of a few with which the vanilla network learned
most of the built-in training images (`scripts/sweep_rates.py`)."""


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
        "laptop": (
            Deviation(
                *what,
                ", ".join(f"{name} {rate:g}" for name, rate in LAPTOP.items()),
                "each the one of a few with which most of the built-in training images were learned",
            ),
        ),
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
            conditions=(learned("sgd", *OTHERS), equally_trained("sgd", *OTHERS, by=MUCH)),
        ),
        Claim(
            "while the rest are on par within our experiments.",
            "Accuracy on the HFC of test images at r = 4, each pair of the others: how far from 0 the farthest difference "
            "is.",
            farthest_of(*(_hfc(one) - _hfc(other) for one, other in combinations(OTHERS, 2))),
            Rule("below", SIMILAR),
            conditions=(learned(*OTHERS), equally_trained(*OTHERS, by=MUCH)),
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
