"""Writing results so that nothing is lost or left half-written, and checksums of what was read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from passband.errors import InputError


def check_target(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a result folder that cannot be written, before the work that would fill it starts.

    Raises:
        InputError: If `folder` is a file, cannot be created, or holds something and `overwrite` is off.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder} exists and is not a folder. Choose another --out.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise InputError(
            f"the folder {folder} is not empty. Choose another --out, or replace it with --overwrite."
        )
    parent = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"cannot write to {parent}. Choose another --out.")


@contextmanager
def written_whole(folder: Path) -> Generator[Path]:
    """Yield an empty folder beside `folder` that takes its place once the block has ended without an error.

    Whoever looks at `folder` sees what was there before or the whole new result, never a part. If the block
    raises, the new files are removed and what was there before stays.

    Args:
        folder: The result folder. Its parents are made. A folder that is there already is replaced.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield aside
        aside.chmod(0o755)  # mkdtemp makes it private
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            folder.rename(old / folder.name)
            aside.rename(folder)
            shutil.rmtree(old)
        else:
            aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def amended(folder: Path, *, without: Sequence[str]) -> Generator[Path]:
    """Yield a copy of `folder` that takes its place, as `written_whole` does.

    Args:
        folder: The result folder.
        without: Names of what is not copied, since it is written anew.
    """
    with written_whole(folder) as aside:
        shutil.copytree(folder, aside, ignore=shutil.ignore_patterns(*without), dirs_exist_ok=True)
        yield aside


def slug(text: str) -> str:
    """Return `text` as a name for a folder: letters, digits, dots, underscores and hyphens.

    Example:
        >>> slug("resnet8 on my/photos")
        'resnet8-on-my-photos'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.") or "unnamed"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinity are refused, since JSON has none."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: If the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"no file {path}") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error


def digest(*parts: bytes | memoryview) -> str:
    """Return a short hash (16 hexadecimal digits of SHA-256) of `parts`, in order.

    Example:
        >>> digest(b"pixels", b"labels")
        'c9d249801d836c67'
    """
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))  # so that ("ab", "c") is not ("a", "bc")
        state.update(part)
    return state.hexdigest()[:16]
