"""What all benchmarks share: two ways to do the same take turns, and a line of one table says what came of it.

A machine that slows down slows both, so that what is worth quoting is the ratio: the median over the rounds, and the least and
the greatest. `python benchmarks/all.py` makes the table.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

ROUNDS = 7


@dataclass(frozen=True)
class Line:
    """One comparison.

    Attributes:
        what: What is done, on how much.
        peer: What else does the same.
        unit: Of the figures: a rate (`images/s`) grows with speed, a time (`s`) or a size (`MiB`) falls.
        peers: The peer's figure in each round.
        ours: Passband's, in the same rounds.
        target: What was aimed at, as a text; empty where nothing was.
    """

    what: str
    peer: str
    unit: str
    peers: tuple[float, ...]
    ours: tuple[float, ...]
    target: str = ""

    @property
    def ratios(self) -> list[float]:
        """Passband's figure over the peer's, round by round."""
        return [mine / its for mine, its in zip(self.ours, self.peers, strict=True)]

    def __str__(self) -> str:
        its, mine = (statistics.median(each) for each in (self.peers, self.ours))
        ratios = self.ratios
        return (
            f"| {self.what} | {self.peer} | {shown(its)} | {shown(mine)} | {self.unit} | {statistics.median(ratios):.2f} | "
            f"{min(ratios):.2f} to {max(ratios):.2f} | {self.target} |"
        )


HEAD = (
    "| what | beside | its | passband's | unit | ratio | over the rounds | target |\n"
    "|---|---|--:|--:|---|--:|--:|---|"
)


def shown(figure: float) -> str:
    """Return a figure with three digits."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def take_turns(
    *ways: Callable[[], object], rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter
) -> Iterator[tuple[float, ...]]:
    """Yield, way by way, the seconds that each took in each round, after one warm-up of all."""
    for way in ways:
        way()
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, seconds in zip(ways, taken, strict=True):
            start = clock()
            way()
            seconds.append(clock() - start)
    return (tuple(seconds) for seconds in taken)


def rates(
    what: str,
    count: int,
    peer: str,
    theirs: Callable[[], object],
    ours: Callable[[], object],
    *,
    target: str = "",
    unit: str = "images/s",
    rounds: int = ROUNDS,
) -> Line:
    """Return how many things a second two ways do, where a call of either does `count`."""
    its, mine = take_turns(theirs, ours, rounds=rounds)
    return Line(what, peer, unit, tuple(count / s for s in its), tuple(count / s for s in mine), target)


def conditions() -> str:
    """Return what decides the figures beside the code."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "numpy", "pillow"))
    return (
        f"{processor()}, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)} unless a line says otherwise, "
        f"Python {platform.python_version()}, {libraries}, float32, {ROUNDS} rounds unless a line says otherwise"
    )


def processor() -> str:
    """Return the processor's name, its cores and its widest vectors."""
    import os

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        told = dict(
            (part.strip() for part in line.split(":", 1))
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if ":" in line
        )
        name = told.get("model name", name)
    return f"{os.cpu_count()} cores of an {name} ({torch.backends.cpu.get_cpu_capability()})"


def write(lines: Iterable[Line]) -> Iterator[str]:
    """Yield the table, row by row as it is measured."""
    yield HEAD
    for line in lines:
        yield str(line)


def main(lines: Iterable[Line]) -> None:
    """Print conditions and table."""
    print(conditions() + "\n")
    for row in write(lines):
        print(row, flush=True)
