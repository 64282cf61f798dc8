"""What a process that does planned work tells the one that planned it, while it works."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from passband.choices import Progress
from passband.rows import FIT_LOSS


class Measured(NamedTuple):
    """A number that was measured after an epoch.

    Attributes:
        name: Of what, such as `"test/accuracy/lfc:8"`; of the finished network on all images it begins with `"final/"`.
        value: The number.
    """

    name: str
    value: float


@dataclass(frozen=True)
class Started:
    """Work on something planned begins.

    Attributes:
        attempt: 1, or more after a crash.
    """

    attempt: int


@dataclass(frozen=True)
class Note:
    """What somebody should know: which process is waited for, what was damaged."""

    text: str


@dataclass(frozen=True)
class Advance:
    """How far a long piece of work is.

    Attributes:
        stage: What is being done.
        done: How much of it.
        total: How much there is.
    """

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch of training has ended, and its checkpoint is written.

    Attributes:
        epoch: Its number, from 1 on.
        epochs: How many there will be.
        loss: Mean loss of what was trained on, in nats.
        accuracy: The share of it predicted right, in [0, 1]; None for a detector.
        seconds: How long the epoch took, measurements aside.
        images_per_second: Training images a second.
        measured: What was measured after it.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float | None
    seconds: float
    images_per_second: float
    measured: tuple[Measured, ...] = ()


EVERY = 0.5
"""Seconds between two looks at how far it is, at least: each is sent to another process."""

Event = Started | Note | Advance | EpochDone
Tell = Callable[[Event], None]


def keep_quiet(event: Event) -> None:
    """Tell nobody."""


def noting(tell: Tell) -> Callable[[str], None]:
    """Return a function of a text that tells it as a note."""
    return lambda text: tell(Note(text))


def advancing(tell: Tell) -> Progress:
    """Return a progress that tells how far it is, though not more often than every so many seconds, but for the end of a stage."""
    told = -EVERY

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if done >= total or now - told >= EVERY:
            told = now
            tell(Advance(stage, done, total))

    return progress


FINAL = "final/"
"""Begins the names of what was measured of the finished network, which has no epoch."""


def measured_in(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what the rows of a run hold of all classes together, of a network as it was shown images.

    Returns:
        A table with `epoch`, `name` (see `Measured`) and `value`.

    Example:
        >>> from passband.frequency.component import Low
        >>> from passband.rows import ComponentRow, to_table
        >>> row = ComponentRow(run="", seed=0, epoch=3, subset="test", component=Low(8), metric="accuracy", value=0.5, count=2)
        >>> measured_in(to_table([row])).row(0)
        (3, 'test/accuracy/lfc:8', 0.5)
    """
    shown = pl.col("component").is_not_null() | (pl.col("metric") == FIT_LOSS)  # a detector's has none
    return rows.filter(pl.col("class").is_null(), shown).select(
        "epoch",
        pl.concat_str(
            pl.when(pl.col("epoch").is_null()).then(pl.lit(FINAL)).otherwise(pl.lit("")),
            pl.concat_str("subset", "metric", "shown", separator="/", ignore_nulls=True),
        ).alias("name"),
        "value",
    )
