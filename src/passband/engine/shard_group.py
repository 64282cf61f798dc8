"""A group of an audit's shards, which another process looks at: what goes there, and what it does."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jaxtyping import Int64
from torch import Tensor, nn

from passband.audit.kept import Shelf
from passband.data.dataset import ImageDataset
from passband.data.stream import StreamedImages
from passband.engine.events import Tell, advancing, keep_quiet
from passband.engine.planned import Planned
from passband.environment import choose_device, limited_threads
from passband.errors import InputError
from passband.files import SEAL, digest
from passband.instruments.instrument import Subject
from passband.instruments.sharded import Shard, Sharded
from passband.memory import kept
from passband.models.fingerprint import weights_hash
from passband.models.pixels import as_pixel_model
from passband.models.trial import tried
from passband.types import Progress
from passband.user_modules import said

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
        with (
            limited_threads(threads),
            kept(),
        ):  # all along: a shard is too short to ask the system for memory anew
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


def _further(
    report: Progress, stage: str, before: int, count: int, total: int, _: str, done: int, of: int
) -> None:
    """Report a part of so many images, which come after others."""
    report(stage, before + count * done // of, total)
