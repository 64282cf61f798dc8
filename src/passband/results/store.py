"""Folders of runs and of measurements, written whole.

A run has `config.json`, `rows.parquet`, `environment.json` and `weights.safetensors`; a measurement has no weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from torch import nn

from passband.data.dataset import ImageDataset
from passband.files import read_json, write_json, written_whole
from passband.models.weights import save_weights
from passband.train.config import RunConfig, model_arguments
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
        },
    }
    with written_whole(folder) as aside:
        write_json(aside / "config.json", description)
        write_json(aside / "environment.json", environment)
        rows.write_parquet(aside / "rows.parquet")
        if failure is None:
            about = {"model": arguments, "classes": list(dataset.classes), "size": list(dataset.size)}
            save_weights(model, aside / "weights.safetensors", about)


def find_run(folder: Path) -> dict[str, Any] | None:
    """Return what the `config.json` of a run says; None if the folder holds no run that has ended.

    Raises:
        InputError: If there is a `config.json` that cannot be read.
    """
    if not (folder / "config.json").is_file():
        return None
    record = read_json(folder / "config.json")
    if not isinstance(record, dict) or record.get("kind") != "run":
        return None
    if record.get("status") != "failed" and not (folder / "weights.safetensors").is_file():
        return None
    return record


def write_measurement(
    folder: Path,
    *,
    name: str,
    run: Mapping[str, Any],
    settings: Mapping[str, Any],
    test_fingerprint: str,
    rows: pl.DataFrame,
    environment: Mapping[str, Any],
) -> None:
    """Write what was measured of a finished run.

    Args:
        folder: Takes the place of what was there, once all files are written.
        name: The measurement's id.
        run: What the run's `config.json` says.
        settings: The measurement's settings, as JSON holds them.
        test_fingerprint: Identifies the test images.
        rows: What was measured.
        environment: Versions, machine and seconds.
    """
    description = {
        "kind": "measurement",
        "measurement": name,
        "run": run["run"],
        "settings": settings,
        "classes": run["classes"],
        "data": {**run["data"], "test_fingerprint": test_fingerprint},
    }
    with written_whole(folder) as aside:
        write_json(aside / "config.json", description)
        write_json(aside / "environment.json", environment)
        rows.write_parquet(aside / "rows.parquet")


def find_measurement(folder: Path) -> dict[str, Any] | None:
    """Return what the `config.json` of a measurement says; None if the folder holds no measurement.

    Raises:
        InputError: If there is a `config.json` that cannot be read.
    """
    if not (folder / "config.json").is_file() or not (folder / "rows.parquet").is_file():
        return None
    record = read_json(folder / "config.json")
    return record if isinstance(record, dict) and record.get("kind") == "measurement" else None
