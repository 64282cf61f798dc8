"""From the rows of a study to the evidence on a contrast: paired by seed, and by image where networks answered the same ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import polars as pl
from jaxtyping import Float64

from passband.analysis.contrast import Contrast
from passband.analysis.estimate import (
    Estimate,
    Evidence,
    Proportion,
    Statistic,
    mean_of,
    over_parts,
    over_seeds,
)
from passband.analysis.lookup import NotMeasured, Number, described, known, number_of, seeds_of
from passband.errors import InputError
from passband.rows import FRACTIONS, OF_KERNELS, is_share
from passband.stats import CONFIDENCE, sum_interval


def estimate(rows: pl.DataFrame, contrast: Contrast, confidence: float = CONFIDENCE) -> Estimate:
    """Return what a contrast measures, with its interval; see `evidence`."""
    return evidence(rows, contrast)(confidence)


def evidence(rows: pl.DataFrame, contrast: Contrast) -> Evidence:
    """Return what a contrast measures: over seeds where there are several, else over samples or filters.

    Runs that are compared share the seed, so differences are taken seed by seed. Numbers of the same images, of which each image's
    is in the rows, are paired too: two networks tend to miss the same ones. A number that was measured image by image after several
    of the last epochs is the mean of these.

    Raises:
        NotMeasured: If no seed has all rows that it needs.
        InputError: If the contrast has no term.
    """
    if not contrast.terms:
        raise InputError("a contrast needs at least one measured number, got a constant alone")
    measured, offsets = [], []
    missing = None
    for seed in seeds_of(rows, [term.label for term in contrast.terms]):
        try:
            numbers = [number_of(rows, term, seed) for term in contrast.terms]
            offsets.append(known(contrast, numbers))
            measured.append(numbers)
        except NotMeasured as error:
            missing = error
    if missing is not None and not measured:
        raise missing
    return evidence_of(measured, offsets)


def evidence_of(measured: Sequence[Sequence[Number]], offsets: Sequence[float]) -> Evidence:
    """Return the evidence on a sum of numbers.

    Args:
        measured: For each seed the numbers, in the same order.
        offsets: For each seed what is added, which is known without error.

    Raises:
        NotMeasured: If there is but one seed, and nothing tells how sure its numbers are.

    Returns:
        Evidence whose interval holds nothing that the sum cannot be, where all of its numbers are fractions.
    """
    least, greatest = _reach(measured[0], fmean(offsets))
    found = _sum_of(measured, offsets)

    def possible(confidence: float) -> Estimate:
        estimate = found(confidence)
        return replace(estimate, low=max(estimate.low, least), high=min(estimate.high, greatest))

    return possible


def _reach(numbers: Sequence[Number], offset: float) -> tuple[float, float]:
    """Return the least and the greatest that a weighted sum can be."""
    if not all(number.term.metric in FRACTIONS for number in numbers):
        return -math.inf, math.inf
    weights = [number.term.weight for number in numbers]
    return offset + sum(min(each, 0.0) for each in weights), offset + sum(max(each, 0.0) for each in weights)


def _sum_of(measured: Sequence[Sequence[Number]], offsets: Sequence[float]) -> Evidence:
    """Return the evidence on a sum of numbers, as if each could be anything."""
    offset = fmean(offsets)
    sums = [sum(number.term.weight * number.value for number in of_seed) for of_seed in measured]
    values = [value + known for value, known in zip(sums, offsets, strict=True)]
    several = len(values) > 1
    try:
        groups = _groups(measured)
    except NotMeasured:
        if not several:
            raise
        return lambda confidence: over_seeds(values, confidence)
    parts = [part for group in groups for part in group.parts]
    over = parts[0].over

    def found(confidence: float) -> Estimate:
        if several and over == "filters":  # they are a network's own, and not drawn anew with its seed
            return over_seeds(values, confidence)
        means, intervals = zip(*(group.mean(confidence) for group in groups), strict=True)
        low, high = (end + offset for end in sum_interval(means, intervals))
        if several:
            return over_seeds(values, confidence, within=(low, high))
        return Estimate(values[0], low, high, min(part.count for part in parts), over)

    return found


@dataclass(frozen=True)
class _Group:
    """Numbers of the same samples, and what varies among these.

    Attributes:
        parts: One a seed; one alone where all seeds have the same samples, image by image.
        apart: How many samples of this size all seeds together have.
    """

    parts: tuple[Proportion | Statistic, ...]
    apart: float

    @classmethod
    def of(cls, measured: Sequence[Sequence[Number]]) -> _Group:
        """Return what varies among the samples of some numbers, given for each seed."""
        apart = _apart([numbers[0] for numbers in measured])
        shared = len({numbers[0].images for numbers in measured}) == 1
        first = measured[0]
        times = max(number.times for number in first) * (len(measured) if shared else 1)
        if len(first) * times == 1 or not all(_known_by_image(numbers[0]) for numbers in measured):
            return cls(tuple(part(numbers[0]) for numbers in measured), apart)
        sums = [_image_by_image(numbers) for numbers in measured]
        reach = sum(abs(number.term.weight) for number in first)
        if shared:  # one mean over seeds for each image
            sums = [np.mean(sums, axis=0)]
        return cls(tuple(_paired(each, reach) for each in sums), apart)

    def mean(self, confidence: float) -> tuple[float, tuple[float, float]]:
        """Return the mean over seeds, and its interval from the samples alone."""
        estimates = [over_parts([part], confidence) for part in self.parts]
        return fmean(each.value for each in estimates), mean_of(estimates, self.apart)


def _groups(measured: Sequence[Sequence[Number]]) -> list[_Group]:
    """Return groups of numbers: of the same images in each seed, and one alone where it is not known of which."""
    members: dict[Hashable, list[int]] = {}
    for at, of_seeds in enumerate(zip(*measured, strict=True)):
        same = tuple(number.images for number in of_seeds) if all(map(_known_by_image, of_seeds)) else at
        members.setdefault(same, []).append(at)
    return [_Group.of([[of_seed[at] for at in group] for of_seed in measured]) for group in members.values()]


def _known_by_image(number: Number) -> bool:
    return number.each is not None and number.images is not None and number.count > 1


def _apart(numbers: Sequence[Number]) -> float:
    """Return how many samples the seeds of a number have between them: one where they share it, or where nobody knows.

    Samples of few images overlap: however many are drawn, they do not say more than all images together.
    """
    which = Counter(number.images for number in numbers)
    if None in which:
        return 1.0
    different = len(numbers) ** 2 / sum(times**2 for times in which.values())
    pools = [number.pool / number.count for number in numbers if number.pool is not None]
    return max(1.0, min([different, *pools]))


def _image_by_image(numbers: Sequence[Number]) -> Float64[np.ndarray, " images"]:
    weighted = [number.term.weight * number.each for number in numbers if number.each is not None]
    return np.sum(weighted, axis=0)


def part(number: Number) -> Proportion | Statistic:
    """Return a number as a part of a weighted sum.

    Raises:
        NotMeasured: If its value is no share of samples, and has no standard error.
    """
    term = number.term
    if number.error is not None:
        over = "filters" if term.metric in OF_KERNELS else "samples"
        return Statistic(term.weight, number.value, number.count, number.error, over)
    if not is_share(term.metric, number.value, number.count):
        raise NotMeasured(
            f"{term.label} has no standard error of {described(term)}, which is no share: several seeds decide it"
        )
    return Proportion(term.weight, number.value, number.count)


def _paired(each: Float64[np.ndarray, " images"], reach: float) -> Statistic:
    """Return the mean of sums that are known image by image, with its standard error.

    Two images are reckoned in that were not seen, half at either end of what a sum can be, as Agresti and Min 2005 do for
    two proportions: a few images that all say the same do not say that all others would.

    Args:
        each: The sums.
        reach: From the least to the greatest of them, if each is a weighted sum of shares.
    """
    count = len(each)
    squares = float(np.sum((each - each.mean()) ** 2)) + reach**2 / 4
    return Statistic(
        1.0, float(each.mean()), count, math.sqrt(squares / (count + 2) / (count + 2)), "samples"
    )
