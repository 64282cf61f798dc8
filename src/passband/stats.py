"""How sure numbers are, and whether two of them differ: scipy under the field's names.

Everything here takes numbers and returns numbers. An interval is the pair `(low, high)`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from statistics import fmean, pstdev, stdev

import numpy as np
import scipy  # loads scipy.stats, which takes as long as a small audit's answers, where it is first asked for
from jaxtyping import Shaped

from passband.errors import InputError

CONFIDENCE = 0.95

DRAWN_AT_ONCE = 2**19
"""Values that a bootstrap draws at a time: 4 MB of them stay in a CPU's cache, and memory does not grow with the data."""


@lru_cache(
    maxsize=2**16
)  # classes of equal size have few different counts between them, and a call takes 0.3 ms
def wilson_interval(correct: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Unlike the normal approximation it stays within [0, 1] and keeps its coverage near 0 and 1.

    Args:
        correct: Number of successes.
        total: Number of samples, at least 1.
        confidence: Coverage, between 0 and 1.

    Returns:
        `(low, high)`, fractions in [0, 1].

    Raises:
        InputError: If there are no samples, not 0 <= correct <= total, or `confidence` is not in (0, 1).

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)

    Source:
        Wilson 1927, Probable inference, the law of succession, and statistical inference.
    """
    if total < 1 or not 0 <= correct <= total:
        raise InputError(f"need 0 <= correct <= total and total >= 1, got {correct} of {total}")
    _check_confidence(confidence)
    found = scipy.stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def samples_for_width(width: float) -> int:
    """Return how many samples make Wilson's 95% interval of every proportion narrower than `width`.

    An interval is widest at one half, where it measures z / sqrt(n + z^2), with z the normal quantile; so the number
    follows from the width alone, before anything is measured.

    Args:
        width: From the lower to the upper end, between 0 and 1.

    Raises:
        InputError: If `width` is not in (0, 1).

    Example:
        >>> samples_for_width(0.1), samples_for_width(0.05)
        (381, 1533)
    """
    if not 0 < width < 1:
        raise InputError(f"the width of an interval lies between 0 and 1, got {width}")
    z2 = Fraction(
        float(scipy.stats.norm.ppf((1 + CONFIDENCE) / 2)) ** 2
    )  # fractions, since the square of a tiny width is no float
    return math.floor(z2 / Fraction(width) ** 2 - z2) + 1


def student_interval(
    value: float, error: float, degrees: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return Student's interval of an estimate.

    Args:
        value: The estimate.
        error: Its standard error, at least 0.
        degrees: Degrees of freedom of the standard error, at least 1.
        confidence: Coverage, between 0 and 1.

    Raises:
        InputError: If an argument is outside its range.

    Example:
        >>> low, high = student_interval(0.5, 0.1, degrees=2)
        >>> round(low, 4), round(high, 4)
        (0.0697, 0.9303)

    Source:
        Student 1908, The probable error of a mean.
    """
    if degrees < 1 or not error >= 0:
        raise InputError(f"need a standard error >= 0 and degrees >= 1, got {error} and {degrees}")
    _check_confidence(confidence)
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, degrees)) * error
    return value - half, value + half


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Student's interval of the mean of independent values, of which there must be two or more.

    Raises:
        InputError: If there are fewer than two values, or `confidence` is not in (0, 1).

    Example:
        >>> low, high = mean_interval([0.1, 0.2, 0.3])
        >>> round(low, 3), round(high, 3)
        (-0.048, 0.448)
    """
    if len(values) < 2:
        raise InputError(f"the interval of a mean needs at least 2 values, got {len(values)}")
    error = stdev(values) / math.sqrt(len(values))
    return student_interval(fmean(values), error, len(values) - 1, confidence)


def sum_interval(values: Sequence[float], intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the interval of a sum of independent estimates from the interval of each (MOVER).

    For a difference, give the second with its sign turned; of two proportions that is Newcombe's interval.

    Args:
        values: The estimates.
        intervals: The interval of each, all of one coverage, which the result has too.

    Raises:
        InputError: If there is not one interval a value, or a value lies outside of its own.

    Example:
        >>> low, high = sum_interval([0.8, -0.6], [(0.7, 0.9), (-0.7, -0.5)])
        >>> round(low, 3), round(high, 3)
        (0.059, 0.341)

    Source:
        Newcombe 1998, Interval estimation for the difference between independent proportions, method 10; for more
        than two, and intervals of any kind: Zou and Donner 2008.
    """
    if len(values) != len(intervals):
        raise InputError(f"need an interval for each of {len(values)} values, got {len(intervals)}")
    for value, (low, high) in zip(values, intervals, strict=True):
        if not low - 1e-12 <= value <= high + 1e-12:  # Wilson's ends may miss 0 and 1 by a rounding error
            raise InputError(f"a value must lie in its interval, got {value} and [{low}, {high}]")
    total = sum(values)
    below = math.hypot(*(value - low for value, (low, _) in zip(values, intervals, strict=True)))
    above = math.hypot(*(high - value for value, (_, high) in zip(values, intervals, strict=True)))
    return total - below, total + above


