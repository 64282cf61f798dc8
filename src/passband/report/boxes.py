"""An image with boxes on it as SVG: what is there, and what a detector found, with names and scores that stay legible."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from jaxtyping import UInt8
from torch import Tensor

from passband.audit.detector_examples import Boxes, Example
from passband.report.svg import svg_element, svg_image, svg_text
from passband.report.theme import FONT, LIGHT

SIDE = 480
"""The longer side of a drawing in its own units: what a page shows as at most so many pixels."""

TEXT = 17  # height of names, in the drawing's units: 11 pixels where it is as wide as a phone
LETTER = 0.66  # width of a letter over the height of the text, at most, on average
LONGEST = 24  # letters of a name
OVERLAP = 0.5  # from which on a box is found, as mAP@50 has it
GAP, CAPTION = 16, 28  # of a sheet, in the drawing's units

PALETTE = (
    "#ffd23f",
    "#3ecbff",
    "#ff6b6b",
    "#7bed8d",
    "#ff9ff3",
    "#ffa24d",
    "#b39bff",
    "#4ff0d0",
    "#e0e0e0",
    "#c9a27a",
)
"""Light colors, which stand out on photographs once they have a dark rim."""


@dataclass(frozen=True)
class Drawing:
    """An image with boxes.

    Attributes:
        svg: All of it, as one element.
        width: In its own units.
        height: Likewise.
    """

    svg: str
    width: float
    height: float


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float
    color: str
    text: str
    dashed: bool


def category_colors(examples: Iterable[Example]) -> dict[str, str]:
    """Return a color for each category in the examples, the same in all of them; the most frequent have one of their own."""
    counts = Counter(
        name
        for each in examples
        for boxes in (each.truth, each.found_before, each.found_after)
        for name in boxes.names
    )
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(ranked)}


def draw_boxes(
    image: UInt8[Tensor, "3 height width"],
    truth: Boxes,
    found: Boxes,
    colors: Mapping[str, str],
    *,
    label: str,
    side: int = SIDE,
) -> Drawing:
    """Draw an image with what is there, dashed, and what was found.

    Names stand at what was found, with scores, and at what is there and was not found; where there is no room for a name, its
    box's color tells.

    Args:
        image: The image.
        truth: What is there.
        found: What was found.
        colors: Of categories, by name.
        label: What the drawing shows, for readers who cannot see it.
        side: The most pixels that the longer side keeps.
    """
    rows, columns = image.shape[-2:]
    scale = SIDE / max(rows, columns)
    width, height = columns * scale, rows * scale
    missed = [not any(_overlap(box, other) for other in _same(found, name)) for box, name in _pairs(truth)]
    boxes = [
        _box(corners, scale, colors[name], _short(name) if unseen else "", dashed=True)
        for (corners, name), unseen in zip(_pairs(truth), missed, strict=True)
    ] + [
        _box(corners, scale, colors[name], f"{_short(name)} {score:.2f}", dashed=False)
        for (corners, name), score in zip(_pairs(found), found.scores.tolist(), strict=True)
    ]
    parts = [
        svg_image(image.float() / 255, width, height, most=side),
        *(part for box in boxes for part in _outline(box)),
    ]
    parts += _names(boxes, found.scores.tolist(), width, height)
    return Drawing(svg_element(parts, width, height, label), width, height)


def draw_sheet(rows: Sequence[tuple[str, Sequence[Drawing]]], note: str) -> str:
    """Return drawings in rows under their captions, and a note under all of them, as one SVG on white."""
    across = max(len(drawings) for _, drawings in rows)
    width, top = across * (SIDE + GAP) + GAP, float(GAP)
    parts = []
    for caption, drawings in rows:
        parts.append(svg_text(caption, GAP, top + TEXT, TEXT))
        top += CAPTION
        for place, drawing in enumerate(drawings):
            left = GAP + place * (SIDE + GAP)
            parts.append(drawing.svg.replace("<svg", f'<svg x="{left}" y="{top:.1f}"', 1))
        top += max(drawing.height for drawing in drawings) + GAP
    parts.append(svg_text(note, GAP, top + TEXT, TEXT))
    top += CAPTION
    paper = f'<rect width="{width}" height="{top:.1f}" fill="{LIGHT["paper"]}"/>'
    return svg_element([paper, *parts], width, top, note)


def _pairs(boxes: Boxes) -> list[tuple[list[float], str]]:
    return list(zip(boxes.corners.tolist(), boxes.names, strict=True))


def _same(boxes: Boxes, name: str) -> list[list[float]]:
    return [corners for corners, other in _pairs(boxes) if other == name]


def _overlap(one: Sequence[float], two: Sequence[float]) -> bool:
    """Return whether two boxes overlap enough to be of one object."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    shared = max(width, 0) * max(height, 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return shared > 0 and shared >= OVERLAP * (sum(areas) - shared)


def _box(corners: Sequence[float], scale: float, color: str, text: str, *, dashed: bool) -> _Box:
    return _Box(*(scale * each for each in corners), color=color, text=text, dashed=dashed)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _outline(box: _Box) -> list[str]:
    """Return a box's edge: a dark rim, and its color on it."""
    place = (
        f'<rect x="{box.left:.1f}" y="{box.top:.1f}" width="{max(box.right - box.left, 0):.1f}" '
        f'height="{max(box.bottom - box.top, 0):.1f}" fill="none"'
    )
    dashes = ' stroke-dasharray="7 5"' if box.dashed else ""
    return [
        f'{place} stroke="#000" stroke-opacity="0.6" stroke-width="4.5"/>',
        f'{place} stroke="{box.color}" stroke-width="2.2"{dashes}/>',
    ]


def _names(boxes: Sequence[_Box], scores: Sequence[float], width: float, height: float) -> list[str]:
    """Return the names for which there is room: what was missed first, then what was found, the surest first."""
    missed, found = ([box for box in boxes if box.dashed == dashed] for dashed in (True, False))
    ranked = [box for _, box in sorted(zip(scores, found, strict=True), key=lambda pair: -pair[0])]
    taken: list[tuple[float, float, float, float]] = []
    texts = []
    for box in [*missed, *ranked]:
        if not box.text:
            continue
        long = TEXT * LETTER * sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in box.text)
        at_edge = box.left + 3 + long > width
        left = width - 2 - long if at_edge else max(2.0, box.left + 3)
        start = f'x="{width - 2:.1f}" text-anchor="end"' if at_edge else f'x="{left:.1f}"'
        for base in (box.top - 5, box.top + TEXT, box.bottom - 6, box.bottom + TEXT):
            area = (left, base - TEXT, left + long, base + 3)
            if area[1] >= 0 and area[3] <= height and not any(_touch(area, other) for other in taken):
                taken.append(area)
                texts.append(
                    f'<text {start} y="{base:.1f}" font-size="{TEXT}" font-weight="700" '
                    f'font-family="{FONT}" fill="{box.color}" stroke="#111" stroke-width="4" '
                    f'stroke-linejoin="round" paint-order="stroke">{escape(box.text)}</text>'
                )
                break
    return texts


def _touch(one: Sequence[float], two: Sequence[float]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
