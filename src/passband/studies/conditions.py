"""What must hold for an experiment to test a claim: networks that are trained, arms that are comparable, an adversary that is one."""

from __future__ import annotations

from collections.abc import Sequence

from passband.analysis.claim import Condition
from passband.analysis.contrast import Contrast, accuracy, fit, under_attack
from passband.analysis.measures import difference, farthest_of, least_of
from passband.analysis.rule import MUCH, SIMILAR, Rule
from passband.attacks import PGD
from passband.instruments.attacks import UnderAttack
from passband.studies.presets import Preset, Setting

LEARNED = 0.8
"""Accuracy on clean training images from which on a network counts as trained; the paper's vanilla network has 0.92."""

FITTED = 0.5
"""The same on what a network is trained on, where that is a component, of which there is less to learn."""

STRENGTH = 8 / 255
"""The epsilon that adversarial training has to withstand: the paper's in training."""

ATTACKED: dict[Preset, tuple[int, int | None]] = {
    "smoke": (3, 20),
    "laptop": (20, 1_000),
    "paper": (20, None),
}
"""Steps and images of the attack that tells whether it does."""


def adversary(setting: Setting) -> UnderAttack:
    """Return what tells whether a network is robust: PGD of twice the steps of that in training."""
    steps, samples = ATTACKED[setting.preset]
    return UnderAttack(PGD(steps=steps), (STRENGTH,), samples, sanity_samples=0)


def learned(*labels: str, level: float = LEARNED) -> Condition:
    """Return that networks are trained: the worst accuracy on clean training images."""
    return Condition(
        f"{_and(labels)} must reach an accuracy of {level:g} on clean training images",
        least_of(*(accuracy(label, "train") for label in labels)),
        Rule("above", level),
        "more epochs, more images, or another rate",
    )


def fitted(*labels: str, level: float = FITTED) -> Condition:
    """Return that networks have learned what they were trained on, a component or shuffled labels."""
    return Condition(
        f"{_and(labels)} must reach an accuracy of {level:g} on what they are trained on",
        least_of(*(fit(label) for label in labels)),
        Rule("above", level),
        "more epochs, or another rate",
    )


def equally_trained(first: str, *others: str, by: float = SIMILAR) -> Condition:
    """Return that networks have about the same accuracy on clean training images as the first."""
    return Condition(
        f"{_and(others)} must be within {by:g} of the accuracy of {first} on clean training images",
        farthest_of(*(accuracy(other, "train") - accuracy(first, "train") for other in others)),
        Rule("below", by),
        "epochs or rates with which all of them reach it",
    )


def equally_fitted(first: str, second: str, by: float = SIMILAR) -> Condition:
    """Return that two networks have about the same accuracy on what they are trained on."""
    return Condition(
        f"{first} and {second} must be within {by:g} of one another in accuracy on what they are trained on",
        farthest_of(fit(first) - fit(second)),
        Rule("below", by),
        "epochs with which both reach it",
    )


def robust(label: str, natural: str, setting: Setting) -> Condition:
    """Return that adversarial training made a network robust: it withstands `adversary` much more often than the natural one."""
    attack = adversary(setting)
    return robust_under(label, natural, attack.attack.label, attack.epsilons[0])


def robust_under(
    label: str,
    natural: str,
    attack: str,
    epsilon: float,
    *,
    rho: float | None = None,
    normalized: bool | None = None,
) -> Condition:
    """Return the same under an attack that is measured for another reason."""

    def withstanding(one: str) -> Contrast:
        return Contrast((under_attack(one, attack, epsilon, rho=rho, normalized=normalized),))

    return Condition(
        f"{label} must be more robust than {natural} by {MUCH:g}, under {attack} at epsilon {epsilon:.3g}",
        difference(withstanding(label) - withstanding(natural)),
        Rule("above", MUCH),
        "adversarial training of more steps, epochs or a larger network",
        surely=True,
    )


def more_than(text: str, margin: float, *contrasts: Contrast, remedy: str) -> Condition:
    """Return that there is surely something to ask about: all contrasts exceed a margin."""
    return Condition(text, least_of(*contrasts), Rule("above", margin), remedy, surely=True)


def _and(labels: Sequence[str]) -> str:
    *first, last = labels
    return f"{', '.join(first)} and {last}" if first else last
