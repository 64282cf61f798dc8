"""An estimate: a number measured over seeds, samples, filters or networks, with its interval.

Two things vary from one measurement to the next: the seed of a training run, and the samples that its network is shown. The
interval over seeds holds both. Between seeds it is Student's. Within them it is that of the samples, which seeds may share: where
all networks answer one test set, more seeds do not make it larger. The two are added as independent errors are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, NamedTuple

from passband.errors import InputError
from passband.stats import (
    CONFIDENCE,
    each_confidence,
    mean_interval,
    student_interval,
    sum_interval,
    wilson_interval,
)

Over = Literal["seeds", "samples", "filters", "networks"]
"""What would be drawn anew if a number were measured again; over seeds, what is within them too."""


@dataclass(frozen=True)
class Estimate:
    """What was measured.

    Attributes:
        value: The estimate.
        low: The lower end of its interval.
        high: The upper end.
        n: How many seeds, samples, filters or networks it rests on; of several groups, the smallest.
        over: What would be drawn anew if it were measured again.
    """

    value: float
    low: float
    high: float
    n: int
    over: Over

    @property
    def seeds(self) -> int:
        """How many training runs of a method it rests on."""
        return self.n if self.over == "seeds" else 1


Evidence = Callable[[float], Estimate]
"""What was measured, before anybody has said how sure they want to be: it returns the estimate with an interval of a coverage."""


def fixed(value: float) -> Evidence:
    """Return evidence of a number that is known, and not sampled."""
    return lambda confidence: Estimate(value, value, value, 1, "samples")


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
        """Return Wilson's interval; of a share of several measurements, which is no number of samples, it reaches to that."""
        low, high = wilson_interval(round(self.value * self.count), self.count, confidence)
        return min(low, self.value), max(high, self.value)


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
    interval is on the wide side. Where each image's number is known, `passband.analysis.evidence.evidence` pairs them.
    """
    values = [part.weight * part.value for part in parts]
    low, high = sum_interval(values, [_weighted(part, confidence) for part in parts])
    return Estimate(sum(values), low, high, min(part.count for part in parts), parts[0].over)


def over_seeds(
    values: Sequence[float],
    confidence: float = CONFIDENCE,
    *,
    within: tuple[float, float] | None = None,
) -> Estimate:
    """Return the mean of one value a seed, with an interval that holds what varies between seeds and within them.

    Args:
        values: One a seed.
        confidence: Coverage.
        within: The interval that the mean has from its samples alone; None where nothing is sampled.

    Raises:
        InputError: If there are fewer than two seeds.

    Example:
        >>> estimate = over_seeds([0.1, 0.2, 0.3])
        >>> round(estimate.low, 3), round(estimate.high, 3)
        (-0.048, 0.448)
        >>> estimate = over_seeds([0.2, 0.2, 0.2], within=(0.15, 0.26))
        >>> round(estimate.low, 3), round(estimate.high, 3)
        (0.15, 0.26)
    """
    if len(values) < 2:
        raise InputError(f"an interval over seeds needs at least 2 of them, got {len(values)}")
    mean = fmean(values)
    low, high = mean_interval(values, confidence)
    if within is not None:
        low = mean - math.hypot(mean - low, mean - within[0])
        high = mean + math.hypot(high - mean, within[1] - mean)
    return Estimate(mean, low, high, len(values), "seeds")


def mean_of(estimates: Sequence[Estimate], apart: float) -> tuple[float, float]:
    """Return the interval of the mean of several estimates over samples.

    Args:
        estimates: One a seed.
        apart: How many different samples they are over: 1 where they share one, as many as there are estimates where each has its
            own. As many errors go each its own way, and the mean has less of them.

    Example:
        >>> two = [Estimate(0.5, 0.4, 0.6, 100, "samples")] * 2
        >>> [round(end, 3) for apart in (1, 2) for end in mean_of(two, apart)]
        [0.4, 0.6, 0.429, 0.571]
    """
    mean = fmean(each.value for each in estimates)
    below = fmean((each.value - each.low) ** 2 for each in estimates)
    above = fmean((each.high - each.value) ** 2 for each in estimates)
    return mean - math.sqrt(below / apart), mean + math.sqrt(above / apart)


def all_above(evidence: Sequence[Evidence]) -> Evidence:
    """Return the smallest of several, so that it lies above a margin where all of them do, and below it where one does.

    Its lower end is the lowest: that all lie above is said only where each says so for itself, which needs no correction
    (an intersection-union test). That *one* lies below could be the accident of many, so for the upper end each interval covers as much as
    it takes for all to cover at once (Bonferroni).
    """
    return _extreme(evidence, min, "high")


def all_below(evidence: Sequence[Evidence]) -> Evidence:
    """Return the greatest of several, so that it lies below a margin where all of them do; see `all_above`."""
    return _extreme(evidence, max, "low")


def all_near(evidence: Sequence[Evidence]) -> Evidence:
    """Return how far from 0 the farthest of several lies, so that it lies below a margin where all are near; see `all_above`."""

    def found(confidence: float) -> Estimate:
        plain, together = _of_each(evidence, confidence)
        return _resting_on_all(
            plain,
            max(abs(each.value) for each in plain),
            max(max(each.low, -each.high, 0.0) for each in together),
            max(max(-each.low, each.high) for each in plain),
        )

    return found


def _extreme(
    evidence: Sequence[Evidence], of: Callable[[Iterable[float]], float], corrected: Literal["low", "high"]
) -> Evidence:
    """Return the least or the greatest, where one end is corrected for how many there are."""

    def found(confidence: float) -> Estimate:
        plain, together = _of_each(evidence, confidence)
        return _resting_on_all(
            plain,
            of(each.value for each in plain),
            of(each.low for each in (together if corrected == "low" else plain)),
            of(each.high for each in (together if corrected == "high" else plain)),
        )

    return found


def _of_each(evidence: Sequence[Evidence], confidence: float) -> tuple[list[Estimate], list[Estimate]]:
    """Return the estimates, each with an interval of its own, and with intervals that cover all at once."""
    if not evidence:
        raise InputError("the least, the greatest or the farthest needs at least 1 number, got none")
    together = each_confidence(len(evidence), confidence)
    return [each(confidence) for each in evidence], [each(together) for each in evidence]


def _resting_on_all(of: Sequence[Estimate], value: float, low: float, high: float) -> Estimate:
    """Return an estimate of several together: it rests on no more than the one that rests on least."""
    least = min(of, key=lambda each: (each.seeds, each.n))
    return Estimate(value, low, high, least.n, least.over)


def _weighted(part: Proportion | Statistic, confidence: float) -> tuple[float, float]:
    low, high = sorted(part.weight * end for end in part.ends(confidence))
    return low, high
