"""All that a store knows of one run, detector or measurement."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from passband.errors import DamagedError, InputError
from passband.files import read_json
from passband.results.listing import Entry, check_entry
from passband.results.places import ENVIRONMENT, ROWS
from passband.results.uses import Uses
from passband.rows import ACCURACY, COLUMNS, FIT_ACCURACY, FIT_LOSS, read_table

CURVES = {
    "fit-loss": (FIT_LOSS, "train"),
    "fit-accuracy": (FIT_ACCURACY, "train"),
    "train-accuracy": (ACCURACY, "train"),
    "test-accuracy": (ACCURACY, "test"),
}
"""What is shown of training, by the metric and the subset of the rows that have it: of whole images or what was trained on."""


@dataclass(frozen=True)
class Summary:
    """What is known of a result.

    Attributes:
        entry: What was found of it at a glance.
        damage: What of its files is not as it was written; None if they are whole, or it has none yet.
        environment: Versions, machine and times; empty if they cannot be read.
        curves: Epochs and values by name; see `CURVES`.
        numbers: The rows of the finished network without classes: what it came to.
        measurements: Those of a run.
        studies: The results that rest on it, with what they call its run.
    """

    entry: Entry
    damage: str | None
    environment: dict[str, Any]
    curves: dict[str, list[tuple[int, float]]]
    numbers: list[dict[str, Any]]
    measurements: list[Entry]
    studies: list[tuple[str, str]]


def summarize(entry: Entry, measurements: Iterable[Entry], uses: Iterable[Uses]) -> Summary:
    """Return all that is known of a result; all of its files are read.

    Args:
        entry: Which.
        measurements: Those of the store.
        uses: What the results of the store's studies rest on.
    """
    damage = None
    if entry.description or entry.status == "damaged":
        try:
            check_entry(entry)
        except DamagedError as error:
            damage = str(error)
    rows = _rows(entry)
    run = entry.id if entry.kind != "measurement" else str(entry.description.get("run"))
    return Summary(
        dataclasses.replace(entry, status="damaged", why=damage) if damage else entry,
        damage,
        _environment(entry),
        {name: curve for name, of in CURVES.items() if (curve := _curve(rows, *of))},
        _numbers(rows),
        [each for each in measurements if entry.kind != "measurement" and each.description.get("run") == run],
        [(use.study, use.runs.get(run, "")) for use in uses if use.names(entry)],
    )


def _rows(entry: Entry) -> pl.DataFrame:
    """Return the rows that were measured so far, of a run that is interrupted those in its checkpoint; none if they are damaged."""
    try:
        if entry.description:
            return read_table(entry.folder / ROWS, COLUMNS)
        if entry.status == "interrupted" and entry.kind == "run":
            from passband.train.checkpoint import load_checkpoint  # imports torch

            state = load_checkpoint(entry.folder)
            if state is not None and isinstance(state.get("rows"), dict):
                return pl.DataFrame(state["rows"], schema=COLUMNS)
    except InputError:
        pass
    return pl.DataFrame(schema=COLUMNS)


def _environment(entry: Entry) -> dict[str, Any]:
    try:
        return read_json(entry.folder / ENVIRONMENT) if entry.description else {}
    except InputError:
        return {}


def _curve(rows: pl.DataFrame, metric: str, subset: str) -> list[tuple[int, float]]:
    whole = pl.col("component") == "full" if metric == ACCURACY else True
    found = rows.filter(
        pl.col("epoch").is_not_null(),
        pl.col("class").is_null(),
        pl.col("metric") == metric,
        pl.col("subset") == subset,
        whole,
    )
    return list(found.sort("epoch").select("epoch", "value").iter_rows())


def _numbers(rows: pl.DataFrame) -> list[dict[str, Any]]:
    found = rows.filter(pl.col("epoch").is_null(), pl.col("class").is_null())
    return found.drop("each", "images", "class", "epoch", "run").to_dicts()
