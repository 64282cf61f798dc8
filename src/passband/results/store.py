"""Run folders: `config.json`, `rows.parquet`, `environment.json` and `weights.safetensors`, written whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from passband.data.dataset import ImageDataset
from passband.environment import describe_environment
from passband.files import write_json, written_whole
from passband.models.weights import save_weights
from passband.rows import Row, to_table
from passband.train.config import RunConfig, model_arguments


def write_run(
    folder: Path,
    *,
    run: str,
    config: RunConfig,
    model: nn.Module,
    dataset: ImageDataset,
    rows: Iterable[Row],
    device: torch.device,
) -> None:
    """Write a finished run; `passband.load_model(folder)` reads its model.

    Args:
        folder: Takes the place of what was there, once all files are written.
        run: The run's id.
        config: Its settings.
        model: The trained network.
        dataset: What it was trained on.
        rows: What was measured.
        device: Where it was trained.
    """
    arguments = model_arguments(config, num_classes=len(dataset.classes), in_channels=dataset.channels)
    description: dict[str, Any] = {
        "kind": "run",
        "run": run,
        "config": config.to_dict(),
        "model": arguments,
        "classes": list(dataset.classes),
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "size": list(dataset.size),
            "channels": dataset.channels,
        },
    }
    with written_whole(folder) as aside:
        write_json(aside / "config.json", description)
        write_json(aside / "environment.json", describe_environment(device))
        to_table(rows).write_parquet(aside / "rows.parquet")
        about = {"model": arguments, "classes": list(dataset.classes), "size": list(dataset.size)}
        save_weights(model, aside / "weights.safetensors", about)
