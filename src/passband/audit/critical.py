"""Critical radii: where the LFC keeps half, and 95%, of the accuracy on whole images, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from passband.analysis.crossing import crossing
from passband.audit.card import (
    Baselines,
    ClassifierCard,
    CriticalRadii,
    CriticalRadius,
    CurvePoint,
    Share,
    is_at_chance,
)
from passband.stats import CONFIDENCE

HALF, MOST = 0.5, 0.95
AT_MOST = "at or below the smallest radius measured"
NOT_REACHED = "not reached within the radii measured"
BY_GUESSING = "guessing alone would reach it"
AT_CHANCE = "the model is not measurably better than naming the most frequent class throughout"
NOWHERE = CriticalRadii(half=CriticalRadius(None, AT_CHANCE), most=CriticalRadius(None, AT_CHANCE))

RESAMPLES = 2000


def critical_radii(points: Sequence[CurvePoint], clean: Share, baselines: Baselines) -> CriticalRadii:
    """Return where the LFC reaches half, and 95%, of the clean accuracy; see `critical_radius`.

    There is none where the clean accuracy itself is not measurably better than guessing.

    Args:
        points: What was measured of the LFC, and of other components.
        clean: The accuracy on whole images.
        baselines: What needs no image.
    """
    if is_at_chance(clean, baselines):
        return NOWHERE
    those = [point for point in points if point.component == "lfc"]
    radii, accuracies = [point.radius for point in those], [point.accuracy.value for point in those]
    half, most = (
        critical_radius(radii, accuracies, share * clean.value, baselines.majority) for share in (HALF, MOST)
    )
    return CriticalRadii(half, most)


def critical_radius(
    radii: Sequence[float], accuracies: Sequence[float], threshold: float, guessing: float
) -> CriticalRadius:
    """Return the smallest radius at which the LFC accuracy reaches a threshold, interpolated between radii.

    There is none where the threshold is no more than `guessing`, the accuracy that needs no image: a model that has
    collapsed would keep it at every radius.

    Example:
        >>> critical_radius([4, 8], [0.2, 0.6], threshold=0.4, guessing=0.1)
        CriticalRadius(radius=6.0, note=None, low=None, high=None)
    """
    if threshold <= guessing:
        return CriticalRadius(None, BY_GUESSING)
    found = crossing(radii, accuracies, threshold)
    if found is None:
        return CriticalRadius(None, NOT_REACHED)
    return CriticalRadius(found.place, AT_MOST if found.first else None)


def with_intervals(
    found: CriticalRadii,
    radii: Sequence[float],
    whole: Bool[Tensor, " samples"],
    low: Bool[Tensor, "radii samples"],
    *,
    seed: int = 0,
) -> CriticalRadii:
    """Return critical radii with their 95% intervals, bootstrap percentiles over the images.

    Both the accuracy on whole images and that on their LFCs are taken anew from each draw, since it is the same images that are
    right on both. An interval ends where the radii that were measured do: what is at the smallest of them may be below it, and what a draw
    does not reach is past all of them, so that there is no upper end. Of a single image there is none.

    Args:
        found: What all images together show.
        radii: Cut-offs, rising.
        whole: Whether each image is answered right.
        low: Whether its LFC is, at each radius.
        seed: Draws the images.

    Source:
        Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13.
    """
    if len(whole) < 2:  # drawn anew, one image is always the same: that is no certainty
        return found
    accuracies = _drawn(np.concatenate([whole.numpy()[None], low.numpy()]), seed)
    return CriticalRadii(
        *(
            each
            if each.radius is None
            else _with_interval(each, radii, accuracies[:, 1:], share * accuracies[:, 0])
            for each, share in ((found.half, HALF), (found.most, MOST))
        )
    )


def known_radii(card: ClassifierCard) -> CriticalRadii:
    """Return a card's critical radii; none of a model at chance, of which older cards name some."""
    return NOWHERE if is_at_chance(card.clean.accuracy, card.baselines) else card.critical_radius


def _drawn(correct: np.ndarray, seed: int) -> np.ndarray:
    """Return the shares of right answers of images drawn anew, a row a draw.

    Images that are answered alike throughout are alike, so how many of each kind are drawn is all that is drawn.
    """
    kinds, counts = np.unique(correct, axis=1, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=RESAMPLES)
    return draws @ kinds.T.astype(np.float64) / counts.sum()


def _with_interval(
    found: CriticalRadius, radii: Sequence[float], accuracies: np.ndarray, thresholds: np.ndarray
) -> CriticalRadius:
    crossed = [
        crossing(radii, list(values), threshold)
        for values, threshold in zip(accuracies, thresholds, strict=True)
    ]
    places = np.array([np.inf if each is None else each.place for each in crossed])
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(places, [tail, 100 - tail], method="closest_observation")
    return replace(found, low=float(low), high=float(high) if np.isfinite(high) else None)
