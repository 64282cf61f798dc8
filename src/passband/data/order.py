"""In which order samples are taken where a file has them class by class, so that the first N are a fair part."""

from __future__ import annotations

import hashlib
from math import lgamma, log

import numpy as np

from passband.notices import Notice

SURE = 10_000
"""A set counts as sorted if at most one in so many shuffled ones would be."""

RARE = 4.0
"""Standard deviations below the expected number of runs that chance does not explain."""

SORTED = Notice(
    "data",
    "the samples of a class lie together in the file, so they are taken in a fixed shuffled order: the first of them, which "
    "a limit takes, are a fair part of all classes",
    warning=False,
)


def fair_order(labels: np.ndarray) -> tuple[np.ndarray, tuple[Notice, ...]]:
    """Return the order in which samples are taken, and what must be known of it.

    It is that of the file, unless labels are sorted, or follow each other in fewer than half of the runs that those of a
    shuffled set do, which chance does not explain. Then it is that of `shuffled`.

    Args:
        labels: The class of each sample, shaped (samples,).

    Returns:
        Indices, shaped (samples,), and notices.

    Example:
        >>> fair_order(np.array([0, 1, 1, 0]))
        (array([0, 1, 2, 3]), ())
    """
    return (shuffled(len(labels)), (SORTED,)) if _come_in_blocks(labels) else (np.arange(len(labels)), ())


def shuffled(count: int) -> np.ndarray:
    """Return an order of `count` samples that looks random and is the same on every machine.

    It sorts by a hash: generators of random numbers may change with the version of a library.

    Example:
        >>> shuffled(6).tolist()
        [4, 3, 0, 1, 2, 5]
    """
    keys = [hashlib.sha256(str(index).encode()).digest() for index in range(count)]
    return np.array(sorted(range(count), key=keys.__getitem__), np.int64)


def _come_in_blocks(labels: np.ndarray) -> bool:
    """Return whether labels are sorted, or lie in blocks, and that not by chance."""
    samples, counts = len(labels), np.unique(labels, return_counts=True)[1].astype(float)
    if samples < 2 or len(counts) < 2:
        return False
    steps = np.diff(labels)
    if (steps >= 0).all() or (steps <= 0).all():
        # one of the orders that a multinomial coefficient counts, so that even a set of one sample a class is noticed
        orders = lgamma(samples + 1) - sum(lgamma(count + 1) for count in counts)
        return orders > log(SURE)
    # Wald and Wolfowitz's test, for several classes
    runs = 1 + np.count_nonzero(steps)
    squares, cubes = (counts**2).sum(), (counts**3).sum()
    expected = samples + 1 - squares / samples
    variance = (squares * (squares + samples * (samples + 1)) - 2 * samples * cubes - samples**3) / (
        samples**2 * (samples - 1)
    )
    return bool(runs < expected / 2 and runs < expected - RARE * variance**0.5)
