"""Writing results so that nothing is lost or left half-written, and checksums of what was read."""

from __future__ import annotations

import ctypes
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from passband.errors import DamagedError, InputError

SEAL = "SHA256SUMS"
"""The checksums of a folder's files, in the form of `sha256sum`: `sha256sum --check SHA256SUMS` reads it too."""

CHECKPOINT, CURVES = ".checkpoint", ".tensorboard"
"""End the names of what lies beside the folder of a run: its checkpoint, and TensorBoard's files where it is in no study."""

PROGRESS = "progress.json"
"""Says how far the run of a checkpoint is, beside it."""

LEFT_OUT = "weights_left_out"
"""In what the `config.json` of a run says: true where the run was passed on without its network."""

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of linux/fcntl.h and linux/fs.h


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

    Whoever looks at `folder` sees what was there before or the whole new result, never a part. The new files are on
    the disk before they take the place, and what was there before is removed after that; so a process may be killed,
    or the power cut, at any moment. If the block raises, the new files are removed, with parents that were
    made for them, and what was there before stays.

    Args:
        folder: The result folder. Its parents are made. A folder that is there already is replaced.

    Raises:
        InputError: If `folder` is a file or a link, or its parent cannot be written.
    """
    folder = folder.absolute()
    check_target(folder, overwrite=True)
    made = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-aside-", dir=folder.parent))
    _being_written[aside] = made
    try:
        yield aside
        aside.chmod(0o755)  # mkdtemp makes it private
        for path in (*aside.rglob("*"), aside):
            _sync(path)
        try:
            aside.rename(folder)
        except OSError:  # there is one already; to ask before would leave another process time to make it
            if not folder.is_dir():
                raise
            _exchange(aside, folder)
        _sync(folder.parent)
    finally:
        _drop(aside)


_being_written: dict[Path, list[Path]] = {}
"""Folders beside results that are being written, each with the parents that were made for it, the innermost first."""


def drop_unwritten() -> None:
    """Remove what is being written: for a process that ends now, whatever it is doing.

    It gets another name first. A thread that goes on writing then cannot give it the result's place while it is being removed.
    """
    for aside, made in list(_being_written.items()):
        with suppress(OSError):  # it has taken its place by now, or nothing can be written here any more
            gone = Path(tempfile.mkdtemp(prefix=aside.name[:-8], dir=aside.parent))  # for `remove_leftovers`
            _being_written[gone] = made
            with suppress(OSError):
                aside.rename(gone)
            _drop(gone)


def _drop(aside: Path) -> None:
    """Remove a folder beside a result, if it has not taken its place, and the parents in which nothing has come to be."""
    shutil.rmtree(aside, ignore_errors=True)
    with suppress(OSError):  # one holds something
        for parent in _being_written.pop(aside, []):
            parent.rmdir()


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


def remove_leftovers(folder: Path) -> None:
    """Remove what writers of `folder` that were killed have left beside it; nobody else may be writing it now."""
    ending = "?" * 8  # what mkdtemp adds: with any ending, those of a folder NAME-aside would be found too
    for left in folder.parent.glob(f".{glob.escape(folder.name)}-aside-{ending}"):
        shutil.rmtree(left, ignore_errors=True)


def checkpoint_folder(folder: Path) -> Path:
    """Return where the checkpoint of the run in `folder` lies while it trains.

    Example:
        >>> checkpoint_folder(Path("runs/41ef3bdca8f6")).name
        '41ef3bdca8f6.checkpoint'
    """
    return folder.with_name(f"{folder.name}{CHECKPOINT}")


def place_of(folder: Path, *identity: str) -> Path:
    """Return the folder beside a result in which what was found is kept until the result is whole.

    Args:
        folder: The result's.
        identity: All that decides what is found: only the same model, data and settings go on from there.
    """
    name = digest(*(each.encode() for each in identity))
    return folder.absolute().parent / f".{folder.name}-unfinished-{name}"


def remove_whole(folder: Path) -> None:
    """Remove a result folder so that no part of it is ever taken for the whole: it gets another name first.

    Whoever writes to the place next removes what a process that was killed meanwhile has left: see `remove_leftovers`.
    """
    gone = folder.with_name(f".{folder.name}-aside-{secrets.token_hex(4)}")
    folder.rename(gone)  # which needs no room on a disk that is full
    _sync(folder.parent)
    if gone.is_symlink():  # what it leads to may be somebody else's
        gone.unlink()
    else:
        shutil.rmtree(gone)


def remove_unfinished(folder: Path) -> None:
    """Remove what was kept beside a result, which is whole by now; nobody else may be measuring for it."""
    ending = "?" * 16
    for left in folder.absolute().parent.glob(f".{glob.escape(folder.name)}-unfinished-{ending}"):
        shutil.rmtree(left, ignore_errors=True)


def write_file(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file that takes the place of the last one when it is on the disk: one of them is always there, whole.

    Args:
        path: The file. Its folder must be there.
        *parts: Its content, in order.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with aside.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the new name without its content
        aside.replace(path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def seal(folder: Path) -> None:
    """Write the checksums of a folder's files beside them, so that `check_seal` finds what was changed since."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SEAL)
    write_file(folder / SEAL, "".join(f"{_sha256(folder / name)}  {name}\n" for name in names).encode())


