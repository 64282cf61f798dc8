"""A process that trains a run, and may kill itself at a chosen moment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch

from passband.engine import probe as curve
from passband.engine import worker as session
from passband.engine.probe import Probe
from passband.engine.run import run
from passband.files import digest
from passband.train import checkpoint, loop
from passband.train.config import RunConfig

MOMENTS = {
    "before a step": (loop, "make_examples"),
    "in a probe": (curve, "probe_components"),
    "before a checkpoint": (session, "save_checkpoint"),
    "with half a checkpoint written": (torch, "save"),
    "with a checkpoint not in its place": (checkpoint.os, "fsync"),
    "before the folder is written": (session, "write_run"),
    "with the folder half written": (session.pl.DataFrame, "write_parquet"),
    "before the checkpoint is removed": (session, "remove_checkpoint"),
}


def kill_at(moment: str, call: int) -> None:
    """Make this process kill itself when a function is called for the `call`-th time."""
    owner, name = MOMENTS[moment]
    original, calls = getattr(owner, name), []

    def wrapped(*arguments, **settings):
        calls.append(name)
        if len(calls) == call:
            if name == "save":
                arguments[1].write(b"half a checkpoint")
                arguments[1].flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **settings)

    setattr(owner, name, wrapped)


def train_run(
    config: RunConfig, probe: Probe | None, folder: Path, moment: str | None = None, call: int = 1
) -> None:
    """Train a run on one thread."""
    if moment is not None:
        kill_at(moment, call)
    run(config, probe, folder, device="cpu", threads=1)


def content(folder: Path) -> tuple[str, str]:
    """Return hashes of what must not depend on interruptions: the files of rows and of weights."""
    return tuple(digest((folder / name).read_bytes()) for name in ("rows.parquet", "weights.safetensors"))
