"""One process at a time: a lock on a result's place, which the system releases when its holder ends, however it ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from passband.errors import InputError
from passband.files import remove_leftovers


def lock_file(folder: Path) -> Path:
    """Return the file whose lock is that of `folder`: beside it, so that replacing the folder leaves it alone.

    Example:
        >>> lock_file(Path("runs/41ef3bdca8f6")).name
        '.41ef3bdca8f6.lock'
    """
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def locked(
    folder: Path, *, wait: bool = True, on_note: Callable[[str], None] | None = None
) -> Generator[None]:
    """Hold the lock of a result's place for the length of a block.

    Args:
        folder: The place. Its parents are made.
        wait: Wait for another process that holds it; if off, that is an error.
        on_note: Is told which process is waited for.

    Raises:
        TimeoutError: If another process holds it and `wait` is off.
        InputError: If the lock cannot be written: the folder beside which it lies is read-only, say.
    """
    file = lock_file(folder.absolute())
    lock = FileLock(file, poll_interval=0.2)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        if not wait:
            raise
        if on_note is not None:
            on_note(f"Waiting for {folder}: {_holder(file)} is making it")
        lock.acquire()
    except OSError as error:
        raise InputError(
            f"cannot write to {file.parent}, where {folder.name} is to be made ({error.strerror}). Choose another folder."
        ) from error
    try:
        with suppress(OSError):  # it only tells who
            file.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        remove_leftovers(folder.absolute())
        yield
    finally:
        # Removed while it is held: whoever waits for it then finds that its file has no name, and tries the new one.
        with suppress(OSError):
            file.unlink()
        lock.release()


def _holder(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        text = file.read_text(encoding="utf-8").strip()
        if text:
            return text
    return "another process"
