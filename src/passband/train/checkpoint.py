"""Checkpoints: a run in training, on disk, whole or not at all.

They lie in a folder beside the run's: `NAME.checkpoint` beside `NAME`. A new one is written aside and takes the old
one's place when it is on the disk; so a process may be killed at any moment.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from passband.errors import InputError


def checkpoint_folder(folder: Path) -> Path:
    """Return where the checkpoint of the run in `folder` lies while it trains.

    Example:
        >>> checkpoint_folder(Path("runs/41ef3bdca8f6")).name
        '41ef3bdca8f6.checkpoint'
    """
    return folder.with_name(f"{folder.name}.checkpoint")


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Put a checkpoint in the place of the last one.

    Args:
        folder: The run's folder.
        state: Tensors, numbers, texts, lists and dicts.
    """
    place = checkpoint_folder(folder)
    place.mkdir(parents=True, exist_ok=True)
    aside = place / "state.pt.new"
    with aside.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave the new name without its content
    aside.replace(place / "state.pt")


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return the last checkpoint of the run in `folder`, on the CPU; None if it has none. Nothing in it is executed.

    Raises:
        InputError: If it cannot be read.
    """
    file = checkpoint_folder(folder) / "state.pt"
    if not file.is_file():
        return None
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"the checkpoint {file} cannot be read. Delete {file.parent} to train from the beginning. ({error})"
        ) from error


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of the run in `folder`, if there is one."""
    shutil.rmtree(checkpoint_folder(folder), ignore_errors=True)
