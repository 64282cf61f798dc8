"""The rows of many runs, and of their measurements, in one table, each named by its place in a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from passband.errors import InputError
from passband.results.store import find_measurement, find_run
from passband.rows import COLUMNS, read_table

RUN_COLUMNS = pl.Schema(
    {
        "label": pl.String(),  # which of a study's runs
        "chance": pl.Float64(),  # one over the number of classes
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
        record = read_record(folder)
        tables.append(_named(label, folder, record, failed=failure(record) is not None))
    for label, folder in measurements:
        record = find_measurement(folder)
        if record is None:
            raise InputError(
                f"{folder} is not the folder of a measurement: `passband study run` writes such folders"
            )
        tables.append(_named(label, folder, record, failed=False))
    return pl.concat(tables)


def read_record(folder: Path) -> dict[str, Any]:
    """Return what `config.json` of a run folder says.

    Raises:
        InputError: If the folder holds no run that has ended.
    """
    record = find_run(folder)
    if record is None:
        raise InputError(f"{folder} is not the folder of a run: `passband train` writes such folders")
    return record


def failure(record: Mapping[str, Any]) -> str | None:
    """Return why a run ended before its last epoch, or None if it did not."""
    return record["message"] if record["status"] == "failed" else None


def _named(label: str, folder: Path, record: Mapping[str, Any], *, failed: bool) -> pl.DataFrame:
    rows = read_table(folder / "rows.parquet", COLUMNS).with_columns(
        label=pl.lit(label), chance=1 / len(record["classes"]), failed=pl.lit(failed)
    )
    return rows.select(list(RUN_COLUMNS))
