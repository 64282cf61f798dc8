"""The command `passband`: its exit codes, and what becomes of errors and interrupts.

Exit codes: 0 done; 1 a requirement is not met; 2 the input cannot be used, and one message says why; 3 a fault of
passband, whose message says where; 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from passband.cli.interrupts import asked, end_when_asked, leave
from passband.cli.streams import open_streams
from passband.errors import PassbandError
from passband.invocation import called_with

INPUT, FAULT = 2, 3
TRACEBACK = "PASSBAND_TRACEBACK"
"""The environment variable that shows where an error comes from."""

RESUMED = ("detect", "reproduce", "study", "train")
"""Commands that go on where they were interrupted."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        from passband.cli.app import app

        with called_with(arguments):
            return app(list(arguments), exit_on_error=False, print_error=False) or 0
    except (Exception, SystemExit) as error:
        if asked.is_set():  # whatever was being imported or called made another error of it
            raise KeyboardInterrupt from error
        if os.environ.get(TRACEBACK):
            traceback.print_exception(error)
        code, message = _judge(error)
    complain(message)
    return code


def _judge(error: Exception | SystemExit) -> tuple[int, str]:
    """Return the exit code of an error, and what is said of it."""
    from cyclopts import CycloptsError

    if isinstance(error, CycloptsError):
        return INPUT, f"{str(error).rstrip('.')}. See passband --help."
    if isinstance(error, PassbandError):
        return INPUT, str(error)
    if isinstance(error, OSError):  # a full disk, a folder without permission
        what = error.strerror or str(error)
        return INPUT, f"{what}: {error.filename}" if error.filename else what
    if (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    ):  # torch's, not imported to be named
        return INPUT, f"out of memory. Choose a smaller --batch-size, or fewer or smaller images. ({error})"
    if isinstance(error, SystemExit):
        return INPUT, f"what was called ended the program (SystemExit: {error})"
    return FAULT, (
        f"a fault of passband, not of what you gave it: {type(error).__name__}: {error} (at {_place(error)}). "
        f"Please report it to the developers, with the command and what it shows with {TRACEBACK}=1 before it."
    )


def _place(error: BaseException) -> str:
    """Return where an error was raised: file and line, in passband's code if it went through that."""
    frames = traceback.extract_tb(error.__traceback__)
    package = Path(__file__).parents[1]
    ours = [frame for frame in frames if package in Path(frame.filename).parents]
    last = (ours or frames)[-1]
    return f"{last.filename}:{last.lineno}"


def complain(message: str) -> None:
    """Print an error on standard error, as one message without decoration."""
    print(f"passband: {message}", file=sys.stderr, flush=True)  # noqa: T201


def main() -> None:
    """Run the command line that the program was called with."""
    arguments = sys.argv[1:]

    def farewell() -> None:
        again = ""
        if arguments[:1] and arguments[0] in RESUMED:
            again = f". The same command goes on from there: {shlex.join(['passband', *arguments])}"
        complain(f"interrupted; nothing was left half-written{again}")

    open_streams()
    try:
        end_when_asked(farewell)
        code = run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        farewell()
        sys.stdout.flush()
        leave()
    except OSError as error:  # the last words did not fit on the disk
        complain(error.strerror or str(error))
        code = INPUT
    sys.exit(code)
