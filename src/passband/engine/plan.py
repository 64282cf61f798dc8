"""From what is wanted to what is planned: each run and each measurement once, checked before any training.

What is planned has an id, a place in the store, and a picklable call that fills it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from passband.data.dataset import ImageDataset
from passband.engine.events import Tell, advancing, keep_quiet, noting
from passband.engine.measure import measure, measurement_id
from passband.engine.planned import Planned
from passband.engine.probe import Probe
from passband.engine.run import Datasets, identify, load_datasets
from passband.engine.run import run as train_run
from passband.environment import limited_threads
from passband.errors import InputError
from passband.files import read_json
from passband.instruments.instrument import Instrument
from passband.results.places import CONFIG, Store
from passband.results.store import holds_measurement, holds_run
from passband.results.tables import failure
from passband.train.config import RunConfig, check_data
from passband.types import Subset

ANSWER = 1 / 3
"""Time of an answer to an image, over that of a step forward and back."""


@dataclass(frozen=True)
class PlannedRun(Planned):
    """A run and its place in the store.

    Attributes:
        config: The run's settings.
        probe: What is measured along it.
        images: How many images each subset has.
        fingerprints: Identifies each subset's images and labels.
        shape: Channels, height and width of an image.
        classes: How many classes there are.
        test_limit: How many test images are used, from the first on; None is all.
        datasets: Its data, where they came with it; None loads them from where they lie.
    """

    config: RunConfig
    probe: Probe | None
    images: Mapping[Subset, int]
    fingerprints: Mapping[Subset, str]
    shape: tuple[int, int, int]
    classes: int
    test_limit: int | None = None
    datasets: Datasets | None = None

    @property
    def done(self) -> bool:
        """Whether the store holds the run whole, finished or failed."""
        return holds_run(self.folder, self.id) is not None

    @property
    def passes(self) -> float:
        """Images that are sent forward and back until the run is done."""
        return self.config.epochs * self.images["train"] * self.config.passes

    @property
    def answers(self) -> int:
        """Images that the network only answers: those of its probe, and all whole images once it is finished."""
        probed = 0 if self.probe is None else self.probe.count_answers(self.config.epochs, self.images)
        return probed + sum(self.images.values())

    def do(self, *, device: str, threads: int, tell: Tell = keep_quiet) -> Path:
        """Train the network."""
        datasets = self.datasets
        if datasets is None:
            with limited_threads(threads):
                datasets = load_datasets(self.config, self.test_limit)
        if identify(self.config, self.probe, datasets) != self.id:
            code = f" or the code of {self.config.model}" * self.config.has_own_model
            raise InputError(
                f"the data {self.config.dataset}{code} changed while the study ran: start it again"
            )
        return train_run(
            self.config,
            self.probe,
            self.folder,
            device=device,
            threads=threads,
            datasets=datasets,
            test_limit=self.test_limit,
            on_epoch=tell,
            on_note=noting(tell),
        )

    def failure(self) -> str | None:
        """Return why the run ended before its last epoch, or None if it did not."""
        return failure(
            read_json(self.folder / CONFIG)
        )  # whoever asks has just found the run whole, or made it


@dataclass(frozen=True)
class PlannedMeasurement(Planned):
    """A measurement of a finished run and its place in the store.

    Attributes:
        measurement: What is measured.
        run: Of which run.
        images: Those that are measured, where they came with it; None loads them from where they lie.
    """

    measurement: Instrument
    run: PlannedRun
    images: ImageDataset | None = None

    @property
    def needs(self) -> PlannedRun:
        """The run."""
        return self.run

    @property
    def done(self) -> bool:
        """Whether the store holds the measurement whole, of the weights that the run has there."""
        run = holds_run(self.run.folder, self.run.id)
        return run is not None and holds_measurement(self.folder, self.id, run["weights_hash"])

    @property
    def passes(self) -> float:
        """Images that are sent forward and back until it is done, answers counted as parts of them."""
        work = self.measurement.cost(self.run.images[self.measurement.subset], self.run.shape[1:])
        return work.gradients + ANSWER * work.answers

    def do(self, *, device: str, threads: int, tell: Tell = keep_quiet) -> Path:
        """Measure the network."""
        if not self.run.done:
            raise InputError(f"the run {self.run.folder} was removed while the study ran: start it again")
        return measure(
            self.measurement,
            self.run.folder,
            self.folder,
            fingerprint=self.run.fingerprints[self.measurement.subset],
            test_limit=self.run.test_limit,
            images=self.images,
            device=device,
            threads=threads,
            progress=advancing(tell),
            on_note=noting(tell),
        )


def plan_runs(
    wanted: Iterable[tuple[RunConfig, Probe | None]],
    store: Path,
    *,
    test_limit: int | None = None,
    share: float | None = None,
) -> list[PlannedRun]:
    """Return each of these runs as planned, in their order; equal runs are planned once.

    Data sets are loaded here, each once, since a run's id follows from its data too.

    Args:
        wanted: Runs with what is to be measured along them.
        store: Runs are in its folder `runs`.
        test_limit: Use only the first so many test images.
        share: How much of the time of training a run's probe may take: it is reduced to that, see `Probe.within`. None leaves
            probes as they are.

    Raises:
        InputError: If data cannot be loaded, a batch is larger than its data, or a radius does not fit.
    """
    loaded: dict[tuple, Datasets] = {}
    by_id: dict[str, PlannedRun] = {}
    planned: list[PlannedRun] = []
    for config, probe in wanted:
        key = (config.dataset, config.size, config.limit)
        if key not in loaded:
            loaded[key] = load_datasets(config, test_limit)
        train = loaded[key]["train"]
        check_data(config, samples=len(train), size=train.size)
        if probe is not None:
            probe.check_fits(train.size)
            probe = probe if share is None else probe.within(config.epochs, len(train), share=share)
        run = identify(config, probe, loaded[key])
        if run not in by_id:
            by_id[run] = PlannedRun(
                id=run,
                config=config,
                probe=probe,
                folder=Store(store).runs / run,
                images={subset: len(dataset) for subset, dataset in loaded[key].items()},
                fingerprints={subset: dataset.fingerprint for subset, dataset in loaded[key].items()},
                shape=(train.channels, *train.size),
                classes=len(train.classes),
                test_limit=test_limit,
            )
        planned.append(by_id[run])
    return planned


def plan_measurement(measurement: Instrument, run: PlannedRun, store: Path) -> PlannedMeasurement:
    """Return a measurement of a run as planned; it is in the folder `measurements` of the store."""
    name = measurement_id(measurement, run.id)
    return PlannedMeasurement(name, Store(store).measurements / name, measurement, run)
