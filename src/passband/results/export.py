"""Results for use elsewhere: the rows of many runs as one table, and networks as folders that say what they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from passband.choices import DETECTION
from passband.data.source_names import to_publish
from passband.errors import InputError
from passband.files import (
    LEFT_OUT,
    SEAL,
    check_target,
    read_json,
    seal,
    write_file,
    write_json,
    written_whole,
)
from passband.instruments.instrument import EXAMPLES
from passband.results.described import describe_settings
from passband.results.listing import Entry, check_entry
from passband.results.places import CONFIG, ROWS, WEIGHTS, Store
from passband.rows import COLUMNS, read_table

SUFFIXES = (".parquet", ".csv")
CARD = "README.md"
PRINTS = {"training images": "fingerprint", "test images": "test_fingerprint"}
SETTING = "config."
"""Stands before the name of a setting where it is a column: rows have a seed and a component of their own."""

SOURCES = (("config", "dataset"), ("settings", "data"), ("model", "source"), ("data", "source"))
"""Where a run, a measurement and the card of a detector's audit say what they were read from."""


def gather_rows(
    entries: Iterable[Entry], labels: Mapping[str, str] | None = None, *, runs: Iterable[Entry] = ()
) -> pl.DataFrame:
    """Return the rows of runs, detectors and measurements in one table.

    Args:
        entries: Which. What each of them measured is read whole and compared with its checksums first.
        labels: What a study calls its runs, by their ids.
        runs: Where the settings of measurements' runs are found, beside `entries`.

    Returns:
        The columns of all rows, after `label` (empty without `labels`), `measurement` (the id of the one that a row is of; empty
        for a run's own) and `status`; and each setting of the run as `config.SETTING`, those that are no number, text or truth
        as JSON. A setting that differs in kind between runs is text.

    Raises:
        DamagedError: If a file of one is missing, cut or changed.
        InputError: If one has no rows: it is interrupted or being made.
    """
    entries = list(entries)
    measured = {entry.id: entry for entry in (*runs, *entries) if entry.kind != "measurement"}
    tables = []
    for entry in entries:
        _check_whole(entry)
        run = entry if entry.kind != "measurement" else measured.get(str(entry.description["run"]))
        settings = {} if run is None else {f"{SETTING}{k}": _cell(v) for k, v in run.settings.items()}
        own = {
            "label": (labels or {}).get(entry.id if run is None else run.id),
            "measurement": entry.id if entry.kind == "measurement" else None,
            "status": entry.status,
        }
        rows = read_table(entry.folder / ROWS, COLUMNS)
        text = {name: pl.lit(value, dtype=pl.String).alias(name) for name, value in own.items()}
        said = [pl.lit(value).alias(name) for name, value in settings.items()]
        tables.append(rows.select(*text.values(), *COLUMNS, *said))
    if not tables:
        raise InputError("there is nothing to export: no run was chosen that has ended")
    whole = pl.concat(_of_one_kind(tables), how="diagonal_relaxed")
    return whole.with_columns(pl.selectors.by_dtype(pl.Null).cast(pl.String))  # what no run has set


def write_rows(table: pl.DataFrame, file: Path, *, overwrite: bool = False) -> None:
    """Write a table, whole or not at all.

    Args:
        table: The table.
        file: Ends in `.parquet` or `.csv`; the latter has no lists, so the column `each` is left out there.
        overwrite: Replace what is there.

    Raises:
        InputError: If the name ends otherwise, or something is there.
    """
    check_file(file, overwrite=overwrite)
    buffer = BytesIO()
    if file.suffix == ".csv":
        table.drop("each", strict=False).write_csv(buffer)
    else:
        table.write_parquet(buffer)
    file.absolute().parent.mkdir(parents=True, exist_ok=True)
    write_file(file, buffer.getbuffer())


def check_file(file: Path, *, overwrite: bool = False) -> None:
    """Refuse a file that no rows can be written to, before they are read.

    Raises:
        InputError: If its name ends otherwise than tables do, or something is there.
    """
    if file.suffix not in SUFFIXES:
        raise InputError(
            f"rows are written to a file that ends in .parquet or .csv, got {file}. A folder takes networks: --weights."
        )
    if file.is_dir() or (file.exists() and not overwrite):
        raise InputError(f"{file} exists. Choose another --out, or replace it with --overwrite.")


def export_networks(entries: Sequence[Entry], folder: Path, *, overwrite: bool = False) -> None:
    """Write the networks of runs as folders that `passband.load_model` reads, with all that is known of them and a card.

    Args:
        entries: Finished runs or detectors.
        folder: Takes the files of one run, or a folder for each of several, named by its id.
        overwrite: Replace what is there.

    Raises:
        DamagedError: If a file of one is missing, cut or changed.
        InputError: If one has no weights, or the folder is not empty.
    """
    _check_export(entries, folder, overwrite=overwrite)
    for entry in entries:
        if not (entry.folder / WEIGHTS).is_file():
            left_out = (
                "they were left out (--bare)" if entry.description.get(LEFT_OUT) else "it is somebody else's"
            )
            why = entry.why or left_out
            raise InputError(f"{entry.name} has no weights: {why}. Leave it out.")
    with written_whole(folder) as aside:
        for entry in entries:
            place = aside if len(entries) == 1 else aside / entry.name
            shutil.copytree(entry.folder, place, ignore=shutil.ignore_patterns(SEAL), dirs_exist_ok=True)
            (place / CARD).write_text(card_text(entry), encoding="utf-8")
            seal(place)


