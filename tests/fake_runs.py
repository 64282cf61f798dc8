"""Planned runs that train and measure nothing; a new process can import them without torch."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

TWO = Barrier(2)


@dataclass(frozen=True)
class FakePlanned:
    """A run or measurement whose work is a function of this module."""

    id: str
    folder: Path
    act: Callable[..., Path]
    passes: float = 1.0
    needs: FakePlanned | None = None

    @property
    def done(self) -> bool:
        """Whether it has left its result."""
        return (self.folder / "result.json").is_file()

    def do(self, *, device: str, threads: int, tell: Callable[..., None]) -> Path:
        """Call the function."""
        from passband.engine.events import Note

        tell(Note("it begins"))
        return self.act(self, device=device, threads=threads)

    def failure(self) -> str | None:
        """Return the message in the result."""
        return json.loads((self.folder / "result.json").read_text())


def note(planned: FakePlanned, text: str) -> int:
    """Add a line to the log beside the results, and return how many lines it has there."""
    log = planned.folder.parent / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(f"{planned.id} {text}\n")
    return log.read_text().count(planned.id)


def finish(planned, *, device, threads, message=None):
    """Leave a result."""
    note(planned, f"{device} {threads} {os.getpid()}")
    planned.folder.mkdir(parents=True)
    (planned.folder / "result.json").write_text(json.dumps(message))
    return planned.folder


def finish_beside_another(planned, **settings):
    """Leave a result, when another one has begun in this process as well."""
    TWO.wait(60)
    return finish(planned, **settings)


def diverge(planned, **settings):
    """End as a run whose loss became infinite."""
    return finish(planned, message="the loss is inf", **settings)


def killed_once(planned, **settings):
    """Be killed at the first attempt."""
    if note(planned, "tried") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return finish(planned, **settings)


def killed(planned, **settings):
    """Be killed at every attempt."""
    note(planned, "tried")
    os.kill(os.getpid(), signal.SIGKILL)


def raise_anything(planned, **settings):
    """Raise what nobody foresaw."""
    note(planned, "tried")
    raise ZeroDivisionError("division by zero")


def refuse(planned, **settings):
    """Refuse the settings."""
    from passband.errors import InputError

    note(planned, "tried")
    raise InputError("the batch is too large")


def interrupt(planned, **settings):
    """Be interrupted."""
    note(planned, "tried")
    raise KeyboardInterrupt
