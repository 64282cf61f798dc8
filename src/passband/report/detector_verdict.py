"""What to do next after the audit of a detector."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from passband.audit.detector_card import DetectorCard
from passband.report.detector_words import NOTHING, key_view
from passband.report.verdict import MOST_STEPS, Step

LEAST = 0.05  # of mAP, below which a requirement would hold nobody to anything
WIDE = 0.1  # an interval of mAP beyond which more images come first


def next_steps(card: DetectorCard) -> list[Step]:
    """Return what to do next, the most urgent first, at most three.

    Args:
        card: The card of the audit.
    """
    return list(islice(_steps(card), MOST_STEPS))


def _steps(card: DetectorCard) -> Iterator[Step]:
    whole, low = card.views[0].numbers["map"], key_view(card)
    if whole.value < NOTHING:
        yield Step(
            "Find out why it finds next to nothing before anything else: labels that are not the annotations' ids of categories look so.",
            "--label-ids",
        )
        return
    if whole.low is None or whole.high is None or whole.high - whole.low > WIDE:
        yield Step(
            f"Audit more images: {card.data.images:,} say little of a detector, as its intervals show."
        )
    if low is not None and not card.chance:
        yield Step("Measure the control: without it, images that gain cannot be told from luck.")
    if not card.requirements and (kept := _requirement(card)) is not None:
        yield Step(
            "Keep it so: as a requirement in continuous integration, the next detector is held to what this one does.",
            f"--require '{kept}'",
        )
    yield Step(
        "After quantizing, pruning or fine-tuning audit again, and compare.", "passband compare BEFORE AFTER"
    )


def _requirement(card: DetectorCard) -> str | None:
    """Return a requirement that this audit meets: on the LFC, or where nothing is left of that, on whole images."""
    low, whole = key_view(card), card.views[0]
    for name, entry in (("map" if low is None else f"map-{low.view.replace(':', '@')}", low), ("map", whole)):
        if entry is not None and (least := entry.numbers["map"].low) is not None and least >= LEAST:
            return f"{name} >= {int(100 * least) / 100:g} at 95%"
    return None
