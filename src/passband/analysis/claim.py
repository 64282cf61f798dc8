"""Claims of the paper, and questions of ours: a sentence, what it means in rows, and how it is decided.

A claim is decided from one number and its 95% interval, by a rule that names a side and a margin: supported if the
whole interval lies on that side of the margin, contradicted if the whole interval lies on the other, else undecided.
The interval is over seeds where a study has several (Student's), otherwise over samples (Newcombe's) or, of a layer's
kernels, over its filters (a jackknife's). One without any width decides nothing.

The paper gives no margins, so they are ours: "better", "more" and "smaller" mean more than `ANY`, "much more" means
more than `MUCH`, and "similar", "on par" and "invariant" mean nearer than `SIMILAR`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import polars as pl

from passband.analysis.contrast import Contrast, NotMeasured, Term, estimate, matching, seeds_of, value_of
from passband.analysis.estimate import (
    Estimate,
    farthest,
    greatest,
    least,
    over_runs,
    over_seeds,
)
from passband.errors import InputError
from passband.rows import FIT_ACCURACY
from passband.stats import CONFIDENCE, each_confidence, wilson_interval

ANY, SIMILAR, MUCH = 0.0, 0.05, 0.10
"""Margins, as differences of accuracies."""

Verdict = Literal["supported", "contradicted", "undecided"]


@dataclass(frozen=True)
class Rule:
    """On which side of a margin the whole interval must lie."""

    side: Literal["above", "below"]
    margin: float

    def decide(self, estimate: Estimate) -> Verdict:
        """Return what an estimate says about the claim."""
        if estimate.low > self.margin:
            return "supported" if self.side == "above" else "contradicted"
        if estimate.high < self.margin:
            return "supported" if self.side == "below" else "contradicted"
        return "undecided"

    def __str__(self) -> str:
        """Return the rule as a sentence."""
        other = "below" if self.side == "above" else "above"
        return (
            f"supported if the whole 95% interval lies {self.side} {self.margin:g}, "
            f"contradicted if the whole interval lies {other} it, else undecided"
        )


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, or a question of ours, that can turn out wrong.

    Attributes:
        sentence: As the paper has it; a question of ours as the statement that is tested.
        hypothesis: What that means in rows.
        estimate: Takes the rows of a study (see `passband.results.tables.read_runs`) and returns the estimate.
        rule: How the estimate decides.
        asked_by: Whose claim it is: the paper's, or passband's own.
    """

    sentence: str
    hypothesis: str
    estimate: Callable[[pl.DataFrame], Estimate]
    rule: Rule
    asked_by: Literal["paper", "passband"] = "paper"

    @property
    def quoted(self) -> str:
        """The sentence as a reader should see it: quoted, or marked as ours."""
        return f"“{self.sentence}”" if self.asked_by == "paper" else f"Ours, not the paper's: {self.sentence}"


@dataclass(frozen=True)
class Judgement:
    """What came of a claim; without an estimate `note` says why."""

    claim: Claim
    verdict: Verdict
    estimate: Estimate | None = None
    note: str = ""


def judge(claim: Claim, rows: pl.DataFrame) -> Judgement:
    """Decide a claim on the rows of a study; where rows are missing it stays undecided."""
    try:
        found = claim.estimate(rows)
    except InputError as error:
        return Judgement(claim, "undecided", note=str(error))
    return Judgement(claim, claim.rule.decide(found), found)


def difference(contrast: Contrast) -> Callable[[pl.DataFrame], Estimate]:
    """Return what estimates one contrast, most often a difference."""
    return partial(_varying, contrast=contrast)


def least_of(*contrasts: Contrast) -> Callable[[pl.DataFrame], Estimate]:
    """Return what estimates the smallest of several contrasts. Above a margin, all of them are; below, one is."""
    return partial(_combined, least, contrasts)


def greatest_of(*contrasts: Contrast) -> Callable[[pl.DataFrame], Estimate]:
    """Return what estimates the greatest of several contrasts. Below a margin, all of them are; above, one is."""
    return partial(_combined, greatest, contrasts)


