"""What there is to do: a job has an id, a place in the store, and a picklable call that fills it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar


@dataclass(frozen=True)
class Job(ABC):
    """A training run, or one measurement of a finished run.

    Attributes:
        id: Follows from the job's settings and all data that it reads, so that equal jobs have equal ids.
        folder: Where its result is, or will be.
    """

    id: str
    folder: Path

    @property
    def needs(self) -> Job | None:
        """The job that must be finished before, if any."""
        return None

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether the store holds its result, whole."""

    @property
    @abstractmethod
    def passes(self) -> float:
        """Images that are sent forward and back until it is done: what its time is proportional to."""

    @abstractmethod
    def do(self, *, device: str, threads: int, on_note: Callable[[str], None] | None = None) -> Path:
        """Do it, and write its folder; this is called in another process.

        `on_note` is told what somebody should know: which process is waited for, what was damaged.
        """

    def failure(self) -> str | None:
        """Return why the result in the store counts as failed, or None if it does not."""
        return None


Kind = TypeVar("Kind", bound=Job)


def longest_first(jobs: Iterable[Kind]) -> list[Kind]:
    """Return jobs in the order that keeps several workers busy to the end."""
    return sorted(jobs, key=lambda job: -job.passes)
