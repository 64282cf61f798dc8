"""A detector's audit in words: the summary and the key numbers, claiming no more than the card supports."""

from __future__ import annotations

from typing import Literal

from passband.audit.detector_card import ChanceEntry, DetectorCard, Measured, ViewEntry
from passband.detection.view import View, parse_view
from passband.report.words import Tile, interval, percent

NOTHING = 0.01  # an mAP below which there is nothing to lose
SURE = 0.05  # a p-value below which chance is no explanation

NAMES = {"full": "whole image", "lfc": "LFC", "hfc": "HFC", "control": "control"}
"""What views are called."""

ERRORS = {
    "classification": "wrong category: a box around an object of another one",
    "localization": "box off the mark: right category, overlap of 0.1 to 0.5",
    "both": "both of these",
    "duplicate": "a second box of an object that has one",
    "background": "a box where nothing is",
    "missed": "an object that no box is near",
}
"""TIDE's kinds of errors, as they are told."""

VERDICTS = {
    1: "on the LFC more images gain than luck explains",
    0: "the gains on the LFC cannot be told from luck",
    -1: "on the LFC fewer images gain than by luck",
}
"""What a comparison with the control says, by `beyond_chance`."""

SPLIT = {
    "original": "The image was split as it is stored, before the detector's own resize.",
    "input": "The image was split after the detector's own resize, at the size at which the network looks at it.",
    None: "Results came from files, which do not say how the views were made.",
}
"""Where the split happened, by `split_at`."""


def key_view(card: DetectorCard, kind: Literal["lfc", "hfc"] = "lfc") -> ViewEntry | None:
    """Return the view that stands for a component: that at the largest cut-off in cycles per image, else per pixel.

    The HFC's is what the LFC's leaves out, where both were measured.
    """
    views = [parse_view(entry.view) for entry in card.views]
    low = _largest([view for view in views if view.kind == "lfc"])
    if kind == "lfc" or low is None:
        chosen = low if kind == "lfc" else _largest([view for view in views if view.kind == "hfc"])
        return None if chosen is None else card.view(str(chosen))
    rest = View("hfc", low.radius, low.geometry)
    chosen = rest if rest in views else _largest([view for view in views if view.kind == "hfc"])
    return None if chosen is None else card.view(str(chosen))


def _largest(views: list[View]) -> View | None:
    return max(views, key=lambda view: (view.geometry == "index", view.radius or 0), default=None)


def cutoff(view: str) -> str:
    """Return a view's cut-off with its unit.

    Example:
        >>> cutoff("lfc:128"), cutoff("hfc:0.2px")
        ('128 cycles per image', '0.2 cycles per pixel')
    """
    at = parse_view(view)
    return f"{at.at.removesuffix('px')} cycles per {'pixel' if at.geometry == 'pixel' else 'image'}"


def short(view: str) -> str:
    """Return a view as tables and charts call it.

    Example:
        >>> short("full"), short("lfc:128"), short("control:0.2px")
        ('whole image', 'LFC 128', 'control 0.2px')
    """
    read = parse_view(view)
    return f"{NAMES[read.kind]} {read.at}".rstrip()


def points(difference: float, *, sign: bool = False) -> str:
    """Return a difference of shares in points.

    Example:
        >>> points(0.0812), points(-0.0001, sign=True), points(0.01, sign=True)
        ('8.1', '0.0', '+1.0')
    """
    rounded = round(100 * difference, 1) or 0.0  # not -0.0
    return f"{rounded:{'+' if sign and rounded else ''}.1f}"


def span(found: Measured) -> str:
    """Return the bounds of a share's interval, empty if it has none.

    Example:
        >>> span(Measured(0.356, 0.349, 0.363, 0.004)), span(Measured(0.5, None, None, None))
        ('34.9–36.3%', '')
    """
    if found.low is None or found.high is None:
        return ""
    return f"{100 * found.low:.1f}–{percent(found.high)}"


def between(found: Measured) -> str:
    """Return the bounds of a difference's interval in points, empty if it has none.

    Example:
        >>> between(Measured(0.01, -0.005, 0.025, 0.007))
        '-0.5 to 2.5'
    """
    if found.low is None or found.high is None:
        return ""
    return f"{points(found.low)} to {points(found.high)}"


def chance(p: float) -> str:
    """Return a p-value as a text.

    Example:
        >>> chance(0.0314), chance(1e-9)
        ('p = 0.031', 'p < 0.0001')
    """
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def beyond_chance(entry: ChanceEntry) -> int:
    """Return 1 if measurably more images gain on the LFC than under the control, -1 if fewer, 0 if it cannot be told."""
    low, high = entry.difference.low, entry.difference.high
    if entry.p >= SURE or low is None or high is None:
        return 0
    return int(low > 0) - int(high < 0)


def key_chance(card: DetectorCard) -> ChanceEntry | None:
    """Return how many images gain at the LFC's key cut-off against the control; None if there is no control."""
    low = key_view(card)
    at = None if low is None else parse_view(low.view).at
    return next((entry for entry in card.chance if entry.cutoff == at), None)


