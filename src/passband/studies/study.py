"""A study: runs and measurements that answer one question, the claims that they decide, the figure that shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from passband.analysis.claim import Claim
from passband.analysis.figure import Figure
from passband.analysis.table import SummaryTable
from passband.detection.training_config import DetectorConfig, PublishedDetector
from passband.engine.detection import DetectionMeasurement
from passband.errors import InputError
from passband.files import slug
from passband.instruments.instrument import Instrument
from passband.studies.deviations import Deviation
from passband.studies.kernel_figure import KernelFigure
from passband.studies.presets import Setting
from passband.train.config import RunConfig

Config = RunConfig | DetectorConfig | PublishedDetector
"""How a network comes about: a classifier or a detector that is trained, or a detector that is published."""

Classifiers = Mapping[str, RunConfig]
Detectors = Mapping[str, DetectorConfig | PublishedDetector]
Runs = Classifiers | Detectors
"""The runs of a study by their labels, seeds aside: all of them are classifiers, or all of them are detectors."""

Measurements = Mapping[str, tuple[Instrument, ...]] | Mapping[str, tuple[DetectionMeasurement, ...]]
"""What is measured of finished runs, by the labels of those runs."""


@dataclass(frozen=True)
class Study:
    """An experiment of the paper as data, with small pure functions of a setting.

    Attributes:
        name: As `passband study run` takes it.
        title: One line.
        source: Its place in the paper.
        question: What it answers.
        runs: Its runs in a setting.
        claims: What the paper says of them.
        figure: The paper's figure, or a chart of its table.
        measurements: What is measured of its runs once they are finished; of most studies, nothing.
        table: The paper's table, if it has one and the figure is a chart of it.
        deviations: What it does otherwise than the paper, besides what a setting does in every study.
    """

    name: str
    title: str
    source: str
    question: str
    runs: Callable[[Setting], Runs]
    claims: Callable[[Setting], tuple[Claim, ...]]
    figure: Callable[[Setting], Figure | KernelFigure]
    measurements: Callable[[Setting], Measurements] = lambda _: {}
    table: Callable[[Setting], SummaryTable] | None = None
    deviations: Callable[[Setting], tuple[Deviation, ...]] = lambda _: ()

    def all_deviations(self, setting: Setting) -> tuple[Deviation, ...]:
        """Return what is done otherwise than in the paper in the runs of this study."""
        configs = [config for config in self.runs(setting).values() if isinstance(config, RunConfig)]
        of_preset = setting.deviations(configs) + setting.not_followed if configs else ()
        return of_preset + self.deviations(setting)

    def check(self, setting: Setting) -> None:
        """Refuse a study of which something would be left out without a word.

        Raises:
            InputError: If it has no runs, or measures or shows runs that it does not have, or its name is no folder's, or its claims
                are none.
        """
        if self.name == "all" or slug(self.name) != self.name:
            raise InputError(
                "a study's name has letters, digits, dots, underscores and hyphens, and is not 'all', got "
                f"{self.name!r}"
            )
        runs = self.runs(setting)
        if not runs:
            raise InputError(f"the study {self.name} has no runs")
        for claim in self.claims(setting):  # before anything is trained
            if not isinstance(claim, Claim):
                raise InputError(
                    f"the study {self.name}: a claim must be a passband Claim, got {type(claim).__name__}"
                )
        for what, labels in (
            ("measures of", set(self.measurements(setting))),
            ("figure shows", self.figure(setting).labels),
        ):
            if not labels <= set(runs):
                raise InputError(
                    f"the study {self.name}: {what} runs that it does not have: {', '.join(sorted(labels - set(runs)))}. "
                    f"Known: {', '.join(runs)}"
                )


def with_seeds(runs: Runs, seeds: int) -> list[tuple[str, Config]]:
    """Return every run with every seed, 0 to `seeds - 1`, with its label; what is published is there once.

    Raises:
        InputError: If there is no seed.
    """
    if seeds < 1:
        raise InputError(f"seeds is how many times each run is made, at least 1, got {seeds}")
    return [
        (label, config if isinstance(config, PublishedDetector) else replace(config, seed=seed))
        for label, config in runs.items()
        for seed in range(1 if isinstance(config, PublishedDetector) else seeds)
    ]


def shortened(runs: Runs, *, epochs: int | None = None, limit: int | None = None) -> Runs:
    """Return the same runs cut to at most so many epochs and training images, to check a protocol."""
    return cast(Runs, {label: _shortened(config, epochs, limit) for label, config in runs.items()})


def _shortened(config: Config, epochs: int | None, limit: int | None) -> Config:
    if isinstance(config, PublishedDetector):
        return config
    return replace(
        config,
        epochs=config.epochs if epochs is None else min(epochs, config.epochs),
        limit=limit if config.limit is None else min(config.limit, limit or config.limit),
    )


def distinct(all_runs: Iterable[Runs]) -> set[Config]:
    """Return the runs that are left where several studies share some."""
    return {config.resolved() for runs in all_runs for config in runs.values()}
