"""Lines over a radius, an epsilon or an epoch, with their intervals, in the charts of audits and of studies alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from passband.audit.card import Share
from passband.report.theme import LIGHT, Chart, load_altair


class Place(NamedTuple):
    """A point of a line, and its interval where it has one."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None


class Series(NamedTuple):
    """A line.

    Attributes:
        name: What is written beside it, or in the legend.
        color: Its color.
        places: In order.
        dash: Its dashes, by which it is told from others without color too; empty where it is whole.
    """

    name: str
    color: str
    places: Sequence[Place]
    dash: tuple[int, ...] = ()


class Level(NamedTuple):
    """A horizontal line across a chart; `dash` is empty where it is whole."""

    name: str
    value: float
    color: str
    dash: tuple[int, ...] = ()


class Look(NamedTuple):
    """How lines and points are drawn; `band` says whether intervals are shaded."""

    width: float = 2.5
    size: float = 40
    band: bool = True


def at(x: float, share: Share) -> Place:
    """Return a measured share as a point of a line."""
    return Place(x, share.value, share.low, share.high)


def numbers(series: Iterable[Series]) -> list[dict[str, Any]]:
    """Return the points of several lines as `passband.analysis.figure.TABLE` has them, without empty cells."""
    return [
        {"series": line.name} | {key: part for key, part in place._asdict().items() if part is not None}
        for line in series
        for place in line.places
    ]


def colored(series: Sequence[Series], *, legend: bool = False) -> Any:
    """Return the color of each line; a legend names them where they may coincide, else see `named`."""
    alt = load_altair()
    scale = alt.Scale(domain=[line.name for line in series], range=[line.color for line in series])
    return alt.Color("series:N", scale=scale, legend=_key() if legend else None)


def dashed(series: Sequence[Series], *, legend: bool = False) -> Any:
    """Return the dashes of each line, by which they are told apart on paper without colors."""
    alt = load_altair()
    dashes = [list(line.dash) or [1, 0] for line in series]
    scale = alt.Scale(domain=[line.name for line in series], range=dashes)
    return alt.StrokeDash("series:N", scale=scale, legend=_key() if legend else None)


def _key() -> Any:
    alt = load_altair()
    return alt.Legend(
        title=None, orient="top", columns=2, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1
    )


def lines(
    rows: Sequence[Mapping[str, Any]],
    color: Any,
    x: Any,
    y: Any,
    number_format: str,
    *,
    over: str = "radius",
    strokes: Mapping[str, Any] | None = None,
    look: Look = Look(),  # noqa: B008
) -> list[Chart]:
    """Return layers that draw lines: the intervals of those that have any as bands, their points with tooltips.

    Args:
        rows: The points, as `numbers` returns them.
        color: The color of each `series`.
        x: The axis of `x`.
        y: The axis of `value`.
        number_format: How a tooltip writes a value, as d3 has it: `".1%"`.
        over: What `x` is.
        strokes: Channels that say how the line of each series is dashed, and how wide it is; by default all are alike.
        look: How they are drawn.
    """
    alt = load_altair()
    parts = [part for part in ("value", "low", "high") if all(part in row for row in rows)]
    tooltip = ["series:N", alt.Tooltip("x:Q", title=over, format=".3~r")]
    tooltip += [alt.Tooltip(f"{part}:Q", format=number_format) for part in parts]

    def drawn(shown: Sequence[Mapping[str, Any]]) -> Chart:
        return alt.Chart(alt.Data(values=list(shown))).encode(x=x, y=y, color=color, tooltip=tooltip)

    base, known = drawn(rows), [row for row in rows if row.get("low") is not None]
    band = (
        (base if len(known) == len(rows) else drawn(known))
        .mark_area(opacity=0.2)
        .encode(y=alt.Y("low:Q", title=y["title"]), y2="high:Q")
    )
    strokes = strokes or {}
    width = {} if "strokeWidth" in strokes else {"strokeWidth": look.width}  # the mark's own would win
    return [
        *([band] if look.band and known else []),
        base.mark_line(**width).encode(**strokes),
        base.mark_point(filled=True, size=look.size, opacity=1),
    ]


def label(text: str, color: str, x: float, value: float, *, dx: int = 0) -> list[Chart]:
    """Return layers that write `text` at a place in a chart, on a halo that keeps it legible over lines.

    Args:
        text: What to write.
        color: Its color.
        x: Where, on the horizontal axis.
        value: Where, on the vertical axis.
        dx: Pixels to the right of there at which the text starts; 0 centers it.
    """
    alt = load_altair()
    align = "left" if dx else "center"
    mark = {"align": align, "baseline": "middle", "dx": dx, "fontSize": 12, "fontWeight": "bold"}
    here = alt.Chart(alt.Data(values=[{"x": x, "value": value, "text": text}])).encode(
        x="x:Q", y="value:Q", text="text:N"
    )
    paper = LIGHT["paper"]
    halo = here.mark_text(**mark, color=paper, stroke=paper, strokeWidth=4, strokeJoin="round")
    return [halo, here.mark_text(**mark, color=color)]


def rules(levels: Sequence[Level], gap: float = 0) -> list[Chart]:
    """Return layers that draw horizontal lines with their names in the right margin.

    Args:
        levels: The lines.
        gap: How far apart two names must be to be legible, in units of the vertical axis.
    """
    alt = load_altair()
    layers, free = [], float("-inf")
    for level in sorted(levels, key=lambda level: level.value):
        line = alt.Chart(alt.Data(values=[{"value": level.value, "name": level.name}]))
        mark = line.mark_rule(color=level.color, strokeDash=list(level.dash), strokeWidth=1.5)
        layers.append(mark.encode(y="value:Q", tooltip="name:N"))
        free = max(level.value, free)
        name = alt.Chart(alt.Data(values=[{"value": free, "name": level.name}]))
        text = name.mark_text(align="left", baseline="middle", dx=6, fontSize=11, color=level.color)
        layers.append(text.encode(x=alt.value("width"), y="value:Q", text="name:N"))
        free += gap
    return layers


def named(series: Sequence[Series], levels: Sequence[Level] = (), span: float = 1) -> list[Chart]:
    """Return layers that write each line's name above or below one of its points, where least else is drawn.

    Args:
        series: The lines to name.
        levels: The horizontal lines that are there too.
        span: Height of the chart in units of its vertical axis.
    """
    layers = []
    for line in series:
        inner = line.places[1:-1] or line.places  # the ends of a chart are crowded
        places = [(place.x, place.value + side * 0.06 * span) for place in inner for side in (1, -1)]
        others = [other for other in series if other is not line]
        if places:
            heights = [0, span, *(level.value for level in levels)]
            layers += label(line.name, line.color, *clearest(places, others, heights))
    return layers


def clearest(
    places: Sequence[tuple[float, float]], series: Sequence[Series], heights: Sequence[float]
) -> tuple[float, float]:
    """Return the place (x, value) that is farthest, upwards or downwards, from all lines and heights.

    Example:
        >>> clearest([(1, 0.1), (1, 0.4)], series=[], heights=[0, 1])
        (1, 0.4)
    """
    drawn = [([p.x for p in line.places], [p.value for p in line.places]) for line in series if line.places]

    def clearance(place: tuple[float, float]) -> float:
        crossed = (np.interp(place[0], *line) for line in drawn)
        return min(abs(place[1] - taken) for taken in (*crossed, *heights))

    return max(places, key=clearance)
