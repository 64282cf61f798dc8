"""What a detector finds in each image, and which objects it finds."""

from __future__ import annotations

import numpy as np
import polars as pl
from jaxtyping import Float

from passband.detection.matches import AREAS, IGNORED, LEVELS, MATCHED, SIZES, THRESHOLDS, Matches


def image_precision(matches: Matches) -> Float[np.ndarray, " images"]:
    """Return mAP of each image alone, as COCO's evaluation of nothing but that image has it.

    It is the mean over the thresholds and over the categories that have objects in the image, in the order of the images; NaN
    where an image has no objects that count.
    """
    counted = np.flatnonzero(matches.object_counts[0])
    pair_of_object = (
        matches.object_image[counted] * len(matches.categories) + matches.object_category[counted]
    )
    pairs, objects = np.unique(pair_of_object, return_counts=True)
    pair = matches.image * len(matches.categories) + matches.category
    order = np.argsort(pair, kind="stable")  # within a pair, scores still fall
    order = order[np.isin(pair[order], pairs)]
    position = np.searchsorted(pairs, pair[order])
    precision = np.mean(
        [_average(position, verdict, objects) for verdict in matches.verdict[0][:, order]], axis=0
    )
    image = pairs // len(matches.categories)
    present = np.bincount(image, minlength=len(matches.images))
    total = np.bincount(image, precision, minlength=len(matches.images))
    return np.where(present > 0, total / np.maximum(present, 1), np.nan)


def _average(pair: np.ndarray, verdict: np.ndarray, objects: np.ndarray) -> Float[np.ndarray, " pairs"]:
    """Return the average precision of each pair of an image and a category at one threshold.

    Args:
        pair: To which pair each detection belongs, ascending.
        verdict: What it is.
        objects: How many count in each pair.
    """
    pair, is_right = pair[verdict != IGNORED], verdict[verdict != IGNORED] == MATCHED
    start = np.searchsorted(pair, np.arange(len(objects)))
    right = is_right.cumsum() - np.concatenate([[0], is_right.cumsum()])[start][pair]
    seen = np.arange(len(pair)) - start[pair] + 1
    pair, right, seen = pair[is_right], right[is_right], seen[is_right]
    table = np.zeros((len(objects), right.max(initial=0)))  # a pair's right detections beside each other
    table[pair, right - 1] = right / (seen + np.spacing(1))
    beyond = np.maximum.accumulate(table[:, ::-1], axis=1)[:, ::-1]
    ranks = np.arange(table.shape[1] + 1)
    reached = np.searchsorted(LEVELS, ranks / objects[:, None], side="right")
    reached[:, 0] = 0
    return (beyond * np.diff(reached, axis=1)).sum(axis=1) / len(LEVELS)


def found_objects(matches: Matches) -> pl.DataFrame:
    """Return what became of each object that counts, a row an object in the order of the annotations.

    Columns: `object`, `image` and `category`, ids; `size`, `"small"`, `"medium"` or `"large"`, by area, the smaller one where
    two meet; `found`, whether a detection matches it with an overlap of one half; `score`, that detection's, empty if none;
    `quality`, at how many of the ten thresholds it is matched, in [0, 1].
    """
    counted = np.flatnonzero(matches.object_counts[0])
    size = np.digitize(matches.object_area[counted], [high for _, high in AREAS[1:-1]], right=True)
    matched = matches.object_matched[:, counted]
    return pl.DataFrame(
        {
            "object": matches.object_id[counted],
            "image": matches.images[matches.object_image[counted]],
            "category": matches.categories[matches.object_category[counted]],
            "size": np.array(SIZES[1:])[size],
            "found": matched[0],
            "score": matches.object_score[counted],
            "quality": matched.sum(axis=0) / len(THRESHOLDS),
        }
    ).with_columns(pl.col("score").fill_nan(None))
