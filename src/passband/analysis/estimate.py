"""An estimate: a number measured over seeds, samples, filters or runs, with its 95% interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, NamedTuple

from passband.errors import InputError
from passband.stats import (
    CONFIDENCE,
    correlation_interval,
    mean_interval,
    rank_correlation_interval,
    student_interval,
    sum_interval,
    wilson_interval,
)

Over = Literal["seeds", "samples", "filters", "runs"]
"""What would be drawn anew if a number were measured again."""


@dataclass(frozen=True)
class Estimate:
    """What was measured.

    Attributes:
        value: The estimate.
        low: The lower end of its interval.
        high: The upper end.
        n: How many seeds, samples, filters or runs it rests on; of several groups, the smallest.
        over: What would be drawn anew if it were measured again.
    """

    value: float
    low: float
    high: float
    n: int
    over: Over


class Proportion(NamedTuple):
    """One part of a weighted sum: a share in [0, 1] of `count` samples."""

    weight: float
    value: float
    count: int

    @property
    def over(self) -> Over:
        """What its interval is over."""
        return "samples"

    def ends(self, confidence: float) -> tuple[float, float]:
        """Return Wilson's interval."""
        return wilson_interval(round(self.value * self.count), self.count, confidence)


class Statistic(NamedTuple):
    """One part of a weighted sum: a number with its standard error over `count` samples, or filters of a layer."""

    weight: float
    value: float
    count: int
    error: float
    over: Over

    def ends(self, confidence: float) -> tuple[float, float]:
        """Return Student's interval."""
        return student_interval(self.value, self.error, self.count - 1, confidence)


def over_parts(parts: Sequence[Proportion | Statistic], confidence: float = CONFIDENCE) -> Estimate:
    """Return a weighted sum with its interval, from the interval of each part.

    Of a difference of two proportions it is Newcombe's interval. The parts count as independent; two networks shown
    the same images, or the same filters before and after smoothing, are not, and differ less by chance, so their
    interval is on the wide side. Where each image's number is known, `passband.analysis.contrast.estimate` pairs them.
    """
    values = [part.weight * part.value for part in parts]
    low, high = sum_interval(values, [_weighted(part, confidence) for part in parts])
    return Estimate(sum(values), low, high, min(part.count for part in parts), parts[0].over)


def over_seeds(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of one value a seed, with Student's interval.

    Raises:
        InputError: If there are fewer than two seeds.

    Example:
        >>> estimate = over_seeds([0.1, 0.2, 0.3])
        >>> round(estimate.low, 3), round(estimate.high, 3)
        (-0.048, 0.448)
    """
    if len(values) < 2:
        raise InputError(f"an interval over seeds needs at least 2 of them, got {len(values)}")
    low, high = mean_interval(values, confidence)
    return Estimate(fmean(values), low, high, len(values), "seeds")


def over_runs(
    first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE, *, ranks: bool = False
) -> Estimate:
    """Return Pearson's correlation of two values a run, with Fisher's interval; or Spearman's, of their ranks.

    Raises:
        InputError: If there are fewer than four runs, or a value is the same in all of them.
    """
    if len(first) < 4:
        raise InputError(f"the interval of a correlation needs at least 4 runs, got {len(first)}")
    correlation = rank_correlation_interval if ranks else correlation_interval
    value, low, high = correlation(first, second, confidence)
    return Estimate(value, low, high, len(first), "runs")


def least(estimates: Sequence[Estimate]) -> Estimate:
    """Return the smallest of several estimates; its interval covers if theirs do at once (`each_confidence`)."""
    return _extreme(min, estimates)


def greatest(estimates: Sequence[Estimate]) -> Estimate:
    """Return the greatest of several estimates; its interval covers if theirs do at once (`each_confidence`)."""
    return _extreme(max, estimates)


def farthest(estimates: Sequence[Estimate]) -> Estimate:
    """Return how far from 0 the farthest of several estimates lies; its interval covers as that of `least`."""
    nearest = [max(estimate.low, -estimate.high, 0.0) for estimate in estimates]
    return Estimate(
        max(abs(estimate.value) for estimate in estimates),
        max(nearest),
        max(max(-estimate.low, estimate.high) for estimate in estimates),
        min(estimate.n for estimate in estimates),
        estimates[0].over,
    )


def _extreme(of: Callable[[Iterable[float]], float], estimates: Sequence[Estimate]) -> Estimate:
    """Return the least, or the greatest, of values and of either end."""
    return Estimate(
        of(estimate.value for estimate in estimates),
        of(estimate.low for estimate in estimates),
        of(estimate.high for estimate in estimates),
        min(estimate.n for estimate in estimates),
        estimates[0].over,
    )


def _weighted(part: Proportion | Statistic, confidence: float) -> tuple[float, float]:
    low, high = sorted(part.weight * end for end in part.ends(confidence))
    return low, high
