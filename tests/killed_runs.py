"""A process that trains a run, and may kill or stop itself at a chosen moment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from passband import files
from passband.engine import worker
from passband.engine.probe import Probe
from passband.engine.run import run
from passband.files import digest
from passband.instruments.components import ComponentAccuracy
from passband.results import store
from passband.train import checkpoint, loop
from passband.train.config import RunConfig

MOMENTS = {
    "before a step": (loop, "make_examples"),
    "in a probe": (ComponentAccuracy, "measure"),
    "before a checkpoint": (worker, "save_checkpoint"),
    "with half a checkpoint written": (checkpoint, "write_file"),
    "with a checkpoint not in its place": (files.os, "replace"),
    "before the folder is written": (worker, "write_run"),
    "with the folder half written": (worker.pl.DataFrame, "write_parquet"),
    "before the folder is sealed": (store, "seal"),
    "before the folder is in its place": (files.os, "rename"),
    "before the checkpoint is removed": (worker, "remove_checkpoint"),
}


def kill_at(moment: str, call: int, by: int = signal.SIGKILL) -> None:
    """Make this process kill itself, or stop, when a function is called for the `call`-th time."""
    owner, name = MOMENTS[moment]
    original, calls = getattr(owner, name), []

    def wrapped(*arguments, **settings):
        calls.append(name)
        if len(calls) == call:
            if name == "write_file":
                path, *parts = arguments
                path.with_name(f".{path.name}.{os.getpid()}.new").write_bytes(parts[-1][:100])
            os.kill(os.getpid(), by)
        return original(*arguments, **settings)

    setattr(owner, name, wrapped)


def train_run(
    config: RunConfig, probe: Probe | None, folder: Path, moment: str | None = None, call: int = 1
) -> None:
    """Train a run on one thread."""
    if moment is not None:
        kill_at(moment, call)
    run(config, probe, folder, device="cpu", threads=1)


def train_logged_run(
    config: RunConfig, probe: Probe | None, folder: Path, log: Path, stop_at: int | None = None
) -> None:
    """Train a run, write its epochs and its notes to a log, and stop, if asked, before a step."""
    if stop_at is not None:
        kill_at("before a step", stop_at, signal.SIGSTOP)

    def note(text: object) -> None:
        with log.open("a") as file:
            file.write(f"{text}\n")

    run(
        config,
        probe,
        folder,
        device="cpu",
        threads=1,
        on_epoch=lambda report: note(f"epoch {report.epoch}"),
        on_note=note,
    )


def content(folder: Path) -> tuple[str, str]:
    """Return hashes of what must not depend on interruptions: the files of rows and of weights."""
    return tuple(digest((folder / name).read_bytes()) for name in ("rows.parquet", "weights.safetensors"))
