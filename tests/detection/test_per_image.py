"""What each image has alone, and which objects are found."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from coco_oracle import annotated, detected, jittered, pycocotools, read_annotations, scenes
from passband.detection.annotations import Annotations
from passband.detection.evaluation import evaluate
from passband.detection.per_image import found_objects, image_precision

SQUARE = (10.0, 10.0, 100.0, 100.0)
FAR = (400.0, 300.0, 50.0, 50.0)


def assert_alone(annotations: Annotations, detections: pl.DataFrame) -> None:
    found = image_precision(evaluate(annotations, detections).matches)
    for each, value in zip(annotations.pictures, found, strict=True):
        theirs = pycocotools(annotations, detections, images=[each.id]).stats[0]
        assert value == pytest.approx(np.nan if theirs == -1 else theirs, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(4))
def test_an_images_precision_is_that_of_a_data_set_of_one(seed):
    annotations = scenes(seed)
    detections = jittered(annotations, seed, ties=seed % 2 == 0)
    assert_alone(annotations, detections)


def test_precision_of_real_images_one_by_one(real_data):
    annotations = read_annotations(real_data("coco-tiny") / "annotations" / "instances_train2017.json")
    assert_alone(annotations, jittered(annotations, 4))


def test_recall_that_is_a_level_but_for_a_rounding_error_is_theirs():
    boxes = [(30.0 * n, 10.0, 20.0, 20.0) for n in range(20)]
    annotations = annotated([(n + 1, 1, 1, *box, 400.0, False) for n, box in enumerate(boxes)])
    for count in range(1, 21):
        assert_alone(
            annotations, detected([(1, 1, *box, 0.9 - 0.01 * n) for n, box in enumerate(boxes[:count])])
        )


def test_images_without_objects_have_none():
    crowd = (1, 2, 1, *SQUARE, 1e4, True)
    annotations = annotated([crowd, (2, 3, 1, *FAR, 2500.0, False)], 3)
    found = image_precision(evaluate(annotations, detected([(1, 1, *SQUARE, 0.9)])).matches)
    assert found.tolist() == pytest.approx([np.nan, np.nan, 0.0], nan_ok=True)


def test_no_images_with_objects_at_all():
    found = evaluate(annotated([], 2), detected([(1, 1, *SQUARE, 0.9)])).matches
    assert np.isnan(image_precision(found)).tolist() == [True, True]
    assert len(found_objects(found)) == 0


def test_objects_say_whether_how_surely_and_how_well_they_are_found():
    annotations = annotated(
        [
            (50, 7, 3, *SQUARE, 1e4, False),
            (40, 7, 3, *FAR, 900.0, False),
            (30, 9, 0, *SQUARE, 5e3, False),
            (20, 9, 0, *FAR, 900.0, True),
        ],
        [7, 9],
        [0, 3],
    )
    off = (10.0, 10.0, 72.0, 100.0)  # an overlap of .72: five thresholds of ten
    detections = detected(
        [(7, 3, *SQUARE, 0.8), (7, 3, *FAR, 0.3), (7, 3, *SQUARE, 0.7), (9, 0, *off, 0.6), (9, 0, *FAR, 0.9)]
    )
    assert found_objects(evaluate(annotations, detections).matches).rows() == [
        (50, 7, 3, "large", True, 0.8, 1.0),
        (40, 7, 3, "small", True, 0.3, 1.0),
        (30, 9, 0, "medium", True, 0.6, 0.5),
    ]


def test_objects_that_nothing_finds_have_no_score():
    annotations = annotated([(1, 1, 1, *SQUARE, 1e4, False)])
    for rows in ([], [(1, 2, *SQUARE, 0.9)], [(1, 1, *FAR, 0.9)]):
        assert found_objects(evaluate(annotations, detected(rows)).matches).rows() == [
            (1, 1, 1, "large", False, None, 0.0)
        ]


@pytest.mark.parametrize(
    ("area", "size"),
    [(0.0, "small"), (1024.0, "small"), (1024.5, "medium"), (9216.0, "medium"), (9217.0, "large")],
)
def test_the_area_is_the_size(area, size):
    annotations = annotated([(1, 1, 1, *SQUARE, area, False)])
    assert found_objects(evaluate(annotations, detected([])).matches)["size"].to_list() == [size]


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_quality_of_each_category_is_its_recall(seed):
    annotations = scenes(seed, images=30)
    measured = evaluate(annotations, jittered(annotations, seed))
    objects = found_objects(measured.matches)
    by_category = objects.group_by("category").agg(pl.col("quality").mean())["quality"]
    assert by_category.mean() == pytest.approx(measured.numbers["ar100"])
    assert objects["found"].to_list() == objects["score"].is_not_null().to_list()
