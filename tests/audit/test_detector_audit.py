from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from blobs import NAMES, Blobs, write_scenes
from passband.audit.detector import DetectorAudit, audit_detector, audit_results
from passband.audit.detector_compare import check_detector_drop, compare_detectors
from passband.audit.detector_requirement import parse_detector_requirement
from passband.detection import detect as loop
from passband.detection.detector import Detector, DetectorEntry
from passband.detection.folder import open_folder
from passband.detection.objects import Detections
from passband.detection.results_files import read_results, write_results
from passband.detection.view import WHOLE, parse_view
from passband.errors import InputError
from passband.rows import DETECTION_COLUMNS, GAIN, GAIN_BEYOND_CHANCE, LOST, MAP


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_folder(*write_scenes(tmp_path_factory.mktemp("scenes"), 18))


@pytest.fixture(scope="module")
def found(dataset):
    return audit_detector(Blobs(), dataset, radii=[4, 8], resamples=100)


def numbers(audit: DetectorAudit, metric: str) -> dict[str, float]:
    rows = audit.rows.filter(pl.col("metric") == metric, pl.col("class").is_null())
    return {
        shown + "px" * (geometry == "pixel"): value
        for shown, geometry, value in rows.select("shown", "geometry", "value").rows()
    }


def test_what_blur_costs_is_the_whole_less_the_view(found):
    whole = found.card.views[0]
    assert whole.view == "full"
    assert whole.numbers[MAP].value == pytest.approx(1)
    assert whole.lost == {}
    for entry in found.card.views[1:]:
        for name, lost in entry.lost.items():
            assert lost.value == pytest.approx(whole.numbers[name].value - entry.numbers[name].value)
            assert lost.low <= lost.value + 1e-9
            assert lost.high >= lost.value - 1e-9
    low = [found.card.view(f"lfc:{radius}").numbers[MAP].value for radius in (4, 8)]
    assert low[0] < low[1] < 1
    assert found.card.view("hfc:8").numbers[MAP].value < 0.1


def test_both_geometries_stand_side_by_side_and_each_number_has_its_own(found):
    assert found.card.settings.views[:5] == ("full", "lfc:4", "lfc:8", "lfc:0.0909px", "lfc:0.182px")
    rows = found.rows.filter(pl.col("metric") == MAP, pl.col("component") == "lfc", pl.col("class").is_null())
    assert rows["geometry"].to_list() == ["index", "index", "pixel", "pixel"]
    assert set(rows["split_at"]) == {"original"}
    assert rows["error"].null_count() == 0


def test_rows_say_what_the_card_says(found):
    assert numbers(found, MAP)["full"] == found.card.views[0].numbers[MAP].value
    assert numbers(found, f"{MAP}{LOST}")["lfc:4"] == found.card.view("lfc:4").lost[MAP].value
    assert numbers(found, GAIN)["lfc:8"] == found.card.view("lfc:8").images.gain_share.value
    assert numbers(found, GAIN_BEYOND_CHANCE)["lfc:4"] == found.card.chance[0].difference.value
    of_categories = found.rows.filter(pl.col("class").is_not_null())
    assert set(of_categories["class"]) == set(NAMES.values())


def test_images_and_objects_add_up(found):
    entry = found.card.view("lfc:4")
    images = found.images.filter(pl.col("shown") == "lfc:4")
    assert entry.images.lose == int((images["change"] < 0).sum())
    assert entry.images.mean_change == pytest.approx(images["change"].mean())
    objects = {name: found.objects.filter(pl.col("shown") == name) for name in ("full", "lfc:4")}
    assert entry.objects.found == int(objects["lfc:4"]["found"].sum())
    lost = objects["full"]["found"] & ~objects["lfc:4"]["found"]
    assert entry.objects.lost == int(lost.sum())
    assert len(objects["full"]) == found.card.data.objects == 36


def test_the_clearest_losses_come_first_with_their_boxes(found):
    pictures = found.pictures
    assert [each.after - each.before for each in pictures.losses] == sorted(
        each.after - each.before for each in pictures.losses
    )
    first = pictures.losses[0]
    assert (first.view, first.before) == ("lfc:8", pytest.approx(1))
    assert len(first.truth.names) == len(first.found_before.names) == 2
    assert not torch.equal(first.whole, first.shown)
    assert pictures.gains == ()


def test_an_audit_is_read_back_as_it_was(found, tmp_path):
    found.save(tmp_path / "audit")
    again = DetectorAudit.load(tmp_path / "audit")
    assert again.card == found.card
    for name in ("rows", "images", "objects", "detections"):
        assert_frame_equal(getattr(again, name), getattr(found, name))
    assert again.annotations.pictures == found.annotations.pictures
    assert torch.equal(again.pictures.losses[0].shown, found.pictures.losses[0].shown)


