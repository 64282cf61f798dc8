"""What the charts of a detector's audit share: axes of cut-offs and of points, columns, legends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from passband.audit.card import Share
from passband.audit.detector_card import Measured
from passband.choices import ViewGeometry
from passband.report.theme import LIGHT, Chart, load_altair

Row = dict[str, Any]
UNITS: dict[ViewGeometry, str] = {"index": "cycles per image", "pixel": "cycles per pixel"}
IN_POINTS = "format(100 * datum.value, '~g')"


def cutoff_axis(cutoffs: Sequence[float], geometry: ViewGeometry) -> Any:
    """Return the axis of cut-offs, each doubling about as wide as the one before, with air at both ends."""
    alt = load_altair()
    positive = [each for each in cutoffs if each > 0] or [1.0]
    domain = [0.75 * min(cutoffs, default=1.0), 1.35 * max(positive)]
    axis = alt.Axis(values=sorted(set(cutoffs)), format=".3~r", grid=False, labelOverlap="greedy")
    scale = alt.Scale(type="symlog", constant=min(positive), domain=domain, nice=False)
    return alt.X("x:Q", title=f"cut-off ({UNITS[geometry]})", scale=scale, axis=axis)


def interval_parts(found: Measured | Share) -> dict[str, float]:
    """Return a number and its interval as a row has them; what is missing is left out."""
    return {name: part for name in ("value", "low", "high") if (part := getattr(found, name)) is not None}


def columns(rows: Sequence[Row], shown: Mapping[str, str]) -> Any:
    """Return a chart with a column a cut-off, and in it one place a series."""
    alt = load_altair()
    order = list(dict.fromkeys(row["cutoff"] for row in rows))
    axis = alt.Axis(labelAngle=0, labelOverlap="greedy", grid=False)
    count = [alt.Tooltip("count:Q", format=",")] if any("count" in row for row in rows) else []
    return alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("cutoff:N", title="cut-off: cycles per image, or per pixel (px)", sort=order, axis=axis),
        xOffset=alt.XOffset("series:N", sort=list(shown)),
        color=key(shown, "square"),
        tooltip=["cutoff:N", "series:N", *count, *interval_tooltip()],
    )


def key(shown: Mapping[str, str], symbol: str) -> Any:
    """Return colors by series with a legend on top."""
    alt = load_altair()
    legend = alt.Legend(title=None, orient="top", symbolType=symbol, symbolOpacity=1)
    scale = alt.Scale(domain=list(shown), range=list(shown.values()))
    return alt.Color("series:N", scale=scale, legend=legend)


def interval_tooltip() -> list[Any]:
    """Return the lines of a tooltip that tell a number and its interval."""
    alt = load_altair()
    return [alt.Tooltip(f"{part}:Q", format=".1%") for part in ("value", "low", "high")]


def points_axis(
    channel: Literal["x", "y"], rows: Sequence[Row], title: str, *, absolute: bool = False
) -> Any:
    """Return an axis in points, which holds 0 and all intervals."""
    alt = load_altair()
    ends = [row[part] for row in rows for part in ("value", "low", "high") if part in row]
    domain = [1.06 * min([0.0, *ends]), 1.06 * max([0.01, *ends])]
    text = IN_POINTS.replace("100 * datum.value", "100 * abs(datum.value)") if absolute else IN_POINTS
    axis = alt.Axis(labelExpr=text, tickCount=5)
    of = alt.X if channel == "x" else alt.Y
    return of("value:Q", title=title, scale=alt.Scale(domain=domain, nice=False), axis=axis)


def zero_line(channel: Literal["x", "y"]) -> list[Chart]:
    """Return a line where nothing is lost or gained."""
    alt = load_altair()
    rule = alt.Chart(alt.Data(values=[{"value": 0}])).mark_rule(color=LIGHT["muted"])
    return [rule.encode(**{channel: "value:Q"})]
