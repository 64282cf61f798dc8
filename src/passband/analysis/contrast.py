"""What a claim or a figure asks of rows: weighted sums of measured numbers, and their effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from passband.analysis.estimate import Effect, Estimate, Proportion, over_parts, over_seeds
from passband.errors import InputError
from passband.stats import CONFIDENCE
from passband.types import Component, Norm, Subset

ESTIMATES = tuple(
    f"{name}{removed}" for name in ("roughness", "kernel-high-frequency") for removed in ("", "-removed")
)
"""Metrics that are no proportions; the standard error of each is a row of its own, with the metric's name and `-error`."""


class NotMeasured(InputError):
    """Rows that a claim needs are not there: a run failed, or diverged before its last epoch."""


@dataclass(frozen=True)
class Term:
    """One measured number of a run, with its weight in a sum; None stands for an empty cell, and matches only that.

    Attributes:
        label: The run.
        subset: On training or test images; None of the network itself.
        component: What was shown.
        radius: The component's, none of the whole image.
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
    component: Component | None = "full"
    radius: float | None = None
    metric: str = "accuracy"
    when: float = 1.0
    weight: float = 1.0
    attack: str | None = None
    epsilon: float | None = None
    norm: Norm | None = None
    rho: float | None = None
    normalized: bool | None = None
    above_chance: bool = False


@dataclass(frozen=True)
class Quantity:
    """A weighted sum of measured numbers and a constant; quantities can be subtracted.

    Example:
        >>> gain = accuracy("mixup") - accuracy("vanilla")
        >>> [(term.label, term.weight) for term in gain.terms]
        [('mixup', 1.0), ('vanilla', -1.0)]
    """

    terms: tuple[Term, ...]
    constant: float = 0.0

    def __sub__(self, other: Quantity) -> Quantity:
        """Return the difference of two quantities."""
        taken = tuple(replace(term, weight=-term.weight) for term in other.terms)
        return Quantity(self.terms + taken, self.constant - other.constant)


def accuracy(
    label: str,
    subset: Subset = "test",
    component: Component = "full",
    radius: float | None = None,
    *,
    when: float = 1.0,
) -> Quantity:
    """Return the accuracy of a run on a subset and component; see `Term`."""
    return Quantity((Term(label, subset, component, radius, when=when),))


def above_chance(
    label: str,
    subset: Subset = "test",
    component: Component = "full",
    radius: float | None = None,
) -> Quantity:
    """Return by how much a run is more often right than always naming the most frequent class of the subset.

    A network that gives one answer to all images is not above chance, whatever the answer and however many images each
    class has. Below chance says nothing: the answer may be a rarer class.
    """
    return Quantity((Term(label, subset, component, radius, above_chance=True),))


def fit(label: str, *, when: float = 1.0) -> Quantity:
    """Return the accuracy of a run on what it trained on, taken while it trained on it."""
    return Quantity((Term(label, "train", metric="fit-accuracy", when=when),))


def gap(label: str) -> Quantity:
    """Return the generalization gap of a run: accuracy on clean training images minus accuracy on test images."""
    return accuracy(label, "train") - accuracy(label)


def constant(value: float) -> Quantity:
    """Return a number that needs no measuring."""
    return Quantity((), constant=value)


def effect(rows: pl.DataFrame, quantity: Quantity, confidence: float = CONFIDENCE) -> Effect:
    """Return what a quantity measures: over seeds where there are several, else over samples or filters.

    Raises:
        NotMeasured: If no seed has all rows that it needs.
    """
    seeds = seeds_of(rows, [term.label for term in quantity.terms])
    if len(seeds) > 1:
        return over_seeds([value_of(rows, quantity, seed) for seed in seeds], confidence)
    found = over_parts([_part(rows, term, seeds[0]) for term in quantity.terms], confidence)
    offset = _offset(rows, quantity, seeds[0])
    return replace(found, value=found.value + offset, low=found.low + offset, high=found.high + offset)


def measurements(rows: pl.DataFrame, term: Term, along: str = "epoch") -> pl.DataFrame:
    """Return a term's rows of all seeds in the order of a column, whatever stands there; empty cells come last.

    Rows without an epoch are of the finished network.
    """
    cells = [column for column in CELLS if column != along]
    if term.metric == "fit-accuracy":  # that is of what the run trained on
        cells = [column for column in cells if column not in ("component", "radius")]
    return rows.filter(
        pl.col("label") == term.label,
        pl.col("metric") == term.metric,
        pl.col("class").is_null(),
        *(pl.col(cell).eq_missing(pl.lit(getattr(term, cell), dtype=rows.schema[cell])) for cell in cells),
    ).sort(along, nulls_last=True)


CELLS = ("subset", "component", "radius", "attack", "epsilon", "norm", "rho", "normalized")
"""The columns in which a term's rows have what the term says."""


def _part(rows: pl.DataFrame, term: Term, seed: int) -> Proportion | Estimate:
    row = _row(rows, term, seed)
    if term.metric not in ESTIMATES:
        return Proportion(term.weight, row["value"], row["count"])
    error = _row(rows, replace(term, metric=f"{term.metric}-error"), seed)
    return Estimate(term.weight, row["value"], row["count"], error["value"])


def _offset(rows: pl.DataFrame, quantity: Quantity, seed: int) -> float:
    """Return what of a quantity is known without error: its constant, less chance where it is taken."""
    taken = [term.weight * _chance(rows, term, seed) for term in quantity.terms if term.above_chance]
    return quantity.constant - sum(taken)


def _chance(rows: pl.DataFrame, term: Term, seed: int) -> float:
    chance = _row(rows, term, seed)["chance"]
    if chance is None:
        raise NotMeasured(f"{term.label} does not say how many {term.subset} images each class has")
    return chance


def _row(rows: pl.DataFrame, term: Term, seed: int) -> dict[str, Any]:
    found = measurements(rows, term).filter(pl.col("seed") == seed)
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
    if term.component is not None:
        parts.append(f"on {term.component}")
    if term.radius is not None:
        parts.append(f"at {term.radius:g}")
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


def value_of(rows: pl.DataFrame, quantity: Quantity, seed: int) -> float:
    """Return what a quantity measures for one seed.

    Raises:
        NotMeasured: If the seed lacks a row that it needs.
    """
    parts = [_part(rows, term, seed) for term in quantity.terms]
    return sum(part.weight * part.value for part in parts) + _offset(rows, quantity, seed)