def export_without_weights(
    entries: Sequence[Entry],
    folder: Path,
    *,
    keep: Collection[str] = (),
    pictures: bool = True,
    overwrite: bool = False,
) -> None:
    """Write runs and measurements as a store in which networks are missing: studies find in it all that they judge and draw.

    What is measured of a network anew needs the whole store. Where data and detectors lay on this computer is not in it.

    Args:
        entries: Runs, detectors and measurements that have ended.
        folder: Takes `runs` and `measurements`.
        keep: The ids of runs whose networks are written all the same: Figure 7 is drawn from first layers.
        pictures: Write the images too that measurements keep as examples. Where a data set may not be passed on, leave them out:
            verdicts and figures do not need them, and only the examples are then missing beside these.
        overwrite: Replace what is there.

    Raises:
        DamagedError: If a file of one is missing, cut or changed.
        InputError: If one has not ended, or the folder is not empty.
    """
    _check_export(entries, folder, overwrite=overwrite)
    with written_whole(folder) as aside:
        store = Store(aside)
        for entry in entries:
            bare = entry.kind != "measurement" and entry.id not in keep and (entry.folder / WEIGHTS).is_file()
            place = (store.measurements if entry.kind == "measurement" else store.runs) / entry.name
            left = [SEAL, *([WEIGHTS] if bare else []), *([] if pictures else [EXAMPLES])]
            shutil.copytree(entry.folder, place, ignore=shutil.ignore_patterns(*left))
            description = _to_publish(entry.description) | ({LEFT_OUT: True} if bare else {})
            if description != entry.description:
                write_json(place / CONFIG, description)
            card = place / DETECTION
            if card.is_file():
                write_json(card, _to_publish(read_json(card)))
            seal(place)


def _to_publish(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description, or the card of a detector's audit, that does not say where data and networks lay on this computer."""
    published = dict(description)
    for part, name in SOURCES:
        said = published.get(part)
        if isinstance(said, dict) and name in said:
            published[part] = said | {name: to_publish(said[name])}
    return published


def card_text(entry: Entry) -> str:
    """Return what a person reads of a network first, as Markdown with the header that model hubs read."""
    about = entry.description
    accuracies = read_table(entry.folder / ROWS, COLUMNS).filter(
        pl.col("epoch").is_null(), pl.col("class").is_null(), pl.col("metric") == "accuracy"
    )
    numbers = [
        f"- Accuracy on {count:,} {'training' if subset == 'train' else 'test'} images: {value:.4f}"
        for subset, value, count in accuracies.select("subset", "value", "count").iter_rows()
    ]
    data = about.get("data", {})
    prints = [f"{name} `{data[key]}`" for name, key in PRINTS.items() if key in data]
    load = "load_detector" if entry.kind == "detector" else "load_model"
    return "\n".join(
        [
            "---",
            "library_name: passband",
            f"tags: [passband, {'object-detection' if entry.kind == 'detector' else 'image-classification'}]",
            "---",
            f"# {describe_settings(entry.kind, entry.settings)}",
            "",
            f"Run `{entry.id}`, seed {entry.settings.get('seed')}, {entry.settings.get('epochs')} epochs on {entry.data}.",
            "",
            *numbers,
            f"- Classes: {', '.join(map(str, about.get('classes', [])))}",
            *([f"- Data, by hash: {', '.join(prints)}"] if prints else []),
            f"- Weights, by hash: `{about.get('weights_hash')}`",
            "",
            "```python",
            "import passband as pb",
            f'network = pb.{load}("PATH/OF/THIS/FOLDER")  # of pixels in [0, 1]',
            "```",
            "",
            "`config.json` has all settings, `environment.json` versions and machine, `rows.parquet` all that was measured, and "
            "`sha256sum --check SHA256SUMS` tells whether the files are whole.",
            "",
        ]
    )


def _check_export(entries: Sequence[Entry], folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or whose replacement would take what is to be written away, and results that are not whole."""
    check_target(folder, overwrite=overwrite)
    for entry in entries:
        if entry.folder.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{folder} holds what is to be exported, and would be replaced. Choose another --out."
            )
        _check_whole(entry)


def _check_whole(entry: Entry) -> None:
    if not entry.description or entry.status == "running":
        raise InputError(f"{entry.name} has not ended: it is {entry.status}. Leave it out.")
    check_entry(entry)


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)


def _of_one_kind(tables: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Return tables in which a setting that is text in one of them is text in all."""
    texts = {
        name
        for table in tables
        for name, kind in table.schema.items()
        if name.startswith(SETTING) and kind == pl.String
    }
    return [
        table.with_columns(pl.col(name).cast(pl.String) for name in texts & set(table.columns))
        for table in tables
    ]
