"""What a claim or a figure asks of rows: weighted sums of measured numbers, and their estimates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from passband.analysis.estimate import Estimate, Proportion, Statistic, over_parts, over_seeds
from passband.errors import InputError
from passband.frequency.component import FULL, Component
from passband.rows import ACCURACY, FIT_ACCURACY, OF_KERNELS, is_share
from passband.stats import CONFIDENCE
from passband.types import Norm, Subset


class NotMeasured(InputError):
    """Rows that a claim needs are not there: a run failed, or diverged before its last epoch."""


@dataclass(frozen=True)
class Term:
    """One measured number of a run, with its weight in a sum; None stands for an empty cell, and matches only that.

    Attributes:
        label: The run.
        subset: On training or test images; None of the network itself.
        shown: What was shown, as text (`passband.frequency.component`): `"full"`, `"lfc:8"`; or a kind of component, such
            as `"lfc"`, for a curve along the radius.
        metric: `"accuracy"`, or `"fit-accuracy"` for what the run trained on, or what a measurement measured.
        when: After which part of the run's epochs: the first measurement from there on; 1 is the finished network.
        weight: In the sum.
        attack: The attack's label.
        epsilon: Its bound, or that on a distance.
        norm: How the bound is measured.
        rho: How much the first layer's kernels were smoothed; None of a network as it was trained.
        normalized: Whether smoothing kept their scale.
        above_chance: Whether chance is taken from it: the share of the most frequent class among the subset's labels.
    """

    label: str
    subset: Subset | None = "test"
    shown: str | None = str(FULL)
    metric: str = ACCURACY
    when: float = 1.0
    weight: float = 1.0
    attack: str | None = None
    epsilon: float | None = None
    norm: Norm | None = None
    rho: float | None = None
    normalized: bool | None = None
    above_chance: bool = False


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of measured numbers and a constant; contrasts can be subtracted.

    Example:
        >>> gain = accuracy("mixup") - accuracy("vanilla")
        >>> [(term.label, term.weight) for term in gain.terms]
        [('mixup', 1.0), ('vanilla', -1.0)]
    """

    terms: tuple[Term, ...]
    constant: float = 0.0

    def __sub__(self, other: Contrast) -> Contrast:
        """Return the difference of two contrasts."""
        taken = tuple(replace(term, weight=-term.weight) for term in other.terms)
        return Contrast(self.terms + taken, self.constant - other.constant)


def accuracy(
    label: str,
    subset: Subset = "test",
    component: Component = FULL,
    *,
    when: float = 1.0,
) -> Contrast:
    """Return the accuracy of a run on a subset and component; see `Term`."""
    return Contrast((Term(label, subset, str(component), when=when),))


def above_chance(
    label: str,
    subset: Subset = "test",
    component: Component = FULL,
) -> Contrast:
    """Return by how much a run is more often right than always naming the most frequent class of the subset.

    A network that gives one answer to all images is not above chance, whatever the answer and however many images each
    class has. Below chance says nothing: the answer may be a rarer class.
    """
    return Contrast((Term(label, subset, str(component), above_chance=True),))


def fit(label: str, *, when: float = 1.0) -> Contrast:
    """Return the accuracy of a run on what it trained on, taken while it trained on it."""
    return Contrast((Term(label, "train", metric=FIT_ACCURACY, when=when),))


def gap(label: str) -> Contrast:
    """Return the generalization gap of a run: accuracy on clean training images minus accuracy on test images."""
    return accuracy(label, "train") - accuracy(label)


def constant(value: float) -> Contrast:
    """Return a number that needs no measuring."""
    return Contrast((), constant=value)


def estimate(rows: pl.DataFrame, contrast: Contrast, confidence: float = CONFIDENCE) -> Estimate:
    """Return what a contrast measures: over seeds where there are several, else over samples or filters.

    Numbers of the same images, of which each image's is in the rows, are paired: two networks tend to miss the same ones.

    Raises:
        NotMeasured: If no seed has all rows that it needs.
    """
    seeds = seeds_of(rows, [term.label for term in contrast.terms])
    if len(seeds) > 1:
        return over_seeds([value_of(rows, contrast, seed) for seed in seeds], confidence)
    measured = [_row(rows, term, seeds[0]) for term in contrast.terms]
    parts = [part(row, term) for row, term in zip(measured, contrast.terms, strict=True)]
    found = over_parts([_paired(measured, parts)] if _can_be_paired(measured) else parts, confidence)
    offset = _offset(rows, contrast, seeds[0])
    return replace(found, value=found.value + offset, low=found.low + offset, high=found.high + offset)


