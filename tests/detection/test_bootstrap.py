"""Resamples of images against the libraries' numbers of data sets that hold images as often as they are drawn."""

from __future__ import annotations

from dataclasses import replace

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
from passband.detection import weighting
from passband.detection.annotations import Annotations
from passband.detection.bootstrap import bootstrap, draw_images
from passband.detection.evaluation import evaluate
from passband.detection.matches import NUMBERS
from passband.detection.per_image import found_objects
from passband.detection.weighting import weighted_numbers
from passband.errors import InputError, UnknownNameError

SQUARE = (10.0, 10.0, 100.0, 100.0)
FAR = (400.0, 300.0, 50.0, 50.0)


def repeated(
    annotations: Annotations, detections: pl.DataFrame, times: np.ndarray
) -> tuple[Annotations, pl.DataFrame]:
    """Return a data set that holds images as often as said, copies beside each other and under new ids."""
    images = np.repeat([each.id for each in annotations.pictures], times)
    copies = pl.DataFrame({"image": images, "copy": np.arange(1, len(images) + 1)})

    def copied(table: pl.DataFrame) -> pl.DataFrame:
        joined = table.join(copies, on="image", maintain_order="left_right").with_columns(image="copy")
        return joined.select(table.columns)

    objects = copied(annotations.objects).with_columns(object=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    return annotated(objects, len(images), list(annotations.categories)), copied(detections)


def theirs(annotations: Annotations, detections: pl.DataFrame) -> list[float]:
    """Return pycocotools' numbers, then its mAP by category, NaN where it has none."""
    measured = pycocotools(annotations, detections)
    categories = their_categories(measured)
    values = [*their_numbers(measured), *(categories.get(each) for each in annotations.categories)]
    return [np.nan if each is None else each for each in values]


def hotcoco(annotations: Annotations, detections: pl.DataFrame) -> list[float]:
    """Return the same of hotcoco."""
    measured = evaluate(annotations, detections)
    numbers = [measured.numbers.get(name, np.nan) for name in NUMBERS]
    return [*numbers, *(measured.by_category.get(each, np.nan) for each in annotations.categories)]


def assert_every_resample_is_theirs(
    annotations: Annotations, detections: pl.DataFrame, weights: np.ndarray
) -> None:
    found = weighted_numbers(evaluate(annotations, detections).matches, weights)
    for index, times in enumerate(weights.T):
        copies = repeated(annotations, detections, times)
        assert found[:, index] == pytest.approx(theirs(*copies), abs=1e-9, nan_ok=True)
        assert found[:, index] == pytest.approx(hotcoco(*copies), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_each_resample_has_the_libraries_numbers(seed):
    annotations = scenes(seed)
    detections = jittered(annotations, seed, extra=6)
    weights = draw_images(len(annotations.pictures), 12, seed)
    assert_every_resample_is_theirs(annotations, detections, weights)


def test_each_resample_of_real_objects_has_the_libraries_numbers(real_data):
    annotations = read_annotations(real_data("coco-tiny") / "annotations" / "instances_train2017.json")
    assert_every_resample_is_theirs(annotations, jittered(annotations, 2), draw_images(50, 8, seed=3))


def test_more_than_a_hundred_detections_in_a_resampled_image():
    annotations = scenes(8, images=4, objects=15)
    detections = jittered(annotations, 8, extra=400)
    assert_every_resample_is_theirs(annotations, detections, draw_images(4, 6, seed=1))


def test_equal_scores_in_different_images_are_theirs():
    annotations = scenes(9, images=20, objects=3)
    detections = jittered(annotations, 9, extra=2).with_columns(pl.col("score").round(2))
    alone = detections.unique(["image", "category", "score"], maintain_order=True)
    assert alone["score"].n_unique() < len(alone)
    assert_every_resample_is_theirs(annotations, alone, draw_images(20, 10, seed=1))


@pytest.mark.parametrize("objects", [10, 20, 50, 100])
def test_recall_that_is_a_level_but_for_a_rounding_error_is_theirs(objects):
    """7 of 20 are 0.35, and the level is 0.35000000000000003; so each prefix of the objects is found once."""
    rows = [(n + 1, n + 1, 1, *SQUARE, 1e4, False) for n in range(objects)]
    annotations = annotated(rows, objects, 1)
    for found in {objects * 35 // 100, objects * 41 // 100, objects * 70 // 100, objects * 95 // 100}:
        detections = detected([(n + 1, 1, *SQUARE, 0.9 - n / 1000) for n in range(found)])
        assert_every_resample_is_theirs(annotations, detections, np.ones((objects, 1), dtype=np.int64))


def test_no_images_at_all_in_a_resample_has_nothing_to_measure():
    annotations = scenes(1)
    matches = evaluate(annotations, jittered(annotations, 1)).matches
    assert np.isnan(weighted_numbers(matches, np.zeros((12, 1), dtype=np.int64))).all()


def test_equal_scores_within_an_image_keep_the_copies_of_one_detection_together():
    """The library deals them out: right, wrong, right, wrong; with weights they are right, right, wrong, wrong."""
    annotations = annotated([(1, 1, 1, *SQUARE, 1e4, False)])
    tied = detected([(1, 1, *SQUARE, 0.5), (1, 1, *FAR, 0.5)])
    apart = tied.with_columns(score=pl.Series([0.5, 0.4999]))
    twice = np.array([[2]])
    found = weighted_numbers(evaluate(annotations, tied).matches, twice)
    assert found[:, 0] == pytest.approx(theirs(*repeated(annotations, apart, twice[:, 0])), nan_ok=True)
    assert found[0, 0] > theirs(*repeated(annotations, tied, twice[:, 0]))[0]


def test_how_many_resamples_are_weighed_at_a_time_changes_nothing(monkeypatch):
    annotations = scenes(2)
    matches = evaluate(annotations, jittered(annotations, 2)).matches
    weights = draw_images(12, 20, seed=0)
    whole = weighted_numbers(matches, weights)
    monkeypatch.setattr(weighting, "AT_ONCE", 7)
    assert np.array_equal(weighted_numbers(matches, weights), whole, equal_nan=True)


@pytest.fixture(scope="module")
def views():
    annotations = scenes(11, images=40)
    return [evaluate(annotations, jittered(annotations, seed, extra=8)) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def resamples(views):
    return bootstrap([each.matches for each in views], resamples=400, seed=5)


class TestResamples:
    def test_the_numbers_of_all_images_are_the_evaluations(self, views, resamples):
        for view, each in enumerate(views):
            expected = {**each.numbers, **each.by_category}
            assert {name: values[view] for name, values in resamples.values.items()} == pytest.approx(
                expected
            )
        assert {values.shape for values in resamples.drawn.values()} == {(3, 400)}

    def test_a_category_without_objects_has_no_numbers(self, resamples):
        assert [name for name in resamples.drawn if isinstance(name, int)] == [1, 2, 3]
        with pytest.raises(UnknownNameError, match="no number named '4'"):
            resamples.interval(0, 4)

    def test_intervals_are_resamples_reflected_at_the_value(self, resamples):
        low, high = resamples.interval(1, "map")
        value, drawn = resamples.values["map"][1], resamples.drawn["map"][1]
        assert (low, high) == pytest.approx(2 * value - np.quantile(drawn, [0.975, 0.025]))
        assert low < value < high
        assert resamples.error(1, "map") == pytest.approx((high - low) / 3.92, rel=0.15)

    def test_intervals_end_where_numbers_do(self, resamples):
        for name in resamples.values:
            for view in range(3):
                low, high = resamples.interval(view, name)
                assert 0 <= low <= high <= 1

    def test_a_view_does_not_differ_from_itself(self, views):
        same = bootstrap([views[0].matches, views[0].matches], resamples=20)
        assert same.difference(1, 0, "map") == (0.0, 0.0, 0.0, 0.0)

    def test_differences_are_paired(self, resamples):
        value, low, high, error = resamples.difference(1, 0, "map50")
        paired = resamples.drawn["map50"][1] - resamples.drawn["map50"][0]
        assert value == resamples.values["map50"][1] - resamples.values["map50"][0]
        assert (low, high) == pytest.approx(np.quantile(paired, [0.025, 0.975]))
        assert error == pytest.approx(paired.std(ddof=1))
        assert low < value < high

    def test_a_views_resamples_do_not_depend_on_the_others(self, views, resamples):
        alone = bootstrap([views[1].matches], resamples=400, seed=5)
        assert np.array_equal(alone.drawn["map"][0], resamples.drawn["map"][1])

    def test_fewer_resamples_are_the_first_of_more(self, views, resamples):
        fewer = bootstrap([views[1].matches], resamples=30, seed=5)
        assert np.array_equal(fewer.drawn["ar10"][0], resamples.drawn["ar10"][1, :30])

    def test_other_seeds_draw_other_images(self, views, resamples):
        other = bootstrap([views[1].matches], resamples=30, seed=6)
        assert not np.array_equal(other.drawn["map"][0], resamples.drawn["map"][1, :30])

    def test_views_of_other_images_or_objects_are_refused(self, views):
        fewer = scenes(11, images=39)
        other = evaluate(fewer, jittered(fewer, 1)).matches
        with pytest.raises(InputError, match=r"same images and objects.*: 40 images with .* 39 with"):
            bootstrap([views[0].matches, other])
        mine = views[0].matches
        crowded = replace(mine, object_counts=mine.object_counts & False)
        with pytest.raises(InputError, match="same images and objects"):
            bootstrap([mine, crowded])

    @pytest.mark.parametrize(("count", "resamples"), [(0, 10), (1, 0)])
    def test_nothing_to_draw_is_refused(self, views, count, resamples):
        with pytest.raises(InputError, match="needs views and resamples"):
            bootstrap([each.matches for each in views[:count]], resamples=resamples)


def test_the_error_of_recall_is_that_of_a_mean():
    """With one object an image, average recall is the mean of what each image has, whose error is known."""
    generator = np.random.default_rng(0)
    rows = [(n + 1, n + 1, 1, *SQUARE, 1e4, False) for n in range(300)]
    annotations = annotated(rows, 300, 1)
    widths = generator.uniform(50, 100, 300)
    detections = detected([(n + 1, 1, 10.0, 10.0, width, 100.0, 0.5) for n, width in enumerate(widths)])
    matches = evaluate(annotations, detections).matches
    quality = found_objects(matches)["quality"]
    resamples = bootstrap([matches], resamples=4000)
    assert resamples.values["ar100"][0] == pytest.approx(quality.mean())
    assert resamples.error(0, "ar100") == pytest.approx(quality.std() / np.sqrt(300), rel=0.03)


def test_one_image_has_no_interval():
    annotations = annotated([(1, 1, 1, *SQUARE, 1e4, False)])
    resamples = bootstrap([evaluate(annotations, detected([(1, 1, *SQUARE, 0.5)])).matches], resamples=10)
    assert resamples.values["map"][0] == pytest.approx(1.0)
    assert np.isnan([*resamples.interval(0, "map"), resamples.error(0, "map")]).all()


def test_a_category_in_one_image_of_many_has_no_interval():
    annotations = annotated(
        [(1, 1, 1, *SQUARE, 1e4, False), (2, 2, 2, *FAR, 2500.0, False), (3, 3, 2, *FAR, 2500.0, False)], 3
    )
    resamples = bootstrap([evaluate(annotations, detected([(1, 1, *SQUARE, 0.5)])).matches], resamples=50)
    assert dict(resamples.images) == {
        "map": 3,
        "map50": 3,
        "map75": 3,
        "map-medium": 2,
        "map-large": 1,
        "ar1": 3,
        "ar10": 3,
        "ar100": 3,
        "ar-medium": 2,
        "ar-large": 1,
        1: 1,
        2: 2,
    }
    assert np.isnan(resamples.interval(0, 1)).all()
    assert np.isnan(resamples.difference(0, 0, "map-large")[1:]).all()
    assert resamples.interval(0, 2) == (0.0, 0.0)


def test_nothing_to_measure_is_nothing_measured():
    resamples = bootstrap([evaluate(annotated([]), detected([(1, 1, *SQUARE, 0.5)])).matches], resamples=10)
    assert (resamples.values, resamples.drawn, resamples.images) == ({}, {}, {})


def test_images_are_drawn_as_often_as_there_are():
    drawn = draw_images(50, 200, seed=1)
    assert (drawn.sum(axis=0) == 50).all()
    assert drawn.mean(axis=1) == pytest.approx(1.0, abs=0.35)
    assert drawn.var() == pytest.approx(1 - 1 / 50, rel=0.05)