def test_result_files_give_the_rows_of_the_detector(found, dataset, tmp_path):
    tables = {}
    for name in found.card.settings.views:
        path = tmp_path / f"{name.replace(':', '-')}.json"
        shown = found.detections.filter(pl.col("shown") == name)
        write_results(path, shown.select(list(DETECTION_COLUMNS)))
        tables[parse_view(name)] = read_results(path, dataset.annotations)
    again = audit_results(tables, dataset.annotations, source="elsewhere", dataset=dataset, resamples=100)
    unsaid = ["run", "amplitude", "split_at"]
    assert_frame_equal(again.rows.drop(unsaid), found.rows.drop(unsaid))
    assert (again.card.settings.amplitude, again.card.settings.split_at) == (None, None)
    assert again.card.data.fingerprint == found.card.data.fingerprint


def test_results_without_whole_images_or_views_are_refused(dataset):
    nothing = pl.DataFrame(schema=DETECTION_COLUMNS)
    for given in ({}, {WHOLE: nothing}, {parse_view("lfc:4"): nothing}):
        with pytest.raises(InputError, match="those of whole images and of at least one view"):
            audit_results(given, dataset.annotations, source="elsewhere")


def test_views_are_taken_in_any_order_and_each_once(found, dataset):
    """What is lost is lost of the whole image, wherever it stands among them."""
    views = [parse_view(name) for name in found.card.settings.views]
    again = audit_detector(Blobs(), dataset, views=views[::-1], resamples=100)
    assert_frame_equal(again.rows, found.rows)
    for given in (views[1:], [WHOLE], [], [*views, views[1]]):
        with pytest.raises(InputError, match="the whole image .* and at least one other, each once"):
            audit_detector(Blobs(), dataset, views=given)


@pytest.mark.parametrize("setting", ["batch_size", "resamples"])
@pytest.mark.parametrize("count", [0, -1])
def test_counts_below_one_are_refused_before_anything_is_measured(dataset, setting, count):
    detector = Blobs()
    with pytest.raises(InputError, match=f"{setting} must be a whole number of at least 1"):
        audit_detector(detector, dataset, radii=[8], **{setting: count})
    assert detector.seen == 0


def test_an_interrupted_audit_goes_on_to_the_same_numbers(found, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS", 0.0)
    folder, views = tmp_path / "result", len(found.card.settings.views)
    settings = {"radii": [4, 8], "resamples": 100, "result_folder": folder}
    with pytest.raises(KeyboardInterrupt):
        audit_detector(Blobs(fails_at=7 * views + 3), dataset, **settings)
    detector = Blobs()
    again = audit_detector(detector, dataset, **settings)
    assert (
        detector.seen == (18 - 7) * views + 2
    )  # it is asked twice about the first image, whether it is steady
    assert_frame_equal(again.rows, found.rows)
    other = Blobs()
    audit_detector(other, dataset, **settings | {"seed": 1})
    assert other.seen == 18 * views + 2


def test_a_detector_that_finds_nothing_has_a_map_of_0(dataset):
    class Blind(Blobs):
        def _find(self, pixels):
            return Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))

    found = audit_detector(Blind(), dataset, radii=[4], resamples=20)
    assert any(
        "finds hardly anything: mAP@50 on whole images is 0.0%" in each.message for each in found.card.notices
    )
    assert found.card.views[0].numbers[MAP].value == 0
    assert found.card.view("lfc:4").images.gain == 0
    assert found.pictures.losses == ()


def test_a_detector_that_draws_at_random_is_said_to(dataset):
    class Random(Blobs):
        def _find(self, pixels):
            found = super()._find(pixels)
            return replace(found, scores=torch.rand(len(found)))

    found = audit_detector(Random(), dataset.first(2), radii=[4], resamples=10)
    assert any(
        "something else in the same image the second time" in each.message for each in found.card.notices
    )
    steady = audit_detector(Blobs(), dataset.first(2), radii=[4], resamples=10)
    assert steady.card.notices == ()


def test_labels_that_are_no_categories_are_refused_at_the_first_image(dataset):
    class Shifted(Blobs):
        label_names = None

        def _find(self, pixels):
            found = super()._find(pixels)
            return replace(found, labels=found.labels + 1)

    detector = Shifted()
    with pytest.raises(InputError, match="labels that are no ids of categories"):
        audit_detector(detector, dataset, radii=[4])
    assert detector.seen <= 20


def test_a_cut_off_beyond_all_images_is_refused_and_beyond_some_is_said(dataset):
    with pytest.raises(InputError, match="no image has frequencies beyond the cut-off 50"):
        audit_detector(Blobs(), dataset, radii=[50])
    found = audit_detector(Blobs(), dataset, radii=[35], cycles_per_pixel=[], resamples=10)
    unchanged = found.card.view("lfc:35").unchanged
    assert unchanged == 6
    assert any(
        "6 of 18 images have no frequency beyond the cut-off 35" in each.message
        for each in found.card.notices
    )


def test_one_image_has_numbers_and_no_intervals(dataset):
    found = audit_detector(Blobs(), dataset.first(1), radii=[4], resamples=10)
    number = found.card.view("lfc:4").numbers[MAP]
    assert (number.low, number.error) == (None, None)
    found.card.to_dict()


