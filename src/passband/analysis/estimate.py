"""An effect: a number measured over seeds, samples, filters or runs, with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, correlation, fmean, stdev
from typing import Literal, NamedTuple

from passband.errors import InputError
from passband.metrics import wilson_interval

CONFIDENCE = 0.95

Over = Literal["seeds", "samples", "filters", "runs"]
"""What would be drawn anew if a number were measured again."""


@dataclass(frozen=True)
class Effect:
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


class Estimate(NamedTuple):
    """One part of a weighted sum: a number of a layer with its standard error over `count` filters."""

    weight: float
    value: float
    count: int
    error: float

    @property
    def over(self) -> Over:
        """What its interval is over."""
        return "filters"

    def ends(self, confidence: float) -> tuple[float, float]:
        """Return Student's interval."""
        half = t_quantile(self.count - 1, confidence) * self.error
        return self.value - half, self.value + half


def over_parts(parts: Sequence[Proportion | Estimate], confidence: float = CONFIDENCE) -> Effect:
    """Return a weighted sum with its interval, from the interval of each part.

    Of a difference of two proportions it is Newcombe's interval. The parts count as independent; two networks shown
    the same images, or the same filters before and after smoothing, are not, and differ less by chance, so their
    interval is on the wide side.

    Source:
        Newcombe 1998, method 10; for more than two, and other intervals than Wilson's: Zou and Donner 2008.
    """
    value = sum(part.weight * part.value for part in parts)
    below = above = 0.0
    for part in parts:
        low, high = part.ends(confidence)
        ends = sorted((part.weight * (low - part.value), part.weight * (high - part.value)))
        below, above = math.hypot(below, ends[0]), math.hypot(above, ends[1])
    return Effect(value, value - below, value + above, min(part.count for part in parts), parts[0].over)


def over_seeds(values: Sequence[float], confidence: float = CONFIDENCE) -> Effect:
    """Return the mean of one value a seed, with Student's interval.

    Raises:
        InputError: If there are fewer than two seeds.

    Example:
        >>> effect = over_seeds([0.1, 0.2, 0.3])
        >>> round(effect.low, 3), round(effect.high, 3)
        (-0.048, 0.448)
    """
    if len(values) < 2:
        raise InputError(f"an interval over seeds needs at least 2 of them, got {len(values)}")
    mean, half = (
        fmean(values),
        t_quantile(len(values) - 1, confidence) * stdev(values) / math.sqrt(len(values)),
    )
    return Effect(mean, mean - half, mean + half, len(values), "seeds")


def over_runs(first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE) -> Effect:
    """Return Pearson's correlation of two values a run, with Fisher's interval.

    Raises:
        InputError: If there are fewer than four runs, or a value is the same in all of them.
    """
    if len(first) < 4:
        raise InputError(f"the interval of a correlation needs at least 4 runs, got {len(first)}")
    if min(max(first) - min(first), max(second) - min(second)) <= 0:
        raise InputError("a correlation needs values that differ; one is the same in all runs")
    value = correlation(first, second)
    center = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, value)))
    half = NormalDist().inv_cdf((1 + confidence) / 2) / math.sqrt(len(first) - 3)
    return Effect(value, math.tanh(center - half), math.tanh(center + half), len(first), "runs")


def least(effects: Sequence[Effect]) -> Effect:
    """Return the smallest of several effects; see `each_confidence` for what its interval covers."""
    return Effect(
        min(effect.value for effect in effects),
        min(effect.low for effect in effects),
        min(effect.high for effect in effects),
        min(effect.n for effect in effects),
        effects[0].over,
    )


def greatest(effects: Sequence[Effect]) -> Effect:
    """Return the greatest of several effects; see `each_confidence` for what its interval covers."""
    return Effect(
        max(effect.value for effect in effects),
        max(effect.low for effect in effects),
        max(effect.high for effect in effects),
        min(effect.n for effect in effects),
        effects[0].over,
    )


def farthest(effects: Sequence[Effect]) -> Effect:
    """Return how far from 0 the farthest of several effects lies; see `each_confidence`."""
    nearest = [max(effect.low, -effect.high, 0.0) for effect in effects]
    return Effect(
        max(abs(effect.value) for effect in effects),
        max(nearest),
        max(max(-effect.low, effect.high) for effect in effects),
        min(effect.n for effect in effects),
        effects[0].over,
    )


def each_confidence(count: int) -> float:
    """Return the coverage that each of `count` intervals needs for all of them to cover at once (Bonferroni).

    Then the interval of `least`, of `greatest` and of `farthest` covers too, whichever effect that comes out to be.
    """
    return 1 - (1 - CONFIDENCE) / count


def t_quantile(degrees: int, confidence: float) -> float:
    """Return the t that Student's distribution stays within, on both sides of 0, with this probability.

    Example:
        >>> round(t_quantile(2, 0.95), 3)
        4.303
    """
    low, high = 0.0, 1.0
    while _within(high, degrees) < confidence:
        high *= 2
    for _ in range(100):  # halving 100 times leaves less than a rounding error
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < confidence else (low, middle)
    return high


def _within(t: float, degrees: int) -> float:
    """Return P(|T| <= t) for a whole number of degrees (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term, total = (math.cos(angle), 0.0) if odd else (1.0, 0.0)
    for k in range(1 + odd, degrees, 2):
        total += term
        term *= k / (k + 1) * math.cos(angle) ** 2
    partial = math.sin(angle) * total
    return 2 / math.pi * (angle + partial) if odd else partial
