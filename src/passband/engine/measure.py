"""One measurement of a finished run, from the run's folder to the measurement's own."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch

from passband.data.dataset import ImageDataset
from passband.data.load import load_dataset
from passband.environment import choose_device, describe_environment
from passband.errors import DamagedError, InputError
from passband.files import digest
from passband.models.load import load_model
from passband.models.pixels import PixelModel
from passband.models.weights import weights_hash
from passband.results.lock import locked
from passband.results.store import find_measurement, holds_measurement, write_measurement
from passband.results.tables import read_record
from passband.rows import Row, to_table


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A trained network and its test images, as a measurement sees them.

    Attributes:
        run: The run's id.
        seed: The run's seed; what a measurement draws follows from it too.
        model: The trained network, on the CPU.
        data: What the run's `config.json` says of its data.
        source: The data set, as `load_dataset` takes it.
        test_limit: How many of its test images are used, from the first on; None is all.
        device: Where to measure.
    """

    run: str
    seed: int
    model: PixelModel
    data: Mapping[str, Any]
    source: str
    test_limit: int | None = None
    device: str = "auto"

    @cached_property
    def test(self) -> ImageDataset:
        """The test images, of the size and channels that the network takes; loaded when they are asked for."""
        height, width = self.data["size"]
        return load_dataset(
            self.source,
            "test",
            size=(height, width),
            channels=self.data["channels"],
            limit=self.test_limit,
        )

    def draw(self, samples: int | None) -> torch.Tensor:
        """Return positions of so many test images, drawn by the seed; fewer are a part of more. None is all of them."""
        order = torch.randperm(len(self.test), generator=torch.Generator().manual_seed(self.seed))
        return order[:samples]


class Work(NamedTuple):
    """What a measurement asks of a network.

    Attributes:
        gradients: Images sent forward and back.
        answers: Images sent forward only.
    """

    gradients: float = 0
    answers: float = 0


class Measurement(ABC):
    """What is measured of a finished network: a frozen dataclass that can be pickled."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them, with a `kind` that no other measurement has."""

    @abstractmethod
    def work(self, images: int) -> Work:
        """Return about how much there is to do with a data set of so many test images."""

    @abstractmethod
    def rows(self, finished: FinishedRun) -> Iterable[Row]:
        """Yield what is measured."""


def measure(
    measurement: Measurement,
    run_folder: Path,
    folder: Path,
    *,
    test_fingerprint: str,
    test_limit: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Path:
    """Measure a finished run, and write the measurement's folder whole.

    A measurement of the same weights that `folder` holds already is not made again; one that another process is making
    is waited for; one that is damaged, or of other weights, is made anew.

    Args:
        measurement: What to measure.
        run_folder: The run's folder.
        folder: Takes `config.json`, `rows.parquet` and `environment.json`.
        test_fingerprint: Identifies the test images that are meant.
        test_limit: How many test images are used, from the first on; None is all.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        threads: Threads of this process; None leaves them as they are. They decide how sums are rounded.
        on_note: Is told what somebody should know: which process is waited for, what was damaged.

    Returns:
        `folder`.

    Raises:
        InputError: If the run has no network, the test images are others by now, or what is measured does not fit them.
    """
    record = read_record(run_folder)
    model = load_model(run_folder)
    name, weights = measurement_id(measurement, record["run"]), weights_hash(model)
    finished = FinishedRun(
        record["run"],
        record["config"]["seed"],
        model,
        record["data"],
        record["config"]["dataset"],
        test_limit,
        device,
    )
    with locked(folder, on_note=on_note):
        if holds_measurement(folder, name, weights):  # another process made it meanwhile
            return folder
        _note_what_is_replaced(folder, name, on_note or (lambda note: None))
        rows, environment = _measured(measurement, finished, threads)
        if "test" in vars(finished) and finished.test.fingerprint != test_fingerprint:
            raise InputError(
                f"the test images of {finished.source} changed while the study ran: start it again"
            )
        write_measurement(
            folder,
            name=name,
            run=record,
            weights=weights,
            settings=measurement.to_dict(),
            test_fingerprint=test_fingerprint,
            rows=rows,
            environment=environment,
        )
    return folder


def measurement_id(measurement: Measurement, run: str) -> str:
    """Return the name of a measurement: 12 hexadecimal digits that follow from its settings and its run's id.

    So they follow from all that the run's id follows from, its test images and `SCHEMA` among that. The weights are not
    known before the run has ended; a measurement records their hash, and is none of a run that has others.
    """
    settings = json.dumps(measurement.to_dict(), sort_keys=True)
    return digest(run.encode(), settings.encode())[:12]


def _measured(
    measurement: Measurement, finished: FinishedRun, threads: int | None
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the rows, and with what and in how many seconds they were measured."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        start = time.perf_counter()
        rows = to_table(measurement.rows(finished))
        seconds = time.perf_counter() - start
        environment = describe_environment(choose_device(finished.device)) | {"seconds": seconds}
    finally:
        torch.set_num_threads(before)
    return rows, environment


def _note_what_is_replaced(folder: Path, name: str, on_note: Callable[[str], None]) -> None:
    try:
        record = find_measurement(folder)
    except DamagedError as error:
        on_note(f"{error}. The measurement {name} is made anew.")
        return
    if record is not None:
        other = "is of other weights" if record.get("measurement") == name else "is another measurement"
        on_note(f"{folder} {other}. The measurement {name} is made anew.")
