"""What a tracker is: a tool that is told of runs while they train, and shows their curves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True)
class Tracked:
    """A run, as trackers know it.

    Attributes:
        id: Its id.
        name: What people call it.
        folder: Its folder, which has its rows once it has ended; its checkpoint lies beside it.
        curves: The folder of TensorBoard's files of it.
        settings: Its settings, as JSON holds them.
    """

    id: str
    name: str
    folder: Path
    curves: Path
    settings: Mapping[str, Any]


class Session(ABC):
    """A run that a tracker is being told of."""

    @abstractmethod
    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take what was measured after an epoch, counted from 1; epochs come in their order.

        Args:
            epoch: Which.
            values: Numbers by the names of their curves, such as `test/accuracy/lfc:8`.
        """

    @abstractmethod
    def finish(self, outcome: Outcome) -> None:
        """Take what became of the run. All that was logged is kept, or on its way, when this returns."""


class Tracker(ABC):
    """A tool that is told of runs. Each of its methods may raise anything: a run goes on whatever becomes of it."""

    name: str

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it keeps what it is told, as the name of a file: a run is told once to each place."""

    @abstractmethod
    def check(self) -> None:
        """Refuse, before anything starts, what could not work.

        Raises:
            MissingDependencyError: If it is not installed.
            InputError: If it is not logged in, or has no place to write to.
        """

    @abstractmethod
    def start(self, run: Tracked) -> tuple[Session, int]:
        """Begin to be told of a run.

        Returns:
            What takes its curves, and the last epoch that this place has of it already: what comes after is logged. 0 where it has
            none, or where epochs that it has may be logged again.
        """
