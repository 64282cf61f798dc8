"""Requirements on an audit, such as `lfc@8 >= 0.6`: the gate for continuous integration.

A requirement is MEASURE RELATION NUMBER. Relations are >=, <=, > and <. Numbers may be fractions such as 8/255.
Measures:

- `clean`: accuracy on whole images; `top5` on them, where there are more than 20 classes; `loss` and `confidence`;
- `lfc@8`, `hfc@8`: accuracy on the component at radius 8; `lfc-agreement@8`, `hfc-agreement@8`: how often the
  prediction is that on the whole image;
- `critical50`, `critical95`: smallest radius at which the LFC accuracy is half, and 95%, of the clean accuracy;
- `area-lfc`, `area-hfc`: mean accuracy over the measured range of radii;
- `ceiling-l2@0.5`, `ceiling-linf@8/255`: Corollary 1's highest possible robust accuracy at that epsilon, on the samples
  and by the search that the audit was asked for;
- `fgsm@8/255`, `pgd@8/255`, `autoattack@8/255`, `pgd-l2@0.5`, `autoattack-l2@0.5`: robust accuracy under that attack,
  in L-infinity unless the name says L2, at an epsilon at which it was run.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import get_args

from passband.attacks.catalog import ATTACKS as KINDS
from passband.attacks.epsilon import write_epsilon
from passband.audit.card import ClassifierCard, Share
from passband.audit.parts import share
from passband.errors import InputError, UnknownNameError
from passband.instruments.components import FEW_CLASSES
from passband.instruments.counterexamples import Counterexamples, within_ceiling
from passband.robustness.plan import AttackPlan, named_measure
from passband.types import Norm

RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
AT_RADIUS = ("lfc", "hfc", "lfc-agreement", "hfc-agreement")
CEILINGS = ("ceiling-l2", "ceiling-linf")
ATTACKS = tuple(
    named_measure(kind.name, norm) for norm in get_args(Norm) for kind in KINDS.values() if norm in kind.norms
)
AT_EPSILON = (*CEILINGS, *ATTACKS)
PLAIN = ("clean", "top5", "loss", "confidence", "critical50", "critical95", "area-lfc", "area-hfc")

NUMBER = r"\d+(?:\.\d*)?|\.\d+"
PATTERN = re.compile(
    rf"\s*(?P<measure>[a-z][a-z0-9-]*)\s*(?:@\s*(?P<at>(?:{NUMBER})(?:/(?:{NUMBER}))?))?\s*"
    rf"(?P<relation>>=|<=|>|<)\s*(?P<bound>(?:{NUMBER})(?:/(?:{NUMBER}))?)\s*"
)


@dataclass(frozen=True)
class Requirement:
    """A parsed requirement: `measure` (at a radius or an epsilon) stands in `relation` to `bound`."""

    text: str
    measure: str
    at: float | None
    relation: str
    bound: float

    @property
    def radius(self) -> float | None:
        """The radius that must be measured for it, if any."""
        return self.at if self.measure in AT_RADIUS else None


@dataclass(frozen=True)
class Checked:
    """A requirement held against an audit: whether it is met, and by what value; `str()` is one line for a log."""

    requirement: Requirement
    met: bool
    value: float | None
    detail: str

    def __str__(self) -> str:
        """Return one line: met or not, the requirement, the measured value."""
        return f"{'ok    ' if self.met else 'FAILED'} {self.requirement.text}: {self.detail}"


def parse_requirement(text: str) -> Requirement:
    """Read a requirement.

    Raises:
        InputError: If it does not have the form, the measure is unknown, or it lacks or does not take an `@`.

    Example:
        >>> parse_requirement("ceiling-linf@8/255 >= 0.3").at
        0.03137254901960784
    """
    match = PATTERN.fullmatch(text)
    if match is None:
        raise InputError(
            f"a requirement has the form MEASURE RELATION NUMBER, such as 'lfc@8 >= 0.6' or 'clean >= 0.8'; got {text!r}"
        )
    measure = match["measure"]
    if measure not in (*PLAIN, *AT_RADIUS, *AT_EPSILON):
        raise UnknownNameError("measure", measure, (*PLAIN, *AT_RADIUS, *AT_EPSILON))
    if measure in PLAIN and match["at"]:
        raise InputError(f"{measure} is one number for the whole audit and takes no '@', got {text!r}")
    if measure not in PLAIN and not match["at"]:
        what, example = ("a radius", "8") if measure in AT_RADIUS else ("an epsilon", "8/255")
        raise InputError(f"{measure} needs {what}, such as {measure}@{example}; got {text!r}")
    at = None if match["at"] is None else _parse_number(match["at"], text)
    return Requirement(text.strip(), measure, at, match["relation"], _parse_number(match["bound"], text))


def check_planned(requirement: Requirement, plans: Sequence[AttackPlan]) -> None:
    """Refuse a requirement on an attack that is not going to be run.

    Raises:
        InputError: If it is not among `plans`; the message has the options that add it.
    """
    if requirement.measure not in ATTACKS or requirement.at is None:
        return
    if not any(_same(requirement, plan.measure, epsilon) for plan in plans for epsilon in plan.epsilons):
        name, _, norm = requirement.measure.partition("-")
        raise InputError(
            f"{requirement.text!r} needs an attack that is not asked for. Add --attack {name}"
            f"{' --norm l2' if norm else ''} --epsilon {write_epsilon(requirement.at)}."
        )


def check_classes(requirement: Requirement, classes: int) -> None:
    """Refuse a requirement that data of so many classes cannot have.

    Raises:
        InputError: If it asks for top-5 accuracy, and there are not enough for that.
    """
    if requirement.measure == "top5" and classes <= FEW_CLASSES:
        raise InputError(
            f"{requirement.text!r} needs top-5 accuracy, which is measured of more than {FEW_CLASSES} classes; the data have "
            f"{classes}. Require clean, the accuracy, instead."
        )


def check(requirement: Requirement, card: ClassifierCard, counterexamples: Counterexamples | None) -> Checked:
    """Hold a requirement against an audit. A value that does not exist does not meet it.

    Raises:
        InputError: If it asks for a radius that was not measured, an attack that was not run, the ceiling and that was left
            out, or top-5 accuracy of few classes.
    """
    value, detail = _value(requirement, card, counterexamples)
    met = value is not None and RELATIONS[requirement.relation](value, requirement.bound)
    return Checked(requirement, met, value, detail)


def _value(
    requirement: Requirement, card: ClassifierCard, counterexamples: Counterexamples | None
) -> tuple[float | None, str]:
    """Return the measured value, and how to say it."""
    measure = requirement.measure
    if measure == "clean":
        return _share(card.clean.accuracy)
    if measure == "top5":
        check_classes(requirement, len(card.data.classes))
        if card.clean.top5 is None:
            raise InputError(
                f"{requirement.text!r} needs top-5 accuracy, which this audit does not have. Audit again."
            )
        return _share(card.clean.top5)
    if measure in ("loss", "confidence"):
        return _number(card.clean.loss if measure == "loss" else card.clean.confidence)
    if measure.startswith("critical"):
        found = card.critical_radius.half if measure == "critical50" else card.critical_radius.most
        said = [] if found.radius is None else [f"{found.radius:.2f}"]
        return found.radius, ", ".join(said + ([found.note] if found.note else []))
    if measure.startswith("area-"):
        return _number(card.area.lfc if measure == "area-lfc" else card.area.hfc)
    if requirement.at is None:  # the parser lets none through
        raise InputError(f"{requirement.text!r} lacks the radius or epsilon")
    if measure in ATTACKS:
        return _robust_accuracy(requirement, card)
    if measure in CEILINGS:
        if counterexamples is None:
            raise InputError(f"{requirement.text!r} needs Corollary 1's ceiling, which this audit left out")
        distance = counterexamples.distance[measure.removeprefix("ceiling-")]
        value, detail = _share(share(within_ceiling(counterexamples.correct, distance, requirement.at)))
        return value, f"{detail}, {counterexamples.search} search"
    component, _, what = measure.partition("-")
    for point in card.curves:
        if point.component == component and point.radius == requirement.at:
            return _share(point.agreement if what == "agreement" else point.accuracy)
    measured = ", ".join(f"{radius:g}" for radius in card.settings.radii)
    raise InputError(f"{requirement.text!r} needs radius {requirement.at:g}; measured were {measured}")


def _robust_accuracy(requirement: Requirement, card: ClassifierCard) -> tuple[float, str]:
    runs = {(run.measure, point.epsilon): point for run in card.attacks for point in run.points}
    for (measure, epsilon), point in runs.items():
        if _same(requirement, measure, epsilon):
            return _share(point.accuracy)
    ran = ", ".join(f"{measure}@{write_epsilon(epsilon)}" for measure, epsilon in runs) or "none"
    raise InputError(f"{requirement.text!r} needs an attack that this audit did not run; it ran {ran}")


def _same(requirement: Requirement, measure: str, epsilon: float) -> bool:
    return requirement.measure == measure and math.isclose(epsilon, requirement.at or 0, rel_tol=1e-6)


def _share(found: Share) -> tuple[float, str]:
    return found.value, f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}] of {found.count} samples"


def _number(value: float) -> tuple[float, str]:
    return value, f"{value:.4f}"


def _parse_number(text: str, requirement: str) -> float:
    numerator, _, denominator = text.partition("/")
    try:
        return float(Fraction(numerator) / Fraction(denominator or "1"))
    except ZeroDivisionError as error:
        raise InputError(f"{text} divides by zero in {requirement!r}") from error
