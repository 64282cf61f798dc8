"""A table of the paper as data: which measured number stands in which cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from passband.analysis.contrast import Contrast
from passband.analysis.estimate import Estimate
from passband.analysis.evidence import estimate
from passband.analysis.lookup import NotMeasured


@dataclass(frozen=True)
class SummaryTable:
    """A table of contrasts.

    Attributes:
        name: Of its files.
        title: One line above it.
        head: What the first column holds.
        rows: For each row its cells, by the column's name; all rows have the same columns.
        printed: What the paper has in some cells; a row that is not among `rows` is the paper's alone.
        printed_in: Where it has that, and of what.
    """

    name: str
    title: str
    head: str
    rows: Mapping[str, Mapping[str, Contrast]]
    printed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    printed_in: str = ""

    @property
    def columns(self) -> list[str]:
        """The names of the columns, the first one aside."""
        return list(next(iter(self.rows.values())))


def fill(table: SummaryTable, rows: pl.DataFrame) -> dict[str, dict[str, Estimate | None]]:
    """Return what stands in each cell; None where nothing was measured."""
    return {
        name: {column: _measured(rows, contrast) for column, contrast in cells.items()}
        for name, cells in table.rows.items()
    }


def as_frame(table: SummaryTable, cells: Mapping[str, Mapping[str, Estimate | None]]) -> pl.DataFrame:
    """Return a filled table for files: each column with its value and, in two more, the ends of its interval."""
    lines = []
    for name, row in cells.items():
        line: dict[str, str | float | None] = {table.head: name}
        for column, found in row.items():
            line[column] = None if found is None else found.value
            line[f"{column}, low"] = None if found is None else found.low
            line[f"{column}, high"] = None if found is None else found.high
        lines.append(line)
    columns = [name for column in table.columns for name in (column, f"{column}, low", f"{column}, high")]
    return pl.DataFrame(lines, schema={table.head: pl.String(), **dict.fromkeys(columns, pl.Float64())})


def _measured(rows: pl.DataFrame, contrast: Contrast) -> Estimate | None:
    try:
        return estimate(rows, contrast)
    except NotMeasured:
        return None
