"""Curves over a radius or an epsilon: lines with their intervals, levels across, and what names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from passband.report.theme import LIGHT, Chart, load_altair


class Curve(NamedTuple):
    """A line.

    Attributes:
        name: What is written beside it.
        color: Its color.
        points: In order, `radius` (or what else the curve runs over) and `value`, and `low` and `high` where there is
            an interval.
    """

    name: str
    color: str
    points: Sequence[dict[str, Any]]


class Level(NamedTuple):
    """A horizontal line across a chart; `dash` is empty where it is whole."""

    name: str
    value: float
    color: str
    dash: tuple[int, ...] = ()


def lines(
    curves: Sequence[Curve],
    x: Any,
    y: Any,
    number_format: str,
    *,
    over: str = "radius",
    legend: bool = False,
) -> list[Chart]:
    """Return layers that draw curves: their intervals as bands, their points with tooltips.

    Args:
        curves: The lines.
        x: The axis of what the curves run over.
        y: The axis of `value`.
        number_format: How a tooltip writes a value, as d3 has it: `".1%"`.
        over: What the curves run over, a key of their points.
        legend: Whether a legend names them, for curves that may coincide; else see `named`.
    """
    alt = load_altair()
    rows = [{**point, "curve": curve.name} for curve in curves for point in curve.points]
    scale = alt.Scale(domain=[curve.name for curve in curves], range=[curve.color for curve in curves])
    key = alt.Legend(
        title=None, orient="top", columns=2, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1
    )
    parts = [part for part in ("value", "low", "high") if all(part in row for row in rows)]
    tooltip = ["curve:N", alt.Tooltip(f"{over}:Q", format=".3~r")]
    tooltip += [alt.Tooltip(f"{part}:Q", format=number_format) for part in parts]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=x, y=y, color=alt.Color("curve:N", scale=scale, legend=key if legend else None), tooltip=tooltip
    )
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=y["title"]), y2="high:Q")
    return [
        *([band] if "low" in parts else []),
        base.mark_line(strokeWidth=2.5),
        base.mark_point(filled=True, size=40, opacity=1),
    ]


def label(text: str, color: str, radius: float, value: float, *, dx: int = 0) -> list[Chart]:
    """Return layers that write `text` at a place in a chart, on a halo that keeps it legible over lines.

    Args:
        text: What to write.
        color: Its color.
        radius: Where, on the horizontal axis.
        value: Where, on the vertical axis.
        dx: Pixels to the right of there at which the text starts; 0 centers it.
    """
    alt = load_altair()
    align = "left" if dx else "center"
    mark = {"align": align, "baseline": "middle", "dx": dx, "fontSize": 12, "fontWeight": "bold"}
    here = alt.Chart(alt.Data(values=[{"radius": radius, "value": value, "text": text}])).encode(
        x="radius:Q", y="value:Q", text="text:N"
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


def named(curves: Sequence[Curve], levels: Sequence[Level] = (), span: float = 1) -> list[Chart]:
    """Return layers that write each curve's name above or below one of its points, where least else is drawn.

    Args:
        curves: The lines to name.
        levels: The horizontal lines that are there too.
        span: Height of the chart in units of its vertical axis.
    """
    layers = []
    for curve in curves:
        inner = curve.points[1:-1] or curve.points  # the ends of a chart are crowded
        places = [(p["radius"], p["value"] + side * 0.06 * span) for p in inner for side in (1, -1)]
        others = [other for other in curves if other is not curve]
        if places:
            heights = [0, span, *(level.value for level in levels)]
            layers += label(curve.name, curve.color, *clearest(places, others, heights))
    return layers


def clearest(
    places: Sequence[tuple[float, float]], curves: Sequence[Curve], heights: Sequence[float]
) -> tuple[float, float]:
    """Return the place (radius, value) that is farthest, upwards or downwards, from all curves and heights.

    Example:
        >>> clearest([(1, 0.1), (1, 0.4)], curves=[], heights=[0, 1])
        (1, 0.4)
    """
    drawn = [([p["radius"] for p in c.points], [p["value"] for p in c.points]) for c in curves if c.points]

    def clearance(place: tuple[float, float]) -> float:
        crossed = (np.interp(place[0], *line) for line in drawn)
        return min(abs(place[1] - taken) for taken in (*crossed, *heights))

    return max(places, key=clearance)