def check_seal(folder: Path, names: Iterable[str] = (), *, unread: Collection[str] = ()) -> None:
    """Compare a folder's files with their checksums. Other files that were added are not looked at.

    Args:
        folder: One that `seal` was called for.
        names: Files that must be among them: a list of checksums that lost its last lines is no proof.
        unread: Files that only must be there: to read the large ones of many folders takes long.

    Raises:
        DamagedError: If a file is missing or is not as it was when `seal` was called; its name is in the message.
    """
    try:
        lines = (folder / SEAL).read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError as error:
        raise DamagedError(f"{folder / SEAL} is missing") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{folder / SEAL} is damaged: {error}") from error
    sums: dict[str, str] = {}
    for line in lines:
        found = re.fullmatch(r"([0-9a-f]{64})  ([^/\n]+)\n", line)
        if found is None:
            raise DamagedError(f"{folder / SEAL} is damaged: it has the line {line!r}")
        sums[found[2]] = found[1]
    missing = set(names) - sums.keys()
    if missing:
        raise DamagedError(f"{folder / SEAL} is damaged: it lacks {', '.join(sorted(missing))}")
    for name, expected in sums.items():
        if not (folder / name).is_file():
            raise DamagedError(f"{folder / name} is missing, of which {SEAL} speaks")
        if name not in unread and _sha256(folder / name) != expected:
            raise DamagedError(f"{folder / name} is damaged: it is no longer what {SEAL} says that it was")


def find_description(folder: Path, name: str, kind: str) -> dict[str, Any] | None:
    """Return what the JSON file `name` of a sealed folder says; None if the folder holds nothing of this kind.

    Which files must be there beside it is for whoever knows the kind: see `check_seal`.

    Args:
        folder: Where it would be.
        name: The file that says what the folder holds.
        kind: What it must say under `"kind"`.

    Raises:
        DamagedError: If it is missing beside its checksums, cannot be read, or says another kind than when it was sealed.
    """
    if not (folder / name).is_file():
        if (folder / SEAL).is_file():
            raise DamagedError(f"{folder / name} is missing")
        return None
    try:
        description = read_json(folder / name)
    except InputError as error:
        raise DamagedError(str(error)) from error
    if not isinstance(description, dict) or description.get("kind") != kind:
        if (folder / SEAL).is_file():
            check_seal(folder)  # it may be the kind that is damaged
        return None
    return description


def has_weights(description: Mapping[str, Any]) -> bool:
    """Return whether weights must lie beside a `config.json` that says this: not beside that of a measurement, nor where training
    failed, the network is published elsewhere, or it was left out."""
    without = description.get("kind") == "measurement" or description.get("status") == "failed"
    return not (without or "published" in description or description.get(LEFT_OUT))


def slug(text: str) -> str:
    """Return `text` as a name for a folder: letters, digits, dots, underscores and hyphens.

    Example:
        >>> slug("resnet8 on my/photos")
        'resnet8-on-my-photos'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.") or "unnamed"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN and infinity are refused, since JSON has none."""
    write_file(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: If the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"no file {path}") from error
    except (
        OSError,
        ValueError,
        RecursionError,
    ) as error:  # what is no JSON, no UTF-8, too long a number, too deep
        raise InputError(f"{path} cannot be read as JSON: {error}") from error


def digest(*parts: bytes | memoryview) -> str:
    """Return a short hash (16 hexadecimal digits of SHA-256) of `parts`, in order.

    Example:
        >>> digest(b"pixels", b"labels")
        'c9d249801d836c67'
    """
    state = Digest()
    for part in parts:
        state.add(part)
    return str(state)


class Digest:
    """What `digest` returns, of parts that come one after the other, or in pieces."""

    def __init__(self) -> None:
        self._state = hashlib.sha256()

    def add(self, part: bytes | memoryview) -> None:
        """Add a part."""
        self.begin(len(part))
        self.extend(part)

    def begin(self, length: int) -> None:
        """Begin a part of so many bytes, which `extend` adds."""
        self._state.update(length.to_bytes(8, "little"))  # so that ("ab", "c") is not ("a", "bc")

    def extend(self, piece: bytes | memoryview) -> None:
        """Add the next piece of the part that was begun."""
        self._state.update(piece)

    def copy(self) -> Digest:
        """Return another one, to which other parts can be added."""
        copied = Digest()
        copied._state = self._state.copy()
        return copied

    def __str__(self) -> str:
        """Return the hash of the parts so far."""
        return self._state.hexdigest()[:16]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _exchange(new: Path, old: Path) -> None:
    """Let two folders change places, in one step where the system and the file system can.

    Elsewhere there are two steps; a process that is killed between them leaves the old folder, whole, beside its place.
    """
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if rename is not None:
        paths = (AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old))
        if rename(*paths, RENAME_EXCHANGE) == 0:
            return
    kept = Path(tempfile.mkdtemp(prefix=f".{old.name}-old-", dir=old.parent))
    old.rename(kept / old.name)
    new.rename(old)
    _sync(old.parent)
    shutil.rmtree(kept)


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name != "posix":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
