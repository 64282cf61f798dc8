"""A figure as data: which measured numbers stand in which panel. `passband.report.studies` draws it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from passband.analysis.contrast import Contrast, Term
from passband.analysis.estimate import Estimate
from passband.analysis.evidence import estimate, evidence_of
from passband.analysis.lookup import NotMeasured, Number, matching
from passband.frequency.wave import Wave
from passband.rows import PLAIN
from passband.stats import CONFIDENCE

Role = Literal["full", "lfc", "hfc", "energy", "magenta", "violet", "ochre", "muted"]
"""A color of `passband.report.theme.LIGHT`."""

TABLE = pl.Schema(
    {
        "panel": pl.String(),
        "series": pl.String(),
        "x": pl.Float64(),  # the epoch (or what else is along) of a curve, the place of a point; empty for others
        "category": pl.String(),  # under which a bar stands; empty for others
        "value": pl.Float64(),
        "low": pl.Float64(),  # the ends of the interval; empty where one seed has none
        "high": pl.Float64(),
        "n": pl.Int64(),
        "over": pl.String(),  # what value and interval are over: seeds or samples
        "y": pl.Float64(),  # the height of a heat map's cell, whose `x` is its place across; empty for others
    }
)


@dataclass(frozen=True)
class Mark:
    """What all kinds of marks have.

    Attributes:
        name: In the legend; equal names have equal looks.
        role: Its color, and how its line is dashed.
        shade: From 0, the palest of that color, to 1.
        dashed: Whether a line has the role's other dashes; a point is hollow then.
    """

    name: str
    role: Role = "full"
    shade: float = 1.0
    dashed: bool = False

    @property
    def terms(self) -> tuple[Term, ...]:
        """What it shows."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Curve(Mark):
    """A measured number by epoch, or along another column of the rows of a finished network."""

    term: Term
    along: Literal["epoch", "radius", "epsilon", "rho", "frequency"] = "epoch"

    @property
    def terms(self) -> tuple[Term, ...]:
        """What it shows."""
        return (self.term,)


@dataclass(frozen=True, kw_only=True)
class Level(Mark):
    """A measured number as a line across a panel of curves, after the last epoch."""

    at: Term

    @property
    def terms(self) -> tuple[Term, ...]:
        """What it shows."""
        return (self.at,)


@dataclass(frozen=True, kw_only=True)
class HeatMap(Mark):
    """A number by wave (`passband.frequency.wave`), of a finished network; low frequencies are in the middle."""

    cells: Term

    @property
    def terms(self) -> tuple[Term, ...]:
        """What it shows."""
        return (self.cells,)


@dataclass(frozen=True, kw_only=True)
class Bar(Mark):
    """A contrast after the last epoch."""

    category: str
    contrast: Contrast

    @property
    def terms(self) -> tuple[Term, ...]:
        """What it shows."""
        return self.contrast.terms


@dataclass(frozen=True, kw_only=True)
class Point(Mark):
    """A contrast against the mean of others, after the last epoch."""

    x: tuple[Contrast, ...]
    y: Contrast

    @property
    def terms(self) -> tuple[Term, ...]:
        """What it shows."""
        return tuple(term for contrast in (*self.x, self.y) for term in contrast.terms)


@dataclass(frozen=True)
class Panel:
    """One of the charts of a figure; its marks are of one kind, and panels with one `y` share its axis.

    Levels stand after curves, and a heat map alone.

    Attributes:
        title: Names the panel in its figure.
        marks: What is drawn.
        x: The title of the horizontal axis.
        y: The title of the vertical axis.
        percent: Whether numbers up to 1 are written in percent; by default unless a metric is known to be no fraction.
    """

    title: str
    marks: tuple[Curve | Level | Bar | Point | HeatMap, ...]
    x: str = "epoch"
    y: str = "accuracy"
    percent: bool | None = None

    @property
    def in_percent(self) -> bool:
        """Whether numbers up to 1 are written in percent."""
        if self.percent is not None:
            return self.percent
        return not any(term.metric in PLAIN for mark in self.marks for term in mark.terms)


