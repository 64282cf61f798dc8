"""Shards of an audit that several processes look at side by side, before it joins them: see `passband.instruments.sharded`."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

from jaxtyping import Int64
from torch import Tensor, nn

from passband.audit.kept import Ahead, Look, Shelf
from passband.data.dataset import ImageDataset
from passband.data.stream import StreamedImages
from passband.engine.engine import Engine
from passband.engine.events import Advance, Event, Tell, advancing, keep_quiet
from passband.engine.execute import Ended, execute
from passband.engine.planned import Planned
from passband.environment import choose_device, limited_threads
from passband.errors import InputError, PassbandError
from passband.files import SEAL, digest
from passband.instruments.instrument import Subject
from passband.instruments.sharded import Shard, Sharded
from passband.models.fingerprint import weights_hash
from passband.models.pixels import as_pixel_model
from passband.models.trial import tried
from passband.types import Progress
from passband.user_modules import said

GROUPS = 2
"""Groups of shards for each process that works at a time: few, since a process starts and loads model and data for each; more than
one, so that a slow processor does not leave the others idle for long."""

Load = Callable[[], tuple[nn.Module, ImageDataset]]
"""Loads model and data in another process; picklable."""


@dataclass(frozen=True, eq=False)
class Given:
    """A model and data that were made in Python: they go to other processes as they are."""

    model: nn.Module
    dataset: ImageDataset

    def __call__(self) -> tuple[nn.Module, ImageDataset]:
        """Return them."""
        return self.model, self.dataset

    def check(self) -> None:
        """Refuse what cannot go there.

        Raises:
            InputError: If one of them cannot be pickled.
        """
        parts: list[tuple[str, object]] = [("model", self.model)]
        if isinstance(self.dataset.images, StreamedImages):  # a tensor can, and may be large
            parts.append(("data", self.dataset.images))
        for what, part in parts:
            try:
                pickle.dumps(part)
            except Exception as error:  # whatever its class raises
                raise InputError(
                    f"the {what} cannot be given to other processes ({said(error)}). Give a function of a module that loads model "
                    "and data there (load=), or let one process look at all."
                ) from error


@dataclass(frozen=True, eq=False)
class ShardsOf:
    """Some shards of what one instrument looks at.

    Attributes:
        instrument: The instrument.
        indices: The positions of the subject's samples; None are all.
        bounds: Where each shard starts and stops.
    """

    instrument: Sharded
    indices: Int64[Tensor, " samples"] | None
    bounds: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class PlannedShards(Planned):
    """A group of shards, whose folder is the shelf on which an audit finds what was seen in them.

    Attributes:
        load: Loads model and data.
        identity: What `identity_of` must return of them.
        run: As of the subject.
        seed: Likewise.
        batch_size: Likewise.
        parts: The shards.
        places: Their folders on the shelf.
        images: How many images they have, by what the progress of instruments is called.
        cost: What they cost, in answers.
    """

    load: Load
    identity: str
    run: str
    seed: int
    batch_size: int | None
    parts: tuple[ShardsOf, ...]
    places: tuple[Path, ...]
    images: Counter[str]
    cost: float

    @property
    def done(self) -> bool:
        """Whether all of them are on the shelf."""
        return all((place / SEAL).is_file() for place in self.places)

    @property
    def passes(self) -> float:
        """Their cost."""
        return self.cost

    def do(self, *, device: str, threads: int, tell: Tell = keep_quiet) -> Path:
        """Look at each that is not there.

        Raises:
            InputError: If model or data are no longer those of the audit, or as the instruments.
        """
        with limited_threads(threads):
            model, dataset = self.load()
            pixels = as_pixel_model(model)
            if identity_of(pixels, dataset) != self.identity:
                raise InputError(
                    "model or data have changed since the audit began, or loading them twice gives others: start again"
                )
            shelf = Shelf(self.folder)
            subject = Subject(
                tried(pixels, dataset, choose_device(device)),
                dataset,
                self.run,
                seed=self.seed,
                batch_size=self.batch_size,
                device=device,
                keep=shelf,
            )
            report, done = advancing(tell), Counter[str]()
            for part in self.parts:
                at = subject if part.indices is None else subject.at(part.indices)
                stage, visited = part.instrument.stage, part.instrument.visited(at)
                for start, stop in part.bounds:
                    progress = partial(_further, report, stage, done[stage], stop - start, self.images[stage])
                    within = replace(at, progress=progress)
                    shelf(part.instrument, within, Shard(visited, start, stop))
                    done[stage] += stop - start
        return self.folder

    def failure(self) -> str | None:
        """Return that the shards are not where the audit looks for them, which other versions of something would explain."""
        return (
            None
            if self.done
            else f"shards that were looked at are not in {self.folder}: is all of it the same there?"
        )


def identity_of(model: nn.Module, dataset: ImageDataset) -> str:
    """Return what tells a model and data from others without looking at images that are decoded when they are looked at."""
    streamed = isinstance(dataset.images, StreamedImages)
    pixels = repr(tuple(dataset.images.shape)) if streamed else dataset.fingerprint
    about = (dataset.classes, dataset.subset, dataset.preparation, pixels)
    return digest(weights_hash(model).encode(), repr(about).encode(), dataset.labels.numpy().tobytes())


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
            loading = Given(deepcopy(subject.model).cpu(), subject.dataset.take(slice(None)))
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


def _further(
    report: Progress, stage: str, before: int, count: int, total: int, _: str, done: int, of: int
) -> None:
    """Report a part of so many images, which come after others."""
    report(stage, before + count * done // of, total)


def refuse_failed(ended: Ended) -> None:
    """Stop all others where one group cannot be looked at: nothing can be joined without it."""
    if ended.status == "failed":
        raise PassbandError(ended.message)
