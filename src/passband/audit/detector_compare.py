"""Audits of detectors side by side, over the same drawn images where two saw the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from passband.audit.compare import Comparison, Difference, side_by_side
from passband.audit.detector import DetectorAudit
from passband.audit.detector_card import DetectorCard, ViewEntry
from passband.audit.detector_requirement import DetectorRequirement
from passband.audit.gate import Checked, judge, lost
from passband.audit.side import folder_of
from passband.detection.bootstrap import Resamples, bootstrap
from passband.detection.evaluation import evaluate
from passband.detection.matches import Matches
from passband.detection.view import WHOLE, parse_view
from passband.errors import InputError
from passband.rows import DETECTION_COLUMNS


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two audits of the same images, matched again and drawn together: the views of the first, then of the second."""

    views: tuple[str, ...]
    drawn: Resamples

    def difference(self, view: str, number: str) -> tuple[float, float, float, float]:
        place = self.views.index(view)
        return self.drawn.difference(len(self.views) + place, place, number)


def compare_detectors(
    *audits: Path | str | DetectorAudit, resamples: int = 1000, seed: int = 0
) -> Comparison:
    """Compare audits of detectors with the first of them: what `passband.audit_detector` returned, or folders.

    Numbers of the same images are drawn anew together, from the detections that lie beside the cards: their intervals are of the
    paired difference.

    Args:
        audits: The audit to compare with, and those in question; each may be its folder.
        resamples: How often images are drawn anew.
        seed: Draws them.

    Raises:
        InputError: If there are not two, a folder cannot be read, or two have no view in common besides whole images.
    """
    return side_by_side(audits, lambda first, other: _compare(first, other, resamples=resamples, seed=seed))


def _compare(
    first: Path | str | DetectorAudit, second: Path | str | DetectorAudit, *, resamples: int, seed: int
) -> Comparison:
    audits = [
        audit if isinstance(audit, DetectorAudit) else DetectorAudit.load(folder_of(audit))
        for audit in (first, second)
    ]
    cards = [audit.card for audit in audits]
    views = tuple(view for view in cards[0].settings.views if view in cards[1].settings.views)
    if len(views) < 2:
        raise InputError(
            "the two audits have no view in common but whole images. Audit again with the same --radii."
        )
    pair, pairing = None, "not paired: the audits are of different images"
    if cards[0].data.fingerprint == cards[1].data.fingerprint:
        matches = [each for audit in audits for each in _matches(audit, views)]
        pair = _Pair(views, bootstrap(matches, resamples=resamples, seed=seed))
        pairing = f"paired on {cards[0].data.images} images"
    differences = []
    for view in views:
        one, two = (_entry(card, view) for card in cards)
        differences += _differences(view, one, two, pair)
    return Comparison(
        (cards[0].model.name, cards[1].model.name), tuple(differences), pairing, tuple(_warnings(*cards))
    )


def check_detector_drop(requirement: DetectorRequirement, differences: Sequence[Difference]) -> Checked:
    """Hold a requirement on a drop against what a comparison found: the first audit minus the second.

    Raises:
        InputError: As `passband.audit.gate.check_drop`.
    """
    return judge(requirement, lost(requirement, requirement.measure, differences))


def _matches(audit: DetectorAudit, views: Sequence[str]) -> list[Matches]:
    columns = list(DETECTION_COLUMNS)
    by_view = audit.detections.partition_by("shown", as_dict=True)
    nothing = audit.detections.clear()
    return [
        evaluate(audit.annotations, by_view.get((view,), nothing).select(columns)).matches for view in views
    ]


def _entry(card: DetectorCard, view: str) -> ViewEntry:
    found = card.view(view)
    assert found is not None  # it is one of the card's settings
    return found


def _differences(view: str, one: ViewEntry, two: ViewEntry, pair: _Pair | None) -> list[Difference]:
    shown, found = parse_view(view), []
    behind = "" if shown == WHOLE else f"-{shown.kind}@{shown.at}"
    for number, before in one.numbers.items():
        if number not in two.numbers:
            continue
        low = high = None
        if pair is not None and before.low is not None:
            _, low, high, _ = pair.difference(view, number)
        found.append(Difference(f"{number}{behind}", before.value, two.numbers[number].value, low, high))
    if one.images is not None and two.images is not None:
        shares = (
            ("gain", one.images.gain_share, two.images.gain_share),
            ("lose", one.images.lose_share, two.images.lose_share),
        )
        found += [Difference(f"{name}{behind}", before.value, after.value) for name, before, after in shares]
    return found


def _warnings(first: DetectorCard, second: DetectorCard) -> list[str]:
    found = []
    for name, said in (("amplitude", "amplitude policies"), ("split_at", "places of the split")):
        one, two = getattr(first.settings, name), getattr(second.settings, name)
        if one != two:
            found.append(f"different {said}, {one!r} and {two!r}: views are not comparable")
    for card in (first, second):
        found += [f"{card.model.name}: {each.message}" for each in card.notices if each.about == "fit"]
    return found
