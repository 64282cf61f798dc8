"""COCO's numbers of detections, by hotcoco, which nothing else imports.

The library sees images, categories, objects and detections under their positions, counted from 1: ids of zero, of any size and
names that occur twice cannot mislead it. Boxes are matched category by category within an image, so that its answers can be
asked for a few images at a time, and only where there are objects: a list of them for all takes gigabytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int8, Int64

from passband.brief import Brief
from passband.detection.annotations import Annotations
from passband.detection.boxes import Boxes, read_boxes, surest
from passband.detection.matches import (
    AREAS,
    IGNORED,
    MATCHED,
    MEASURES,
    MISSED,
    MOST_DETECTIONS,
    THRESHOLDS,
    Matches,
)
from passband.errors import InputError
from passband.optional import require
from passband.rows import DETECTION_COLUMNS, OBJECT_COLUMNS

AT_ONCE = 25
"""Images whose matches are asked for at a time. Lists of many small objects take longer than as many short ones: Python looks
through all of them for what can be freed."""

LEAST, GREATEST = np.array(AREAS).T[:, :, None]  # by size, beside the boxes

ErrorKind = Literal["classification", "localization", "both", "duplicate", "background", "missed"]
"""TIDE's: the box of an object of another category, a box that is off (an overlap of .1 to .5), both, a second box of an object,
a box of nothing, an object without a box."""

THEIR_NAMES: dict[ErrorKind, str] = dict(
    zip(get_args(ErrorKind), ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"), strict=True)
)


@dataclass(frozen=True)
class DetectionErrors:
    """What it would be worth if a detector did not make one kind of error.

    Attributes:
        gain: By how much mAP at an overlap of one half would grow.
        count: How many there are.
    """

    gain: float
    count: int


@dataclass(frozen=True, eq=False)
class Evaluation(Brief):
    """One view's detections, matched once with the objects.

    Attributes:
        numbers: COCO's twelve by name, see `passband.detection.matches.MEASURES`; one for which there is nothing to measure is absent.
        by_category: mAP by a category's id, of those that have objects.
        errors: TIDE's errors by kind, see `ErrorKind`; empty where there are no objects.
        matches: What bootstrap and numbers of single images need.
    """

    numbers: Mapping[str, float]
    by_category: Mapping[int, float]
    errors: Mapping[str, DetectionErrors]
    matches: Matches


def evaluate(annotations: Annotations, detections: pl.DataFrame) -> Evaluation:
    """Match detections with objects as COCO does, and measure them.

    Of an image and category the surest 100 count. Crowds are neither asked for nor held against a detector that finds them.

    Args:
        annotations: What is in the images.
        detections: What was found, with the columns `passband.rows.DETECTION_COLUMNS`; the order within an image decides
            between equal scores.

    Raises:
        InputError: If an image or a category is unknown, a number is not finite, a box has a negative side, or columns are others.
        MissingDependencyError: If hotcoco is not installed.

    Source:
        Lin et al. 2014, Microsoft COCO: Common Objects in Context, and its evaluation code; Bolya et al. 2020, TIDE: A General
        Toolbox for Identifying Object Detection Errors.
    """
    library = require("hotcoco", extra="detection", purpose="measuring detections")
    images = np.array([each.id for each in annotations.pictures], dtype=np.int64)
    categories = np.array(sorted(annotations.categories), dtype=np.int64)
    if (images[1:] <= images[:-1]).any():
        raise InputError("the images of the annotations have ids that ascend, each once; got others")
    objects = read_boxes(annotations.objects, OBJECT_COLUMNS, "object", images, categories)
    found = _Found.of(read_boxes(detections, DETECTION_COLUMNS, "detection", images, categories), detections)
    truth = library.COCO.from_arrays(
        [{"id": index + 1, "width": 1, "height": 1, "file_name": ""} for index in range(len(images))],
        [{"id": index + 1, "name": str(index)} for index in range(len(categories))],
        objects.image + 1,
        objects.category + 1,
        objects.sides,
        ids=np.arange(len(objects.image)) + 1,
        area=annotations.objects["area"].to_numpy(),
        iscrowd=annotations.objects["crowd"].cast(pl.Int64).to_numpy(),
    )
    verdict, matched, score = _match(library, truth, objects, found)
    area = annotations.objects["area"].to_numpy()
    matches = Matches(
        images=images,
        categories=categories,
        image=found.boxes.image,
        category=found.boxes.category,
        rank=found.rank,
        score=found.score,
        verdict=verdict,
        object_id=annotations.objects["object"].to_numpy(),
        object_image=objects.image,
        object_category=objects.category,
        object_area=area,
        object_counts=(area >= LEAST) & (area <= GREATEST) & ~annotations.objects["crowd"].to_numpy(),
        object_matched=matched,
        object_score=score,
    )
    if not matches.object_counts.any():
        return Evaluation({}, {}, {}, matches)
    measured = library.COCOeval(truth, truth.load_res(found.rows()), "bbox")
    measured.evaluate()
    measured.accumulate()
    precision, recall = measured.eval["precision"], measured.eval["recall"]
    tide = measured.tide_errors()
    by_category = [_mean(precision[:, :, index, 0, -1]) for index in range(len(categories))]
    return Evaluation(
        numbers=_numbers(precision, recall),
        by_category={
            int(category): value
            for category, value in zip(categories, by_category, strict=True)
            if value is not None
        },
        errors={
            kind: DetectionErrors(float(tide["delta_ap"][theirs]), int(tide["counts"][theirs]))
            for kind, theirs in THEIR_NAMES.items()
        },
        matches=matches,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """The detections that count, in the order in which COCO goes through them."""

    boxes: Boxes
    score: Float[np.ndarray, " detections"]
    rank: Int64[np.ndarray, " detections"]

    @classmethod
    def of(cls, boxes: Boxes, table: pl.DataFrame) -> _Found:
        score = table["score"].to_numpy()
        kept, rank = surest(boxes, score, MOST_DETECTIONS[-1])
        return cls(boxes[kept], score[kept], rank)

    def rows(self) -> Float[np.ndarray, "detections 7"]:
        """Return the array that the library reads."""
        boxes = self.boxes
        return np.column_stack([boxes.image + 1, boxes.sides, self.score, boxes.category + 1])


def _match(
    library: Any, truth: Any, objects: Boxes, found: _Found
) -> tuple[
    Int8[np.ndarray, "sizes thresholds detections"],
    Bool[np.ndarray, "thresholds objects"],
    Float[np.ndarray, " objects"],
]:
    """Ask the library for its matches, a few images at a time.

    Returns:
        What each detection is, whether each object is found, and how surely at the first threshold, as `Matches` has them.
    """
    with np.errstate(over="ignore"):  # an area that no float holds is as much too large as any
        area = found.boxes.sides[:, 2] * found.boxes.sides[:, 3]
    unmatched = np.where((area >= LEAST) & (area <= GREATEST), MISSED, IGNORED).astype(np.int8)
    verdict = np.repeat(unmatched[:, None], len(THRESHOLDS), axis=1)
    matched = np.zeros((len(THRESHOLDS), len(objects.image)), dtype=bool)
    score = np.full(len(objects.image), np.nan)
    asked = np.flatnonzero(np.isin(found.boxes.pair, objects.pair))  # there is nothing to match elsewhere
    images = np.unique(found.boxes.image[asked]) + 1
    matcher = library.COCOeval(truth, truth.load_res(found.rows()[asked]), "bbox")
    for start in range(0, len(images), AT_ONCE):
        matcher.params.img_ids = images[start : start + AT_ONCE].tolist()
        matcher.evaluate()
        for each in filter(None, matcher.eval_imgs):
            if not each["dtIds"]:
                continue
            size = AREAS.index(tuple(each["aRng"]))
            at = asked[np.array(each["dtIds"]) - 1]
            right = np.where(each["dtMatched"], MATCHED, MISSED)
            verdict[size][:, at] = np.where(each["dtIgnore"], IGNORED, right)
            if size == 0:
                matched[:, np.array(each["gtIds"]) - 1] = each["gtMatched"]
                by = np.array(each["dtMatches"][0])
                score[by[by > 0] - 1] = found.score[at[by > 0]]
    return verdict, matched, score


def _numbers(
    precision: Float[np.ndarray, "thresholds levels categories sizes most"],
    recall: Float[np.ndarray, "thresholds categories sizes most"],
) -> dict[str, float]:
    """Return COCO's twelve numbers of the library's arrays, less those without anything to measure."""
    found = {}
    for name, measure in MEASURES.items():
        values = precision if measure.of == "precision" else recall
        found[name] = _mean(values[measure.thresholds, ..., measure.size, measure.most])
    return {name: value for name, value in found.items() if value is not None}


def _mean(values: Float[np.ndarray, ...]) -> float | None:
    """Return the mean of what was measured; the library writes -1 where nothing was."""
    measured = values[values > -1]
    return float(measured.mean()) if len(measured) else None
