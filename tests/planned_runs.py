"""Planned runs and measurements that exist on paper only."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from passband.engine.plan import PlannedMeasurement, PlannedRun
from passband.engine.probe import Probe
from passband.instruments.instrument import Cost, Instrument, Rows
from passband.train.config import RunConfig

SMALL = RunConfig("made-up", width=4, batch_size=10, epochs=10)


def planned(run: str, config: RunConfig, folder: Path, probe: Probe | None = None) -> PlannedRun:
    return PlannedRun(
        id=run,
        folder=folder / run,
        config=config,
        probe=probe,
        images={"train": 10_000, "test": 2_000},
        fingerprints={"train": "a", "test": "b"},
        shape=(1, 16, 16),
        classes=4,
    )


@dataclass(frozen=True)
class Steps(Instrument[Rows]):
    """So many gradients and answers for every image."""

    gradients: int
    answers: int = 0

    name: ClassVar[str] = "steps"
    summary: ClassVar[str] = "nothing, at a cost"

    def cost(self, samples, size):
        return Cost(self.gradients * samples, self.answers * samples)

    def measure(self, subject):
        return Rows(())


def measurement(name: str, steps: Steps, run: PlannedRun) -> PlannedMeasurement:
    return PlannedMeasurement(name, run.folder.parent / name, steps, run)
