"""What is seen of many runs while they are done: one table of all that run on a terminal, lines in a log elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich import box
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from passband.cli.console import duration, log, say
from passband.engine.events import Advance, EpochDone, Event, Note, Started
from passband.engine.execute import Ended
from passband.engine.planned import Planned
from passband.engine.watch import Watch

REFRESH = 4
"""How often a second the terminal is drawn anew."""


@dataclass
class Running:
    """How far one run or measurement is.

    Attributes:
        name: What people call it.
        began: When it began, by the clock `time.monotonic`.
        first: Of its work, the share that an earlier attempt had done, in [0, 1].
        share: The share that is done.
        now: What it says of itself.
        since: When it said so first in this attempt.
    """

    name: str
    began: float
    first: float = 0.0
    share: float = 0.0
    since: float | None = None
    now: Event = field(default_factory=lambda: Started(1))

    def see(self, event: Event) -> None:
        """Take what it says of itself."""
        at = time.monotonic()
        if isinstance(event, EpochDone):
            share = event.epoch / event.epochs
        elif isinstance(event, Advance):
            share = event.done / max(event.total, 1)
        else:
            return
        if self.since is None or _stage(event) != _stage(self.now):
            # What was there when it began anew took no time now; nor does another stage say how long this one takes.
            self.since, self.first = at, share
        self.share, self.now = share, event

    @property
    def left(self) -> float | None:
        """Seconds that what it is doing will still take, about; None where that is not known yet."""
        if self.since is None or self.share <= self.first:
            return None
        pace = (time.monotonic() - self.since) / (self.share - self.first)
        return pace * (1 - self.share)


def _stage(event: Event) -> str:
    return event.stage if isinstance(event, Advance) else ""


class Overview(Watch):
    """Counts what is done, and knows about how long the rest will take."""

    def __init__(self) -> None:
        self.names: Mapping[str, str] = {}
        self.ended_as: Counter[str] = Counter()
        self.running: dict[str, Running] = {}
        self.total = 0
        self._passes: dict[str, float] = {}
        self._done = self._resumed = 0.0
        self._start = time.monotonic()

    def begin(self, planned: Sequence[Planned], names: Mapping[str, str]) -> None:
        """Learn what there is to do."""
        self.names, self.total = names, len(planned)
        self._passes = {one.id: one.passes for one in planned}
        self._start = time.monotonic()

    def event(self, planned: Planned, event: Event) -> None:
        """Learn how far one is."""
        name = self.name(planned)
        if isinstance(event, Started):
            self.running[planned.id] = Running(name, time.monotonic())
        elif (one := self.running.get(planned.id)) is not None:
            before = one.since
            one.see(event)
            if before is None and isinstance(
                event, EpochDone
            ):  # what earlier sessions did is not this one's speed
                self._resumed += (event.epoch - 1) / event.epochs * self._passes.get(planned.id, 0.0)

    def ended(self, ended: Ended) -> None:
        """Learn what became of one."""
        self.ended_as[ended.status] += 1
        self.running.pop(ended.planned.id, None)
        passes = self._passes.pop(ended.planned.id, 0.0)
        if ended.status == "done":
            self._done += passes

    def name(self, planned: Planned) -> str:
        """Return what people call one."""
        return self.names.get(planned.id, planned.id)

    @property
    def finished(self) -> int:
        """How many have ended, however."""
        return sum(self.ended_as.values())

    @property
    def left(self) -> float | None:
        """Seconds until all is done, about: what is left, at the pace so far; None before there is one."""
        under_way = sum(
            one.share * self._passes.get(id, 0.0)
            for id, one in self.running.items()
            if isinstance(one.now, EpochDone)
        )
        rest = sum(self._passes.values()) - under_way
        did = self._done + under_way - self._resumed
        return None if did <= 0 else rest * (time.monotonic() - self._start) / did

    def summary(self) -> str:
        """Return how many have ended, in words."""
        parts = [f"{self.finished} of {self.total} done"]
        parts += [
            f"{self.ended_as[status]} {status}" for status in ("found", "failed") if self.ended_as[status]
        ]
        left = self.left if self.finished < self.total else None
        return ", ".join(parts) + (f"; about {duration(left)} left" if left is not None else "")


class PlainLog(Overview):
    """A line for each run that ends, for a log."""

    def __init__(self) -> None:
        super().__init__()
        self._said = False

    def event(self, planned: Planned, event: Event) -> None:
        """Print notes."""
        super().event(planned, event)
        self._say_found()
        if isinstance(event, Note):
            say(f"{self.name(planned)} ({planned.id}): {event.text}")

    def ended(self, ended: Ended) -> None:
        """Print what became of what was not found whole."""
        one = self.running.get(ended.planned.id)
        super().ended(ended)
        if ended.status == "found":
            return
        took = "" if one is None else f" in {duration(time.monotonic() - one.began)}"
        why = f": {ended.message}" if ended.message else ""
        say(f"{self.name(ended.planned)} ({ended.planned.id}) {ended.status}{took}{why}. {self.summary()}")

    def finish(self) -> None:
        """Say so where all was there already."""
        self._say_found()

    def _say_found(self) -> None:
        """Say how much there is to do, once that is known: what is found ends before anything is begun."""
        if not self._said:
            self._said = True
            say(f"{self.total} runs and measurements, of which the store holds {self.ended_as['found']}")


class LiveTable(Overview):
    """A table of what runs, for a terminal; what somebody should know scrolls by above it."""

    def __init__(self) -> None:
        super().__init__()
        self._live = Live(console=log, get_renderable=self.render, refresh_per_second=REFRESH, transient=True)

    def begin(self, planned: Sequence[Planned], names: Mapping[str, str]) -> None:
        """Show the table."""
        super().begin(planned, names)
        self._live.start()

    def event(self, planned: Planned, event: Event) -> None:
        """Print notes above the table."""
        super().event(planned, event)
        if isinstance(event, Note):
            log.print(f"{self.name(planned)} ({planned.id}): {event.text}", markup=False)

    def ended(self, ended: Ended) -> None:
        """Print what failed above the table."""
        super().ended(ended)
        if ended.status == "failed":
            log.print(
                f"{self.name(ended.planned)} ({ended.planned.id}) failed: {ended.message}",
                markup=False,
                style="red",
            )

    def finish(self) -> None:
        """Take the table away, and leave what it came to."""
        self._live.stop()
        say(self.summary())

    def render(self) -> Group:
        """Return the table as it is now."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column, justify in COLUMNS.items():
            table.add_column(column, justify=justify, no_wrap=column != "run")
        for one in list(self.running.values()):
            table.add_row(*_cells(one))
        bar = ProgressBar(total=max(self.total, 1), completed=self.finished, width=40)
        return Group(table, bar, Text(self.summary()))


COLUMNS: dict[str, Literal["left", "right"]] = {
    "run": "left",
    "now": "left",
    "loss": "right",
    "accuracy": "right",
    "time": "right",
    "left": "right",
}


def _cells(one: Running) -> tuple[str, ...]:
    now, loss, accuracy = "begins", "", ""
    if isinstance(one.now, EpochDone):
        now, loss = f"epoch {one.now.epoch}/{one.now.epochs}", f"{one.now.loss:.4f}"
        accuracy = "" if one.now.accuracy is None else f"{one.now.accuracy:.3f}"
    elif isinstance(one.now, Advance):
        now = f"{one.now.stage} {one.now.done}/{one.now.total}"
    left = "" if one.left is None else duration(one.left)
    return one.name, now, loss, accuracy, duration(time.monotonic() - one.began), left


def choose_watch() -> Overview:
    """Return the table on a terminal, and the log elsewhere."""
    return LiveTable() if log.is_terminal else PlainLog()
