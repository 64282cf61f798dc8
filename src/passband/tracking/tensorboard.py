"""TensorBoard's event files, which need no server: `tensorboard --logdir STORE` shows curves while they grow."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from passband.tracking.tracker import Outcome, Session, Tracked, Tracker

# Protobuf makes the classes of these modules when they are imported, so that no type checker sees them.
EVENTS, SUMMARIES = (import_module(f"tensorboard.compat.proto.{name}_pb2") for name in ("event", "summary"))

VERSION = "brain.Event:2"
"""Of the format: readers of it drop what an earlier file has from the epoch on at which a new one says that it starts."""


class TensorBoard(Tracker):
    """Writes a file of events for each session of a run; when the run has ended, one file has all of its curves."""

    name = "tensorboard"

    @property
    def place(self) -> str:
        """The folder of the run."""
        return self.name

    def check(self) -> None:
        """Refuse nothing: it is always there, and its files lie beside those of runs."""

    def start(self, run: Tracked) -> tuple[Session, int]:
        """Begin a new file, to which all epochs are logged again."""
        return EventFile(run), 0


class EventFile(Session):
    """One file of events.

    It is written record by record, without a thread of its own, so that what goes wrong is heard at once.
    """

    def __init__(self, run: Tracked) -> None:
        run.curves.mkdir(parents=True, exist_ok=True)
        self._older = list(run.curves.glob("events.out.tfevents.[0-9]*"))
        self._file = (run.curves / _later(self._older)).open("xb")
        self._writer = RecordWriter(self._file)
        self._first: int | None = None
        with self._writing():
            self._write(file_version=VERSION, source_metadata=EVENTS.SourceMetadata(writer="passband"))
            self._write(summary=hparams_pb(_flat(run.settings), trial_id=run.id))

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write an epoch; readers see it at once."""
        with self._writing():
            if self._first is None:
                self._first = epoch
                self._write(step=epoch, session_log=EVENTS.SessionLog(status=EVENTS.SessionLog.START))
            numbers = [
                SUMMARIES.Summary.Value(tag=name, simple_value=value) for name, value in values.items()
            ]
            self._write(step=epoch, summary=SUMMARIES.Summary(value=numbers))

    def finish(self, outcome: Outcome) -> None:
        """Close the file, and remove those of earlier sessions if this one has all that they have."""
        with self._writing():
            os.fsync(self._file.fileno())
        self._file.close()
        if outcome != "interrupted" and self._first == 1:
            for path in self._older:
                path.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Let readers see what was written in the block; where the disk is full, leave the file."""
        try:
            yield
            self._file.flush()
        except OSError:
            with suppress(OSError):  # what is not written yet will not be
                self._file.close()
            raise

    def _write(self, **what: Any) -> None:
        self._writer.write(EVENTS.Event(wall_time=time.time(), **what).SerializeToString())


def _later(older: Sequence[Path]) -> str:
    """Return a name as TensorBoard's own writers make it, after those that are there: files are read in the order of their names."""
    times = [int(time.time()), *(int(path.name.split(".")[3]) + 1 for path in older)]
    return f"events.out.tfevents.{max(times):010d}.{socket.gethostname()}.{os.getpid()}.0"


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as TensorBoard compares them: numbers, truths and texts; what was left out is not among them."""
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in settings.items()
        if value is not None
    }