def summary(card: DetectorCard) -> list[str]:
    """Return the audit in a few plain sentences."""
    whole = card.views[0].numbers["map"]
    images = f"{card.data.images:,} whole image{'s' if card.data.images != 1 else ''}"
    found = f"{card.model.name} has an mAP of {percent(whole.value)}{_in_brackets(span(whole))} on {images}"
    if (loose := card.views[0].numbers.get("map50")) is not None:
        found += f", and {percent(loose.value)} where a box counts from an overlap of 0.5 on (mAP@50)"
    if whole.value < NOTHING:
        return [
            f"{found}: it finds next to nothing, so that what follows says little. Labels that are not the annotations' ids "
            "of categories are the commonest reason."
        ]
    return [f"{found}.", *_lost(card), *_compared(card), *_gains(card)]


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _lost(card: DetectorCard) -> list[str]:
    told = {
        "lfc": "With nothing left but frequencies up to {} (LFC)",
        "hfc": "With those up to {} removed (HFC)",
    }
    sentences = []
    for kind in ("lfc", "hfc"):
        entry = key_view(card, kind)
        if entry is None:
            continue
        left, lost = entry.numbers["map"], entry.lost["map"]
        how = f"{points(abs(lost.value))} points of mAP{_in_brackets(between(lost))} are lost"
        if lost.low is None or lost.high is None:
            how = (
                f"{points(lost.value)} points of mAP are lost, without an interval that would say how surely"
            )
        elif lost.low <= 0 <= lost.high:
            how = f"no measurable mAP is lost ({points(lost.value)} points, {between(lost)})"
        elif lost.high < 0:
            how = f"{points(-lost.value)} points of mAP are gained (lost: {between(lost)})"
        sentences.append(f"{told[kind].format(cutoff(entry.view))}, {how}; {percent(left.value)} is left.")
    return sentences


def _compared(card: DetectorCard) -> list[str]:
    """Say which half matters more, where both were measured at one cut-off and the two intervals are apart."""
    low, high = key_view(card, "lfc"), key_view(card, "hfc")
    if low is None or high is None or parse_view(low.view).at != parse_view(high.view).at:
        return []
    without_high, without_low, at = low.lost["map"], high.lost["map"], cutoff(low.view)
    one, two = (without_high.low, without_high.high), (without_low.low, without_low.high)
    if one[0] is None or one[1] is None or two[0] is None or two[1] is None:
        return []
    if two[0] > one[1]:
        return [f"It needs the frequencies up to {at} more than those beyond."]
    if one[0] > two[1]:
        return [f"It needs the frequencies beyond {at} more than those up to there."]
    return [
        f"Whether it needs the frequencies up to {at} or those beyond more cannot be told from these images."
    ]


def _gains(card: DetectorCard) -> list[str]:
    low = key_view(card)
    if low is None or low.images is None:
        return []
    counts, entry = low.images, key_chance(card)
    said = (
        f"On that LFC {counts.gain:,} of {counts.images:,} images with objects have a higher AP of their own than as a whole"
        f" ({percent(counts.gain_share.value)}), and {counts.lose:,} a lower one."
    )
    if not counts.gain and (entry is None or not entry.control.value):
        return [
            f"On that LFC none of {counts.images:,} images with objects has a higher AP of its own than as a whole, and {counts.lose:,} have a lower one."
        ]
    if entry is None:
        return [said, "Without a control it cannot be told how many of the gains are luck."]
    bounds = "; ".join(filter(None, [between(entry.difference), chance(entry.p)]))
    more = points(entry.difference.value, sign=True)
    return [
        said,
        f"Under as much random change of the same frequencies {percent(entry.control.value)} gain: {VERDICTS[beyond_chance(entry)]} "
        f"(difference {more} points; {bounds}).",
    ]


def tiles(card: DetectorCard) -> list[Tile]:
    """Return the key numbers of a detector's audit."""
    whole, low = card.views[0], key_view(card)
    images = f"n = {card.data.images:,} images"
    note = [span(whole.numbers["map"]) or "no interval", images]
    note += [f"mAP@50 {percent(whole.numbers['map50'].value)}"] if "map50" in whole.numbers else []
    found = [Tile("mAP on whole images", percent(whole.numbers["map"].value), "; ".join(note), "numbers")]
    for kind in ("lfc", "hfc"):
        if (entry := key_view(card, kind)) is not None:
            parts = [between(entry.lost["map"]), images, f"{percent(entry.numbers['map'].value)} is left"]
            bounds = "; ".join(filter(None, parts))
            what = "are left" if kind == "lfc" else "are removed"
            found.append(
                Tile(
                    f"mAP lost on the {NAMES[kind]}, in points",
                    points(entry.lost["map"].value),
                    f"where frequencies up to {cutoff(entry.view)} {what}; {bounds}",
                    "numbers",
                )
            )
    if low is None or low.images is None:
        return found
    counts, objects = low.images, low.objects
    share = f"{percent(counts.gain_share.value)}, {interval(counts.gain_share)}"
    found.append(
        Tile(
            "Images that gain on the LFC",
            f"{counts.gain:,}",
            f"of {counts.images:,} with objects ({share})"
            + ("" if key_chance(card) else "; how many by luck is not known"),
            "images",
        )
    )
    if (entry := key_chance(card)) is not None:
        told = {1: "more than luck explains", 0: "cannot be told from luck", -1: "fewer than by luck"}
        bounds = "; ".join(filter(None, [between(entry.difference), chance(entry.p)]))
        found.append(
            Tile(
                "Gains beyond chance, in points",
                points(entry.difference.value, sign=True),
                f"{told[beyond_chance(entry)]}: {percent(entry.control.value)} gain under the control; {bounds}",
                "images",
            )
        )
    found.append(
        Tile(
            "Objects lost on the LFC",
            f"{objects.lost:,}",
            f"of {whole.objects.found:,} found in whole images; {objects.gained:,} others are newly found",
            "objects",
        )
    )
    return found
