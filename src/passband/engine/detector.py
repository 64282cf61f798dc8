"""One detector, from its config to its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from passband.detection.dataset import DetectionDataset
from passband.detection.runs import KIND, detector_id, find_detector, holds_detector, write_detector
from passband.detection.training import (
    DetectorEpoch,
    fit_detector,
    load_training_scenes,
    start_learner,
)
from passband.detection.training_config import DetectorConfig
from passband.environment import choose_device, describe_environment, limited_threads
from passband.errors import DamagedError
from passband.files import check_target
from passband.results.lock import locked
from passband.results.store import is_ours
from passband.train.checkpoint import drop_unusable, load_checkpoint, remove_checkpoint, save_checkpoint
from passband.train.epoch import TrainingDiverged
from passband.train.settings import SCHEMA


def run_detector(
    config: DetectorConfig,
    folder: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    dataset: DetectionDataset | None = None,
    on_epoch: Callable[[DetectorEpoch], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Path:
    """Train a detector as a config says, and write its folder.

    Its checkpoint lies beside the folder, one an epoch. A run that was interrupted goes on from there, and comes to the
    same rows and weights, bit for bit on the same CPU with the same number of threads. A detector that `folder` holds
    already is not trained again; one that another process is training is waited for. A checkpoint or a detector that is
    damaged is not believed: the detector is trained anew.

    Args:
        config: What to train, and how.
        folder: Where the detector is written. If the loss is no longer finite, it is written as failed, without weights.
            A folder that is named by the detector's id is its own, and what else lies there is replaced.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        threads: Threads to compute with; None leaves them as they are. They decide how sums are rounded.
        overwrite: Replace what lies in the folder, or train this detector again.
        dataset: The training scenes, if they are there already.
        on_epoch: Is called after every epoch.
        on_note: Is told what somebody should know: which process is waited for, what was damaged.

    Returns:
        `folder`.

    Raises:
        InputError: Before any training, if config, device and folder do not fit together.
    """
    where = choose_device(device)
    scenes = load_training_scenes(config) if dataset is None else dataset
    name = detector_id(config, scenes.fingerprint())
    if not overwrite and holds_detector(folder, name):
        return folder
    note = on_note or (lambda _: None)
    with locked(folder, on_note=on_note):
        if overwrite or not holds_detector(folder, name):  # another process may have made it meanwhile
            _make_room(folder, name, overwrite=overwrite, note=note)
            with limited_threads(threads):
                _train(config, folder, name, scenes, where, on_epoch)
        remove_checkpoint(folder)
    return folder


def _make_room(folder: Path, name: str, *, overwrite: bool, note: Callable[[str], None]) -> None:
    """Say what of a detector and of a checkpoint is not believed, and drop what may be dropped.

    Raises:
        InputError: If something else, or its checkpoint, lies there and may not be replaced.
    """
    own = overwrite or folder.name == name
    found, damaged = None, False
    try:
        found = find_detector(folder)
    except DamagedError as error:
        damaged = is_ours(folder)
        note(f"{error}. The detector {name} is made anew.")
    if not damaged:
        check_target(folder, overwrite=overwrite or (own and found is not None))
    drop_unusable(
        folder,
        name,
        kind="detector",
        own=own,
        on_note=note,
        instead="Choose another folder, or drop it with overwrite.",
    )


def _train(
    config: DetectorConfig,
    folder: Path,
    name: str,
    scenes: DetectionDataset,
    device: torch.device,
    on_epoch: Callable[[DetectorEpoch], None] | None,
) -> None:
    learner = start_learner(config, scenes, device)
    epochs: list[DetectorEpoch] = []
    state = load_checkpoint(folder)
    if state is not None:
        learner.load_state_dict(state["learner"])
        epochs = [DetectorEpoch(*each) for each in state["epochs"]]

    about = {"kind": KIND, "schema": SCHEMA, "run": name, "config": config.to_dict()}

    def after_epoch(report: DetectorEpoch) -> None:
        epochs.append(report)
        history = [[each.epoch, each.loss, each.seconds] for each in epochs]
        state = {"run": name, "epochs": history, "learner": learner.state_dict()}
        save_checkpoint(folder, state, about | {"epoch": report.epoch})
        if on_epoch is not None:
            on_epoch(report)

    failure = None
    try:
        fit_detector(learner, scenes, config, done=len(epochs), on_epoch=after_epoch)
    except TrainingDiverged as error:
        failure = str(error)
    seconds = sum(each.seconds for each in epochs)
    write_detector(
        folder,
        config=config,
        network=learner.network,
        dataset=scenes,
        epochs=epochs,
        environment=describe_environment(device)
        | {
            "training_seconds": seconds,
            "images_per_second": len(scenes) * len(epochs) / seconds if seconds else None,
        },
        failure=failure,
    )