def correlation_interval(
    first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Return Pearson's correlation of pairs of values, with Fisher's interval.

    Returns:
        `(correlation, low, high)`.

    Raises:
        InputError: If there are fewer than four pairs, or a value is the same in all of them.

    Source:
        Fisher 1921, On the probable error of a coefficient of correlation deduced from a small sample.
    """
    _check_pairs(first, second)
    _check_confidence(confidence)
    with warnings.catch_warnings():
        warnings.simplefilter("error", scipy.stats.DegenerateDataWarning)
        try:
            found = scipy.stats.pearsonr(first, second)
        except scipy.stats.DegenerateDataWarning as error:
            raise InputError(SAME_IN_ALL) from error
    interval = found.confidence_interval(confidence)
    return float(found.statistic), float(interval.low), float(interval.high)


def rank_correlation_interval(
    first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Return Spearman's rank correlation of pairs of values, with the interval of Bonett and Wright.

    Equal values share the mean of their ranks. Ranks that agree, or disagree, throughout have no finite Fisher's z; their
    interval is that of the correlation where two neighbors change places, and reaches to them. The interval is an
    approximation, on the wide side for few pairs: of four or five it says of no correlation that it is not 0.

    Returns:
        `(correlation, low, high)`.

    Raises:
        InputError: If there are fewer than four pairs, or a value is the same in all of them.

    Example:
        >>> [round(number, 3) for number in rank_correlation_interval([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5])]
        [0.829, -0.127, 0.986]

    Source:
        Bonett and Wright 2000, Sample size requirements for estimating Pearson, Kendall and Spearman correlations.
    """
    _check_pairs(first, second)
    _check_confidence(confidence)
    with warnings.catch_warnings():
        warnings.simplefilter("error", scipy.stats.ConstantInputWarning)
        try:
            value = float(scipy.stats.spearmanr(first, second).statistic)
        except scipy.stats.ConstantInputWarning as error:
            raise InputError(SAME_IN_ALL) from error
    count = len(first)
    most = 1 - 12 / (count * (count**2 - 1))
    nearest = min(max(value, -most), most)
    half = float(scipy.stats.norm.ppf((1 + confidence) / 2)) * math.sqrt((1 + nearest**2 / 2) / (count - 3))
    low, high = (math.tanh(math.atanh(nearest) + side) for side in (-half, half))
    return value, min(low, value), max(high, value)


SAME_IN_ALL = "a correlation needs values that differ; one is the same in all pairs"


def _check_pairs(first: Sequence[float], second: Sequence[float]) -> None:
    if len(first) != len(second) or len(first) < 4:
        raise InputError(
            f"the interval of a correlation needs at least 4 pairs, got {len(first)} and {len(second)} values"
        )


def bootstrap_difference(
    first: Shaped[np.ndarray, " samples"],
    second: Shaped[np.ndarray, " samples"],
    *,
    resamples: int = 2000,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return the mean of `second - first` over paired samples, with a percentile bootstrap interval.

    Args:
        first: Numbers, or whether each sample is right.
        second: The same of the same samples.
        resamples: How often the samples are drawn anew.
        confidence: Coverage, between 0 and 1.
        seed: Draws them.

    Returns:
        `(difference, low, high)`.

    Raises:
        InputError: If the two do not have the same number of samples, or fewer than two.

    Source:
        Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13.
    """
    if len(first) != len(second) or len(first) < 2:
        raise InputError(
            f"paired samples must be as many, and at least 2, got {len(first)} and {len(second)}"
        )
    _check_confidence(confidence)
    difference = second.astype(np.float64) - first.astype(np.float64)
    found = scipy.stats.bootstrap(
        (difference,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, DRAWN_AT_ONCE // len(difference)),
        confidence_level=confidence,
        method="percentile",
        rng=seed,
    ).confidence_interval
    return float(difference.mean()), float(found.low), float(found.high)


def jackknife_error(without: Sequence[float]) -> float:
    """Return the standard error of a statistic of several parts, from its values with each part left out once.

    The values vary the more, the less sure the statistic is. That holds for ratios of sums over the parts too.

    Raises:
        InputError: If there are fewer than two parts.

    Example:
        >>> round(jackknife_error([2.5, 2.0, 1.5]), 4)  # of the mean of 1, 2 and 3: 1 / sqrt(3)
        0.5774

    Source:
        Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 11.
    """
    if len(without) < 2:
        raise InputError(f"a jackknife needs at least 2 parts, got {len(without)}")
    return pstdev(without) * math.sqrt(len(without) - 1)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value that two classifiers differ on the same samples.

    Args:
        only_first: Samples that only the first one gets right.
        only_second: Samples that only the second one gets right.

    Returns:
        The probability of a split at least as uneven if neither were better; 1 where they never disagree.

    Raises:
        InputError: If a count is negative.

    Example:
        >>> mcnemar(5, 5), round(mcnemar(0, 10), 5)
        (1.0, 0.00195)

    Source:
        McNemar 1947, in its exact binomial form.
    """
    if min(only_first, only_second) < 0:
        raise InputError(f"counts must be >= 0, got {only_first} and {only_second}")
    disagreements = only_first + only_second
    if disagreements == 0:
        return 1.0
    return float(scipy.stats.binomtest(only_first, disagreements).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for testing all of them at once, in the order given.

    Raises:
        InputError: If one is not in [0, 1].

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]

    Source:
        Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise InputError(f"a p-value lies between 0 and 1, got {p}")
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected


def each_confidence(count: int, confidence: float = CONFIDENCE) -> float:
    """Return the coverage that each of `count` intervals needs for all of them to cover at once (Bonferroni).

    Raises:
        InputError: If there is no interval.

    Example:
        >>> round(each_confidence(5), 4)
        0.99
    """
    if count < 1:
        raise InputError(f"needs at least 1 interval, got {count}")
    return 1 - (1 - confidence) / count


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, got {confidence}")