def matching(rows: pl.DataFrame, term: Term, along: str = "epoch") -> pl.DataFrame:
    """Return a term's rows of all seeds in the order of a column, whatever stands there; empty cells come last.

    Rows without an epoch are of the finished network.
    """
    cells = {column: getattr(term, column) for column in CELLS if column != along}
    if along == "radius":
        cells["component"] = cells.pop("shown")  # of any radius
    if term.metric == FIT_ACCURACY:
        cells.pop("shown")  # it is what the run trained on
    return rows.filter(
        pl.col("label") == term.label,
        pl.col("metric") == term.metric,
        pl.col("class").is_null(),
        *(pl.col(cell).eq_missing(pl.lit(said, dtype=rows.schema[cell])) for cell, said in cells.items()),
    ).sort(along, nulls_last=True)


CELLS = ("subset", "shown", "attack", "epsilon", "norm", "rho", "normalized")
"""The columns in which a term's rows have what the term says."""


def part(row: Mapping[str, Any], term: Term) -> Proportion | Statistic:
    """Return a term's row as a part of a weighted sum.

    Raises:
        NotMeasured: If its value is no share of samples, and has no standard error.
    """
    if row["error"] is not None:
        over = "filters" if term.metric in OF_KERNELS else "samples"
        return Statistic(term.weight, row["value"], row["count"], row["error"], over)
    if not is_share(term.metric, row["value"], row["count"]):
        raise NotMeasured(
            f"{term.label} has no standard error of {_described(term)}, which is no share: several seeds decide it"
        )
    return Proportion(term.weight, row["value"], row["count"])


def _can_be_paired(measured: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether several numbers are means over the same images, of which each one's is known."""
    which = {row["images"] for row in measured}
    return len(measured) > 1 and len(which) == 1 and None not in which and measured[0]["count"] > 1


def _paired(measured: Sequence[Mapping[str, Any]], parts: Sequence[Proportion | Statistic]) -> Statistic:
    """Return the sum of parts as one number, whose standard error is that of the sums image by image."""
    weighted = [
        p.weight * np.asarray(row["each"], np.float64) for row, p in zip(measured, parts, strict=True)
    ]
    each = np.sum(weighted, axis=0)
    error = float(np.std(each, ddof=1)) / math.sqrt(len(each))
    return Statistic(1.0, sum(p.weight * p.value for p in parts), len(each), error, "samples")


def _offset(rows: pl.DataFrame, contrast: Contrast, seed: int) -> float:
    """Return what of a contrast is known without error: its constant, less chance where it is taken."""
    taken = [term.weight * _chance(rows, term, seed) for term in contrast.terms if term.above_chance]
    return contrast.constant - sum(taken)


def _chance(rows: pl.DataFrame, term: Term, seed: int) -> float:
    chance = _row(rows, term, seed)["chance"]
    if chance is None:
        raise NotMeasured(f"{term.label} does not say how many {term.subset} images each class has")
    return chance


def _row(rows: pl.DataFrame, term: Term, seed: int) -> dict[str, Any]:
    found = matching(rows, term).filter(pl.col("seed") == seed)
    if found.is_empty():
        raise NotMeasured(f"{term.label} has no {_described(term)}")
    if found["epoch"].n_unique() < len(found):
        raise InputError(f"{term.label} has several rows of {_described(term)}, and one is needed")
    if term.when < 1:
        due = max(1.0, term.when * found.select(pl.col("epoch").max()).item())
        return found.filter(pl.col("epoch") >= due).row(0, named=True)
    return found.row(-1, named=True)


def _described(term: Term) -> str:
    """Return what a term measures, such as `accuracy on hfc at 4 of test images`."""
    parts = [term.metric]
    if term.shown is not None:
        parts.append(f"on {term.shown}")
    if term.subset is not None:
        parts.append(f"of {term.subset} images")
    if term.attack is not None:
        parts.append(f"under {term.attack}")
    if term.epsilon is not None:
        parts.append(f"at epsilon {term.epsilon:g}")
    if term.rho is not None:
        parts.append(f"with rho {term.rho:g}{', normalized' * bool(term.normalized)}")
    return " ".join(parts)


def seeds_of(rows: pl.DataFrame, labels: Sequence[str]) -> list[int]:
    """Return the seeds that all of these runs have finished with."""
    finished = rows.filter(~pl.col("failed"))
    seeds = [set(finished.filter(pl.col("label") == label)["seed"]) for label in dict.fromkeys(labels)]
    common = set.intersection(*seeds)
    if not common:
        raise NotMeasured(f"no seed has finished runs of all of: {', '.join(dict.fromkeys(labels))}")
    return sorted(common)


def value_of(rows: pl.DataFrame, contrast: Contrast, seed: int) -> float:
    """Return what a contrast measures for one seed.

    Raises:
        NotMeasured: If the seed lacks a row that it needs.
    """
    values = (term.weight * _row(rows, term, seed)["value"] for term in contrast.terms)
    return sum(values) + _offset(rows, contrast, seed)
