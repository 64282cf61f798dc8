"""Audits side by side, with paired tests where they answered the same samples: one, and what the others are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import polars as pl

from passband.attacks.epsilon import write_epsilon
from passband.audit.card import ClassifierCard, is_at_chance
from passband.audit.critical import AT_CHANCE, known_radii
from passband.audit.side import AnswerTables, Audited, Side, folder_of, under_attack
from passband.display import Displayed
from passband.errors import InputError
from passband.stats import bootstrap_difference, holm, mcnemar

Source = TypeVar("Source")
"""What an audit is given by: it, its folder or its card file."""

DIFFERENCE_COLUMNS = pl.Schema(
    {"audit": pl.String(), "measure": pl.String()}
    | dict.fromkeys(("first", "second", "low", "high", "p"), pl.Float64())
)

LEAST_PAIRED = 2
"""One sample says nothing about how much another would differ."""


@dataclass(frozen=True)
class Difference:
    """One measure in the first audit and in another one.

    Attributes:
        measure: Such as `"clean"` or `"lfc@8"`, as `passband.audit.requirement` names them.
        first: Its value in the first audit; None where there is none.
        second: Likewise in the other.
        low: Lower end of the 95% interval of `second - first` (bootstrap over paired samples); None if not paired.
        high: Its upper end.
        p: McNemar's exact two-sided p-value, corrected for all comparisons made (Holm), of all audits; None if not paired.
        audit: Which audit the other one is: its place among `Comparison.names`.
    """

    measure: str
    first: float | None
    second: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    audit: int = 1


@dataclass(frozen=True)
class Comparison(Displayed):
    """What cards say of the same measures, each beside the first one.

    Attributes:
        names: Of the models; of those whose names are the same, with their folders'.
        differences: One a measure that the first and another audit have, audit by audit.
        pairing: The number of samples that the paired tests rest on, or why there are none.
        warnings: What makes the cards hard to compare.
    """

    names: tuple[str, ...]
    differences: tuple[Difference, ...]
    pairing: str
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        """Return what is compared, and how many measures of it."""
        measures = len({difference.measure for difference in self.differences})
        return f"{type(self).__name__}({', '.join(self.names[1:])} beside {self.names[0]}: {measures} measures, {self.pairing})"

    @property
    def rows(self) -> pl.DataFrame:
        """One row a measure and audit, with the attributes of `Difference`, the audit by its name."""
        told = [asdict(each) | {"audit": self.names[each.audit]} for each in self.differences]
        return pl.DataFrame(told, schema=DIFFERENCE_COLUMNS)


def compare(*audits: Path | str | Audited, any_preparation: bool = False, seed: int = 0) -> Comparison:
    """Compare audits with the first of them: what `passband.audit` returned, or folders or card files of audits.

    Accuracies are compared on the samples that both audits hold, if both audited the same data and their
    `samples.parquet` (for attacks, `attacks.parquet`) lie beside the cards.

    Args:
        audits: The audit to compare with, and those in question; each may be its folder or `card.json`.
        any_preparation: Compare also audits whose pictures were prepared in different ways.
        seed: Draws the bootstrap's resamples.

    Raises:
        InputError: If there are not two, a card cannot be read, two have no radius in common, or their pictures were
            prepared in different ways.
    """
    return side_by_side(
        audits,
        lambda first, other: _compare(
            (Side.of(first), Side.of(other)), any_preparation=any_preparation, seed=seed
        ),
    )


def side_by_side(audits: Sequence[Source], compare_two: Callable[[Source, Source], Comparison]) -> Comparison:
    """Return the comparisons of the first audit with each other one as a single one, in which p-values are corrected for all.

    Raises:
        InputError: If there are not two audits, or as `compare_two`.
    """
    if len(audits) < 2:
        raise InputError(f"at least two audits are compared, got {len(audits)}")
    first, *others = audits
    pairs = [compare_two(first, other) for other in others]
    names = [pairs[0].names[0], *(pair.names[1] for pair in pairs)]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder})" for name, folder in zip(names, _told_apart(audits), strict=True)]
    differences = [replace(d, audit=place) for place, pair in enumerate(pairs, 1) for d in pair.differences]
    corrected = iter(holm([d.p for d in differences if d.p is not None]))
    differences = [d if d.p is None else replace(d, p=next(corrected)) for d in differences]
    return Comparison(
        tuple(names),
        tuple(differences),
        _joined([pair.pairing for pair in pairs], names[1:]),
        (
            *dict.fromkeys(warning for pair in pairs for warning in pair.warnings),
            *_of_samples(pairs, names[1:]),
        ),
    )


def _of_samples(pairs: Sequence[Comparison], names: Sequence[str]) -> Iterator[str]:
    """Say where an audit shares other samples with the first than the second does: the first one's numbers are others then."""
    firsts = [{d.measure: d.first for d in pair.differences} for pair in pairs]
    for name, these in zip(names[1:], firsts[1:], strict=True):
        if any(these[measure] != firsts[0][measure] for measure in these.keys() & firsts[0].keys()):
            yield (
                f"{name} shares other samples with the first audit than {names[0]} does: its differences are of those, and not of "
                "the numbers that stand for the first one"
            )


def _told_apart(audits: Sequence[object]) -> list[str]:
    """Return the names of folders, or where two are the same, their paths; what has no folder is counted."""
    if not all(isinstance(audit, Path | str) for audit in audits):
        return [f"audit {place}" for place in range(1, len(audits) + 1)]
    folders = [folder_of(audit) for audit in audits if isinstance(audit, Path | str)]
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _joined(said: Sequence[str], names: Sequence[str]) -> str:
    """Return what is said of each audit: once, if it is the same of all."""
    if len(set(said)) == 1:
        return said[0]
    return "; ".join(f"{name} {each}" for name, each in zip(names, said, strict=True))


