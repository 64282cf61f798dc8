"""What other instruments found, as the page of an audit shows it: their figures and their rows."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

import polars as pl

from passband.analysis.figure import Figure, figure_table
from passband.audit.pictures import ExtraReading
from passband.files import slug
from passband.report.figure import draw_panels
from passband.report.theme import Chart
from passband.report.words import number

MOST_ROWS = 50  # that a page shows; all are in the file of the rows


class ShownReading(NamedTuple):
    """A reading as the page shows it.

    Attributes:
        summary: What the instrument measures.
        words: What it found, in sentences; None if it says nothing.
        charts: The names of its charts, and the titles of their panels.
        columns: Those of its rows that are not empty throughout; single images are in the file alone.
        rows: The first of its rows, as text.
        total: How many rows it has.
        settings: As the command takes them; empty if it has none.
    """

    summary: str
    words: str | None
    charts: Sequence[tuple[str, str]]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: int
    settings: str


def extra_charts(extra: Sequence[ExtraReading]) -> dict[str, Chart]:
    """Return the panels of all readings' figures, drawn as those of studies; what was not measured is left out."""
    charts = {}
    for reading in extra:
        if reading.figure is not None:
            drawn = draw_panels(reading.figure, numbers_of(reading, reading.figure))
            charts |= {_name(reading, title): chart for title, chart in drawn.items()}
    return charts


def numbers_of(reading: ExtraReading, figure: Figure) -> pl.DataFrame:
    """Return the numbers behind a reading's figure, with the columns `passband.analysis.figure.TABLE`."""
    named = reading.rows.with_columns(
        pl.col("seed").fill_null(0),  # that of a model from elsewhere is not known, and it is one network
        label=pl.col("run"),
        failed=False,
        chance=pl.lit(None, pl.Float64),
    )
    return figure_table(figure, named)


def shown_reading(reading: ExtraReading, charts: Container[str]) -> ShownReading:
    """Return a reading as the page shows it; `charts` are the names of those that there are."""
    panels = () if reading.figure is None else reading.figure.panels
    named = [(_name(reading, panel.title), panel.title) for panel in panels]
    told = (name for name in reading.rows.columns if name not in ("each", "images"))
    columns = [name for name in told if reading.rows[name].null_count() < len(reading.rows)]
    rows = reading.rows.select(columns).head(MOST_ROWS).rows()
    return ShownReading(
        summary=reading.summary,
        words=reading.words,
        charts=[(name, title) for name, title in named if name in charts],
        columns=columns,
        rows=[list(map(_text, row)) for row in rows],
        total=len(reading.rows),
        settings=", ".join(f"{name}={value}" for name, value in reading.settings.items()),
    )


def _name(reading: ExtraReading, title: str) -> str:
    """Return the name of a panel's chart, as a file and on the page."""
    return slug(f"{reading.name}-{title}")


def _text(cell: object) -> str:
    return "" if cell is None else number(cell) if isinstance(cell, float) else str(cell)
