"""Any instrument, shown a run's training images in place of its test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from passband.instruments.instrument import Cost, Instrument, Reading, Subject
from passband.types import Subset

Found = TypeVar("Found", bound=Reading)


@dataclass(frozen=True)
class OnTraining(Instrument[Found]):
    """What an instrument finds on the images that a run was trained on; for studies, which know them.

    Attributes:
        shown: What looks at them.

    Example:
        >>> from passband.instruments.favorite_answer import FavoriteAnswer
        >>> OnTraining(FavoriteAnswer()).to_dict()
        {'instrument': 'on-training', 'shown': {'instrument': 'favorite-answer'}}
    """

    shown: Instrument[Found]

    name: ClassVar[str] = "on-training"
    summary: ClassVar[str] = "another instrument, on the images that a run was trained on"
    subset: ClassVar[Subset] = "train"

    def __str__(self) -> str:
        """Say which instrument, and where it looks."""
        return f"{self.shown}, on training images"

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return what it costs there."""
        return self.shown.cost(samples, size)

    def check(self, subject: Subject) -> None:
        """Refuse what the instrument refuses."""
        self.shown.check(subject)

    def sharded(self, subject: Subject) -> tuple[Instrument, ...]:
        """Return what the instrument returns."""
        return self.shown.sharded(subject)

    def measure(self, subject: Subject) -> Found:
        """Look at the images of the subject."""
        return subject.read(self.shown)
