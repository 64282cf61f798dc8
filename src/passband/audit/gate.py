"""Requirements held against an audit: the gate for continuous integration. `passband.audit.requirement` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from passband.attacks.epsilon import write_epsilon
from passband.audit.card import ClassifierCard, Share
from passband.audit.compare import Difference
from passband.audit.detector_requirement import DetectorRequirement
from passband.audit.parts import share
from passband.audit.requirement import ATTACKS, CEILINGS, RELATIONS, Requirement
from passband.errors import InputError
from passband.instruments.components import FEW_CLASSES
from passband.instruments.counterexamples import Counterexamples, within_ceiling
from passband.stats import wilson_interval


@dataclass(frozen=True)
class Checked:
    """A requirement held against an audit: whether it is met, and by what value; `str()` is one line for a log."""

    requirement: Requirement | DetectorRequirement
    met: bool
    value: float | None
    detail: str

    def __str__(self) -> str:
        """Return one line: met or not, the requirement, the measured value."""
        return f"{'ok    ' if self.met else 'FAILED'} {self.requirement.text}: {self.detail}"


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
        value, detail = _largest(requirement, rows)
    else:
        value, detail = _value(requirement, card, counterexamples)
    met = value is not None and RELATIONS[requirement.relation](value, requirement.bound)
    return Checked(requirement, met, value, detail)


def check_drop(requirement: Requirement, differences: Sequence[Difference]) -> Checked:
    """Hold a requirement on a drop against what a comparison found: the first audit minus the second.

    Raises:
        InputError: If the comparison does not have that measure, or one of the audits has no value of it.
    """
    at = requirement.at
    written = requirement.measure
    if at is not None:
        written += f"@{at:g}" if requirement.radius is not None else f"@{write_epsilon(at)}"
    for found in differences:
        if found.measure != written:
            continue
        if found.first is None or found.second is None:
            raise InputError(
                f"{requirement.text!r} needs {found.measure}, which one of the two audits does not have"
            )
        drop = found.first - found.second
        detail = f"{drop:+.4f}, from {found.first:.4f} to {found.second:.4f}"
        if found.low is not None and found.high is not None:
            detail = f"{drop:+.4f} [{-found.high:+.4f}, {-found.low:+.4f}], from {found.first:.4f} to {found.second:.4f}"
        return Checked(requirement, RELATIONS[requirement.relation](drop, requirement.bound), drop, detail)
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
    drops = [one.value for one in each if one.value is not None]
    return Checked(each[0].requirement, all(one.met for one in each), max(drops, default=None), said)


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


def _largest(requirement: Requirement, rows: pl.DataFrame) -> tuple[float, str]:
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
    value, detail = _share(Share(successes / total, *wilson_interval(successes, total), total))
    among = f", the largest of {', '.join(shown)}" if len(shown) > 1 else ""
    return value, f"{detail}, {shown[0]}{among}"


def _robust_accuracy(requirement: Requirement, card: ClassifierCard) -> tuple[float, str]:
    runs = {(run.measure, point.epsilon): point for run in card.attacks for point in run.points}
    for (measure, epsilon), point in runs.items():
        if requirement.concerns(measure, epsilon):
            return _share(point.accuracy)
    ran = ", ".join(f"{measure}@{write_epsilon(epsilon)}" for measure, epsilon in runs) or "none"
    raise InputError(f"{requirement.text!r} needs an attack that this audit did not run; it ran {ran}")


def _share(found: Share) -> tuple[float, str]:
    return found.value, f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}] of {found.count} samples"


def _number(value: float) -> tuple[float, str]:
    return value, f"{value:.4f}"
