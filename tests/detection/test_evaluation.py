"""COCO's numbers against pycocotools', on real and on made-up objects."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coco_oracle import (
    annotated,
    detected,
    jittered,
    pycocotools,
    read_annotations,
    scenes,
    their_categories,
    their_numbers,
)
from passband.detection import evaluation as module
from passband.detection.annotations import Annotations
from passband.detection.evaluation import evaluate
from passband.detection.matches import AREAS, IGNORED, MATCHED, MISSED, NUMBERS, SIZES
from passband.errors import InputError, MissingDependencyError

SQUARE = (10.0, 10.0, 100.0, 100.0)
FAR = (400.0, 300.0, 50.0, 50.0)
NUMBERS_OF_LARGE = {"map", "map50", "map75", "map-large", "ar1", "ar10", "ar100", "ar-large"}


def one_object(**changed: object) -> Annotations:
    row = {"object": 1, "image": 1, "category": 1, "box": SQUARE, "area": 1e4, "crowd": False} | changed
    image, category = row["image"], row["category"]
    listed = (row["object"], image, category, *row["box"], row["area"], row["crowd"])
    return annotated([listed], [image], [category, category + 1])


def assert_same(annotations: Annotations, detections: pl.DataFrame) -> None:
    ours, theirs = evaluate(annotations, detections), pycocotools(annotations, detections)
    expected = {
        name: value for name, value in zip(NUMBERS, their_numbers(theirs), strict=True) if value is not None
    }
    assert ours.numbers == pytest.approx(expected, abs=1e-12)
    assert ours.by_category == pytest.approx(their_categories(theirs), abs=1e-12)


def assert_same_matches(annotations: Annotations, detections: pl.DataFrame) -> None:
    """Each verdict of each detection, in each size and at each threshold, is theirs."""
    ours = evaluate(annotations, detections).matches
    expected: dict[tuple[int, int, int], np.ndarray] = {}
    for each in pycocotools(annotations, detections).evalImgs:
        if each is not None and each["maxDet"] == 100:
            verdict = np.where(each["dtIgnore"], IGNORED, np.where(each["dtMatches"] > 0, MATCHED, MISSED))
            expected[each["image_id"], each["category_id"], AREAS.index(tuple(each["aRng"]))] = verdict
    for (image, category, size), verdict in expected.items():
        mine = (ours.images[ours.image] == image) & (ours.categories[ours.category] == category)
        assert np.array_equal(ours.rank[mine], np.arange(mine.sum()))
        assert np.array_equal(ours.verdict[size][:, mine], verdict)
    assert len(ours.image) * len(SIZES) == sum(each.shape[1] for each in expected.values())


def test_real_objects_give_the_numbers_of_pycocotools(real_data):
    annotations = read_annotations(real_data("coco-tiny") / "annotations" / "instances_train2017.json")
    detections = jittered(annotations, seed=1)
    assert_same(annotations, detections)
    assert_same_matches(annotations, detections)


def test_objects_found_as_they_are_have_precision_one_where_no_crowd_is_in_the_way(real_data):
    annotations = read_annotations(real_data("coco-tiny") / "annotations" / "instances_train2017.json")
    objects = annotations.objects.filter(~pl.col("crowd"))
    found = objects.select("image", "category", "x", "y", "width", "height", score=pl.lit(0.5))
    measured = evaluate(annotations, found)
    assert measured.numbers["map"] == pytest.approx(1.0, abs=1e-12)
    assert_same(annotations, found)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_made_up_objects_give_the_numbers_and_matches_of_pycocotools(seed, ties):
    annotations = scenes(seed)
    detections = jittered(annotations, seed, ties=ties)
    assert_same(annotations, detections)
    assert_same_matches(annotations, detections)


def test_of_more_than_a_hundred_detections_in_an_image_the_surest_count():
    annotations = scenes(5, images=3, objects=12)
    detections = jittered(annotations, 5, extra=400)
    assert detections.group_by("image", "category").len()["len"].max() > 100
    assert_same(annotations, detections)
    assert_same_matches(annotations, detections)


@pytest.mark.parametrize(
    "scores", [[0.5] * 30, [0.0] * 30, [-1.0 * n for n in range(30)], [1e300 * n for n in range(30)]]
)
def test_scores_may_be_equal_or_of_any_scale(scores):
    annotations = scenes(6)
    detections = jittered(annotations, 6).head(30).with_columns(score=pl.Series(scores))
    assert_same(annotations, detections)
    assert_same_matches(annotations, detections)


def test_nothing_found_is_zero_and_not_absent():
    measured = evaluate(one_object(), detected([]))
    assert measured.numbers == dict.fromkeys([n for n in NUMBERS if n in NUMBERS_OF_LARGE], 0.0)
    assert measured.by_category == {1: 0.0}
    assert measured.errors["missed"].count == 1


@pytest.mark.parametrize("detections", [[], [(1, 1, *SQUARE, 0.9)]])
@pytest.mark.parametrize("objects", [[], [(1, 1, 1, *SQUARE, 1e4, True)]])
def test_without_objects_that_count_there_is_nothing_to_measure(objects, detections):
    measured = evaluate(annotated(objects), detected(detections))
    assert (measured.numbers, measured.by_category, measured.errors) == ({}, {}, {})


@pytest.mark.parametrize("image", [0, 2**53 + 1, 2**62, -3])
@pytest.mark.parametrize("category", [0, 2**53 + 1])
def test_ids_may_be_zero_or_huge(image, category):
    annotations = one_object(image=image, category=category, object=0)
    measured = evaluate(annotations, detected([(image, category, *SQUARE, 0.9)]))
    assert measured.numbers["map"] == pytest.approx(1.0)
    assert list(measured.by_category) == [category]
    assert measured.matches.object_matched.all()


def test_ids_that_no_float_tells_apart_are_told_apart():
    low, high = 2**53, 2**53 + 1
    annotations = annotated(
        [(1, low, 1, *SQUARE, 1e4, False), (2, high, 1, *FAR, 2500.0, False)], [low, high]
    )
    found = evaluate(annotations, detected([(low, 1, *FAR, 0.9), (high, 1, *FAR, 0.8)])).matches
    assert found.object_matched.all(axis=0).tolist() == [False, True]


def test_categories_of_one_name_stay_apart():
    annotations = scenes(3)
    renamed = Annotations(
        "", "", annotations.pictures, dict.fromkeys(annotations.categories, "same"), annotations.objects
    )
    detections = jittered(annotations, 3)
    assert evaluate(renamed, detections).by_category == evaluate(annotations, detections).by_category


def test_boxes_without_extent_match_nothing():
    empty = (50.0, 50.0, 0.0, 0.0)
    annotations = annotated([(1, 1, 1, *SQUARE, 1e4, False), (2, 1, 1, *empty, 0.0, False)])
    detections = detected([(1, 1, *SQUARE, 0.9), (1, 1, *empty, 0.95), (1, 1, 30.0, 30.0, 0.0, 40.0, 0.5)])
    assert_same(annotations, detections)
    assert evaluate(annotations, detections).matches.object_matched.all(axis=0).tolist() == [True, False]


@pytest.mark.parametrize("area", [0.0, 1023.9, 32.0**2, 96.0**2, 9216.1, 1e10, 1.1e10])
def test_the_area_decides_the_size_and_the_box_does_not(area):
    annotations, detections = one_object(area=area), detected([(1, 1, *SQUARE, 0.9)])
    assert_same(annotations, detections)


def test_an_object_in_a_crowd_of_its_own_category_is_forgiven():
    annotations = annotated([(1, 1, 1, *SQUARE, 1e4, True), (2, 1, 1, *FAR, 2500.0, False)])
    detections = detected(
        [(1, 1, 20.0, 20.0, 10.0, 10.0, 0.99), (1, 1, 30.0, 30.0, 10.0, 10.0, 0.98), (1, 1, *FAR, 0.5)]
    )
    assert evaluate(annotations, detections).numbers["map"] == pytest.approx(1.0)
    assert_same(annotations, detections)


def test_asking_for_few_images_at_a_time_changes_nothing(monkeypatch):
    annotations = scenes(2)
    detections = jittered(annotations, 2)
    whole = evaluate(annotations, detections).matches
    monkeypatch.setattr(module, "AT_ONCE", 1)
    parts = evaluate(annotations, detections).matches
    for name in ("verdict", "object_matched", "object_score"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name), equal_nan=name == "object_score")


def test_the_order_of_images_in_the_table_changes_nothing():
    annotations = scenes(4)
    detections = jittered(annotations, 4, ties=True)
    shuffled = detections.sort("image", descending=True, maintain_order=True)
    assert evaluate(annotations, shuffled).numbers == evaluate(annotations, detections).numbers


def test_between_equal_scores_the_first_in_the_table_comes_first():
    right, wrong = (1, 1, *SQUARE, 0.5), (1, 1, *FAR, 0.5)
    first = evaluate(one_object(), detected([right, wrong])).numbers["map"]
    second = evaluate(one_object(), detected([wrong, right])).numbers["map"]
    assert (first, second) == pytest.approx((1.0, 0.5))


class TestErrors:
    """TIDE's, where the answer is known: beside an object that is found, one thing is wrong."""

    found = (1, 1, *SQUARE, 0.9)
    objects = ((1, 1, 1, *SQUARE, 1e4, False), (2, 1, 1, *FAR, 2500.0, False))

    @pytest.mark.parametrize(
        ("kind", "category", "box", "objects"),
        [
            ("localization", 1, (425.0, 300.0, 50.0, 50.0), 2),  # a third of the union
            ("classification", 2, FAR, 2),
            ("both", 2, (425.0, 300.0, 50.0, 50.0), 2),
            ("duplicate", 1, (11.0, 10.0, 100.0, 100.0), 1),
            ("background", 1, (250.0, 250.0, 20.0, 20.0), 1),
        ],
    )
    def test_one_wrong_box_is_one_error_of_its_kind(self, kind, category, box, objects):
        annotations = annotated(list(self.objects[:objects]))
        errors = evaluate(annotations, detected([self.found, (1, category, *box, 0.95)])).errors
        counts = {name: each.count for name, each in errors.items() if each.count}
        missed = (
            {"missed": 1} if kind == "both" else {}
        )  # a box that is off in both ways stands for no object
        assert counts == {kind: 1} | missed

    def test_an_object_without_a_box_is_missed(self):
        errors = evaluate(annotated(list(self.objects)), detected([self.found])).errors
        assert {name: each.count for name, each in errors.items() if each.count} == {"missed": 1}
        assert errors["missed"].gain == pytest.approx(
            1 - 51 / 101
        )  # recall reaches a half: 51 of the 101 levels

    @pytest.mark.parametrize("seed", range(3))
    def test_the_gain_of_missed_objects_is_that_of_not_asking_for_them(self, seed):
        annotations = scenes(seed)
        whole = annotations.objects.filter(~pl.col("crowd"))
        seen = whole.filter(pl.col("object") % 3 > 0)
        score = pl.Series(np.random.default_rng(seed).random(len(seen)))
        detections = seen.select("image", "category", "x", "y", "width", "height", score=score)
        asked, less = (
            evaluate(replace(annotations, objects=objects), detections) for objects in (whole, seen)
        )
        assert asked.errors["missed"].count == len(whole) - len(seen)
        gain = less.numbers["map50"] - asked.numbers["map50"]
        assert asked.errors["missed"].gain == pytest.approx(gain, abs=1e-12)

    def test_a_surer_box_of_nothing_costs_what_removing_it_gives(self):
        annotations = annotated(list(self.objects[:1]))
        measured = evaluate(annotations, detected([self.found, (1, 1, 250.0, 250.0, 20.0, 20.0, 0.95)]))
        assert measured.numbers["map50"] == pytest.approx(0.5)
        assert measured.errors["background"].gain == pytest.approx(0.5)
        assert list(measured.errors) == [
            "classification",
            "localization",
            "both",
            "duplicate",
            "background",
            "missed",
        ]


