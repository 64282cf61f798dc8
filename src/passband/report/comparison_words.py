"""A comparison in words: what measures are called, numbers in percent and points, and what may be read from the differences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from passband.audit.compare import Comparison, Difference
from passband.audit.requirement import UNBOUNDED
from passband.choices import DETECTION_NUMBERS
from passband.report.words import listed, number, percent

CORRECTED = 0.05  # a p-value, corrected for all tests, from which on chance may explain a difference
MOST_NAMED = 3  # differences that a sentence has room for
WHOLE = {
    "clean": "whole images",
    "top5": "whole images, top-5",
    "loss": "loss",
    "confidence": "confidence",
    "critical50": "radius that keeps half",
    "critical95": "radius that keeps 95%",
    "area-lfc": "LFC, mean over radii",
    "area-hfc": "HFC, mean over radii",
    "gain": "images that gain",
    "lose": "images that lose",
    **DETECTION_NUMBERS,
}
ATTACKS = {"fgsm": "FGSM", "pgd": "PGD", "autoattack": "AutoAttack"}
OF_DETECTORS = re.compile(r"map(-(lfc|hfc)@.+)?")
"""What is told and drawn of detectors; all other numbers are in the table."""

COMPONENT = re.compile(r"(?:(?P<number>.+)-)?(?P<kind>lfc|hfc|control)@(?P<at>.+)")


def measure_name(measure: str) -> str:
    """Return what people call a measure.

    Example:
        >>> [measure_name(each) for each in ("clean", "lfc@28", "map-small-hfc@0.2px", "pgd-l2@0.5")]
        ['whole images', 'LFC at 28', 'mAP, small objects, HFC at 0.2px', 'PGD (L2) at 0.5']
    """
    if measure in WHOLE:
        return WHOLE[measure]
    component = COMPONENT.fullmatch(measure)
    if component is not None and component["number"] in (None, *WHOLE):
        kind = component["kind"].upper() if component["kind"] != "control" else "control"
        before = f"{WHOLE[component['number']]}, " if component["number"] else ""
        return f"{before}{kind} at {component['at']}"
    attack, _, epsilon = measure.rpartition("@")
    name, _, more = attack.partition("-")
    return f"{ATTACKS.get(name, name)}{f' ({more.upper()})' if more else ''} at {epsilon}"


def in_percent(measure: str) -> bool:
    """Return whether a measure is a share, and is written in percent."""
    return measure not in UNBOUNDED


def value_text(measure: str, value: float | None) -> str:
    """Return a measured value, in percent if it is a share."""
    if value is None:
        return "–"
    return percent(value) if in_percent(measure) else number(value)


def change_text(measure: str, change: float) -> str:
    """Return a difference with its sign, in percentage points if it is one of shares.

    Example:
        >>> change_text("clean", -0.0125), change_text("critical95", 2.5)
        ('-1.2', '+2.5')
    """
    return f"{100 * change:+.1f}" if in_percent(measure) else f"{change:+.3g}"


def difference_text(found: Difference) -> str:
    """Return how far the second value is from the first; empty where one of them is not there."""
    if found.first is None or found.second is None:
        return ""
    return change_text(found.measure, found.second - found.first)


def interval_text(found: Difference) -> str:
    """Return the interval of a difference in points; empty where it has none."""
    if found.low is None or found.high is None:
        return ""
    return f"{change_text(found.measure, found.low)} to {change_text(found.measure, found.high)}"


def p_text(p: float | None) -> str:
    """Return a p-value with two digits, or that it is smaller than anybody needs to know; empty where there is none."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def beyond_chance(found: Difference) -> bool:
    """Return whether chance is no explanation: by the corrected p-value, or where there is none, by the interval alone."""
    if found.p is not None:
        return found.p < CORRECTED
    return found.low is not None and found.high is not None and not found.low <= 0 <= found.high


def story(found: Comparison) -> list[str]:
    """Return for each audit beside the first what became of whole images, and what differs beyond chance."""
    return [
        " ".join(_of_audit(found, name, [d for d in found.differences if d.audit == place]))
        for place, name in enumerate(found.names[1:], 1)
    ]


def tests_text(found: Comparison) -> str:
    """Return how it was told what is beyond chance."""
    tests = [d for d in found.differences if d.p is not None]
    if tests:
        return (
            f"{len(tests)} differences were tested (McNemar's exact test on the images that both audits have); p-values are corrected for "
            "all of them (Holm), so that chance alone would find one below 0.05 in no more than one of twenty such comparisons. Intervals "
            "are each for itself."
        )
    if any(d.low is not None for d in found.differences):
        return (
            "Differences of detectors have no test. Each interval is for itself: of twenty differences that are none, about one interval "
            "leaves out 0."
        )
    return f"No difference has an interval or a test ({found.pairing})."


def _of_audit(found: Comparison, name: str, differences: Sequence[Difference]) -> Iterator[str]:
    whole = next((d for d in differences if d.measure in ("clean", "map")), None)
    if whole is not None and whole.first is not None and whole.second is not None:
        yield _of_whole(whole, found.names[0], name)
    tests = [d for d in differences if d.p is not None]
    known = tests or [d for d in differences if d.low is not None and OF_DETECTORS.fullmatch(d.measure)]
    if not known:
        yield f"What differs by chance cannot be told: {found.pairing}."
        return
    sure = sorted(filter(beyond_chance, known), key=lambda d: -abs(d.second - d.first))  # ty: ignore[unsupported-operator]
    among = ", the largest" if len(sure) > MOST_NAMED else ""
    named = f"{among}: {listed([_named(d) for d in sure[:MOST_NAMED]])}" if sure else ""
    if not tests:
        have = "has an interval that leaves" if len(sure) == 1 else "have intervals that leave"
        yield (
            f"{len(sure) or 'None'} of {len(known)} differences of mAP (whole images, LFC, HFC) {have} out 0 (each for itself, "
            f"uncorrected){named}."
        )
    elif sure:
        yield (
            f"{len(sure)} of {len(known)} differences {'is' if len(sure) == 1 else 'are'} more than chance explains (p corrected for all "
            f"tests){named}."
        )
    else:
        least = min(d.p for d in tests if d.p is not None)
        yield (
            f"None of {len(known)} differences is more than chance explains (the least p-value, corrected for all tests, is "
            f"{p_text(least)}); that does not show that there is none."
        )


def _of_whole(whole: Difference, first: str, name: str) -> str:
    assert whole.first is not None
    assert whole.second is not None
    of_accuracy, change = whole.measure == "clean", whole.second - whole.first
    value = percent(whole.second)
    said = (
        f"answers {value} of whole images right" if of_accuracy else f"has a mAP of {value} on whole images"
    )
    if change:
        compared = f"{abs(100 * change):.1f} points {'less' if change < 0 else 'more'} than {first}"
    else:
        compared = f"as many as {first}" if of_accuracy else f"as {first} has"
    return f"{name} {said}, {compared}{_how_sure(whole, '95% interval ')}."


def _named(found: Difference) -> str:
    return f"{measure_name(found.measure)}, {difference_text(found)} points{_how_sure(found)}"


def _how_sure(found: Difference, before: str = "") -> str:
    """Return the interval and the p-value of a difference in parentheses; nothing where it has none."""
    parts = [before + interval_text(found)] if found.low is not None else []
    if found.p is not None:
        parts.append("p < 0.001" if found.p < 0.001 else f"p = {p_text(found.p)}")
    return f" ({', '.join(parts)})" if parts else ""
