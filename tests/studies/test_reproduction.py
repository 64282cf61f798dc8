import pytest

from passband.errors import InputError
from passband.studies.catalog import STUDIES
from passband.studies.reproduction import plan_reproduction

SMALL = {"limit": 2000, "epochs": 1, "seeds": 1}


def names(planned) -> list[str]:
    return [each.study.name for each in planned]


def test_all_studies_of_a_small_preset_are_planned_on_its_data(tmp_path):
    planned, left_out = plan_reproduction(list(STUDIES), preset="smoke", store=tmp_path, **SMALL)
    assert names(planned) == list(STUDIES)
    assert left_out == ()


def test_detection_on_the_papers_preset_wants_images_with_boxes_and_is_left_out_without(tmp_path):
    few = ["smoothing", "detection", "svd"]
    planned, left_out = plan_reproduction(few, preset="paper", store=tmp_path, **SMALL)
    assert (names(planned), left_out) == (["smoothing", "svd"], ("detection",))
    planned, left_out = plan_reproduction(
        few, preset="paper", detection_data="phantom", store=tmp_path, **SMALL
    )
    assert (names(planned), left_out) == (few, ())
    assert [each.setting.data for each in planned] == ["fashion-mnist", "phantom", "fashion-mnist"]
    planned, left_out = plan_reproduction(["svd"], preset="paper", store=tmp_path, **SMALL)
    assert (names(planned), left_out) == (["svd"], ())


def test_images_with_boxes_are_refused_where_scenes_are_drawn(tmp_path):
    with pytest.raises(InputError, match="the preset laptop draws its own scenes for detection"):
        plan_reproduction(["svd"], preset="laptop", detection_data="coco:x", store=tmp_path, **SMALL)
