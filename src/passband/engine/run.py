"""One training run, from its config to its folder: the function that studies and commands call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from passband.data.dataset import ImageDataset
from passband.data.held_out import hold_out, shares_images
from passband.data.load import load_dataset
from passband.engine.events import EpochDone
from passband.engine.probe import Probe
from passband.environment import limited_threads
from passband.errors import DamagedError, InputError
from passband.files import check_target, digest
from passband.results.lock import locked
from passband.results.store import find_run, holds_run, is_ours
from passband.train.checkpoint import checkpoint_folder, drop_unusable, remove_checkpoint
from passband.train.config import SCHEMA, RunConfig, check_data, run_id
from passband.types import Subset

Datasets = Mapping[Subset, ImageDataset]
"""The training and the test images of a run."""

TRAINING_MEMORY = 8 * 2**30
"""Bytes that the training images of a run may take, and the test images before they are streamed."""


def run(
    config: RunConfig,
    probe: Probe | None,
    folder: Path,
    *,
    device: str = "auto",
    devices: int = 1,
    threads: int | None = None,
    overwrite: bool = False,
    datasets: Datasets | None = None,
    test_limit: int | None = None,
    on_epoch: Callable[[EpochDone], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Path:
    """Train a network as a config says, measure it along the way, and write its run folder.

    The run's checkpoint lies in a folder beside it, one an epoch. A run that was interrupted goes on from there, and
    its rows are those of an unbroken one, bit for bit on the same CPU with the same number of threads. A run that
    `folder` holds already is not trained again; one that another process is training is waited for. A checkpoint or a
    run that is damaged is not believed: the run is trained anew.

    Args:
        config: What to train, and how.
        probe: What to measure along it; None only measures at the end.
        folder: The run's folder: `config.json`, `rows.parquet`, `environment.json`, `weights.safetensors` and their
            `SHA256SUMS`. If the loss is no longer finite, the run ends as failed: `config.json` says why, and there
            are no weights. A folder that is named by the run's id is its own, and what else lies there is replaced.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        devices: How many share each batch. Above 1 each has a process of its own, which is spawned: a script that
            calls this must be guarded by `if __name__ == "__main__"`. Without BatchNorm, dropout and random starts,
            the rows are those of one device but for rounding.
        threads: Threads of each process; None leaves them as they are. They decide how sums are rounded.
        overwrite: Replace another run, or train this one again.
        datasets: The data, if `load_datasets` has loaded them already, with the same `test_limit`.
        test_limit: Use only the first so many test images; None uses all.
        on_epoch: Is called after every epoch, once its checkpoint is written, in the first process; with several it must be picklable.
        on_note: Is told what somebody should know: which process is waited for, what was damaged.

    Returns:
        `folder`.

    Raises:
        InputError: Before any training, if config, probe, data, device and folder do not fit together.
    """
    check_place(folder, overwrite=overwrite)
    if datasets is None:
        with limited_threads(threads):
            datasets = load_datasets(config, test_limit)
    train = datasets["train"]
    check_data(config, samples=len(train), size=train.size, devices=devices)
    if probe is not None:
        probe.check_fits(train.size)
    name = identify(config, probe, datasets)
    if not overwrite and holds_run(folder, name):
        _drop_leftover_checkpoint(folder)
        return folder
    with locked(folder, on_note=on_note):  # held by this process alone, however many devices there are
        if not overwrite and holds_run(folder, name):  # another process made it meanwhile
            remove_checkpoint(folder)
            return folder
        _make_room(folder, name, overwrite=overwrite, on_note=on_note or (lambda note: None))
        _train(config, probe, folder, name, datasets, device, devices, threads, on_epoch, on_note)
    return folder


def _train(
    config: RunConfig,
    probe: Probe | None,
    folder: Path,
    name: str,
    datasets: Datasets,
    device: str,
    devices: int,
    threads: int | None,
    on_epoch: Callable[[EpochDone], None] | None,
    on_note: Callable[[str], None] | None,
) -> None:
    from passband.engine.worker import work  # imports Lightning Fabric, which takes seconds
    from passband.train.learner import start_fabric

    fabric = start_fabric(device, devices=devices, precision=config.precision)
    fabric.launch(
        partial(
            work,
            run=name,
            config=config,
            probe=probe,
            folder=folder,
            datasets=datasets,
            threads=threads,
            on_epoch=on_epoch,
            on_note=on_note if devices == 1 else None,  # several processes choose nothing that could fail
        )
    )


def load_datasets(config: RunConfig, test_limit: int | None = None) -> Datasets:
    """Load the training and the test images of a run, of the latter only the first `test_limit`.

    Where a source gives the same images for both, some are held out from training: see `passband.data.held_out`.

    Raises:
        InputError: If they cannot be loaded, or have different classes.
    """
    load = partial(load_dataset, config.dataset, size=config.size, memory_limit=TRAINING_MEMORY)
    train = load("train", limit=config.limit)
    train.in_memory("training")
    test = load("test", channels=train.channels, limit=test_limit)
    if test.size != train.size:
        raise InputError(
            f"{config.dataset} has images of {train.size} pixels (height, width) in its train subset and of {test.size} in "
            "its test subset. Resize both: --size (size=)."
        )
    if test.classes != train.classes:
        raise InputError(f"{config.dataset} has other classes in its test subset than in its train subset")
    if shares_images(train, test):
        whole = load("train", channels=train.channels)
        whole.in_memory("training")
        train, test = hold_out(whole, limit=config.limit, test_limit=test_limit)
    return {"train": train, "test": test}


def identify(config: RunConfig, probe: Probe | None, datasets: Datasets) -> str:
    """Return the id of a run; see `run_id`. Its data are all training and test images, as used, and the classes."""
    fingerprints = (datasets[subset].fingerprint for subset in ("train", "test"))
    data = digest(*(part.encode() for part in (*fingerprints, *datasets["train"].classes)))
    return run_id(config, data, None if probe is None else probe.to_dict())


def check_place(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that no run may be written to, before data are loaded.

    Raises:
        InputError: If it holds something else than a run, or cannot be written.
    """
    try:
        empty = find_run(folder) is None
    except DamagedError as error:
        if not is_ours(folder) and not overwrite:
            raise InputError(
                f"{error}; and {folder} holds more than a run. Choose another --out, or replace it with --overwrite."
            ) from error
        empty = False
    if empty:
        check_target(folder, overwrite=overwrite)


def _make_room(folder: Path, name: str, *, overwrite: bool, on_note: Callable[[str], None]) -> None:
    """Say what of a run and of a checkpoint is not believed, and drop what may be dropped.

    Raises:
        InputError: If another run, or its checkpoint, lies there and may not be replaced.
    """
    own = overwrite or folder.name == name
    try:
        description = find_run(folder)
    except DamagedError as error:
        on_note(f"{error}. The run {name} is made anew.")
        description = None
    if description is not None and not overwrite:
        other = "another run"
        if description.get("schema") != SCHEMA:
            other = "a run of another version of passband, which `passband.load_model` still reads"
        if not own:
            raise InputError(f"{folder} holds {other}. Choose another --out, or replace it with --overwrite.")
        on_note(f"{folder} holds {other}. The run {name} is made anew.")
    drop_unusable(
        folder,
        name,
        kind="run",
        own=own,
        on_note=on_note,
        instead="Choose another --out, or drop it with --overwrite.",
    )


def _drop_leftover_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a run that was killed between its last two acts, unless somebody trains it again."""
    if checkpoint_folder(folder).exists():
        with suppress(OSError, InputError), locked(folder, wait=False):
            remove_checkpoint(folder)
