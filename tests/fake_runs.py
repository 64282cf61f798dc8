"""Jobs that train and measure nothing; a new process can import them without torch."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FakeJob:
    """A job whose work is a function of this module."""

    id: str
    folder: Path
    act: Callable[..., Path]
    passes: float = 1.0
    needs: FakeJob | None = None

    @property
    def done(self) -> bool:
        """Whether it has left its result."""
        return (self.folder / "result.json").is_file()

    def do(self, *, device: str, threads: int, on_note: Callable[[str], None] | None = None) -> Path:
        """Call the function."""
        if on_note is not None:
            on_note(f"{self.id} begins")
        return self.act(self, device=device, threads=threads)

    def failure(self) -> str | None:
        """Return the message in the result."""
        return json.loads((self.folder / "result.json").read_text())


def note(job: FakeJob, text: str) -> int:
    """Add a line to the log beside the results, and return how many lines a job has there."""
    log = job.folder.parent / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(f"{job.id} {text}\n")
    return log.read_text().count(job.id)


def finish(job, *, device, threads, message=None):
    """Leave a result."""
    note(job, f"{device} {threads} {os.getpid()}")
    job.folder.mkdir(parents=True)
    (job.folder / "result.json").write_text(json.dumps(message))
    return job.folder


def diverge(job, **settings):
    """End as a run whose loss became infinite."""
    return finish(job, message="the loss is inf", **settings)


def killed_once(job, **settings):
    """Be killed at the first attempt."""
    if note(job, "tried") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return finish(job, **settings)


def killed(job, **settings):
    """Be killed at every attempt."""
    note(job, "tried")
    os.kill(os.getpid(), signal.SIGKILL)


def raise_anything(job, **settings):
    """Raise what nobody foresaw."""
    note(job, "tried")
    raise ZeroDivisionError("division by zero")


def refuse(job, **settings):
    """Refuse the settings."""
    from passband.errors import InputError

    note(job, "tried")
    raise InputError("the batch is too large")


def interrupt(job, **settings):
    """Be interrupted."""
    note(job, "tried")
    raise KeyboardInterrupt
