"""One process at a time: a lock on a result's place, which the system releases when its holder ends, however it ends."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from passband.errors import InputError
from passband.files import remove_leftovers

UNKNOWN = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What systems say where a file system has no locks. A lock of another kind would outlive its process there."""


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
    lock = FileLock(file, poll_interval=0.2, fallback_to_soft=False)
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
        if error.errno in UNKNOWN:
            raise InputError(
                f"the file system of {file.parent} knows no locks ({error.strerror}), without which two processes could "
                f"write {folder.name} at a time. Choose a folder on another one: a local disk, or NFS with its lock service."
            ) from error
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


def find_holder(folder: Path) -> str | None:
    """Return which process holds the lock of a result's place now; None if none does, whatever files were left there.

    It only looks: nothing is made or changed, and who holds the lock, or waits for it, does not notice.
    """
    file = lock_file(folder.absolute())
    if os.name != "posix":
        return (
            None  # Windows, where a file that is locked cannot be looked at: whoever takes the lock finds out
        )
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:  # none, or none of ours
        return None
    try:
        return None if _is_free(descriptor) else _holder(file)
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # is released with the descriptor
    except OSError as error:
        return error.errno in UNKNOWN
    return True


def _holder(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        text = file.read_text(encoding="utf-8").strip()
        if text:
            return text
    return "another process"
