"""What was found, kept beside an audit until it is whole: one that was killed does not look again at what it has seen.

It is kept shard by shard (`passband.instruments.sharded`), in a folder that is named after all that decides it, and each with its
checksum: what is damaged, or was found with another model, other data or settings, is looked for again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch

from passband.audit.pictures import ExtraReading
from passband.data.batches import SMALLEST_BATCH, batches
from passband.environment import choose_device, versions
from passband.errors import PassbandError
from passband.files import check_seal, digest, place_of, seal, written_whole
from passband.instruments.instrument import Instrument, Subject
from passband.instruments.settings import describe_settings
from passband.instruments.sharded import Shard, Sharded
from passband.models.pixels import answers, evaluating
from passband.rows import to_table
from passband.serial import read_tensors, write_tensors
from passband.user_modules import imported_code

FOUND = "found.safetensors"
OWN = ("passband.", "builtins")
"""What modules begin with whose code changes with the version alone. What others look with, or at, is not kept."""

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Shelf:
    """Where it is kept: called with an instrument, a subject and a shard, as `Subject.keep`, it returns what is seen in it.

    Attributes:
        folder: As `kept_beside` names it; None keeps nothing, and every shard is looked at.
    """

    folder: Path | None = None

    def __call__(self, instrument: Sharded, subject: Subject, shard: Shard) -> Any:
        """Return what was kept, or else look and keep it."""
        place = self.place(instrument, subject, shard)
        if place is None:
            return instrument.look(subject, shard)
        found = _kept(place, instrument.seen)
        if found is None:
            found = instrument.look(subject, shard)
            _keep(place, found)
        elif subject.progress is not None:
            count = shard.stop - shard.start
            subject.progress(instrument.stage, count, count)
        return found

    def place(self, instrument: Sharded, subject: Subject, shard: Shard) -> Path | None:
        """Return the folder of a shard; None where it is not kept."""
        if self.folder is None or not _is_own(instrument):
            return None
        beside = f"{instrument.together(subject)} {instrument.depends_on(subject)}".encode()
        looks = digest(_settings(instrument, subject), beside, _bytes(shard.visited))
        return self.folder / f"{instrument.name}-{looks}" / f"{shard.start:09}-{shard.stop:09}"

    def read(self, instrument: Instrument, subject: Subject) -> ExtraReading:
        """Return what an instrument finds, as audits show it: what was kept, or else what it finds now."""
        if self.folder is None or not _is_own(instrument):
            return _reading(instrument, subject)
        beside = repr(subject.batch_size).encode()
        looks = digest(_settings(instrument, subject), beside, _bytes(subject.samples))
        place = self.folder / f"{instrument.name}-{looks}"
        found = _kept(place, ExtraReading)
        if found is None:
            found = _reading(instrument, subject)
            _keep(place, found)
        elif subject.progress is not None:
            subject.progress(instrument.name, len(subject.samples), len(subject.samples))
        return found


class Look(NamedTuple):
    """What an audit will look at."""

    instrument: Sharded
    subject: Subject


Ahead = Callable[[Sequence[Look]], None]
"""Looks at shards before an audit does, which then finds them on its shelf."""


def looks_of(instruments: Iterable[Instrument], subject: Subject) -> list[Look]:
    """Return all that some instruments will look at shard by shard, each once."""
    parts = dict.fromkeys(part for each in instruments for part in each.sharded(subject))
    return [Look(part, subject) for part in parts if isinstance(part, Sharded)]


def kept_beside(result_folder: Path, subject: Subject) -> Path:
    """Return the folder beside an audit in which what is found is kept; all that decides it, instruments aside, decides its name.

    What the network answers to the first images is a part of it, and so is the user's code that was imported: the network's code
    may change where its weights do not.
    """
    model, dataset, place = subject.model, subject.dataset, choose_device(subject.device)
    first = next(
        batches(dataset, batch_size=SMALLEST_BATCH, device=place, order=subject.samples[:SMALLEST_BATCH])
    )
    with evaluating(model.to(place)):
        logits = answers(model, first.images, len(dataset.classes), "whole images")
    asked = (model.mean, model.std, model.outputs)
    return place_of(
        result_folder,
        repr(versions()),
        subject.run,
        repr([None if each is None else each.tolist() for each in asked]),
        dataset.fingerprint,
        repr((dataset.classes, dataset.subset, dataset.preparation)),
        repr((subject.seed, subject.training_batch, _rounding(place))),
        repr(sorted(imported_code().items())),
        digest(_bytes(logits.cpu())),
    )


def _rounding(device: torch.device) -> tuple[str, str]:
    """Return on what kind of device, and by which of its instructions, numbers are rounded."""
    if device.type == "cuda":
        return device.type, torch.cuda.get_device_name(device)
    return device.type, torch.backends.cpu.get_cpu_capability()


def _reading(instrument: Instrument, subject: Subject) -> ExtraReading:
    found = subject.read(instrument)
    return ExtraReading(
        instrument.name,
        instrument.summary,
        to_table(found.rows()),
        found.figure(),
        found.words(),
        describe_settings(instrument),
    )


def _kept(place: Path, kind: type[Kept]) -> Kept | None:
    """Return what is kept in a folder; None if it is not there, or damaged."""
    try:
        check_seal(place, [FOUND])
        return read_tensors(place / FOUND, kind)
    except PassbandError:
        return None


def _keep(place: Path, found: Any) -> None:
    with written_whole(place) as aside:
        write_tensors(aside / FOUND, found)
        seal(aside)


def _settings(instrument: Instrument, subject: Subject) -> bytes:
    return json.dumps(instrument.resolved(subject.dataset.size).to_dict(), sort_keys=True).encode()


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().numpy().tobytes()


def _is_own(value: Any) -> bool:
    """Return whether a setting, and whatever it holds, is of a class of the package."""
    if isinstance(value, tuple | list):
        return all(map(_is_own, value))
    own = type(value).__module__.startswith(OWN)
    return own and (
        not is_dataclass(value) or all(_is_own(getattr(value, each.name)) for each in fields(value))
    )