def test_two_detectors_are_compared_over_the_same_images(found, dataset, tmp_path):
    class Careless(Blobs):
        entry = DetectorEntry("careless", "tests", "1" * 16, None)

        def _find(self, pixels):
            found = super()._find(pixels)
            return Detections(found.boxes + torch.tensor([1.0, 0, 1, 0]), found.scores, found.labels)

    other = audit_detector(Careless(), dataset, radii=[4, 8], resamples=50)
    for name, audit in (("a", found), ("b", other)):
        audit.save(tmp_path / name)
    compared = compare_detectors(tmp_path / "a", tmp_path / "b", resamples=50)
    assert compared.pairing == "paired on 18 images"
    by_measure = {each.measure: each for each in compared.differences}
    whole = by_measure["map"]
    assert whole.second < whole.first
    assert whole.low <= whole.second - whole.first <= whole.high < 0
    assert by_measure["map-lfc@0.182px"].first == found.card.view("lfc:0.182px").numbers[MAP].value
    requirement = parse_detector_requirement("map-drop <= 0.01", drop=True)
    checked = check_detector_drop(requirement, compared.differences)
    assert (checked.met, checked.value) == (False, pytest.approx(whole.first - whole.second))
    assert (checked.low, checked.high) == (-whole.high, -whole.low)
    between = (checked.value + checked.high) / 2  # met by the value, not by its interval
    for at, met in (("", True), (" at 95%", False)):
        requirement = parse_detector_requirement(f"map-drop <= {between}{at}", drop=True)
        assert check_detector_drop(requirement, compared.differences).met is met
    same = compare_detectors(tmp_path / "a", tmp_path / "a", resamples=50)
    assert {(each.low, each.high) for each in same.differences if each.low is not None} == {(0.0, 0.0)}


def test_requirements_are_held_against_the_card(found):
    assert found.check("map >= 0.99").met
    assert not found.check("map-lfc@4 > 0.9").met
    assert found.check("lose-lfc@4 >= 0.1").met
    entry = found.card.view("lfc:4").numbers[MAP]
    assert found.check(f"map-lfc@4 >= {entry.value - 1e-6:.6f}").met
    assert not found.check(f"map-lfc@4 >= {entry.low + 1e-3:.6f} at 95%").met
    assert found.check(f"map-lfc@4 <= {entry.high + 1e-3:.6f} at 95%").met
    with pytest.raises(InputError, match="needs the view lfc:5; measured were full, lfc:4.* require="):
        found.check("map-lfc@5 > 0.9")
    with pytest.raises(InputError, match="no object in the images has that size"):
        found.check("map-large > 0.9")


class Oracle(Detector):
    """Knows what is in each image by the order in which they are shown, and moves boxes by some pixels."""

    def __init__(self, dataset, views, shift=0.0):
        self.entry = DetectorEntry("oracle", "tests", "2" * 16, None)
        self.dataset, self.views, self.shift, self.seen = dataset, views, shift, 0

    def detect(self, images):
        found = []
        for _ in images:
            shown = min(
                self.seen // self.views, len(self.dataset) - 1
            )  # the last times, it is looked whether it is steady
            picture = self.dataset.annotations.pictures[shown]
            self.seen += 1
            there = self.dataset.annotations.objects.filter(pl.col("image") == picture.id, ~pl.col("crowd"))
            x, y, w, h = (there[side].to_numpy() for side in ("x", "y", "width", "height"))
            boxes = np.column_stack([x, y, x + w, y + h]) + self.shift
            scores = torch.linspace(0.9, 0.1, len(there)) if len(there) else torch.zeros(0)
            labels = torch.from_numpy(there["category"].to_numpy().copy())
            found.append(Detections(torch.from_numpy(boxes), scores.double(), labels))
        return found


@pytest.mark.parametrize("shift", [0.0, 6.0])
def test_on_real_images_an_oracle_has_what_cocos_own_tools_give_it(real_data, shift, tmp_path):
    from pycocotools.coco import COCO as Truth
    from pycocotools.cocoeval import COCOeval

    folder = real_data("coco-tiny")
    file = folder / "annotations" / "instances_train2017.json"
    dataset = open_folder(folder / "train2017", file, limit=20)
    found = audit_detector(Oracle(dataset, 4, shift), dataset, radii=[128], cycles_per_pixel=[], resamples=20)
    whole = found.detections.filter(pl.col("shown") == "full").select(list(DETECTION_COLUMNS))
    write_results(tmp_path / "full.json", whole)
    truth = Truth(str(file))
    judge = COCOeval(truth, truth.loadRes(str(tmp_path / "full.json")), "bbox")
    judge.params.imgIds = [each.id for each in dataset.annotations.pictures]
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    ours = [found.card.views[0].numbers[name].value for name in list(found.card.views[0].numbers)]
    assert ours == pytest.approx([value for value in judge.stats if value > -1], abs=1e-9)
    assert ours[0] == pytest.approx(1.0) if shift == 0 else ours[0] < 1
