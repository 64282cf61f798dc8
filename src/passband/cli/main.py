"""The command `passband`, its exit codes, and what becomes of errors.

Exit codes: 0 done; 1 a requirement of an audit is not met; 2 the input cannot be used, and one message says why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from passband.cli.attack import attack
from passband.cli.audit import audit, compare
from passband.cli.console import complain
from passband.cli.instruments import instruments
from passband.cli.look import spectrum, split
from passband.cli.report import report
from passband.cli.smooth import smooth
from passband.cli.study import study
from passband.cli.train import train
from passband.errors import PassbandError

app = App(
    name="passband",
    help="Which spatial frequencies does an image model rely on, and can it be trusted?",
    version=version("passband"),
    result_action="return_value",
)
for command in (audit, attack, smooth, compare, report, instruments, train, study, spectrum, split):
    app.command(command)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        return app(list(arguments), exit_on_error=False, print_error=False) or 0
    except CycloptsError as error:
        complain(f"{str(error).rstrip('.')}. See passband --help.")
    except PassbandError as error:
        complain(str(error))
    except OSError as error:  # a full disk, a folder without permission
        complain(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported only to be named
            raise
        complain(f"the device ran out of memory. Choose a smaller --batch-size. ({error})")
    return 2


def main() -> None:
    """Run the command line that the program was called with."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted; nothing was left half-written")
        code = 130
    except BrokenPipeError:  # the reader of our output has gone: not our error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
