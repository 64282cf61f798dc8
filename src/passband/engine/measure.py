"""One measurement of a finished run: what an instrument finds, from the run's folder to the measurement's own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from passband.data.dataset import ImageDataset
from passband.data.load import load_dataset
from passband.engine.run import load_datasets
from passband.environment import choose_device, describe_environment, limited_threads
from passband.errors import DamagedError, InputError
from passband.files import digest
from passband.instruments.instrument import Instrument, Reading, Subject
from passband.models.load import load_model
from passband.results.lock import locked
from passband.results.store import find_measurement, holds_measurement, is_ours, write_measurement
from passband.results.tables import read_description
from passband.rows import to_table
from passband.train.config import RunConfig
from passband.types import Progress, Subset


def finished_run(
    folder: Path,
    *,
    subset: Subset = "test",
    test_limit: int | None = None,
    images: ImageDataset | None = None,
    device: str = "auto",
) -> Subject:
    """Return a trained network with its images, of the size and channels that it takes.

    Args:
        folder: The run's folder. Its seed decides what an instrument draws, too.
        subset: Its test images, or those that it was trained on, labelled as the data have them.
        test_limit: How many test images are used, from the first on; None is all.
        images: These, if `measured_images` has loaded them already.
        device: Where the network answers.

    Raises:
        InputError: If the run has no network, or its data cannot be loaded.
    """
    description = read_description(folder)
    images = measured_images(description, subset, test_limit) if images is None else images
    seed = description["config"]["seed"]
    return Subject(load_model(folder), images, description["run"], run_seed=seed, seed=seed, device=device)


def measured_images(
    description: Mapping[str, Any], subset: Subset = "test", test_limit: int | None = None
) -> ImageDataset:
    """Load the images that a run, whose `config.json` says this, is measured on; see `finished_run`."""
    config, data = RunConfig.from_dict(description["config"]), description["data"]
    if subset == "train" or "notices" in data:  # some of the training images may have been held out for test
        return load_datasets(config, test_limit)[subset]
    size = tuple(data["size"]) if config.size is None else config.size
    return load_dataset(config.dataset, subset, size=size, channels=data["channels"], limit=test_limit)


def measure(
    instrument: Instrument,
    run_folder: Path,
    folder: Path,
    *,
    fingerprint: str,
    test_limit: int | None = None,
    images: ImageDataset | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Path:
    """Measure a finished run, and write the measurement's folder whole.

    A measurement of the same weights that `folder` holds already is not made again; one that another process is making
    is waited for; one that is damaged, or of other weights, is made anew.

    Args:
        instrument: What to measure.
        run_folder: The run's folder.
        folder: Takes `config.json`, `rows.parquet` and `environment.json`, and what the reading saves beside them.
        fingerprint: Identifies the images that are meant: the run's test images, or those that it was trained on.
        test_limit: How many test images are used, from the first on; None is all.
        images: These, if `measured_images` has loaded them already.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        threads: Threads of this process; None leaves them as they are. They decide how sums are rounded.
        progress: Called along the way.
        on_note: Is told what somebody should know: which process is waited for, what was damaged.

    Returns:
        `folder`.

    Raises:
        InputError: If the run has no network, the images are others by now, or what is measured does not fit them.
    """
    description = read_description(run_folder)
    subset = instrument.subset
    with limited_threads(threads):
        subject = finished_run(run_folder, subset=subset, test_limit=test_limit, images=images, device=device)
        subject = replace(subject, progress=progress)
    # Not that of the loaded network, in which counters of batches (BatchNorm's) start anew.
    name, weights = measurement_id(instrument, subject.run), description["weights_hash"]
    if subject.dataset.fingerprint != fingerprint:
        source, which = description["config"]["dataset"], "test" if subset == "test" else "training"
        raise InputError(f"the {which} images of {source} changed while the study ran: start it again")
    if folder.exists() and not (folder.is_dir() and (is_ours(folder) or not any(folder.iterdir()))):
        raise InputError(
            f"{folder} holds something else than a measurement. Move it away, or choose another store."
        )
    with locked(folder, on_note=on_note):
        if holds_measurement(folder, name, weights):  # another process made it meanwhile
            return folder
        _note_what_is_replaced(folder, name, on_note or (lambda note: None))
        found, environment = _measured(instrument, subject, threads)
        write_measurement(
            folder,
            name=name,
            run=description,
            weights=weights,
            settings=instrument.to_dict(),
            test_fingerprint=fingerprint if subset == "test" else description["data"]["test_fingerprint"],
            rows=to_table(found.rows()),
            environment=environment,
            beside=found.save,
        )
    return folder


def measurement_id(instrument: Instrument, run: str) -> str:
    """Return the name of a measurement: 12 hexadecimal digits that follow from its settings and its run's id.

    So they follow from all that the run's id follows from, its test images and `SCHEMA` among that. The weights are not
    known before the run has ended; a measurement records their hash, and is none of a run that has others.
    """
    settings = json.dumps(instrument.to_dict(), sort_keys=True)
    return digest(run.encode(), settings.encode())[:12]


def _measured(
    instrument: Instrument, subject: Subject, threads: int | None
) -> tuple[Reading, dict[str, Any]]:
    """Return what was found, and with what and in how many seconds."""
    with limited_threads(threads):
        start, processor = time.perf_counter(), time.process_time()
        found = subject.read(instrument)
        taken = {
            "seconds": time.perf_counter() - start,
            "processor_seconds": time.process_time() - processor,
        }
        return found, describe_environment(choose_device(subject.device)) | taken


def _note_what_is_replaced(folder: Path, name: str, on_note: Callable[[str], None]) -> None:
    try:
        description = find_measurement(folder)
    except DamagedError as error:
        on_note(f"{error}. The measurement {name} is made anew.")
        return
    if description is not None:
        other = "is of other weights" if description.get("measurement") == name else "is another measurement"
        on_note(f"{folder} {other}. The measurement {name} is made anew.")
