"""Where in the rows of a study the number of a term is, run by run and seed by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from passband.analysis.contrast import Contrast, Term
from passband.errors import InputError
from passband.frequency.component import FULL
from passband.rows import ACCURACY, FIT_ACCURACY


class NotMeasured(InputError):
    """Rows that a claim needs are not there: a run failed, or diverged before its last epoch."""


@dataclass(frozen=True, eq=False)
class Number:
    """What was measured for a term in one run.

    Attributes:
        term: What was asked for.
        value: The number; the mean of several where it was measured after several of the last epochs.
        count: The samples that it rests on.
        error: Its standard error, where it is no share of these.
        images: Which images they are; None where nobody wrote it down.
        each: What it is the mean of, image by image; None where that is not known.
        times: How many measurements it is the mean of.
        chance: The share of the most frequent class of its subset, where it is known.
        pool: How many images there are of which these are, where it is known.
    """

    term: Term
    value: float
    count: int
    error: float | None
    images: str | None = None
    each: Float64[np.ndarray, " images"] | None = None
    times: int = 1
    chance: float | None = None
    pool: int | None = None

    @classmethod
    def of(cls, term: Term, row: Mapping[str, Any], *, times: int = 1, pool: int | None = None) -> Number:
        """Return what a row says.

        Raises:
            NotMeasured: If its value is not finite.
        """
        if not math.isfinite(row["value"]):
            raise NotMeasured(f"{term.label} has {row['value']} as {described(term)}, which is no number")
        return cls(
            term,
            row["value"],
            row["count"],
            row["error"],
            images=row["images"],
            each=None if row["each"] is None else np.asarray(row["each"], np.float64),
            chance=row.get("chance"),
            times=times,
            pool=pool,
        )


def number_of(rows: pl.DataFrame, term: Term, seed: int) -> Number:
    """Return what one run says for a term: a finished network's number, or the mean of those of the last epochs on the same images.

    Raises:
        NotMeasured: If there is none.
        InputError: If several rows are the one that is asked for.
    """
    found = matching(rows, term).filter(pl.col("seed") == seed)
    if found.is_empty():
        raise NotMeasured(f"{term.label} has no {described(term)}")
    if found["epoch"].n_unique() < len(found):
        raise InputError(f"{term.label} has several rows of {described(term)}, and one is needed")
    if term.when < 1:
        return Number.of(term, _along(found, term))
    last, pool = found.row(-1, named=True), _pool(rows, term, seed)
    if last["epoch"] is None or last["images"] is None or last["each"] is None:
        return Number.of(term, last, pool=pool)
    same = found.filter(pl.col("epoch").is_not_null(), pl.col("images") == last["images"])
    each = np.mean([np.asarray(row, np.float64) for row in same["each"]], axis=0)
    return Number.of(term, last | {"value": same["value"].mean(), "each": each}, times=len(same), pool=pool)


def values_of(rows: pl.DataFrame, contrast: Contrast, seeds: Sequence[int]) -> list[float]:
    """Return what a contrast measures for each of some seeds.

    Raises:
        NotMeasured: If a seed lacks a row that it needs.
    """
    numbers = [[number_of(rows, term, seed) for term in contrast.terms] for seed in seeds]
    return [
        sum(number.term.weight * number.value for number in of_seed) + known(contrast, of_seed)
        for of_seed in numbers
    ]


def known(contrast: Contrast, numbers: Sequence[Number]) -> float:
    """Return what of a contrast is known without error: its constant, less chance where it is taken.

    Raises:
        NotMeasured: If chance is to be taken, and is not known.
    """
    taken = [number for number in numbers if number.term.above_chance]
    for number in taken:
        if number.chance is None:
            label, subset = number.term.label, number.term.subset
            raise NotMeasured(f"{label} does not say how many {subset} images each class has")
    return contrast.constant - sum(number.term.weight * (number.chance or 0.0) for number in taken)


def seeds_of(rows: pl.DataFrame, labels: Sequence[str]) -> list[int]:
    """Return the seeds that all of these runs have finished with.

    Raises:
        NotMeasured: If there is none.
    """
    finished = rows.filter(~pl.col("failed"), pl.col("seed").is_not_null())
    seeds = [set(finished.filter(pl.col("label") == label)["seed"]) for label in dict.fromkeys(labels)]
    common = set.intersection(*seeds)
    if not common:
        raise NotMeasured(f"no seed has finished runs of all of: {', '.join(dict.fromkeys(labels))}")
    return sorted(common)


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


def described(term: Term) -> str:
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


def _along(found: pl.DataFrame, term: Term) -> Mapping[str, Any]:
    """Return the first row after the part of the epochs that a term asks for."""
    epochs = found["epoch"].drop_nulls()
    if epochs.is_empty():
        raise NotMeasured(
            f"{term.label} has {described(term)} of the finished network only, and not along its training"
        )
    due = max(1.0, term.when * max(epochs))
    return found.filter(pl.col("epoch") >= due).row(0, named=True)


def _pool(rows: pl.DataFrame, term: Term, seed: int) -> int | None:
    """Return how many images a term's subset has: as many as the finished network has answered."""
    whole = Term(term.label, term.subset, str(FULL), ACCURACY)
    found = matching(rows, whole).filter(pl.col("seed") == seed, pl.col("epoch").is_null())
    return max(found["count"], default=None)
