"""The curves of a run: what was measured after each epoch, by name, from its rows or from its checkpoint."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from passband.engine.events import measured_in
from passband.results.places import ROWS
from passband.rows import COLUMNS, FIT_LOSS, read_table
from passband.train.checkpoint import load_checkpoint

Curves = dict[int, dict[str, float]]
"""Numbers by epoch and by name."""


def drop_doubled(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return numbers by name, but for names that several have, of which there is no one curve, and for what is no number."""
    values = list(values)
    counts = Counter(name for name, _ in values)
    return {name: value for name, value in values if counts[name] == 1 and math.isfinite(value)}


def read_curves(folder: Path) -> Curves:
    """Return the curves of a run that has ended.

    Raises:
        InputError: If its rows cannot be read.
    """
    return curves_of(read_table(folder / ROWS, COLUMNS))


def read_curves_so_far(folder: Path) -> Curves:
    """Return the curves of a run that is being made, from its checkpoint; none if it has none that says them.

    Raises:
        DamagedError: If the checkpoint cannot be read.
    """
    state = load_checkpoint(folder)
    if state is None:
        return {}
    if "rows" in state:
        return curves_of(pl.DataFrame(state["rows"], schema=COLUMNS))
    return {epoch: {f"train/{FIT_LOSS}": loss} for epoch, loss, *_ in state.get("epochs", ())}  # a detector's


def curves_of(rows: pl.DataFrame) -> Curves:
    """Return the curves that the rows of a run hold: numbers of all classes together, of a network as it was shown images."""
    last = pl.lit(
        rows["epoch"].max(), dtype=pl.Int64
    )  # where what was measured of the finished network stands
    found = measured_in(rows).with_columns(pl.col("epoch").fill_null(last))
    curves: dict[int, list[tuple[str, float]]] = {}
    for epoch, name, value in found.drop_nulls().sort("epoch", maintain_order=True).iter_rows():
        curves.setdefault(epoch, []).append((name, value))
    return {epoch: drop_doubled(values) for epoch, values in curves.items()}
