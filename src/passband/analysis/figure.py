"""A figure as data: which measured numbers stand in which panel. `passband.report.studies` draws it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from passband.analysis.contrast import NotMeasured, Quantity, Term, effect, measurements
from passband.analysis.estimate import Effect, Proportion, over_parts, over_seeds

Role = Literal["full", "lfc", "hfc", "energy", "muted"]
"""A color of `passband.report.theme.LIGHT`."""

TABLE = pl.Schema(
    {
        "panel": pl.String(),
        "series": pl.String(),
        "x": pl.Float64(),  # the epoch (or what else is along) of a curve, the place of a point; empty for a bar
        "category": pl.String(),  # under which a bar stands; empty for others
        "value": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "n": pl.Int64(),
        "over": pl.String(),  # what value and interval are over: seeds or samples
    }
)


@dataclass(frozen=True)
class Mark:
    """What all kinds of marks have.

    Attributes:
        name: In the legend; equal names have equal looks.
        role: Its color.
        shade: From 0, the palest of that color, to 1.
        dashed: Whether a line is dashed.
    """

    name: str
    role: Role = "full"
    shade: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Curve(Mark):
    """A measured proportion by epoch, or along another column of the rows of a finished network."""

    term: Term
    along: Literal["epoch", "radius", "epsilon", "rho"] = "epoch"


@dataclass(frozen=True, kw_only=True)
class Bar(Mark):
    """A quantity after the last epoch."""

    category: str
    quantity: Quantity


@dataclass(frozen=True, kw_only=True)
class Point(Mark):
    """A quantity against the mean of others, after the last epoch."""

    x: tuple[Quantity, ...]
    y: Quantity


@dataclass(frozen=True)
class Panel:
    """One of the charts of a figure; its marks are of one kind, and panels with one `y` share its axis."""

    title: str
    marks: tuple[Curve | Bar | Point, ...]
    x: str = "epoch"
    y: str = "accuracy"


@dataclass(frozen=True)
class Figure:
    """Panels in rows."""

    rows: tuple[tuple[Panel, ...], ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, row by row."""
        return tuple(panel for row in self.rows for panel in row)


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
    records = []
    for panel in figure.panels:
        for mark in panel.marks:
            try:
                records += [
                    {"panel": panel.title, "series": mark.name, **point} for point in _points(mark, rows)
                ]
            except NotMeasured:
                continue
    return pl.DataFrame(records, schema=TABLE)


def _points(mark: Mark, rows: pl.DataFrame) -> list[dict]:
    match mark:
        case Curve(term=term, along=along):
            return _curve(term, along, rows)
        case Bar(category=category, quantity=quantity):
            return [{"x": None, "category": category, **_numbers(effect(rows, quantity))}]
        case Point(x=across, y=quantity):
            places = [effect(rows, each).value for each in across]
            return [{"x": sum(places) / len(places), "category": None, **_numbers(effect(rows, quantity))}]
        case _:
            raise TypeError(f"a mark is a Curve, a Bar or a Point, got {type(mark).__name__}")


def _curve(term: Term, along: str, rows: pl.DataFrame) -> list[dict]:
    by_place = (
        measurements(rows, term, along)
        .drop_nulls(along)
        .group_by(along, maintain_order=True)
        .agg("value", "count")
    )
    return [
        {"x": place, "category": None, **_numbers(_mean(values, counts))}
        for place, values, counts in by_place.rows()
    ]


def _mean(values: Sequence[float], counts: Sequence[int]) -> Effect:
    if len(values) > 1:
        return over_seeds(values)
    return over_parts([Proportion(1.0, values[0], counts[0])])


def _numbers(found: Effect) -> dict:
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n, "over": found.over}