class TestRefused:
    def test_images_that_are_not_there(self):
        detections = detected(
            [(1, 1, *SQUARE, 0.9), (7, 1, *SQUARE, 0.9), (7, 1, *SQUARE, 0.9), (8, 1, *SQUARE, 0.9)]
        )
        message = r"3 of 4 detections are of images that the annotations do not have: 7, 8. They have 1: 1"
        with pytest.raises(InputError, match=message):
            evaluate(one_object(), detections)

    def test_categories_that_are_not_there(self):
        message = (
            r"1 of 1 detections are of categories that the annotations do not have: 3. They have 2: 1, 2"
        )
        with pytest.raises(InputError, match=message):
            evaluate(one_object(), detected([(1, 3, *SQUARE, 0.9)]))

    @pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
    def test_scores_that_are_not_finite(self, score):
        with pytest.raises(
            InputError, match=r"1 of 2 detections are not finite, the first one with image 1, .* score"
        ):
            evaluate(one_object(), detected([(1, 1, *SQUARE, 0.9), (1, 1, *SQUARE, score)]))

    def test_boxes_that_are_not_finite(self):
        with pytest.raises(InputError, match="not finite"):
            evaluate(one_object(), detected([(1, 1, 0.0, 0.0, float("nan"), 5.0, 0.9)]))

    @pytest.mark.parametrize("sides", [(-5.0, 5.0), (5.0, -5.0), (-5.0, -5.0)])
    def test_boxes_of_a_negative_side(self, sides):
        with pytest.raises(InputError, match="1 of 1 detections have a negative side.*left and upper edge"):
            evaluate(one_object(), detected([(1, 1, 9.0, 9.0, *sides, 0.9)]))

    @pytest.mark.parametrize("name", ["image", "category"])
    def test_ids_that_are_floats_or_missing(self, name):
        detections = detected([(1, 1, *SQUARE, 0.9)])
        with pytest.raises(InputError, match=f"{name} should be Int64, got Float64"):
            evaluate(one_object(), detections.cast({name: pl.Float64}))
        with pytest.raises(InputError, match=f"{name} should be Int64, got None"):
            evaluate(one_object(), detections.drop(name))
        with pytest.raises(
            InputError, match="1 of 1 detections are of .* that the annotations do not have: None"
        ):
            evaluate(one_object(), detections.with_columns(pl.lit(None, pl.Int64).alias(name)))

    def test_images_that_come_twice_or_out_of_order(self):
        for images in ([1, 1], [2, 1]):
            with pytest.raises(InputError, match="ascend"):
                evaluate(annotated([], images), detected([]))

    def test_objects_that_no_image_or_category_has(self):
        with pytest.raises(InputError, match="1 of 1 objects are of images"):
            evaluate(annotated([(1, 9, 1, *SQUARE, 1e4, False)]), detected([]))
        with pytest.raises(InputError, match="1 of 1 objects are of categories"):
            evaluate(annotated([(1, 1, 9, *SQUARE, 1e4, False)]), detected([]))

    def test_objects_without_an_area(self):
        with pytest.raises(InputError, match="objects are not finite"):
            evaluate(one_object(area=float("nan")), detected([]))
        with pytest.raises(InputError, match="do not say whether"):
            evaluate(one_object(crowd=None), detected([]))


@pytest.mark.parametrize(("images", "categories"), [(0, 2), (2, 0)])
def test_annotations_of_nothing_measure_nothing(images, categories):
    assert evaluate(annotated([], images, categories), detected([])).numbers == {}


def test_a_box_too_large_for_its_area_to_be_a_number_is_ignored_as_too_large():
    detections = detected([(1, 1, 0.0, 0.0, 1e200, 1e200, 0.9), (1, 1, *SQUARE, 0.8)])
    assert evaluate(one_object(), detections).numbers["map"] == pytest.approx(1.0)


def test_only_one_module_knows_the_library():
    source = Path(module.__file__).parents[1]
    naming = [each.name for each in source.rglob("*.py") if "hotcoco" in each.read_text()]
    assert naming == ["evaluation.py"]


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "hotcoco", None)
    with pytest.raises(
        MissingDependencyError, match=r'measuring detections needs hotcoco.*"passband\[detection\]"'
    ):
        evaluate(one_object(), detected([]))
