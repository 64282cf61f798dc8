"""COCO's numbers of images that count as often as their weights say, for many sets of weights at a time.

Precision matters only where a detection is right: between two of those it falls. So what is needed, at each right detection of
a category, is the weight of those that are right, and of all that are not ignored, up to there. Recall is linear in the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float, Int64, Integer

from passband.detection.matches import (
    IGNORED,
    LEVELS,
    MATCHED,
    MEASURES,
    MOST_DETECTIONS,
    SIZES,
    THRESHOLDS,
    Matches,
)

AT_ONCE = 128
"""Sets of weights that are gone through at a time: the arrays of a category then stay in a CPU's cache."""

PRECISIONS = [each for each in MEASURES.values() if each.of == "precision"]
RECALLS = [each for each in MEASURES.values() if each.of == "recall"]

SMALLEST = np.spacing(1)
"""COCO adds it to a count that may be zero."""


def weighted_numbers(
    matches: Matches, weights: Integer[np.ndarray, "images sets"]
) -> Float[np.ndarray, "numbers sets"]:
    """Return COCO's twelve numbers and the mAP of every category, in the order of `MEASURES` and of the categories.

    They are those of a data set that holds each image as often as its weight says, copies side by side; NaN where it has no
    objects that count. Where two detections of one image and category have the same score, all copies of the first come
    before those of the second.

    Args:
        matches: What was found in the images.
        weights: How often each image counts, in the order of the matches.
    """
    curves = list(_curves(matches))
    counted = _objects_by_image(matches)
    right = _right_by_image(matches)
    found = np.empty((len(MEASURES) + len(matches.categories), weights.shape[1]))
    for start in range(0, weights.shape[1], AT_ONCE):
        chosen = slice(start, start + AT_ONCE)
        block = weights[:, chosen].astype(np.float64)
        shape = (len(matches.categories), block.shape[1])
        objects = (counted @ block).reshape(len(SIZES), *shape)
        precision = _precision(curves, objects, block)
        recall = _recall((right @ block).reshape(len(RECALLS), *shape), objects)
        found[:, chosen] = _numbers(precision, recall)
    return found


def images_with_objects(matches: Matches) -> Int64[np.ndarray, " numbers"]:
    """Return of each number of `weighted_numbers` how many images have objects that count in it."""
    by_size = [len(np.unique(matches.object_image[counts])) for counts in matches.object_counts]
    where = np.stack([matches.object_category, matches.object_image])[:, matches.object_counts[0]]
    by_category = np.bincount(np.unique(where, axis=1)[0], minlength=len(matches.categories))
    return np.array([*(by_size[each.size] for each in MEASURES.values()), *by_category])


@dataclass(frozen=True, eq=False)
class _Curve:
    """A category's precision against its recall, at one size of objects and one threshold.

    Attributes:
        at: Size, category and threshold.
        right: The image of each right detection, in their order.
        since: Of each right detection, how many detections of each image count since the one before, itself included.
    """

    at: tuple[int, int, int]
    right: Int64[np.ndarray, " right"]
    since: Any


def _curves(matches: Matches) -> Iterator[_Curve]:
    """Return the curves that have a right detection."""
    ends = np.searchsorted(matches.category, np.arange(len(matches.categories) + 1))
    for size, category, threshold in np.ndindex(len(SIZES), len(matches.categories), len(THRESHOLDS)):
        rows = slice(ends[category], ends[category + 1])
        verdict, image = matches.verdict[size, threshold, rows], matches.image[rows]
        counts = verdict != IGNORED
        is_right, image = verdict[counts] == MATCHED, image[counts]
        ranks = np.flatnonzero(is_right)
        if len(ranks):
            last = ranks[-1] + 1
            since = scipy.sparse.csr_array(
                (np.ones(last), image[:last], np.concatenate([[0], ranks + 1])),
                shape=(len(ranks), len(matches.images)),
            )
            yield _Curve((size, category, threshold), image[ranks], since)


def _precision(
    curves: list[_Curve],
    objects: Float[np.ndarray, "sizes categories sets"],
    weights: Float[np.ndarray, "images sets"],
) -> Float[np.ndarray, "sizes categories thresholds sets"]:
    """Return average precisions: the mean over the levels of recall of the greatest precision there or beyond."""
    found = np.zeros((*objects.shape[:2], len(THRESHOLDS), objects.shape[2]))
    for curve in curves:
        size, category, _ = curve.at
        right = weights[curve.right].T.copy().cumsum(axis=1)  # (sets, right): a curve lies in a row
        seen = (curve.since @ weights).T.copy().cumsum(axis=1)
        beyond = np.maximum.accumulate((right / (seen + SMALLEST))[:, ::-1], axis=1)[:, ::-1]
        recall = right / np.maximum(objects[size, category], 1)[:, None]
        reached = np.searchsorted(LEVELS, recall, side="right")
        found[curve.at] = (beyond * np.diff(reached, axis=1, prepend=0)).sum(axis=1) / len(LEVELS)
    return np.where(objects[:, :, None] > 0, found, np.nan)


def _recall(
    right: Float[np.ndarray, "recalls categories sets"], objects: Float[np.ndarray, "sizes categories sets"]
) -> Float[np.ndarray, "recalls categories sets"]:
    """Return average recalls: of right detections, summed over the thresholds."""
    with np.errstate(invalid="ignore"):  # of no objects it is no number
        return right / (objects[[each.size for each in RECALLS]] * len(THRESHOLDS))


def _numbers(
    precision: Float[np.ndarray, "sizes categories thresholds sets"],
    recall: Float[np.ndarray, "recalls categories sets"],
) -> Float[np.ndarray, "numbers sets"]:
    means = [_mean(precision[each.size][:, each.thresholds].mean(axis=1)) for each in PRECISIONS]
    return np.concatenate([means, [_mean(each) for each in recall], precision[0].mean(axis=1)])


def _mean(values: Float[np.ndarray, "categories sets"]) -> Float[np.ndarray, " sets"]:
    """Return the mean over the categories that have objects."""
    with np.errstate(invalid="ignore"):
        return np.nansum(values, axis=0) / (~np.isnan(values)).sum(axis=0)


def _objects_by_image(matches: Matches) -> Any:
    """Return how many objects count, by size and category times images."""
    size, which = np.nonzero(matches.object_counts)
    return _counts(matches, size, matches.object_category[which], matches.object_image[which], len(SIZES))


def _right_by_image(matches: Matches) -> Any:
    """Return how many detections are right, summed over thresholds, by recall and category times images."""
    size, _, which = np.nonzero(matches.verdict == MATCHED)
    rank = matches.rank[which]
    chosen = [which[(size == each.size) & (rank < MOST_DETECTIONS[each.most])] for each in RECALLS]
    recall = np.repeat(np.arange(len(RECALLS)), [len(each) for each in chosen])
    which = np.concatenate(chosen)
    return _counts(matches, recall, matches.category[which], matches.image[which], len(RECALLS))


def _counts(matches: Matches, kind: np.ndarray, category: np.ndarray, image: np.ndarray, kinds: int) -> Any:
    row = kind * len(matches.categories) + category
    shape = (kinds * len(matches.categories), len(matches.images))
    return scipy.sparse.csr_array((np.ones(len(row)), (row, image)), shape=shape)
