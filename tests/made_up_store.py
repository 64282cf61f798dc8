"""A store with runs and measurements that no training made: as whole, failed, interrupted or old as a test needs them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from helpers import bright_sides
from passband.files import SEAL, seal, write_json
from passband.frequency.component import FULL
from passband.models.catalog import build_model
from passband.results.store import write_measurement, write_run
from passband.rows import ComponentRow, to_table
from passband.train.checkpoint import save_checkpoint
from passband.train.config import SCHEMA, RunConfig, model_arguments

SETTINGS = {"dataset": "sides", "model": "lenet", "width": 2, "epochs": 3}


def rows_of(run: str, epochs: int, *, accuracy: float | None, seed: int = 0) -> list[ComponentRow]:
    """Return the rows of a run: a loss that falls and an accuracy after each epoch, and what it came to."""
    base = ComponentRow(
        run=run, seed=seed, subset="train", component=FULL, metric="fit-loss", value=0.0, count=6
    )
    rows = []
    for epoch in range(1, epochs + 1):
        rows.append(replace(base, epoch=epoch, value=1 / epoch))
        rows.append(replace(base, epoch=epoch, metric="fit-accuracy", value=epoch / 10))
        rows.append(replace(base, epoch=epoch, subset="test", metric="accuracy", value=epoch / 20))
    if accuracy is not None:
        for subset in ("train", "test"):
            rows.append(replace(base, subset=subset, metric="accuracy", value=accuracy, count=8))
            rows.append(
                replace(base, subset=subset, metric="accuracy", value=1.0, count=4, class_name="left")
            )
    return rows


def add_run(
    store: Path,
    run: str,
    *,
    failure: str | None = None,
    accuracy: float = 0.75,
    schema: int | None = SCHEMA,
    **settings,
) -> Path:
    """Write a run; one of schema None is as version 0.1 wrote it."""
    config = RunConfig(**(SETTINGS | settings))
    train = bright_sides(6)
    model = build_model(**model_arguments(config, num_classes=3, in_channels=3), seed=config.seed)
    epochs = config.epochs if failure is None else 1
    write_run(
        store / "runs" / run,
        run=run,
        config=config,
        probe=None,
        model=model,
        datasets={"train": train, "test": replace(train, subset="test")},
        rows=to_table(rows_of(run, epochs, accuracy=accuracy if failure is None else None, seed=config.seed)),
        environment={"threads": 1, "versions": {"passband": "0.1.0"}, "training_seconds": 1.25},
        failure=failure,
    )
    folder = store / "runs" / run
    if schema != SCHEMA:
        description = json.loads((folder / "config.json").read_text())
        if schema is None:
            del description["schema"], description["weights_hash"]
            (folder / SEAL).unlink()
        else:
            description["schema"] = schema
        write_json(folder / "config.json", description)
        if schema is not None:
            seal(folder)
    return folder


def add_checkpoint(store: Path, run: str, epoch: int, *, says: bool = True, **settings) -> Path:
    """Write what a run that was interrupted leaves; one of an earlier version says nothing of itself."""
    config = RunConfig(**(SETTINGS | settings))
    about = {
        "kind": "run",
        "schema": SCHEMA,
        "run": run,
        "config": config.resolved().to_dict(),
        "epoch": epoch,
    }
    rows = to_table(rows_of(run, epoch, accuracy=None)).to_dict(as_series=False)
    save_checkpoint(store / "runs" / run, {"run": run, "epoch": epoch, "rows": rows}, about if says else None)
    return store / "runs" / f"{run}.checkpoint"


def add_measurement(store: Path, name: str, run: str, *, weights: str | None = None) -> Path:
    """Write a measurement of a run, of its weights if no others are said."""
    description = json.loads((store / "runs" / run / "config.json").read_text())
    row = replace(rows_of(run, 0, accuracy=0.5)[2], metric="robust-accuracy", value=0.25)
    write_measurement(
        store / "measurements" / name,
        name=name,
        run=description,
        weights=weights or description["weights_hash"],
        settings={"instrument": "made-up", "rho": 0.5},
        test_fingerprint="abc",
        rows=to_table([row]),
        environment={"seconds": 1.5},
    )
    return store / "measurements" / name


def add_study(store: Path, study: str, runs: dict[str, str], measurements: list[str] | None) -> Path:
    """Write of a study's result what says which runs it rests on; an earlier version wrote no measurements."""
    folder = store / "studies" / study
    folder.mkdir(parents=True)
    rows = [row for run in runs for row in rows_of(run, 1, accuracy=0.5)]
    table = to_table(rows)
    labels = table["run"].replace_strict(runs).alias("label")
    table.with_columns(labels).write_parquet(folder / "rows.parquet")
    if measurements is not None:
        uses = {
            "runs": [{"label": label, "run": run} for run, label in runs.items()],
            "measurements": [{"measurement": name} for name in measurements],
        }
        write_json(folder / "uses.json", uses)
    return folder
