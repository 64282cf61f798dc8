"""Folders of runs and of measurements, written whole.

A run has `config.json`, `rows.parquet`, `environment.json` and `weights.safetensors`; a measurement has no weights. Both
have `SHA256SUMS`, by which a file that was cut or changed is noticed; the folders of version 0.1 have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from torch import nn

from passband.data.dataset import ImageDataset
from passband.errors import DamagedError
from passband.files import SEAL, check_seal, find_description, has_weights, seal, write_json, written_whole
from passband.instruments.instrument import EXAMPLES, SAMPLES
from passband.models.fingerprint import weights_hash
from passband.models.weights import save_weights
from passband.results.places import CONFIG, ENVIRONMENT, ROWS, WEIGHTS
from passband.serial import to_plain
from passband.train.config import SCHEMA, RunConfig, model_arguments
from passband.types import Subset


def write_run(
    folder: Path,
    *,
    run: str,
    config: RunConfig,
    probe: Mapping[str, Any] | None,
    model: nn.Module,
    datasets: Mapping[Subset, ImageDataset],
    rows: pl.DataFrame,
    environment: Mapping[str, Any],
    failure: str | None = None,
) -> None:
    """Write a run that has ended; `passband.load_model(folder)` reads its model.

    Args:
        folder: Takes the place of what was there, once all files are written.
        run: The run's id.
        config: Its settings. They are written with their defaults spelled out.
        probe: What was measured along it, as JSON holds it.
        model: The trained network.
        datasets: The training and test images that the data gave, labelled as they were.
        rows: What was measured.
        environment: Versions, machine and times: what may differ between two runs of one config.
        failure: Why it failed; None if it did not. A failed run has no weights.
    """
    dataset = datasets["train"]
    arguments = model_arguments(config, num_classes=len(dataset.classes), in_channels=dataset.channels)
    description: dict[str, Any] = {
        "kind": "run",
        "schema": SCHEMA,
        "run": run,
        "status": "finished" if failure is None else "failed",
        "message": failure,
        "config": config.resolved().to_dict(),
        "probe": probe,
        "model": arguments,
        "classes": list(dataset.classes),
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "test_fingerprint": datasets["test"].fingerprint,
            "size": list(dataset.size),
            "channels": dataset.channels,
            **_noticed(datasets),
        },
        "preparation": to_plain(dataset.preparation),
        "weights_hash": weights_hash(model) if failure is None else None,
    }
    with written_whole(folder) as aside:
        write_json(aside / CONFIG, description)
        write_json(aside / ENVIRONMENT, environment)
        rows.write_parquet(aside / ROWS)
        if failure is None:
            about = {
                "model": arguments,
                "classes": list(dataset.classes),
                "size": list(dataset.size),
                "preparation": description["preparation"],
            }
            save_weights(model, aside / WEIGHTS, about)
        seal(aside)


def _noticed(datasets: Mapping[Subset, ImageDataset]) -> dict[str, list[str]]:
    """Return what must be known of a run's data, if anything must."""
    said = dict.fromkeys(notice.message for dataset in datasets.values() for notice in dataset.notices)
    return {"notices": list(said)} if said else {}


def find_run(folder: Path) -> dict[str, Any] | None:
    """Return what the `config.json` of a run says; None if the folder holds no run that has ended.

    Raises:
        DamagedError: If a file of it is missing, cut or changed. Of a run of version 0.1 only what cannot be read is
            noticed.
    """
    return _find(folder, "run")


def holds_run(folder: Path, run: str) -> dict[str, Any] | None:
    """Return what the `config.json` of a run says if it is this run, whole; None for all else that may lie there."""
    try:
        description = find_run(folder)
    except DamagedError:
        return None
    return description if description is not None and _is(description, "run", run) else None


def write_measurement(
    folder: Path,
    *,
    name: str,
    run: Mapping[str, Any],
    weights: str,
    settings: Mapping[str, Any],
    test_fingerprint: str,
    rows: pl.DataFrame,
    environment: Mapping[str, Any],
    beside: Callable[[Path], None] | None = None,
) -> None:
    """Write what was measured of a finished run.

    Args:
        folder: Takes the place of what was there, once all files are written.
        name: The measurement's id.
        run: What the run's `config.json` says.
        weights: The hash of the weights that were measured.
        settings: The measurement's settings, as JSON holds them.
        test_fingerprint: Identifies the test images.
        rows: What was measured.
        environment: Versions, machine and seconds.
        beside: Writes what else belongs to it into the folder, before all others.
    """
    description = {
        "kind": "measurement",
        "schema": SCHEMA,
        "measurement": name,
        "run": run["run"],
        "weights_hash": weights,
        "settings": settings,
        "classes": run["classes"],
        "data": {**run["data"], "test_fingerprint": test_fingerprint},
    }
    with written_whole(folder) as aside:
        if beside is not None:
            beside(aside)
        write_json(aside / CONFIG, description)
        write_json(aside / ENVIRONMENT, environment)
        rows.write_parquet(aside / ROWS)
        seal(aside)


def find_measurement(folder: Path) -> dict[str, Any] | None:
    """Return what the `config.json` of a measurement says; None if the folder holds no measurement.

    Raises:
        DamagedError: If a file of it is missing, cut or changed.
    """
    return _find(folder, "measurement")


def holds_measurement(folder: Path, name: str, weights: str | None) -> bool:
    """Return whether a folder holds this measurement, whole, and of these weights.

    Args:
        folder: Where it would be.
        name: The measurement's id.
        weights: The hash of the weights that the run has now; a run that failed has none.
    """
    try:
        description = find_measurement(folder)
    except DamagedError:
        return False
    if description is None or weights is None:
        return False
    return _is(description, "measurement", name) and description.get("weights_hash") == weights


def is_ours(folder: Path) -> bool:
    """Return whether a folder holds nothing but files of a run or a measurement: what remains of one, if damaged."""
    names = {path.name for path in folder.iterdir()}
    known = {CONFIG, ROWS, ENVIRONMENT, WEIGHTS, SEAL, SAMPLES, EXAMPLES}
    return names <= known and bool(names & {ROWS, SEAL})


def _find(folder: Path, kind: str) -> dict[str, Any] | None:
    description = find_description(folder, CONFIG, kind)
    if description is None:
        return None
    names = [CONFIG, ROWS, WEIGHTS] if has_weights(description) else [CONFIG, ROWS]
    if "schema" in description or (folder / SEAL).is_file():
        check_seal(folder, names)
    for name in names:
        if not (folder / name).is_file():
            raise DamagedError(f"{folder / name} is missing")
    return description


def _is(description: Mapping[str, Any], kind: str, name: str) -> bool:
    return description.get("schema") == SCHEMA and description.get(kind) == name
