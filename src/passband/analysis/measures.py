"""What a claim measures: functions that take the rows of a study and return evidence.

Of a sentence with several parts ("at r = 4 and r = 8") the least, the greatest or the farthest is taken: see
`passband.analysis.estimate.all_above`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from passband.analysis.contrast import Contrast, Term
from passband.analysis.crossing import crossing
from passband.analysis.estimate import Estimate, Evidence, all_above, all_below, all_near, over_seeds
from passband.analysis.evidence import evidence
from passband.analysis.lookup import NotMeasured, matching, seeds_of, values_of
from passband.errors import InputError
from passband.rows import FIT_ACCURACY
from passband.stats import CONFIDENCE, correlation_interval, rank_correlation_interval, wilson_interval

Measure = Callable[[pl.DataFrame], Evidence]

ROUNDING = 1e-12
"""Numbers that differ by no more are the same."""

LEVEL = 0.9
"""Of the accuracy that the worse of two runs reaches: where they are compared by how long they take to it."""


def evidence_by(measure: Measure, rows: pl.DataFrame) -> Evidence:
    """Return what a measure makes of the rows of a study.

    Raises:
        InputError: If rows are missing, or a measure of one's own returns something else than evidence.
    """
    found = measure(rows)
    if not callable(found):
        raise InputError(
            "the measure of a claim returns evidence, a function that takes a coverage such as 0.95 and returns an estimate; got "
            f"{type(found).__name__}. `passband.analysis.measures` makes such: difference(accuracy(...) - accuracy(...))"
        )
    return found


def difference(contrast: Contrast) -> Measure:
    """Return what measures one contrast, most often a difference."""
    return partial(_varying, contrast=contrast)


def least_of(*contrasts: Contrast) -> Measure:
    """Return what measures the smallest of several contrasts. Above a margin, all of them are; below, one is."""
    return lambda rows: all_above([_varying(rows, contrast) for contrast in contrasts])


def greatest_of(*contrasts: Contrast) -> Measure:
    """Return what measures the greatest of several contrasts. Below a margin, all of them are; above, one is."""
    return lambda rows: all_below([_varying(rows, contrast) for contrast in contrasts])


def farthest_of(*contrasts: Contrast) -> Measure:
    """Return what measures how far the farthest of several contrasts is from 0. Below a margin, all are near it."""
    return lambda rows: all_near([_varying(rows, contrast) for contrast in contrasts])


def epochs_ratio(slow: str, fast: str) -> Measure:
    """Return what measures how many times as many epochs one run needs to the same training accuracy as another.

    That accuracy is nine tenths of what the worse of the two reaches, and where a curve reaches it is interpolated between epochs.
    Within seeds, the interval follows from when the ends of Wilson's interval reach it; a curve of which an end never does counts
    with all its epochs.
    """

    def measure(rows: pl.DataFrame) -> Evidence:
        seeds = seeds_of(rows, [slow, fast])
        curves = [(_curve(rows, slow, seed), _curve(rows, fast, seed)) for seed in seeds]

        def found(confidence: float) -> Estimate:
            ratios, lows, highs = zip(*(_ratio(*of_seed, confidence) for of_seed in curves), strict=True)
            low, high = _mean(lows), _mean(highs)
            if len(seeds) == 1:
                return Estimate(ratios[0], low, high, curves[0][0]["count"].item(0), "samples")
            return over_seeds(ratios, confidence, within=(low, high))

        return found

    return measure


def correlation_of(
    labels: Sequence[str],
    first: Callable[[str], Contrast],
    second: Callable[[str], Sequence[Contrast]],
    *,
    ranks: bool = False,
) -> Measure:
    """Return what measures how a contrast and a mean of others correlate over runs of these labels: Pearson's, or Spearman's of ranks.

    Runs of one label and several seeds are no more networks than one. So the correlation is taken seed by seed, and its interval holds
    what varies between seeds and what it would be over other labels: Fisher's interval for the means over seeds.
    """

    def measure(rows: pl.DataFrame) -> Evidence:
        seeds = seeds_of(rows, labels)
        ones = [values_of(rows, first(label), seeds) for label in labels]
        others = [_means([values_of(rows, each, seeds) for each in second(label)]) for label in labels]
        correlate = rank_correlation_interval if ranks else correlation_interval
        of_seeds = [
            correlate([one[at] for one in ones], [other[at] for other in others])[0]
            for at in range(len(seeds))
        ]

        def found(confidence: float) -> Estimate:
            value, low, high = correlate(
                [_mean(one) for one in ones], [_mean(other) for other in others], confidence
            )
            if len(seeds) == 1:
                return Estimate(value, low, high, len(labels), "networks")
            middle = _mean(of_seeds)
            within = (min(low, middle), max(high, middle))
            estimate = over_seeds(of_seeds, confidence, within=within)
            return replace(estimate, low=max(estimate.low, -1.0), high=min(estimate.high, 1.0))

        found(CONFIDENCE)
        return found

    return measure


def _varying(rows: pl.DataFrame, contrast: Contrast) -> Evidence:
    """Return the evidence of a contrast, unless its interval has no width: that is no certainty, but nothing to tell it by."""
    found = evidence(rows, contrast)
    usual = found(CONFIDENCE)
    if usual.high - usual.low <= ROUNDING:
        raise NotMeasured(
            f"all {usual.n} {usual.over} say {usual.value:g} alike, so that nothing tells how far others would be from it"
        )
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _means(lists: Sequence[Sequence[float]]) -> list[float]:
    return [_mean(values) for values in zip(*lists, strict=True)]


def _curve(rows: pl.DataFrame, label: str, seed: int) -> pl.DataFrame:
    """Return the accuracy of a run on what it trained on, by epoch."""
    curve = matching(rows, Term(label, "train", metric=FIT_ACCURACY)).filter(pl.col("seed") == seed)
    if curve.is_empty():
        raise NotMeasured(f"{label} has no fit-accuracy")
    return curve


def _ratio(slow: pl.DataFrame, fast: pl.DataFrame, confidence: float) -> tuple[float, float, float]:
    """Return how many times as long one curve takes as another, and how few and how many times that could be."""
    level = LEVEL * min(float(max(curve["value"])) for curve in (slow, fast))
    slowly, quickly = (_passes(curve, level, confidence) for curve in (slow, fast))
    return slowly[1] / quickly[1], slowly[0] / quickly[2], slowly[2] / quickly[0]


def _passes(curve: pl.DataFrame, level: float, confidence: float) -> tuple[float, float, float]:
    """Return the epochs at which the upper end, the accuracy and the lower end reach a level."""
    epochs = curve["epoch"].to_list()
    ends = [
        wilson_interval(round(value * count), count, confidence)
        for value, count in curve.select("value", "count").rows()
    ]
    lines = ([high for _, high in ends], curve["value"].to_list(), [low for low, _ in ends])
    reached = [crossing(epochs, line, level) for line in lines]
    first, second, third = (epochs[-1] if place is None else place.place for place in reached)
    return float(first), float(second), float(third)
