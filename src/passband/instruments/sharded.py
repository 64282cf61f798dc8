"""Instruments that look at images a shard at a time, so that what was seen can be kept, and seen by several processes side by side.

A shard is a number of images that follows from their size, the instrument and the batch size, never from the number of processes or
their speed; and it is whole batches. So it is seen alike wherever it is looked at, and shards that are joined in order say what one
process would have said.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

from jaxtyping import Int64
from torch import Tensor

from passband.data.batches import choose_batch_size
from passband.environment import choose_device
from passband.instruments.instrument import Found, Instrument, Subject
from passband.types import Progress

VALUES_IN_SHARD = 2**30
"""Values of images times answers to each, a gradient counting as three: 375 color images of 224 pixels, each as 19 components, which
is some minutes of one core, and some seconds of a GPU."""

MOST_IN_SHARD = 1024
"""Images in a shard, unless a few batches are more: of small images as many as a killed audit can lose without regret."""

LEAST_BATCHES = 4
"""Batches in a shard: an attack's batch empties at the end of each."""

Seen = TypeVar("Seen")


@dataclass(frozen=True, eq=False)
class Shard:
    """Some of the images that an instrument looks at.

    Attributes:
        visited: The positions of all that it looks at, in its order.
        start: The first of this shard among them.
        stop: The one after its last.
    """

    visited: Int64[Tensor, " visited"]
    start: int
    stop: int

    @property
    def samples(self) -> Int64[Tensor, " samples"]:
        """The positions of the shard's images."""
        return self.visited[self.start : self.stop]


class Sharded(Instrument[Found], Generic[Seen, Found]):
    """An instrument whose result is made of what it sees in single images.

    Attributes:
        seen: What it sees in a shard: a dataclass of tensors and numbers, which `passband.serial` can write.
    """

    seen: ClassVar[type[Any]]

    @property
    def stage(self) -> str:
        """What its progress is called."""
        return self.name

    def visited(self, subject: Subject) -> Int64[Tensor, " visited"]:  # most look at all
        """Return the positions of the images that it looks at, in its order."""
        return subject.samples

    def together(self, subject: Subject) -> int:
        """Return how many images it looks at together: its batch size."""
        return choose_batch_size(subject.batch_size, subject.dataset, choose_device(subject.device))

    def depends_on(self, subject: Subject) -> str:  # most depend on nothing else
        """Return what decides what is seen beside the settings, the model, the images and the batch size; the seed aside."""
        return ""

    @abstractmethod
    def look(self, subject: Subject, shard: Shard) -> Seen:
        """Look at a shard of the images that it visits; what is seen does not depend on which others there are."""

    @abstractmethod
    def join(self, subject: Subject, seen: Iterable[Seen]) -> Found:
        """Return what it finds in all that was seen, shard by shard in order, each of which is forgotten once it is counted."""

    def sharded(self, subject: Subject) -> tuple[Instrument, ...]:
        """Return itself."""
        return (self.resolved(subject.dataset.size),)

    def measure(self, subject: Subject) -> Found:
        """Look at all shards; at all images at once where the subject keeps no shards."""
        self.check(subject)
        return self.join(subject, self._seen(subject))

    def _seen(self, subject: Subject) -> Iterator[Seen]:
        shards = self.shards(subject)
        for shard in shards:
            within = subject
            if subject.progress is not None and len(shards) > 1:
                within = replace(subject, progress=_within(subject.progress, shard))
            yield self.look(within, shard) if subject.keep is None else subject.keep(self, within, shard)

    def shards(self, subject: Subject) -> list[Shard]:
        """Return the shards of the images that it looks at, in order."""
        visited = self.visited(subject)
        size = len(visited) if subject.keep is None else self._shard_size(subject)
        return [
            Shard(visited, start, min(start + size, len(visited))) for start in range(0, len(visited), size)
        ]

    def _shard_size(self, subject: Subject) -> int:
        together, dataset = self.together(subject), subject.dataset
        values = math.prod(dataset.images.shape[1:]) * self.cost(1, dataset.size).in_answers
        images = min(int(VALUES_IN_SHARD / max(values, 1)), MOST_IN_SHARD)
        return math.ceil(max(images, LEAST_BATCHES * together) / together) * together


def _within(progress: Progress, shard: Shard) -> Progress:
    """Return a progress that counts the images of the shards before too."""
    count = shard.stop - shard.start
    return lambda stage, done, total: progress(stage, shard.start + count * done // total, len(shard.visited))
