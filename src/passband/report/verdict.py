"""The top of an audit's page: can the model be trusted, in a sentence or two, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from passband.attacks.epsilon import write_epsilon
from passband.audit.card import Card, CheckedEntry, ClassifierCard, is_at_chance
from passband.audit.critical import AT_MOST, known_radii
from passband.report.words import (
    REACH,
    doubts,
    guessing,
    interval,
    listed,
    number,
    percent,
    strongest,
)

TRACES = {"jpeg": "JPEG", "chroma-subsampling": "chroma subsampling", "upsampling": "upsampling"}
"""What kinds of traces are called."""

MOST_STEPS = 3
WIDE = 0.1  # an interval of accuracy beyond which more images come first

COMMON_BOUND = "8/255"
"""The bound in L-infinity that most papers on adversarial robustness report."""


@dataclass(frozen=True)
class Step:
    """Something to do next, why, and how: an option to add to the command, or a command; None where neither does it."""

    what: str
    how: str | None = None


def gate(requirements: Sequence[CheckedEntry]) -> str | None:
    """Return how many requirements are met; None if there are none.

    Example:
        >>> met = CheckedEntry("clean >= 0.8", True, 0.9, 0.8, 1.0, "0.9")
        >>> gate([met]), gate([])
        ('It meets its one requirement.', None)
    """
    count, missed = len(requirements), sum(not each.met for each in requirements)
    if not count:
        return None
    whole = "its one requirement" if count == 1 else f"all {count} requirements"
    if not missed:
        return f"It meets {whole}."
    if missed == count:
        return (
            "It does not meet its one requirement."
            if count == 1
            else f"It meets none of {count} requirements."
        )
    return f"It does not meet {missed} of {count} requirements."


def verdict(card: ClassifierCard) -> list[str]:
    """Return whether a classifier can be trusted, in a few sentences: on what its answers rest, and what attacks leave.

    Args:
        card: The frequency card.
    """
    clean = card.clean.accuracy
    whole = f"{percent(clean.value)} of whole images right ({interval(clean)}, n = {clean.count:,})"
    if is_at_chance(clean, card.baselines):
        return [
            f"It answers {whole}, which is not measurably better than always naming the most frequent class "
            f"({percent(guessing(card))}): nothing below says what it has learned."
        ]
    return [f"It answers {whole}{_reliance(card)}.", _of_hfc(card), _robustness(card)]


def caution(card: ClassifierCard) -> str | None:
    """Return what makes the numbers less than they seem, in a line; None if nothing is known to.

    Args:
        card: The frequency card.
    """
    found = [
        f"the images bear traces of {TRACES.get(each.kind, each.kind)}"
        + ("" if each.radius is None else f" beyond radius {number(each.radius)}")
        for each in card.traces.findings
    ]
    found += warnings(card)
    if doubts(card):
        found.append("an attack failed a check")
    return listed(found) if found else None


def warnings(card: Card) -> list[str]:
    """Return how many warnings a card has, as a part of a sentence; nothing if there are none."""
    count = sum(notice.warning for notice in card.notices)
    return [] if not count else ["there is a warning"] if count == 1 else [f"there are {count} warnings"]


def next_steps(card: ClassifierCard) -> list[Step]:
    """Return what to do next, the most urgent first, at most three.

    Args:
        card: The frequency card.
    """
    return list(islice(_steps(card), MOST_STEPS))


def _reliance(card: ClassifierCard) -> str:
    half = known_radii(card).half
    if half.radius is None:
        return ""
    if half.note == AT_MOST:
        return f", and more than half as many from the waves up to radius {number(half.radius)} alone"
    points = card.curve("lfc")
    energy = float(
        np.interp(half.radius, [point.radius for point in points], [point.energy for point in points])
    )
    return (
        f", but half as many once waves beyond radius {number(half.radius)} are removed, which hold {percent(1 - energy)} "
        "of the contrast"
    )


def _of_hfc(card: ClassifierCard) -> str:
    """Say how much is read from the HFC, at the radius where that is most remarkable: much beyond guessing, though most contrast is gone."""
    floor = guessing(card)
    point = max(
        card.curve("hfc"), key=lambda point: max(0.0, point.accuracy.low - floor) * (1 - point.energy) ** 2
    )
    if point.accuracy.low <= floor:
        return "From the HFC alone it is at no radius measurably better than guessing."
    return (
        f"From waves beyond radius {number(point.radius)} alone, which hold {percent(point.energy)} of the contrast, it answers "
        f"{percent(point.accuracy.value)} right ({interval(point.accuracy)}; guessing gives {percent(floor)})."
    )


def _robustness(card: ClassifierCard) -> str:
    if not card.attacks:
        return "It was not attacked: its robustness is unknown."
    said = []
    for norm, worst in strongest(card).items():
        epsilon = max(worst)
        attack, point = worst[epsilon]
        reach = REACH[norm].format(write_epsilon(epsilon))
        said.append(
            f"{attack.label} leaves {percent(point.accuracy.value)} ({interval(point.accuracy)}, "
            f"n = {point.accuracy.count:,}) where {reach}"
        )
    weak = " A check of an attack failed: the truth may be far lower." if doubts(card) else ""
    return f"{listed(said)}.{weak}"


def _steps(card: ClassifierCard) -> Iterator[Step]:
    clean = card.clean.accuracy
    if is_at_chance(clean, card.baselines):
        yield Step(
            "Find out why it is at chance before anything else: classes in another order, another mean and std, another size or other "
            "weights all look so.",
            "--class-indices, --mean, --std, --size",
        )
        return
    if doubts(card):
        yield Step("A check of an attack failed. Attack with more than one method.", "--attack autoattack")
    elif not card.attacks:
        yield _attack(card)
    if clean.high - clean.low > WIDE:
        yield Step(
            f"Audit more images: with {clean.count:,} the accuracy is known to {percent(clean.high - clean.low)} only."
        )
    for finding in card.traces.findings[:1]:
        beyond = "" if finding.radius is None else f" Beyond radius {number(finding.radius)}"
        what = "believe little of the HFC" if beyond else "Believe little of the HFC"
        yield Step(
            f"The images bear traces of {TRACES.get(finding.kind, finding.kind)}.{beyond}{',' if beyond else ''} {what} before it is repeated on images "
            "without them."
        )
    if card.flips.beyond_chance:
        yield Step(
            "See with your own eyes which images it reads by what you hardly see, and where the answer flips.",
            "passband explore MODEL DATA",
        )
    if not card.requirements and (kept := _requirement(card)) is not None:
        yield Step(
            "Keep it so: as a requirement in continuous integration, the next model is held to what this one does.",
            f"--require '{kept}'",
        )
    yield Step(
        "After quantizing, pruning or fine-tuning audit again, and compare.", "passband compare BEFORE AFTER"
    )


def _attack(card: ClassifierCard) -> Step:
    if (card.model.source or "").startswith("onnx:"):
        return Step("Attack the network that this file was made from: a file of ONNX gives no gradients.")
    return Step(
        "Attack it: how much of this is left when somebody changes the images on purpose is not known.",
        f"--attack pgd --epsilon {COMMON_BOUND}",
    )


def _requirement(card: ClassifierCard) -> str | None:
    """Return a requirement that this audit meets, on the first radius at which more than half is kept."""
    for point in card.curve("lfc"):
        if point.accuracy.low > max(0.5 * card.clean.accuracy.value, guessing(card)):
            return f"lfc@{point.radius:g} >= {int(100 * point.accuracy.low) / 100:g} at 95%"
    return None
