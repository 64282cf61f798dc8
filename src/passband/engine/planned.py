"""What is planned, whatever it is: it has an id, a place in the store, and a picklable call that fills it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from passband.engine.events import Tell, keep_quiet


@dataclass(frozen=True)
class Planned(ABC):
    """A training run, or one measurement of a finished run, of a classifier or of a detector.

    Attributes:
        id: Follows from its settings and its data, so that what is equal has one id.
        folder: Where its result is, or will be.
    """

    id: str
    folder: Path

    @property
    def needs(self) -> Planned | None:
        """What must be finished before, if anything."""
        return None

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether the store holds its result."""

    @property
    @abstractmethod
    def passes(self) -> float:
        """Images that are sent forward and back until it is done: what its time is proportional to."""

    @abstractmethod
    def do(self, *, device: str, threads: int, tell: Tell = keep_quiet) -> Path:
        """Do it, and write its folder; this is called in another process, and tells how far it is."""

    def failure(self) -> str | None:
        """Return why the result in the store counts as failed, or None if it does not."""
        return None


Kind = TypeVar("Kind", bound=Planned)


def longest_first(planned: Iterable[Kind]) -> list[Kind]:
    """Return what is planned in the order that keeps several workers busy to the end."""
    return sorted(planned, key=lambda one: -one.passes)
