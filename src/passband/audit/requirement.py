"""Requirements on an audit, such as `lfc@8 >= 0.6`, as they are written and read.

A requirement is MEASURE RELATION NUMBER. Relations are >=, <=, > and <. Numbers may be fractions such as 8/255.
Measures:

- `clean`: accuracy on whole images; `top5` on them, where there are more than 20 classes; `loss` and `confidence`;
- `lfc@8`, `hfc@8`: accuracy on the component at radius 8; `lfc-agreement@8`, `hfc-agreement@8`: how often the
  prediction is that on the whole image;
- `critical50`, `critical95`: smallest radius at which the LFC accuracy is half, and 95%, of the clean accuracy;
- `area-lfc`, `area-hfc`: mean accuracy over the measured range of radii;
- `skew-flips`: the share of images that is answered otherwise when their pictures are prepared otherwise: the largest over the
  ways that the instrument `skew` compared, which the requirement adds to an audit on the command line;
- `ceiling-l2@0.5`, `ceiling-linf@8/255`: Corollary 1's highest possible robust accuracy at that epsilon, on the samples
  and by the search that the audit was asked for;
- `fgsm@8/255`, `pgd@8/255`, `autoattack@8/255`, `pgd-l2@0.5`, `autoattack-l2@0.5`: robust accuracy under that attack,
  in L-infinity unless the name says L2, at an epsilon at which it was run.

With `-drop` behind it, as in `clean-drop <= 0.01` or `lfc@8-drop <= 0.02`, it is about the first of two audits minus the
second, for each measure that `passband compare` shows.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from passband.attacks.catalog import ATTACKS as KINDS
from passband.attacks.catalog import EVERY_NORM, named_measure
from passband.attacks.epsilon import write_epsilon
from passband.errors import InputError, UnknownNameError

RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
AT_RADIUS = ("lfc", "hfc", "lfc-agreement", "hfc-agreement")
CEILINGS = ("ceiling-l2", "ceiling-linf")
ATTACKS = tuple(
    named_measure(line.name, norm)
    for norm in EVERY_NORM
    for line in KINDS.lines.values()
    if norm in line.norms
)
AT_EPSILON = (*CEILINGS, *ATTACKS)
MEASURED_BY = {"skew-flips": "skew"}
"""Which instrument measures what audits do not measure by themselves."""

PLAIN = (
    "clean",
    "top5",
    "loss",
    "confidence",
    "critical50",
    "critical95",
    "area-lfc",
    "area-hfc",
    *MEASURED_BY,
)
DROP = "-drop"

NUMBER = r"\d+(?:\.\d*)?|\.\d+"
PATTERN = re.compile(
    rf"\s*(?P<measure>[a-z][a-z0-9-]*)\s*(?:@\s*(?P<at>(?:{NUMBER})(?:/(?:{NUMBER}))?))?(?P<drop>{DROP})?\s*"
    rf"(?P<relation>>=|<=|>|<)\s*(?P<bound>(?P<sign>-?)(?:{NUMBER})(?:/(?:{NUMBER}))?)\s*"
)


@dataclass(frozen=True)
class Requirement:
    """A parsed requirement: `measure` (at a radius or an epsilon), or what is lost of it, stands in `relation` to `bound`."""

    text: str
    measure: str
    at: float | None
    relation: str
    bound: float

    @property
    def radius(self) -> float | None:
        """The radius that must be measured for it, if any."""
        return self.at if self.measure in AT_RADIUS else None

    @property
    def instrument(self) -> str | None:
        """The instrument that must have looked at the model for it, if any."""
        return MEASURED_BY.get(self.measure)

    def concerns(self, measure: str, epsilon: float) -> bool:
        """Return whether it is about what is called `measure`, at that epsilon."""
        return self.measure == measure and math.isclose(epsilon, self.at or 0, rel_tol=1e-6)


def parse_requirement(text: str) -> Requirement:
    """Read a requirement.

    Raises:
        InputError: If it does not have the form, the measure is unknown, or it lacks or does not take an `@`.

    Example:
        >>> parse_requirement("ceiling-linf@8/255 >= 0.3").at
        0.03137254901960784
    """
    found, drop = _parse(text)
    if drop:
        raise InputError(f"{text!r} is about two audits: hold it against them with passband compare")
    return found


def parse_drop(text: str) -> Requirement:
    """Read a requirement on what is lost from one audit to another: its measure is written with `-drop` behind it.

    Raises:
        InputError: As `parse_requirement`, or if it is no drop.
        UnknownNameError: As `parse_requirement`.

    Example:
        >>> parse_drop("lfc@8-drop <= 0.02").measure
        'lfc'
    """
    found, drop = _parse(text)
    if not drop:
        raise InputError(
            f"a requirement on a comparison is about what is lost, such as 'clean-drop <= 0.01' or 'lfc@8-drop <= 0.02'; "
            f"got {text!r}"
        )
    return found


def _parse(text: str) -> tuple[Requirement, bool]:
    """Return a requirement, and whether it is on a drop, the only number that may be negative."""
    match = PATTERN.fullmatch(text)
    drop = match is not None and (match["drop"] is not None or match["measure"].endswith(DROP))
    if match is None or (match["sign"] and not drop):
        raise InputError(
            f"a requirement has the form MEASURE RELATION NUMBER, such as 'lfc@8 >= 0.6' or 'clean >= 0.8'; got {text!r}"
        )
    measure = match["measure"].removesuffix(DROP)
    if measure not in (*PLAIN, *AT_RADIUS, *AT_EPSILON):
        raise UnknownNameError("measure", measure, (*PLAIN, *AT_RADIUS, *AT_EPSILON))
    if measure in PLAIN and match["at"]:
        raise InputError(f"{measure} is one number for the whole audit and takes no '@', got {text!r}")
    if measure not in PLAIN and not match["at"]:
        what, example = ("a radius", "8") if measure in AT_RADIUS else ("an epsilon", "8/255")
        raise InputError(f"{measure} needs {what}, such as {measure}@{example}; got {text!r}")
    at = None if match["at"] is None else parse_number(match["at"], text)
    return Requirement(text.strip(), measure, at, match["relation"], parse_number(match["bound"], text)), drop


def check_planned(requirement: Requirement, planned: Iterable[tuple[str, float]]) -> None:
    """Refuse a requirement on an attack that is not going to be run.

    Args:
        requirement: The requirement.
        planned: The attacks that are, as measure (`pgd-l2`) and epsilon.

    Raises:
        InputError: If it is not among them; the message has the options that add it.
    """
    if requirement.measure not in ATTACKS or requirement.at is None:
        return
    if not any(requirement.concerns(measure, epsilon) for measure, epsilon in planned):
        name, _, norm = requirement.measure.partition("-")
        raise InputError(
            f"{requirement.text!r} needs an attack that is not asked for. Add --attack {name}"
            f"{' --norm l2' if norm else ''} --epsilon {write_epsilon(requirement.at)}."
        )


def parse_number(text: str, requirement: str) -> float:
    """Return a number, or a fraction such as `8/255`, of a requirement.

    Raises:
        InputError: If it divides by zero.
    """
    numerator, _, denominator = text.partition("/")
    try:
        return float(Fraction(numerator) / Fraction(denominator or "1"))
    except ZeroDivisionError as error:
        raise InputError(f"{text} divides by zero in {requirement!r}") from error
