"""Requirements on an audit, such as `lfc@8 >= 0.6`, as they are written and read.

A requirement is MEASURE RELATION NUMBER. Relations are >=, <=, > and <. Numbers may be fractions such as 8/255. With `at 95%` behind
it, as in `clean >= 0.8 at 95%`, it is about the worse end of the measure's 95% interval. What no number meets, or every number, as where
a share is written in percent, is refused. Measures:

- `clean`: accuracy on whole images; `top5` on them, where there are more than 20 classes; `loss` and `confidence`;
- `lfc@8`, `hfc@8`: accuracy on the component at radius 8; `lfc-agreement@8`, `hfc-agreement@8`: how often the
  prediction is that on the whole image;
- `critical50`, `critical95`: smallest radius at which the LFC accuracy is half, and 95%, of the clean accuracy; a model that is not
  measurably better than guessing has none, and meets no requirement of it;
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
import re
from collections.abc import Iterable
from dataclasses import dataclass

from passband.attacks.catalog import ATTACKS as KINDS
from passband.attacks.catalog import EVERY_NORM, named_measure
from passband.attacks.epsilon import write_epsilon
from passband.audit.bound import BOUND, DROP, NUMBER, Range, parse_number, read_bound
from passband.errors import InputError, UnknownNameError

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
UNBOUNDED = ("loss", "critical50", "critical95")
"""Measures that are no fraction of 1."""

CRITICAL = ("critical50", "critical95")
WITHOUT_INTERVAL = ("loss", "confidence", "area-lfc", "area-hfc")

PATTERN = re.compile(
    rf"\s*(?P<measure>[a-z][a-z0-9-]*)\s*(?:@\s*(?P<at>(?:{NUMBER})(?:/(?:{NUMBER}))?))?(?P<drop>{DROP})?\s*{BOUND}"
)


@dataclass(frozen=True)
class Requirement:
    """A parsed requirement: `measure` (at a radius or an epsilon), or what is lost of it, stands in `relation` to `bound`.

    Where it is to be `sure`, the worse end of its 95% interval does.
    """

    text: str
    measure: str
    at: float | None
    relation: str
    bound: float
    sure: bool = False

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
        InputError: If it does not have the form, lacks or does not take an `@`, is on an interval of what has none, or is one that no
            number meets, or every number.
        UnknownNameError: If the measure is unknown.

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
    if match is None or (match["bound"].startswith("-") and not drop):
        raise InputError(
            "a requirement has the form MEASURE RELATION NUMBER, such as 'lfc@8 >= 0.6', 'clean >= 0.8' or, of the interval, "
            f"'clean >= 0.8 at 95%'; got {text!r}"
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
    most = math.inf if measure in UNBOUNDED else 1.0
    within = Range(-most, most) if drop else Range(0.0, most, open_=True)
    relation, bound, sure = read_bound(match, "what is lost of it" if drop else measure, within)
    if sure and (measure in WITHOUT_INTERVAL or (drop and measure in CRITICAL)):
        what = f"what is lost of {measure}" if drop else measure
        raise InputError(f"{what} has no interval, which {text!r} is about: leave out 'at 95%'")
    return Requirement(text.strip(), measure, at, relation, bound, sure), drop


def check_planned(
    requirement: Requirement, planned: Iterable[tuple[str, float]], *, ceiling: bool = True
) -> None:
    """Refuse a requirement on an attack that is not going to be run, or on a ceiling that is left out.

    Args:
        requirement: The requirement.
        planned: The attacks that are, as measure (`pgd-l2`) and epsilon.
        ceiling: Whether Corollary 1's ceiling is looked for.

    Raises:
        InputError: If it is not among them; the message has the options that add it.
    """
    if requirement.measure in CEILINGS and not ceiling:
        raise InputError(
            f"{requirement.text!r} needs the ceiling, which --ceiling-samples 0 leaves out (in Python ceiling_samples=0)"
        )
    if requirement.measure not in ATTACKS or requirement.at is None:
        return
    if not any(requirement.concerns(measure, epsilon) for measure, epsilon in planned):
        name, _, norm = requirement.measure.partition("-")
        raise InputError(
            f"{requirement.text!r} needs an attack that is not asked for. Add --attack {name}"
            f"{' --norm l2' if norm else ''} --epsilon {write_epsilon(requirement.at)} (in Python attacks=[AttackPlan(...)])."
        )
