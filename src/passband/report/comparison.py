"""Audits side by side as a page: in a sentence, as one chart of differences with intervals, as curves, and as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import polars as pl

from passband.analysis.contrast import Term
from passband.analysis.figure import TABLE, Curve, Figure, Panel, Role
from passband.audit.card import CheckedEntry
from passband.audit.compare import Comparison, Difference
from passband.files import slug
from passband.report import comparison_words
from passband.report.comparison_chart import differences_chart, shown_differences
from passband.report.figure import draw, draw_panels
from passband.report.render import write_figures, write_page
from passband.report.svg import write_chart

CURVES = re.compile(r"(?:map-)?(lfc|hfc)@(.+)")
"""The measures that have a radius: accuracy, or a detector's mAP, on a component."""

ROLES = get_args(Role)
PURPOSE = "drawing a comparison (leave it out with --no-report)"


def write_comparison(
    found: Comparison,
    folder: Path | str,
    checked: Sequence[CheckedEntry] = (),
    *,
    command: str | None = None,
) -> Path:
    """Write a comparison as a page, `comparison.html`, and its figures as files.

    They are `comparison.svg`, `.pdf` and `.png`, the curves of all audits, where there are any, and the same in `figures/`. The page
    holds all that it shows: it can be sent, and opened without a network.

    Args:
        found: What was compared: `passband.compare` and `passband.compare_detectors` return it.
        folder: Where to write; made if it is not there.
        checked: What became of requirements.
        command: The command line that compared them; None where that was done in Python.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure, table = comparison_figure(found)
    curves = {} if table.is_empty() else draw_panels(Figure(figure.rows[:1]), table)
    charts = {slug(title.lower()): chart for title, chart in curves.items()}
    if shown_differences(found):
        charts = {"differences": differences_chart(found)} | charts
    plots = write_figures(charts, {}, folder / "figures")
    if not table.is_empty():
        write_chart(draw(figure, table, bands=True), folder, "comparison", purpose=PURPOSE)
    first, *others = found.names
    return write_page(
        folder / "comparison.html",
        "comparison.html.j2",
        plots=plots,
        title=f"{others[0] if len(others) == 1 else f'{len(others)} audits'} beside {first}",
        found=found,
        said=comparison_words,
        rows=list(_table(found)),
        curves=[slug(title.lower()) for title in curves],
        checked=checked,
        command=command,
        of_detectors=any(d.measure.startswith("map") for d in found.differences),
    )


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


def _table(found: Comparison) -> Iterator[tuple[str, float | None, list[Difference | None]]]:
    """Yield each measure with the first audit's value and the differences of the others, None where one does not have it."""
    firsts: dict[str, float | None] = {}
    others: dict[str, list[Difference | None]] = {}
    for d in found.differences:
        firsts[d.measure] = d.first if firsts.get(d.measure) is None else firsts[d.measure]
        others.setdefault(d.measure, [None] * (len(found.names) - 1))[d.audit - 1] = d
    for measure, differences in others.items():
        yield measure, firsts[measure], differences


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
