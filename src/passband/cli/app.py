"""All commands, and how they are read."""

from __future__ import annotations

from importlib.metadata import version

from cyclopts import App

from passband.cli.attack import attack
from passband.cli.audit import audit, compare
from passband.cli.detect import detect
from passband.cli.explore import explore
from passband.cli.instruments import instruments
from passband.cli.look import spectrum, split
from passband.cli.report import report
from passband.cli.reproduce import reproduce
from passband.cli.runs import runs
from passband.cli.smooth import smooth
from passband.cli.study import study
from passband.cli.train import train

HELP = """Which spatial frequencies does an image model rely on, and can it be trusted?

Exit codes: 0 done; 1 a requirement is not met; 2 the input cannot be used, and one message says why; 3 a fault of passband;
130 interrupted.
"""

app = App(
    name="passband",
    help=HELP,
    version=version("passband"),
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # what becomes of it, `passband.cli.main` says
)
for command in (
    audit,
    detect,
    attack,
    smooth,
    compare,
    report,
    explore,
    instruments,
    train,
    study,
    reproduce,
    runs,
    spectrum,
    split,
):
    app.command(command)
