"""The rows of many runs, and of their measurements, in one table, each named by its place in a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from passband.detection.runs import find_detector
from passband.errors import InputError
from passband.files import read_json
from passband.results.places import ENVIRONMENT
from passband.results.store import find_measurement, find_run
from passband.rows import COLUMNS, read_table

RUN_COLUMNS = pl.Schema(
    {
        "label": pl.String(),  # which of a study's runs
        "chance": pl.Float64(),  # share of the most frequent class in the row's subset; empty where not known
        "failed": pl.Boolean(),  # the run ended before its last epoch; its rows until then are here
        **COLUMNS,
    }
)


def read_runs(
    runs: Iterable[tuple[str, Path]], measurements: Iterable[tuple[str, Path]] = ()
) -> pl.DataFrame:
    """Read the rows of runs and of measurements of finished runs.

    Args:
        runs: A label and a run folder each; a label comes once a seed.
        measurements: The label of the run and a measurement's folder each.

    Returns:
        A table with `RUN_COLUMNS`: the columns of every row, with label, chance and whether the run failed.

    Raises:
        InputError: If a folder is not that of a run or a measurement.
    """
    tables = [pl.DataFrame(schema=RUN_COLUMNS)]
    for label, folder in runs:
        description = read_description(folder)
        tables.append(_named(label, folder, failed=failure(description) is not None))
    for label, folder in measurements:
        if find_measurement(folder) is None:
            raise InputError(
                f"{folder} is not the folder of a measurement: `passband study run` writes such folders"
            )
        tables.append(_named(label, folder, failed=False))
    return pl.concat(tables)


def read_description(folder: Path) -> dict[str, Any]:
    """Return what `config.json` of a run folder says.

    Raises:
        InputError: If the folder holds no run that has ended.
    """
    description = find_run(folder) or find_detector(folder)
    if description is None:
        raise InputError(f"{folder} is not the folder of a run: `passband train` writes such folders")
    return description


def processor_seconds(folder: Path) -> float:
    """Return what a run or a measurement took of the processor, its start aside; of a detector, which does not say it, what it took by
    the clock; 0 where nothing tells."""
    if not (folder / ENVIRONMENT).is_file():
        return 0.0
    environment = read_json(folder / ENVIRONMENT)
    names = ("processor_seconds", "training_seconds", "seconds")
    return next((environment[name] for name in names if environment.get(name)), 0.0)


def failure(description: Mapping[str, Any]) -> str | None:
    """Return why a run ended before its last epoch, or None if it did not."""
    return description["message"] if description["status"] == "failed" else None


def _named(label: str, folder: Path, *, failed: bool) -> pl.DataFrame:
    rows = read_table(folder / "rows.parquet", COLUMNS)
    named = rows.join(_chance(rows), on="subset", how="left", maintain_order="left").with_columns(
        label=pl.lit(label), failed=pl.lit(failed)
    )
    return named.select(list(RUN_COLUMNS))


def _chance(rows: pl.DataFrame) -> pl.DataFrame:
    """Return by subset how often one answer, given to all of its images, is right at most.

    That follows from how many images of each class a finished network has answered: all of the subset, with the labels
    that it is judged by. A probe's sample is drawn from them.
    """
    whole = pl.col("component") == "full", pl.col("metric") == "accuracy", pl.col("epoch").is_null()
    counts = rows.filter(*whole, pl.col("class").is_not_null()).group_by("subset")
    return counts.agg(chance=pl.col("count").max() / pl.col("count").sum())
