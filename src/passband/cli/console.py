"""Tables, progress bars and complaints."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from passband.checks import duration
from passband.cli.streams import open_streams

if TYPE_CHECKING:
    import passband.audit.card

Report = Callable[..., None]
"""Takes what is being done, how much of it is done and how much there is, and perhaps a detail (a text)."""

out = Console(highlight=False)
log = Console(stderr=True, highlight=False)

LONGEST = 10_000
"""Characters that a line may have while it is measured how many it needs."""

STAGES = {
    "attack": "Attacking",
    "checks of the attack": "Checking the attack",
    "components": "Showing components to the model",
    "counterexamples": "Looking for the nearest counterexamples",
    "training": "Training",
}


def say(message: str) -> None:
    """Tell what is being done, on standard error, so that standard output stays the result."""
    open_streams()  # not yet done where a process of a run says something
    log.print(message, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a result as JSON on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))  # noqa: T201


def print_lines(lines: Sequence[str]) -> None:
    """Print lines of a result on standard output, as they are."""
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str | None = None,
    *,
    wrapped: bool = False,
) -> None:
    """Print a table on standard output, its title above and its caption below.

    The first column is set left, the others right; where texts are `wrapped`, all of them left, with lines between. On a
    terminal that is too narrow for it, each row is a paragraph: nothing is ever cut off.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=wrapped)
    for index, column in enumerate(columns):
        left = wrapped or index == 0
        table.add_column(column, justify="left" if left else "right", no_wrap=not wrapped)
    for row in rows:
        table.add_row(*row)
    print_lines([title])
    room = out.measure(table, options=out.options.update(max_width=LONGEST))
    needed = (
        room.minimum if wrapped else room.maximum
    )  # the minimum of cells with spaces is that of their longest word
    narrow = out.is_terminal or "COLUMNS" in os.environ
    if narrow and needed > out.width:
        for row in rows:
            filled = [f"{column}: {cell}" for column, cell in zip(columns, row, strict=True) if cell]
            print_lines(["", *filled])
    else:
        (out if needed <= out.width else Console(highlight=False, width=needed)).print(table)
    print_lines([caption] if caption else [])


def print_columns(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()
) -> None:
    """Print one line a row on standard output, in columns, of thousands of rows too: nothing is drawn around them.

    Args:
        columns: What the columns are called. The last one may be long.
        rows: The cells of each row.
        numbers: Columns that are set right.
    """
    lines = [columns, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    widths[-1] = 0
    right = [column in numbers for column in columns]
    print_lines(
        [
            "\n".join(
                "  ".join(
                    cell.rjust(width) if of_number else cell.ljust(width)
                    for cell, width, of_number in zip(line, widths, right, strict=True)
                ).rstrip()
                for line in lines
            )
        ]
    )


def percent(share: passband.audit.card.Share) -> str:
    """Return a proportion and its interval in percent, such as `65.0 [62.0, 67.9]`."""
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


@contextmanager
def progress_bars() -> Generator[Report]:
    """Yield a function that shows how far each stage of long work is, on standard error.

    On a terminal these are bars; in a log, a line at every tenth of the way, with about the time that is left.
    """
    if not log.is_terminal:
        yield _log_tenths()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=log) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int, detail: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], description=_described(stage, detail), completed=done, total=total)

        yield report


def _log_tenths() -> Report:
    shown: dict[str, int] = {}
    began: dict[str, float] = {}
    last = time.monotonic()  # a stage begins when the last one has reported

    def report(stage: str, done: int, total: int, detail: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        took = now - began.setdefault(stage, last)
        last = now
        tenth = 10 * done // total
        if tenth > shown.get(stage, 0):
            shown[stage] = tenth
            left = f", about {duration(took / done * (total - done))} left" if done < total else ""
            say(f"{_described(stage, detail)} {done}/{total}{left}")

    return report


def age(seconds: float) -> str:
    """Return how long ago something was, in the largest unit that it fills.

    Example:
        >>> age(59), age(3700), age(86400 * 12)
        ('59 s', '1 h', '12 d')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def size(count: int) -> str:
    """Return a number of bytes in the unit in which people read it.

    Example:
        >>> size(0), size(277370), size(3 * 10**9)
        ('0 B', '277 kB', '3.0 GB')
    """
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= length:
            return f"{count / length:.{0 if count >= 10 * length else 1}f} {unit}"
    return f"{count} B"


def _described(stage: str, detail: str) -> str:
    name, _, which = stage.partition(": ")
    return ": ".join(part for part in (STAGES.get(name, name), which, detail) if part)
