"""Shards of an audit that several processes look at side by side, before it joins them: see `passband.instruments.sharded`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from passband.audit.kept import Ahead, Look, Shelf
from passband.engine.engine import Engine
from passband.engine.events import Advance, Event
from passband.engine.execute import Ended, execute
from passband.engine.planned import Planned
from passband.engine.shard_group import Given, Load, PlannedShards, ShardsOf, identity_of
from passband.errors import PassbandError
from passband.files import SEAL
from passband.instruments.sharded import Shard
from passband.types import Progress

GROUPS = 2
"""Groups of shards for each process that works at a time: few, since a process starts and loads model and data for each; more than
one, so that a slow processor does not leave the others idle for long."""


def side_by_side(engine: Engine, *, load: Load | None = None, threads: int = 1) -> Ahead:
    """Return what `passband.audit` takes as `ahead`, so that several processes look at its shards.

    The audit finds what it would have found alone, to the last bit, where their computers are alike.

    Args:
        engine: Where they are, and how many at a time.
        load: Loads model and data there; None sends those that the audit has.
        threads: How many threads each of them has.

    Example:
        >>> from passband.engine.local import Local
        >>> def audited(model, data):
        ...     with Local(2) as engine:
        ...         return pb.audit(model, data, result_folder=Path("mine"), ahead=side_by_side(engine))
    """

    def ahead(looks: Sequence[Look]) -> None:
        subject = looks[0].subject
        loading = load
        if loading is None:
            # What is taken anew has no digest of its images yet, which could not be pickled.
            loading = Given(subject.model, subject.dataset.take(slice(None)))
            loading.check()
        planned = plan_shards(looks, loading, groups=GROUPS * engine.at_once)
        watch = None if subject.progress is None else _Watch(subject.progress, planned)
        execute(
            planned,
            engine=engine,
            device=subject.device,
            threads=threads,
            on_event=None if watch is None else watch.told,
            on_ended=refuse_failed,
        )

    return ahead


def plan_shards(looks: Sequence[Look], load: Load, *, groups: int) -> list[PlannedShards]:
    """Return so many groups at most of all shards of some looks that are not on the shelf, of about equal cost.

    Each has its part of every look, so that it takes about as long as the others though nobody knows what an attack costs.
    """
    subject, shelf = looks[0].subject, looks[0].subject.keep
    assert isinstance(shelf, Shelf)
    assert shelf.folder is not None
    members: list[list[_Left]] = [[] for _ in range(groups)]
    for _, those in groupby(_left(looks), key=lambda each: id(each.look)):
        for part in _cut(list(those), groups):
            min(members, key=_cost).extend(part)
    members = [shards for shards in members if shards]
    identity = identity_of(subject.model, subject.dataset) if members else ""
    return [
        PlannedShards(
            id=f"group {number} of {len(members)} of the shards",
            folder=shelf.folder,
            load=load,
            identity=identity,
            run=subject.run,
            seed=subject.seed,
            batch_size=subject.batch_size,
            parts=tuple(_parts(shards)),
            places=tuple(each.place for each in shards),
            images=_images(shards),
            cost=_cost(shards),
        )
        for number, shards in enumerate(members, 1)
    ]


def _cut(shards: Sequence[_Left], most: int) -> Iterator[Sequence[_Left]]:
    """Yield so many parts at most, of about as many consecutive shards each."""
    count = min(most, len(shards))
    for part in range(count):
        yield shards[part * len(shards) // count : (part + 1) * len(shards) // count]


def _cost(shards: Sequence[_Left]) -> float:
    return sum(each.cost for each in shards)


@dataclass(frozen=True, eq=False)
class _Left:
    """A shard that is not on the shelf yet."""

    look: Look
    shard: Shard
    place: Path

    @property
    def images(self) -> int:
        return self.shard.stop - self.shard.start

    @property
    def cost(self) -> float:
        return self.look.instrument.cost(self.images, self.look.subject.dataset.size).in_answers


def _left(looks: Sequence[Look]) -> Iterator[_Left]:
    """Yield the shards that are not on the shelf, each once."""
    seen = set()
    for look in looks:
        shelf = look.subject.keep
        assert isinstance(shelf, Shelf)
        for shard in look.instrument.shards(look.subject):
            place = shelf.place(look.instrument, look.subject, shard)
            if place is not None and place not in seen and not (place / SEAL).is_file():
                seen.add(place)
                yield _Left(look, shard, place)


def _parts(shards: Sequence[_Left]) -> Iterator[ShardsOf]:
    for _, those in groupby(shards, key=lambda each: id(each.look)):
        members = list(those)
        instrument, subject = members[0].look
        yield ShardsOf(
            instrument, subject.indices, tuple((each.shard.start, each.shard.stop) for each in members)
        )


def _images(shards: Sequence[_Left]) -> Counter[str]:
    images = Counter[str]()
    for each in shards:
        images[each.look.instrument.stage] += each.images
    return images


class _Watch:
    """Adds up how far groups are, in images, instrument by instrument."""

    def __init__(self, progress: Progress, planned: Sequence[PlannedShards]) -> None:
        self._progress = progress
        self._totals: Counter[str] = sum((each.images for each in planned), Counter())
        self._done: dict[tuple[str, str], int] = {}

    def told(self, planned: Planned, event: Event) -> None:
        """Take down what a group tells."""
        if isinstance(event, Advance):
            self._done[planned.id, event.stage] = event.done
            done = sum(count for (_, stage), count in self._done.items() if stage == event.stage)
            self._progress(event.stage, done, self._totals[event.stage])


def refuse_failed(ended: Ended) -> None:
    """Stop all others where one group cannot be looked at: nothing can be joined without it."""
    if ended.status == "failed":
        raise PassbandError(ended.message)