def _compare(sides: tuple[Side, Side], *, any_preparation: bool, seed: int) -> Comparison:
    """Compare two audits; p-values are of each test alone."""
    cards = (sides[0].card, sides[1].card)
    if not any_preparation and (problem := _prepared_otherwise(cards)):
        raise InputError(
            f"{problem}: a difference between them would be that of the rules as much as that of the models. Audit again "
            "with the same --resize, --crop-fraction and --size, or compare all the same with --any-preparation."
        )
    shared = [r for r in cards[0].settings.radii if r in cards[1].settings.radii]
    if not shared:
        raise InputError("the two audits have no radius in common. Audit again with the same --radii.")
    values = [_values(card, shared) for card in cards]
    differences = [
        Difference(measure, values[0][measure], values[1][measure])
        for measure in values[0]
        if measure in values[1]
    ]
    answers, pairing = _pair(sides, shared)
    if answers is not None:
        differences = _test(differences, answers, seed)
    return Comparison(
        names=(cards[0].model.name, cards[1].model.name),
        differences=tuple(differences),
        pairing=pairing,
        warnings=tuple(_warnings(cards)),
    )


def _prepared_otherwise(cards: tuple[ClassifierCard, ClassifierCard]) -> str | None:
    """Return how pictures were prepared where that differs; None if it does not, or both saw the same pixels.

    Pictures that are as stored may be what a rule leaves alone. Version 0.1 did not say.
    """
    one, two = (card.data.preparation for card in cards)
    if cards[0].data.fingerprint == cards[1].data.fingerprint or one == two or one is None or two is None:
        return None
    return f"the two audits prepared their pictures in different ways, {one} and {two}"


def _values(card: ClassifierCard, radii: list[float]) -> dict[str, float | None]:
    """Return a card's measures by the names that the gate has for them."""
    radii_kept = known_radii(card)
    values: dict[str, float | None] = {
        "clean": card.clean.accuracy.value,
        "loss": card.clean.loss,
        "confidence": card.clean.confidence,
    }
    if card.clean.top5 is not None:
        values["top5"] = card.clean.top5.value
    for point in card.curves:
        if point.radius in radii:
            values[f"{point.component}@{point.radius:g}"] = point.accuracy.value
    values |= {
        "critical50": radii_kept.half.radius,
        "critical95": radii_kept.most.radius,
        "area-lfc": card.area.lfc,
        "area-hfc": card.area.hfc,
    }
    for attack, point in under_attack(card):
        values[f"{attack.measure}@{write_epsilon(point.epsilon)}"] = point.accuracy.value
    return values


def _pair(
    sides: tuple[Side, Side], radii: list[float]
) -> tuple[tuple[AnswerTables, AnswerTables] | None, str]:
    """Return by measure which samples either model gets right, or None and why there is no pairing."""
    if sides[0].card.data.fingerprint != sides[1].card.data.fingerprint:
        return None, "not paired: the audits are of different data"
    if missing := [side.missing for side in sides if side.samples is None]:
        return None, f"not paired: {missing[0]} is missing"
    one, two = (side.answers(radii) for side in sides)
    both = len(one["clean"].join(two["clean"], on="sample", how="semi"))
    if both < LEAST_PAIRED:
        return None, f"not paired: the audits have {both or 'no'} sample in common"
    return (one, two), f"paired on {both} samples"


def _test(
    differences: list[Difference], answers: tuple[AnswerTables, AnswerTables], seed: int
) -> list[Difference]:
    """Return the differences, with the paired tests' results and both values taken on the common samples; p is uncorrected."""
    found: dict[str, Difference] = {}
    for measure in (d.measure for d in differences):
        if measure not in answers[0] or measure not in answers[1]:
            continue
        joined = answers[0][measure].join(answers[1][measure], on="sample", suffix="_second").sort("sample")
        if len(joined) < LEAST_PAIRED:
            continue
        one, two = joined["correct"].to_numpy(), joined["correct_second"].to_numpy()
        _, low, high = bootstrap_difference(one, two, seed=seed)
        p = mcnemar(int((one & ~two).sum()), int((two & ~one).sum()))
        found[measure] = Difference(measure, float(one.mean()), float(two.mean()), low, high, p)
    return [found.get(difference.measure, difference) for difference in differences]


def _warnings(cards: tuple[ClassifierCard, ClassifierCard]) -> list[str]:
    found = []
    if problem := _prepared_otherwise(cards):
        found.append(problem)
    first, second = (card.settings.amplitude for card in cards)
    if first != second:
        found.append(f"different amplitude policies, {first!r} and {second!r}: components are not comparable")
    sizes = [(card.data.height, card.data.width) for card in cards]
    if sizes[0] != sizes[1]:
        found.append(
            f"different image sizes, {sizes[0]} and {sizes[1]}: equal radii are not equal frequencies"
        )
    attacks = [{attack.measure: attack for attack in card.attacks} for card in cards]
    for measure in sorted(attacks[0].keys() & attacks[1].keys()):
        one, two = (each[measure] for each in attacks)
        if one.attack != two.attack:
            found.append(f"different settings of {measure}: {one.label!r} and {two.label!r}")
    for measure in sorted(attacks[0].keys() ^ attacks[1].keys()):
        found.append(f"only one of the two was attacked by {measure}, which is not compared")
    for card in cards:
        if is_at_chance(clean := card.clean.accuracy, card.baselines):
            found.append(
                f"{card.model.name} answers {clean.value:.1%} of {clean.count:,} images right: {AT_CHANCE}"
            )
    return found
