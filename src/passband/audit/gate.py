"""Requirements held against an audit: the gate for continuous integration. `passband.audit.requirement` reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import polars as pl

from passband.attacks.epsilon import write_epsilon
from passband.audit.bound import LEVEL, RELATIONS
from passband.audit.card import CheckedEntry, ClassifierCard, Share, is_at_chance
from passband.audit.compare import Difference
from passband.audit.critical import AT_CHANCE, known_radii
from passband.audit.detector_requirement import DetectorRequirement
from passband.audit.parts import share
from passband.audit.requirement import ATTACKS, CEILINGS, Requirement
from passband.errors import InputError
from passband.instruments.components import FEW_CLASSES
from passband.instruments.counterexamples import Counterexamples, within_ceiling
from passband.stats import wilson_interval

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Checked:
    """A requirement held against an audit: whether it is met, and by what value; `str()` is one line for a log.

    Attributes:
        requirement: The requirement.
        met: Whether it is met.
        value: What was measured; None where it does not exist.
        detail: The same in words, with its interval and the number of samples.
        low: Lower end of its 95% interval; None where it has none.
        high: Its upper end.
    """

    requirement: Requirement | DetectorRequirement
    met: bool
    value: float | None
    detail: str
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """Return one line: met or not, the requirement, the measured value."""
        return f"{'ok    ' if self.met else 'FAILED'} {self.requirement.text}: {self.detail}"

    @property
    def entry(self) -> CheckedEntry:
        """What became of it as JSON holds it."""
        return CheckedEntry(self.requirement.text, self.met, self.value, self.low, self.high, self.detail)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as a dictionary."""
        return asdict(self.entry)


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


@dataclass(frozen=True)
class Held:
    """A measured value, in words too, with its 95% interval where it has one."""

    value: float | None
    detail: str
    low: float | None = None
    high: float | None = None


def judge(requirement: Requirement | DetectorRequirement, held: Held) -> Checked:
    """Return whether a value meets a requirement, or where that is to be sure, the worse end of its interval.

    Raises:
        InputError: If it is to be sure, and there is no interval.
    """
    value, detail = held.value, held.detail
    if requirement.sure and value is not None:
        value, end = (held.low, "lower") if ">" in requirement.relation else (held.high, "upper")
        if held.low is None and held.high is None:
            raise InputError(
                f"{requirement.text!r} is about an interval, and there is none here: it takes more images than one, and of a "
                f"comparison audits of the same images. Leave out 'at {LEVEL}%'."
            )
        detail += f"; the {end} end of the interval counts"
    met = value is not None and RELATIONS[requirement.relation](value, requirement.bound)
    return Checked(requirement, met, held.value, detail, held.low, held.high)


def check(
    requirement: Requirement,
    card: ClassifierCard,
    counterexamples: Counterexamples | None,
    rows: pl.DataFrame,
) -> Checked:
    """Hold a requirement against an audit. A value that does not exist does not meet it.

    Args:
        requirement: The requirement.
        card: The audit's card.
        counterexamples: Those of its ceiling; None if that was left out.
        rows: Its rows, in which stands what the card does not have.

    Raises:
        InputError: If it asks for a radius that was not measured, an attack that was not run, the ceiling and that was left
            out, an instrument that was not asked for, or top-5 accuracy of few classes.
    """
    if requirement.instrument is not None:
        held = _largest(requirement, rows)
    else:
        held = _value(requirement, card, counterexamples)
    if held.value is not None and is_at_chance(card.clean.accuracy, card.baselines):
        held = replace(held, detail=f"{held.detail}; {AT_CHANCE}")
    return judge(requirement, held)


def holding(audited: Kind, requirements: Sequence[str]) -> Kind:
    """Return an audit, of a classifier or a detector, whose card, and so its page, says what became of requirements.

    Raises:
        InputError: If one cannot be read, or asks for what was not measured.
    """
    found: Any = audited  # either, which stand above what is here
    entries = tuple(found.check(text).entry for text in requirements) or None
    return replace(found, card=replace(found.card, requirements=entries))


def check_drop(requirement: Requirement, differences: Sequence[Difference]) -> Checked:
    """Hold a requirement on a drop against what a comparison found: the first audit minus the second.

    Raises:
        InputError: If the comparison does not have that measure, one of the audits has no value of it, or no interval and the
            requirement is about that.
    """
    at = requirement.at
    written = requirement.measure
    if at is not None:
        written += f"@{at:g}" if requirement.radius is not None else f"@{write_epsilon(at)}"
    return judge(requirement, lost(requirement, written, differences))


