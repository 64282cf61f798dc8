"""Checkpoints: a run in training, on disk, whole or not at all.

They lie in a folder beside the run's: `NAME.checkpoint` beside `NAME`. A new one is written aside and takes the old
one's place when it is on the disk; so a process may be killed at any moment. One that was changed since is noticed by
its checksum, which torch's own format does not promise.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from passband.errors import DamagedError, InputError
from passband.files import PROGRESS, checkpoint_folder, write_file, write_json

MAGIC = b"passband checkpoint 2\n"
"""Begins the file; the SHA-256 of all that follows comes after it."""


def save_checkpoint(
    folder: Path, state: Mapping[str, Any], progress: Mapping[str, Any] | None = None
) -> None:
    """Put a checkpoint in the place of the last one.

    Args:
        folder: The run's folder.
        state: Tensors, numbers, texts, lists and dicts.
        progress: Which run this is and how far it is, as JSON holds it, for lists of runs. Nothing goes on from it.
    """
    place = checkpoint_folder(folder)
    place.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getbuffer()
    write_file(place / "state.pt", MAGIC, hashlib.sha256(content).digest(), content)
    if progress is not None:
        write_json(place / PROGRESS, progress)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return the last checkpoint of the run in `folder`, on the CPU; None if it has none. Nothing in it is executed.

    Raises:
        DamagedError: If it cannot be read, or is not as it was written.
    """
    file = checkpoint_folder(folder) / "state.pt"
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(f"the checkpoint {file} cannot be read: {error}") from error
    start = len(MAGIC) + hashlib.sha256().digest_size
    if not content.startswith(MAGIC):
        raise DamagedError(f"{file} is no checkpoint of this version of passband")
    if hashlib.sha256(memoryview(content)[start:]).digest() != content[len(MAGIC) : start]:
        raise DamagedError(f"the checkpoint {file} is damaged: it was cut or changed since it was written")
    try:
        return torch.load(io.BytesIO(content[start:]), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler, zip reader or tensors raise
        raise DamagedError(f"the checkpoint {file} cannot be read: {type(error).__name__}") from error


def drop_unusable(
    folder: Path, run: str, *, kind: str, own: bool, on_note: Callable[[str], None], instead: str
) -> None:
    """Drop a checkpoint that a run cannot go on from: a damaged one, or that of another run.

    Args:
        folder: The run's folder.
        run: Its id, which its checkpoint holds.
        kind: What the run is called in messages.
        own: Whether that of another run may be dropped.
        on_note: Is told what is dropped.
        instead: What may be done where it may not, for the message.

    Raises:
        InputError: If it is another run's, and may not be dropped.
    """
    try:
        state = load_checkpoint(folder)
    except DamagedError as error:
        on_note(f"{error}. The {kind} {run} begins from its first epoch.")
        remove_checkpoint(folder)
        return
    if state is None or state.get("run") == run:
        return
    said = f"{checkpoint_folder(folder)} is the checkpoint of another run"
    if not own:
        raise InputError(f"{said}, which was interrupted. {instead}")
    on_note(f"{said}, and is dropped.")
    remove_checkpoint(folder)


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of the run in `folder`, if there is one."""
    shutil.rmtree(checkpoint_folder(folder), ignore_errors=True)
