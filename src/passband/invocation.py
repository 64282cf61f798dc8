"""The command that passband was called with, which what it writes names, so that it can be made again."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_command: ContextVar[str | None] = ContextVar("command", default=None)


@contextmanager
def called_with(arguments: Sequence[str]) -> Generator[None]:
    """Let `command_line` return this command line meanwhile.

    Args:
        arguments: What follows the program's name.
    """
    token = _command.set(shlex.join(["passband", *arguments]))
    try:
        yield
    finally:
        _command.reset(token)


def command_line() -> str | None:
    """Return the command line, as a shell reads it; None where passband is used from Python.

    Example:
        >>> with called_with(["audit", "model.pt", "folder:my photos"]):
        ...     command_line()
        "passband audit model.pt 'folder:my photos'"
    """
    return _command.get()