def farthest_of(*contrasts: Contrast) -> Callable[[pl.DataFrame], Estimate]:
    """Return what estimates how far the farthest of several contrasts is from 0. Below a margin, all are near it."""
    return partial(_combined, farthest, contrasts)


def extra_epochs(slow: str, fast: str) -> Callable[[pl.DataFrame], Estimate]:
    """Return what estimates how many epochs more one run needs to the same training accuracy as another.

    That accuracy is nine tenths of what the worse of the two reaches. Over samples, the interval follows from when
    the ends of Wilson's interval pass it; a curve that never does counts with all its epochs, so the interval's end is
    then a lower bound.
    """

    def found(rows: pl.DataFrame) -> Estimate:
        seeds = seeds_of(rows, [slow, fast])
        if len(seeds) > 1:
            values = [_epochs_to_reach(rows, slow, fast, seed) for seed in seeds]
            return over_seeds([float(many[1] - few[1]) for many, few in values])
        many, few = _epochs_to_reach(rows, slow, fast, seeds[0])
        count = _curve(rows, slow, seeds[0])["count"].item(0)
        low, high = many[0] - few[2], many[2] - few[0]
        return Estimate(many[1] - few[1], low, high, count, "samples")

    return found


def correlation_of(
    labels: Sequence[str],
    first: Callable[[str], Contrast],
    second: Callable[[str], Sequence[Contrast]],
    *,
    ranks: bool = False,
) -> Callable[[pl.DataFrame], Estimate]:
    """Return what estimates the correlation, over all runs of these labels, of a contrast and a mean of others.

    It is Pearson's, or Spearman's of the ranks.
    """

    def found(rows: pl.DataFrame) -> Estimate:
        pairs = [
            (
                value_of(rows, first(label), seed),
                _mean([value_of(rows, each, seed) for each in second(label)]),
            )
            for label in labels
            for seed in seeds_of(rows, [label])
        ]
        return over_runs([pair[0] for pair in pairs], [pair[1] for pair in pairs], ranks=ranks)

    return found


def _combined(
    combine: Callable[[Sequence[Estimate]], Estimate], contrasts: Sequence[Contrast], rows: pl.DataFrame
) -> Estimate:
    confidence = each_confidence(len(contrasts))
    return combine([_varying(rows, contrast, confidence) for contrast in contrasts])


def _varying(rows: pl.DataFrame, contrast: Contrast, confidence: float = CONFIDENCE) -> Estimate:
    """Return the estimate of a contrast, unless its interval has no width: that is no certainty, but nothing to tell it by.

    Six images in which a detector finds nothing all say 0, whatever the next ones would say.
    """
    found = estimate(rows, contrast, confidence)
    if found.low == found.high:
        raise NotMeasured(
            f"all {found.n} {found.over} say {found.value:g} alike, so that nothing tells how far others would be from it"
        )
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _curve(rows: pl.DataFrame, label: str, seed: int) -> pl.DataFrame:
    """Return the accuracy of a run on what it trained on, by epoch."""
    curve = matching(rows, Term(label, "train", metric=FIT_ACCURACY)).filter(pl.col("seed") == seed)
    if curve.is_empty():
        raise NotMeasured(f"{label} has no fit-accuracy")
    return curve


def _epochs_to_reach(
    rows: pl.DataFrame, slow: str, fast: str, seed: int
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return, for both runs, the epochs after which the upper end, the accuracy and the lower end reach the level."""
    curves = [_curve(rows, label, seed) for label in (slow, fast)]
    level = 0.9 * min(float(max(curve["value"])) for curve in curves)
    return _passes(curves[0], level), _passes(curves[1], level)


def _passes(curve: pl.DataFrame, level: float) -> tuple[int, int, int]:
    epochs = curve["epoch"].to_list()
    ends = [
        wilson_interval(round(value * count), count) for value, count in curve.select("value", "count").rows()
    ]
    lines = ([high for _, high in ends], curve["value"].to_list(), [low for low, _ in ends])
    first, second, third = (
        next((epoch for epoch, value in zip(epochs, line, strict=True) if value >= level), epochs[-1])
        for line in lines
    )
    return first, second, third
