"""One training run, from its config to its folder: the function that studies and commands call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from passband.data.dataset import ImageDataset
from passband.data.load import load_dataset
from passband.engine.probe import Probe
from passband.errors import InputError
from passband.files import check_target
from passband.results.store import find_run
from passband.train.checkpoint import checkpoint_folder, load_checkpoint, remove_checkpoint
from passband.train.config import RunConfig, check_data, run_id
from passband.train.epoch import EpochReport
from passband.types import Subset

Datasets = Mapping[Subset, ImageDataset]
"""The training and the test images of a run."""


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
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Path:
    """Train a network as a config says, measure it along the way, and write its run folder.

    The run's checkpoint lies in a folder beside it, one an epoch. A run that was interrupted goes on from there, and
    its rows are those of an unbroken one, bit for bit on the same CPU with the same number of threads. A run that
    `folder` holds already is not trained again.

    Args:
        config: What to train, and how.
        probe: What to measure along it; None only measures at the end.
        folder: The run's folder: `config.json`, `rows.parquet`, `environment.json`, `weights.safetensors`. If the loss
            is no longer finite, the run ends as failed: `config.json` says why, and there are no weights.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        devices: How many share each batch. Above 1 each has a process of its own, which is spawned: a script that
            calls this must be guarded by `if __name__ == "__main__"`. Without BatchNorm, dropout and random starts,
            the rows are those of one device but for rounding.
        threads: Threads of each process; None leaves them as they are. They decide how sums are rounded.
        overwrite: Replace another run, or train this one again.
        datasets: The data, if `load_datasets` has loaded them already, with the same `test_limit`.
        test_limit: Use only the first so many test images; None uses all.
        on_epoch: Is called after every epoch, in the first process; with several it must be picklable.

    Returns:
        `folder`.

    Raises:
        InputError: Before any training, if config, probe, data, device and folder do not fit together.
    """
    if find_run(folder) is None:
        check_target(folder, overwrite=overwrite)
    datasets = load_datasets(config, test_limit) if datasets is None else datasets
    train = datasets["train"]
    check_data(config, samples=len(train), size=train.size, devices=devices)
    if probe is not None:
        probe.check_fits(train.size)
    name = identify(config, probe, datasets, test_limit)
    if not overwrite and _is_done(folder, name, datasets):
        remove_checkpoint(folder)
        return folder
    _check_checkpoint(folder, name, overwrite=overwrite)

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
        )
    )
    return folder


def load_datasets(config: RunConfig, test_limit: int | None = None) -> Datasets:
    """Load the training and the test images of a run, of the latter only the first `test_limit`.

    Raises:
        InputError: If they cannot be loaded, or have different classes.
    """
    train = load_dataset(config.dataset, "train", size=config.size, limit=config.limit)
    test = load_dataset(config.dataset, "test", size=train.size, channels=train.channels, limit=test_limit)
    if test.classes != train.classes:
        raise InputError(f"{config.dataset} has other classes in its test subset than in its train subset")
    return {"train": train, "test": test}


def identify(
    config: RunConfig, probe: Probe | None, datasets: Datasets, test_limit: int | None = None
) -> str:
    """Return the id of a run; see `run_id`. Where the test images are cut, it follows from those left too."""
    fingerprint = datasets["train"].fingerprint
    if test_limit is not None:
        fingerprint += datasets["test"].fingerprint
    return run_id(config, fingerprint, None if probe is None else probe.to_dict())


def _is_done(folder: Path, name: str, datasets: Datasets) -> bool:
    """Return whether a folder holds this run.

    Raises:
        InputError: If it holds another one, or this one on other test images.
    """
    record = find_run(folder)
    if record is None:
        return False
    tested = datasets["test"].fingerprint
    if record.get("run") == name and record["data"].get("test_fingerprint", tested) == tested:
        return True
    other = "this run on other test images" if record.get("run") == name else "another run"
    raise InputError(f"{folder} holds {other}. Choose another --out, or replace it with --overwrite.")


def _check_checkpoint(folder: Path, name: str, *, overwrite: bool) -> None:
    """Refuse to continue another run's checkpoint; drop it if that is allowed."""
    state = load_checkpoint(folder)
    if state is None or state["run"] == name:
        return
    if not overwrite:
        raise InputError(
            f"{checkpoint_folder(folder)} is the checkpoint of another run, which was interrupted. Choose another "
            "--out, or drop it with --overwrite."
        )
    remove_checkpoint(folder)
