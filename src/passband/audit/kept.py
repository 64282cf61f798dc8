"""What instruments found, kept beside an audit until it is whole: one that was killed does not look again at what it has seen."""

from __future__ import annotations

import json
from pathlib import Path

from passband.audit.pictures import ExtraReading
from passband.environment import choose_device, versions
from passband.errors import InputError
from passband.files import digest, place_of, remove_leftovers, written_whole
from passband.instruments.components import Answers
from passband.instruments.instrument import Instrument, Subject
from passband.instruments.settings import describe_settings
from passband.rows import to_table
from passband.serial import read_tensors, write_tensors

READING = "reading.safetensors"
OWN = "passband."
"""What modules of the package begin with. The code of other instruments may change between two attempts, and is not kept."""


def look(instrument: Instrument, subject: Subject) -> ExtraReading:
    """Return what an instrument finds, as audits show it."""
    found = subject.read(instrument)
    return ExtraReading(
        instrument.name,
        instrument.summary,
        to_table(found.rows()),
        found.figure(),
        found.words(),
        describe_settings(instrument),
    )


def look_once(instrument: Instrument, subject: Subject, kept: Path | None) -> ExtraReading:
    """Return what an instrument finds, or what it had found when an audit for the same folder was killed.

    Args:
        instrument: What looks.
        subject: At whom.
        kept: The folder in which it is kept, as `kept_beside` names it; None keeps nothing.
    """
    if kept is None or not type(instrument).__module__.startswith(OWN):
        return look(instrument, subject)
    folder = kept / _called(instrument, subject)
    try:
        found = read_tensors(folder / READING, ExtraReading)
    except InputError:  # not there, or damaged
        found = look(instrument, subject)
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        with written_whole(folder) as aside:
            write_tensors(aside / READING, found)
        return found
    if subject.progress:
        subject.progress(instrument.name, len(subject.samples), len(subject.samples))
    return found


def kept_beside(result_folder: Path, subject: Subject, answers: Answers) -> Path:
    """Return the folder beside an audit in which what instruments find is kept; all that decides that decides its name.

    What the network has answered is a part of it: its code may change where its weights do not.
    """
    model, dataset = subject.model, subject.dataset
    asked = (model.mean, model.std, model.outputs)
    said = (answers.predictions, answers.confidence, answers.loss)
    return place_of(
        result_folder,
        versions()["passband"],
        subject.run,
        repr([None if each is None else each.tolist() for each in asked]),
        dataset.fingerprint,
        repr((dataset.classes, dataset.subset, dataset.preparation)),
        digest(subject.samples.numpy().tobytes()),
        repr((subject.seed, subject.training_batch, choose_device(subject.device).type)),
        digest(*(each.numpy().tobytes() for each in said)),
    )


def _called(instrument: Instrument, subject: Subject) -> str:
    settings = json.dumps(instrument.resolved(subject.dataset.size).to_dict(), sort_keys=True)
    return f"{instrument.name}-{digest(settings.encode())}"
