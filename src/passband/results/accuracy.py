"""What finished runs came to: accuracy on whole test images, of thousands of them in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from passband.results.listing import Entry
from passband.results.places import ROWS

AT_ONCE = 500
"""Tables that are read together; where one of them is damaged, these are read one by one."""

READ = pl.Schema(
    {
        "epoch": pl.Int64(),
        "subset": pl.String(),
        "component": pl.String(),
        "metric": pl.String(),
        "value": pl.Float64(),
        "class": pl.String(),
    }
)


def with_accuracies(runs: Iterable[Entry]) -> list[Entry]:
    """Return entries with the accuracy of those that have one; what is finished and has a table that cannot be read is damaged."""
    runs = list(runs)
    whole = [run.folder / ROWS for run in runs if run.status in ("finished", "older", "newer")]
    found: dict[Path, float | str] = {}
    for start in range(0, len(whole), AT_ONCE):
        found |= _read(whole[start : start + AT_ONCE])
    return [_with(run, found.get(run.folder / ROWS)) for run in runs]


def _with(run: Entry, found: float | str | None) -> Entry:
    if isinstance(found, str):
        return replace(run, status="damaged", why=found)
    return replace(run, accuracy=found)


def _read(files: Sequence[Path]) -> dict[Path, float | str]:
    """Return the accuracy that each table has, or why it cannot be read; nothing of a table without accuracy."""
    try:
        table = (
            pl.scan_parquet(
                list(files),
                schema=READ,
                extra_columns="ignore",
                include_file_paths="file",
                hive_partitioning=False,
                glob=False,
            )
            .filter(
                pl.col("epoch").is_null(),
                pl.col("class").is_null(),
                pl.col("subset") == "test",
                pl.col("component") == "full",
                pl.col("metric") == "accuracy",
            )
            .select("file", "value")
            .collect()
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        if len(files) == 1:
            return {files[0]: f"{files[0]} cannot be read: {error}"}
        return {file: value for each in files for file, value in _read([each]).items()}
    return {Path(file): value for file, value in table.iter_rows()}