@dataclass(frozen=True)
class Figure:
    """Panels in rows."""

    rows: tuple[tuple[Panel, ...], ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, row by row."""
        return tuple(panel for row in self.rows for panel in row)

    @property
    def labels(self) -> set[str]:
        """The runs that it shows."""
        return {term.label for panel in self.panels for mark in panel.marks for term in mark.terms}


def in_rows(panels: Iterable[Panel], columns: int) -> Figure:
    """Return a figure of rows with so many panels each."""
    panels = tuple(panels)
    return Figure(tuple(panels[start : start + columns] for start in range(0, len(panels), columns)))


def shades(count: int) -> list[float]:
    """Return so many shades, pale to full.

    Example:
        >>> shades(3)
        [0.0, 0.5, 1.0]
    """
    return [index / max(count - 1, 1) for index in range(count)]


def figure_table(figure: Figure, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers behind a figure, with the columns `TABLE`; what no run measured is left out."""
    numbers = []
    for panel in figure.panels:
        for mark in panel.marks:
            try:
                numbers += [
                    {"panel": panel.title, "series": mark.name, **point} for point in _points(mark, rows)
                ]
            except NotMeasured:
                continue
    return pl.DataFrame(numbers, schema=TABLE)


def _points(mark: Mark, rows: pl.DataFrame) -> list[dict]:
    match mark:
        case Curve(term=term, along=along):
            return _curve(term, along, rows)
        case Level(at=term):
            return [{"x": None, "category": None, **_numbers(estimate(rows, Contrast((term,))))}]
        case HeatMap(cells=term):
            return _cells(term, rows)
        case Bar(category=category, contrast=contrast):
            return [{"x": None, "category": category, **_numbers(estimate(rows, contrast))}]
        case Point(x=across, y=contrast):
            places = [estimate(rows, each).value for each in across]
            return [{"x": sum(places) / len(places), "category": None, **_numbers(estimate(rows, contrast))}]
        case _:
            raise TypeError(
                f"a mark is a Curve, a Level, a Bar, a Point or a HeatMap, got {type(mark).__name__}"
            )


def _curve(term: Term, along: str, rows: pl.DataFrame) -> list[dict]:
    found = matching(_of_figure(rows, along), term, along).drop_nulls(along)
    return [
        {"x": place, "category": None, **_mean(term, there)}
        for (place,), there in found.group_by(along, maintain_order=True)
    ]


def _of_figure(rows: pl.DataFrame, along: str) -> pl.DataFrame:
    """Return what a curve may show: along training also what a run measured that failed later, else finished networks."""
    without = "failed" not in rows.columns  # rows of an audit, of a network that is there
    if along == "epoch" or without:
        return rows
    return rows.filter(~pl.col("failed"))


def _cells(term: Term, rows: pl.DataFrame) -> list[dict]:
    numbers = []
    for (shown,), there in matching(_of_figure(rows, "radius"), term, "radius").group_by(
        "shown", maintain_order=True
    ):
        wave = Wave.read(shown)
        numbers.append({"x": wave.across, "y": wave.down, "category": None, **_mean(term, there)})
    return numbers


def _mean(term: Term, rows: pl.DataFrame) -> dict:
    """Return the mean over seeds after their last epoch; of one seed its number, with an interval if there is one."""
    last = rows.sort("epoch", nulls_last=True).unique("seed", keep="last", maintain_order=True)
    numbers = [Number.of(term, row) for row in last.iter_rows(named=True)]
    try:
        return _numbers(evidence_of([[number] for number in numbers], [0.0] * len(numbers))(CONFIDENCE))
    except NotMeasured:
        (number,) = numbers
        return {"value": number.value, "low": None, "high": None, "n": number.count, "over": "samples"}


def _numbers(found: Estimate) -> dict:
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n, "over": found.over}
