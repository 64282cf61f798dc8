"""Where things lie in a store, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from passband.errors import InputError

CONFIG, ROWS, ENVIRONMENT, WEIGHTS = "config.json", "rows.parquet", "environment.json", "weights.safetensors"
"""The files of a run; a measurement has no weights."""

USES = "uses.json"
"""In a study's folder: which runs and measurements of the store its result rests on."""


@dataclass(frozen=True)
class Store:
    """A folder of results.

    Attributes:
        root: The folder. `passband train` takes the current one for its `runs` where no `--out` is given.
    """

    root: Path

    @property
    def runs(self) -> Path:
        """Runs and detectors, each a folder."""
        return self.root / "runs"

    @property
    def measurements(self) -> Path:
        """Measurements of finished ones, each a folder."""
        return self.root / "measurements"

    @property
    def studies(self) -> Path:
        """What came of studies, each a folder."""
        return self.root / "studies"

    @property
    def reproductions(self) -> Path:
        """The pages of all studies together, each in a folder."""
        return self.root / "reproductions"

    @property
    def curves(self) -> Path:
        """TensorBoard's files of the runs of studies: a folder for each, whose name ends in the run's id."""
        return self.root / "tensorboard"

    def check(self) -> None:
        """Refuse a folder that is no store.

        Raises:
            InputError: If it has no runs and no measurements.
        """
        if not (self.runs.is_dir() or self.measurements.is_dir()):
            raise InputError(
                f"{self.root} holds no runs: it has no folder 'runs'. `passband study run` keeps its runs in --store, which is "
                "'results' where nothing is said; `passband train` in ./runs, which is --store ."
            )
