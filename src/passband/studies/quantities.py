"""What a claim or a figure asks of rows: weighted sums of measured proportions, and their effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from passband.errors import InputError
from passband.studies.effects import CONFIDENCE, Effect, Proportion, over_samples, over_seeds
from passband.types import Component, Subset


class NotMeasured(InputError):
    """Rows that a claim needs are not there: a run failed, or diverged before its last epoch."""


@dataclass(frozen=True)
class Term:
    """One measured proportion of a run, with its weight in a sum.

    Attributes:
        label: The run.
        subset: On training or test images.
        component: What was shown.
        radius: The component's, none of the whole image.
        metric: `"accuracy"`, or `"fit-accuracy"` for what the run trained on.
        when: After which part of the run's epochs: the first measurement from there on; 1 is the finished network.
        weight: In the sum.
    """

    label: str
    subset: Subset = "test"
    component: Component = "full"
    radius: float | None = None
    metric: str = "accuracy"
    when: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True)
class Quantity:
    """A weighted sum of measured proportions, chance and a constant; quantities can be subtracted.

    Example:
        >>> gain = accuracy("mixup") - accuracy("vanilla")
        >>> [(term.label, term.weight) for term in gain.terms]
        [('mixup', 1.0), ('vanilla', -1.0)]
    """

    terms: tuple[Term, ...]
    chance: float = 0.0
    constant: float = 0.0

    def __sub__(self, other: Quantity) -> Quantity:
        """Return the difference of two quantities."""
        taken = tuple(replace(term, weight=-term.weight) for term in other.terms)
        return Quantity(self.terms + taken, self.chance - other.chance, self.constant - other.constant)


CHANCE = Quantity((), chance=1.0)
"""The accuracy of guessing: one over the number of classes."""


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
    """Return what a quantity measures: over seeds where there are several, else over samples.

    Raises:
        NotMeasured: If no seed has all rows that it needs.
    """
    seeds = seeds_of(rows, [term.label for term in quantity.terms])
    offset = quantity.chance * rows["chance"].item(0) + quantity.constant
    parts = [[_proportion(rows, term, seed) for term in quantity.terms] for seed in seeds]
    if len(parts) > 1:
        return over_seeds([offset + sum(p.weight * p.value for p in one) for one in parts], confidence)
    found = over_samples(parts[0], confidence)
    return replace(found, value=found.value + offset, low=found.low + offset, high=found.high + offset)


def measurements(rows: pl.DataFrame, term: Term) -> pl.DataFrame:
    """Return a term's rows of all seeds by epoch; those without an epoch, of the finished network, come last."""
    shown = (
        pl.col("component") == term.component,
        pl.col("radius").eq_missing(pl.lit(term.radius, dtype=pl.Float64)),
    )
    return rows.filter(
        pl.col("label") == term.label,
        pl.col("subset") == term.subset,
        pl.col("metric") == term.metric,
        pl.col("class").is_null(),
        *(() if term.metric == "fit-accuracy" else shown),  # that is of what the run trained on
    ).sort("epoch", nulls_last=True)


def _proportion(rows: pl.DataFrame, term: Term, seed: int) -> Proportion:
    found = measurements(rows, term).filter(pl.col("seed") == seed)
    if found.is_empty():
        shown = term.component if term.radius is None else f"{term.component} at {term.radius:g}"
        raise NotMeasured(f"{term.label} has no {term.metric} on {shown} of {term.subset} images")
    if term.when < 1:
        due = max(1.0, term.when * found.select(pl.col("epoch").max()).item())
        found = found.filter(pl.col("epoch") >= due)
        row = found.row(0, named=True)
    else:
        row = found.row(-1, named=True)
    return Proportion(term.weight, row["value"], row["count"])


def seeds_of(rows: pl.DataFrame, labels: Sequence[str]) -> list[int]:
    """Return the seeds that all of these runs have finished with."""
    finished = rows.filter(~pl.col("failed"))
    seeds = [set(finished.filter(pl.col("label") == label)["seed"]) for label in dict.fromkeys(labels)]
    common = set.intersection(*seeds)
    if not common:
        raise NotMeasured(f"no seed has finished runs of all of: {', '.join(dict.fromkeys(labels))}")
    return sorted(common)


def value_of(rows: pl.DataFrame, quantity: Quantity, seed: int) -> float:
    """Return what a quantity measures for one seed, chance and constant aside."""
    return sum(
        part.weight * part.value for part in (_proportion(rows, term, seed) for term in quantity.terms)
    )
