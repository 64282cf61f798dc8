"""Audits side by side as a picture: their curves, and what each has lost or won beside the first one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import polars as pl

from passband.analysis.contrast import Term
from passband.analysis.figure import TABLE, Curve, Figure, Panel, Role
from passband.audit.compare import Comparison, Difference
from passband.report.figure import draw
from passband.report.svg import write_chart

CURVES = re.compile(r"(?:map-)?(lfc|hfc)@(.+)")
"""The measures that have a radius: accuracy, or a detector's mAP, on a component."""

ROLES = get_args(Role)
PURPOSE = "drawing a comparison (leave it out with --no-report)"


def write_comparison(found: Comparison, folder: Path) -> None:
    """Write `comparison.svg` and `comparison.png`, where there is a curve to draw.

    Raises:
        MissingDependencyError: If altair or vl-convert is not installed.
    """
    figure, table = comparison_figure(found)
    if table.is_empty():
        return
    write_chart(draw(figure, table, bands=True), folder, "comparison", purpose=PURPOSE)


def comparison_figure(found: Comparison) -> tuple[Figure, pl.DataFrame]:
    """Return the figure, and the numbers behind it with the columns `passband.analysis.figure.TABLE`.

    Above are the curves of all audits, on the samples that each has in common with the first; below, the differences from it, with
    their intervals where they are paired.
    """
    curves = tuple(
        Curve(name, ROLES[place % len(ROLES)], dashed=place >= len(ROLES), term=Term(name), along="radius")
        for place, name in enumerate(found.names)
    )
    what = "mAP" if any(d.measure.startswith("map-") for d in found.differences) else "accuracy"
    titles = {
        kind: (f"{kind.upper()}: {what}", f"{kind.upper()}: minus {found.names[0]}")
        for kind in ("lfc", "hfc")
    }
    figure = Figure(
        (
            tuple(Panel(above, curves, x="radius", y=what) for above, _ in titles.values()),
            tuple(
                Panel(below, curves[1:], x="radius", y="difference", percent=True)
                for _, below in titles.values()
            ),
        )
    )
    rows = [
        {"panel": titles[kind][panel], "series": found.names[place], "x": radius, **numbers}
        for difference in found.differences
        for kind, radius in _radius(difference)
        for panel, place, numbers in _numbers(difference)
    ]
    table = pl.DataFrame(rows, schema=TABLE).unique(["panel", "series", "x"], keep="first")
    return figure, table.sort("panel", "series", "x")


def _radius(difference: Difference) -> Iterator[tuple[str, float]]:
    """Yield the component and the radius that a measure is about; nothing of a measure that has none, or has it in other units."""
    match = CURVES.fullmatch(difference.measure)
    if match is not None and re.fullmatch(r"[\d.]+", match[2]):
        yield match[1], float(match[2])


def _numbers(found: Difference) -> Iterator[tuple[int, int, dict[str, float | None]]]:
    """Yield the row of panels, the audit and the numbers of each point that a difference makes."""
    for place, value in ((0, found.first), (found.audit, found.second)):
        if value is not None:
            yield 0, place, {"value": value, "low": None, "high": None}
    if found.first is not None and found.second is not None:
        yield 1, found.audit, {"value": found.second - found.first, "low": found.low, "high": found.high}