def lost(
    requirement: Requirement | DetectorRequirement, measure: str, differences: Sequence[Difference]
) -> Held:
    """Return what is lost of a measure from the first audit to the second.

    Raises:
        InputError: If the comparison does not have that measure, or one of the audits has no value of it.
    """
    for found in differences:
        if found.measure != measure:
            continue
        if found.first is None or found.second is None:
            raise InputError(
                f"{requirement.text!r} needs {found.measure}, which one of the two audits does not have"
            )
        drop = found.first - found.second
        between = f", from {found.first:.4f} to {found.second:.4f}"
        if found.low is None or found.high is None:
            return Held(drop, f"{drop:+.4f}{between}")
        low, high = 0.0 - found.high, 0.0 - found.low  # no negative zero
        return Held(drop, f"{drop:+.4f} [{low:+.4f}, {high:+.4f}]{between}", low, high)
    compared = ", ".join(each.measure for each in differences)
    raise InputError(f"{requirement.text!r} is about what is not compared; compared are {compared}")


def check_each_drop(names: Sequence[str], each: Sequence[Checked]) -> Checked:
    """Return one result of a requirement that was held against several audits: it is met if each one meets it.

    Args:
        names: What the audits are called.
        each: What became of it in each of them; the value that counts is the one of the largest drop.
    """
    if len(each) == 1:
        return each[0]
    said = "; ".join(f"{name} {one.detail}" for name, one in zip(names, each, strict=True))
    worst = max(each, key=lambda one: one.value if one.value is not None else -math.inf)
    return replace(worst, met=all(one.met for one in each), detail=said)


def _value(requirement: Requirement, card: ClassifierCard, counterexamples: Counterexamples | None) -> Held:
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
        radii = known_radii(card)
        found = radii.half if measure == "critical50" else radii.most
        said = [] if found.radius is None else [f"{found.radius:.2f}"]
        if found.low is not None:
            end = "past the radii measured" if found.high is None else f"{found.high:.2f}"
            said[-1] += f" [{found.low:.2f}, {end}]"
        said += [found.note] if found.note else []
        return Held(found.radius, ", ".join(said), found.low, found.high)
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
        held = _share(share(within_ceiling(counterexamples.correct, distance, requirement.at)))
        return replace(held, detail=f"{held.detail}, {counterexamples.search} search")
    component, _, what = measure.partition("-")
    for point in card.curves:
        if point.component == component and point.radius == requirement.at:
            return _share(point.agreement if what == "agreement" else point.accuracy)
    measured = ", ".join(f"{radius:g}" for radius in card.settings.radii)
    raise InputError(
        f"{requirement.text!r} needs radius {requirement.at:g}; measured were {measured}. Audit again, with "
        f"passband.audit(..., require=[{requirement.text!r}]) or --require, which measure that radius too."
    )


def _largest(requirement: Requirement, rows: pl.DataFrame) -> Held:
    """Return the largest of the shares of what an instrument shows, and which it is."""
    found = rows.filter(metric=requirement.measure).sort("value", descending=True, maintain_order=True)
    if found.is_empty():
        name = requirement.instrument
        raise InputError(
            f"{requirement.text!r} needs the instrument {name}, which did not look at the model. Audit again, --with {name}."
        )
    largest = found.row(0, named=True)
    total = largest["count"]
    shown = list(dict.fromkeys(text.partition(":")[2] for text in found["shown"]))
    successes = round(largest["value"] * total)
    held = _share(Share(successes / total, *wilson_interval(successes, total), total))
    among = f", the largest of {', '.join(shown)}" if len(shown) > 1 else ""
    return replace(held, detail=f"{held.detail}, {shown[0]}{among}")


def _robust_accuracy(requirement: Requirement, card: ClassifierCard) -> Held:
    runs = {(run.measure, point.epsilon): point for run in card.attacks for point in run.points}
    for (measure, epsilon), point in runs.items():
        if requirement.concerns(measure, epsilon):
            return _share(point.accuracy)
    ran = ", ".join(f"{measure}@{write_epsilon(epsilon)}" for measure, epsilon in runs) or "none"
    raise InputError(f"{requirement.text!r} needs an attack that this audit did not run; it ran {ran}")


def _share(found: Share) -> Held:
    detail = f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}] of {found.count} samples"
    return Held(found.value, detail, found.low, found.high)


def _number(value: float) -> Held:
    return Held(value, f"{value:.4f}")
