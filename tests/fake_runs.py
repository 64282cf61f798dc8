"""Runs that train nothing; a new process can import them without torch."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import polars as pl


def note(folder: Path, text: str) -> int:
    """Add a line to the log beside the runs, and return how many lines a run has there."""
    log = folder.parent / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(f"{folder.name} {text}\n")
    return log.read_text().count(folder.name)


def finish(config, probe, folder, *, device, threads, message=None):
    """Write what a run leaves behind."""
    from passband.files import write_json
    from passband.rows import COLUMNS

    note(folder, f"{config.seed} {device} {threads} {os.getpid()}")
    folder.mkdir(parents=True)
    status = "finished" if message is None else "failed"
    record = {
        "kind": "run",
        "run": folder.name,
        "status": status,
        "message": message,
        "classes": list("abcd"),
    }
    write_json(folder / "config.json", record)
    pl.DataFrame(schema=COLUMNS).write_parquet(folder / "rows.parquet")
    (folder / "weights.safetensors").touch()
    return folder


def diverge(config, probe, folder, **settings):
    """End as a run whose loss became infinite."""
    return finish(config, probe, folder, message="the loss is inf", **settings)


def killed_once(config, probe, folder, **settings):
    """Be killed at the first attempt."""
    if note(folder, "tried") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return finish(config, probe, folder, **settings)


def killed_with_seed_1(config, probe, folder, **settings):
    """Be killed at every attempt, but for other seeds."""
    if config.seed == 1:
        note(folder, "tried")
        os.kill(os.getpid(), signal.SIGKILL)
    return finish(config, probe, folder, **settings)


def raise_anything(config, probe, folder, **settings):
    """Raise what nobody foresaw."""
    note(folder, "tried")
    raise ZeroDivisionError("division by zero")


def refuse(config, probe, folder, **settings):
    """Refuse the config."""
    from passband.errors import InputError

    note(folder, "tried")
    raise InputError("the batch is too large")


def interrupt(config, probe, folder, **settings):
    """Be interrupted."""
    note(folder, "tried")
    raise KeyboardInterrupt
