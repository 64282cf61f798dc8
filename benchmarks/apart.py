"""A peer in a process of its own: what passband does with a process's memory (`passband.memory.kept`) must not help it."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

from bench import Line

Way = Callable[..., tuple[Any, float]]
"""Does something, and returns what it found and the processor seconds that it took."""


def in_turns(theirs: Way, ours: Way, *given: Any, rounds: int) -> tuple[Any, Any, Any, Any]:
    """Call two ways with the same arguments in turns, the first in another process.

    Returns:
        What either found, the peer first; and the seconds that either took in each round, likewise.
    """
    with get_context("spawn").Pool(1) as process:
        pairs = [(process.apply(theirs, given), ours(*given)) for _ in range(rounds)]
    its, mine = zip(*pairs, strict=True)
    return its[0][0], mine[0][0], tuple(seconds for _, seconds in its), tuple(seconds for _, seconds in mine)


def robust_accuracies(
    what: str, peer: str, theirs: Way, ours: Way, *given: Any, rounds: int, target: str = ""
) -> Line:
    """Return a line of two ways that find robust accuracies, which it names."""
    its_accuracies, found, its, mine = in_turns(theirs, ours, *given, rounds=rounds)
    listed = (", ".join(f"{value:.3f}" for value in values) for values in (found, its_accuracies))
    return Line(f"{what} ({'; the peer finds '.join(listed)})", peer, "s of a processor", its, mine, target)
