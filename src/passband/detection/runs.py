"""The folder of a trained detector, written whole and read back.

It has `config.json`, `rows.parquet`, `environment.json`, `weights.safetensors` and their `SHA256SUMS`, as the folder of any
run has; its kind is `detector`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torchvision.models.detection.retinanet import RetinaNet

from passband.detection.dataset import DetectionDataset
from passband.detection.retinanet import build_retinanet
from passband.detection.training import DetectorEpoch
from passband.detection.training_config import DetectorConfig, PublishedDetector
from passband.errors import DamagedError, InputError
from passband.files import (
    LEFT_OUT,
    check_seal,
    digest,
    find_description,
    has_weights,
    seal,
    write_json,
    written_whole,
)
from passband.models.fingerprint import weights_hash
from passband.models.weights import load_state, read_weights, save_weights
from passband.rows import FIT_LOSS, Row, to_table
from passband.train.config import SCHEMA

KIND = "detector"
CONFIG, ROWS, ENVIRONMENT, WEIGHTS = "config.json", "rows.parquet", "environment.json", "weights.safetensors"


def detector_id(config: DetectorConfig | PublishedDetector, fingerprint: str) -> str:
    """Return the name of a trained detector: 12 hexadecimal digits that follow from its settings, its scenes and `SCHEMA`.

    Args:
        config: The settings.
        fingerprint: Identifies the training scenes; empty of a published one.
    """
    everything = json.dumps([KIND, SCHEMA, config.to_dict()], sort_keys=True)
    return digest(everything.encode(), fingerprint.encode())[:12]


def write_detector(
    folder: Path,
    *,
    config: DetectorConfig,
    network: RetinaNet,
    dataset: DetectionDataset,
    epochs: Iterable[DetectorEpoch],
    environment: Mapping[str, Any],
    failure: str | None = None,
) -> None:
    """Write a detector whose training has ended.

    Args:
        folder: Takes the place of what was there, once all files are written.
        config: Its settings.
        network: The trained network.
        dataset: The scenes that it was trained on.
        epochs: What each epoch gave.
        environment: Versions, machine and times.
        failure: Why it failed; None if it did not. A failed one has no weights.
    """
    name = detector_id(config, dataset.fingerprint())
    classes = list(dataset.annotations.categories.values())
    about = {
        "model": {"name": "retinanet", "classes": len(classes), "width": config.width},
        "classes": classes,
    }
    description = {
        "kind": KIND,
        "schema": SCHEMA,
        "run": name,
        "status": "finished" if failure is None else "failed",
        "message": failure,
        "config": config.to_dict(),
        **about,
        "data": {
            "name": dataset.annotations.name,
            "source": dataset.annotations.source,
            "fingerprint": dataset.fingerprint(),
            "images": len(dataset),
        },
        "weights_hash": weights_hash(network) if failure is None else None,
    }
    rows = to_table(
        Row(
            run=name,
            seed=config.seed,
            epoch=each.epoch,
            subset="train",
            metric=FIT_LOSS,
            value=each.loss,
            count=len(dataset),
        )
        for each in epochs
    )
    with written_whole(folder) as aside:
        write_json(aside / CONFIG, description)
        write_json(aside / ENVIRONMENT, environment)
        rows.write_parquet(aside / ROWS)
        if failure is None:
            save_weights(network, aside / WEIGHTS, about)
        seal(aside)


def write_published(folder: Path, *, name: str, source: str, weights: str, classes: Sequence[str]) -> None:
    """Write a detector that somebody else has trained: which one it is, and no weights.

    Args:
        folder: Takes the place of what was there, once all files are written.
        name: Its id.
        source: As `passband.detection.load.load_detector` takes it.
        weights: The hash of its weights.
        classes: What its labels are called.
    """
    description = {
        "kind": KIND,
        "schema": SCHEMA,
        "run": name,
        "status": "finished",
        "message": None,
        "published": source,
        "config": {"source": source},
        "classes": list(classes),
        "data": {},
        "weights_hash": weights,
    }
    with written_whole(folder) as aside:
        write_json(aside / CONFIG, description)
        write_json(aside / ENVIRONMENT, {})
        to_table([]).write_parquet(aside / ROWS)
        seal(aside)


def find_detector(folder: Path) -> dict[str, Any] | None:
    """Return what the `config.json` of a trained detector says; None if the folder holds no detector.

    Raises:
        DamagedError: If a file of it is missing, cut or changed.
    """
    description = find_description(folder, CONFIG, KIND)
    if description is None:
        return None
    check_seal(folder, [CONFIG, ROWS, WEIGHTS] if has_weights(description) else [CONFIG, ROWS])
    return description


def holds_detector(folder: Path, name: str) -> dict[str, Any] | None:
    """Return what `config.json` says if a folder holds this detector, whole; None for all else that may lie there."""
    try:
        description = find_detector(folder)
    except DamagedError:
        return None
    if description is None or (description.get("schema"), description.get("run")) != (SCHEMA, name):
        return None
    return description


def read_detector(folder: Path) -> dict[str, Any]:
    """Return what the `config.json` of a detector says.

    Raises:
        InputError: If the folder holds none, or its training failed.
        DamagedError: If a file of it is missing, cut or changed.
    """
    description = find_detector(folder)
    if description is None:
        raise InputError(f"{folder} is not the folder of a trained detector")
    if description["status"] == "failed":
        raise InputError(f"the training of the detector in {folder} failed: {description['message']}")
    return description


def load_trained_detector(folder: Path) -> tuple[RetinaNet, DetectorConfig]:
    """Return a trained detector, in evaluation mode on the CPU, and how it was trained.

    Raises:
        InputError: If the folder holds none, or its training failed.
        DamagedError: If a file of it is missing, cut or changed.
    """
    description = read_detector(folder)
    if description.get(LEFT_OUT):
        raise InputError(f"the detector in {folder} was exported without its network")
    config = DetectorConfig.from_dict(description["config"])
    network = build_retinanet(description["model"]["classes"], width=config.width, seed=config.seed)
    load_state(network, read_weights(folder / WEIGHTS))
    return network.eval(), config
