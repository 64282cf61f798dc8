"""From the runs that are wanted to the jobs that are left to do: every run once, checked before any training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from passband.engine.run import Datasets, identify, load_datasets
from passband.probe.curve import Probe
from passband.results.store import find_run
from passband.train.config import RunConfig, check_data
from passband.types import Subset


@dataclass(frozen=True)
class Job:
    """A run and its place in the store.

    Attributes:
        run: The run's id.
        config: Its settings.
        probe: What is measured along it.
        folder: Where it is, or will be.
        images: How many images each subset has.
        shape: Channels, height and width of an image.
        classes: How many classes there are.
    """

    run: str
    config: RunConfig
    probe: Probe | None
    folder: Path
    images: Mapping[Subset, int]
    shape: tuple[int, int, int]
    classes: int

    @property
    def done(self) -> bool:
        """Whether the store holds the run, finished or failed."""
        return find_run(self.folder) is not None

    @property
    def passes(self) -> int:
        """Images that are sent forward and back until the run is done: what its time is proportional to."""
        attacks = self.config.attack_steps if self.config.adversarial is not None else 0
        return self.config.epochs * self.images["train"] * (1 + attacks)


def plan(wanted: Iterable[tuple[RunConfig, Probe | None]], store: Path) -> list[Job]:
    """Return the job of each of these runs, in their order; equal runs have the same job.

    Data sets are loaded here, each once, since a run's id follows from its data too.

    Args:
        wanted: Runs with what is to be measured along them.
        store: Runs are in its folder `runs`.

    Raises:
        InputError: If data cannot be loaded, a batch is larger than its data, or a radius does not fit.
    """
    loaded: dict[tuple, Datasets] = {}
    jobs: dict[str, Job] = {}
    planned: list[Job] = []
    for config, probe in wanted:
        key = (config.dataset, config.size, config.limit)
        if key not in loaded:
            loaded[key] = load_datasets(config)
        train = loaded[key]["train"]
        check_data(config, samples=len(train), size=train.size)
        if probe is not None:
            probe.check_fits(train.size)
        run = identify(config, probe, loaded[key])
        if run not in jobs:
            images = {subset: len(dataset) for subset, dataset in loaded[key].items()}
            shape = (train.channels, *train.size)
            jobs[run] = Job(run, config, probe, store / "runs" / run, images, shape, len(train.classes))
        planned.append(jobs[run])
    return planned


def longest_first(jobs: Iterable[Job]) -> list[Job]:
    """Return jobs in the order that keeps several workers busy to the end."""
    return sorted(jobs, key=lambda job: -job.passes)
