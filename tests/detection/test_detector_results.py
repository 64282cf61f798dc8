from __future__ import annotations

import json

import polars as pl
import pytest
import torch
from PIL import Image as Pillow

from fake_detectors import ORACLE_LABELS, annotations, oracle, small_retinanet
from passband.detection.annotations import read_annotations
from passband.detection.categories import map_labels, read_labels
from passband.detection.dataset import in_memory
from passband.detection.evidence import check_labels
from passband.detection.folder import open_folder
from passband.detection.image_files import folder_of, write_images
from passband.detection.load import load_detector
from passband.detection.objects import detections_table
from passband.detection.results_files import about_results, read_results, write_results
from passband.detection.shown import Shown
from passband.detection.view import WHOLE, View
from passband.errors import InputError
from passband.rows import DETECTION_COLUMNS

TWO = annotations(
    [(3, "a.jpg", 40, 60), (5, "b/c.v2.jpeg", 20, 30)], {1: "cat"}, [(3, 1, 2.0, 3.0, 10.0, 12.5)]
)
ONE = {"image_id": 3, "category_id": 1, "bbox": [1, 2.5, 3, 4], "score": 0.5}


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_results_are_read_in_their_order(tmp_path):
    content = [{**ONE, "score": 0.1, "extra": 1}, {**ONE, "image_id": 5.0}, ONE]
    table = read_results(written(tmp_path / "r.json", content), TWO)
    assert table.rows() == [
        (3, 1, 1.0, 2.5, 3.0, 4.0, 0.1),
        (5, 1, 1.0, 2.5, 3.0, 4.0, 0.5),
        (3, 1, 1.0, 2.5, 3.0, 4.0, 0.5),
    ]
    assert table.schema == DETECTION_COLUMNS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "cannot be read as JSON"),
        (
            {"annotations": []},
            "must hold a list of detections, it holds a dict with annotations: it is a file of annotations",
        ),
        ("3", "must hold a list of detections, it holds 3"),
        ([[1]], "detection 0 in .* must be a dict"),
        (
            [ONE, {k: v for k, v in ONE.items() if k != "score"}],
            "detection 1 in .* lacks score; it has image_id",
        ),
        (
            [{"image_id": 3, "category_id": 1, "segmentation": [], "score": 1}],
            "lacks bbox.*holds masks alone",
        ),
        ([{**ONE, "bbox": [1, 2, 3]}], "bbox of detection 0 in .* must be"),
        ([{**ONE, "bbox": [1, 2, -3, 4]}], "negative width or height: \\[1, 2, -3, 4\\]"),
        ([{**ONE, "bbox": [1, 2, "3", 4]}], "must be finite numbers, got '3'"),
        (
            '[{"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": NaN}]',
            "must be finite numbers, got nan",
        ),
        (
            '[{"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1e999}]',
            "must be finite numbers, got inf",
        ),
        ([{**ONE, "score": 10**400}], "must be finite numbers, got 1000"),
        ([{**ONE, "score": True}], "must be finite numbers, got True"),
        ([{**ONE, "image_id": "3"}], "image_id of detection 0 in .* must be a whole number"),
        ([{**ONE, "image_id": 2**70}], "image_id of detection 0 in .* must be a whole number"),
        ([{**ONE, "category_id": None}], "category_id of detection 0 in .* must be a whole number"),
        (
            [ONE, {**ONE, "image_id": 4}, {**ONE, "image_id": 4}],
            "2 detections in 1 images that the annotations do not have, such as 4",
        ),
    ],
)
def test_what_are_no_results_is_refused(content, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_results(written(tmp_path / "r.json", content), TWO)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_results(tmp_path / "r.json", TWO)


def test_what_is_strange_is_said(tmp_path):
    path = tmp_path / "r.json"

    def said(content):
        return [each.message for each in about_results(path, read_results(written(path, content), TWO), TWO)]

    assert said([ONE, {**ONE, "image_id": 5}]) == []
    assert "nothing was found in any image" in said([])[0]
    assert "1 of 1 boxes in" in said([{**ONE, "bbox": [40, 20, 50, 30]}])[0]
    assert (
        "within the first pixel"
        in said([{**ONE, "bbox": [0.1, 0.2, 0.5, 0.5], "image_id": n} for n in (3, 5) * 5])[0]
    )


@pytest.mark.parametrize(
    ("with_detections", "missing"),
    [
        (range(290), 10),  # a run cut short after 97% of its images
        ([n for n in range(285) if n % 3], 15),  # so, with nothing in every third image
        (range(300), 0),
        (range(298), 0),  # two images with nothing: chance
        (range(0, 300, 2), 0),
        (range(5, 300), 0),  # nothing in the first: the file was not cut short
    ],
)
def test_results_of_a_run_that_was_cut_short_are_noticed(tmp_path, with_detections, missing):
    truth = annotations([(n, f"{n}.jpg", 40, 60) for n in range(300)], {1: "cat"})
    path = written(tmp_path / "r.json", [{**ONE, "image_id": n} for n in with_detections])
    said = [each.message for each in about_results(path, read_results(path, truth), truth)]
    assert [f"in the last {missing} of 300 images" in each for each in said] == [True] * bool(missing)


def test_results_are_written_to_the_last_digit(tmp_path, real_data):
    truth = read_annotations(real_data("coco-tiny") / "annotations" / "instances_train2017.json")
    table = detections_table(oracle(truth, ORACLE_LABELS["ids"](truth.categories)))
    write_results(tmp_path / "r.json", table)
    assert read_results(tmp_path / "r.json", truth).equals(table)
    write_results(tmp_path / "r.json", table.clear())
    assert read_results(tmp_path / "r.json", truth).equals(table.clear())


def test_what_an_untrained_network_finds_in_photographs_comes_back_from_a_file(tmp_path, real_data):
    place = real_data("coco-tiny")
    dataset = open_folder(place / "train2017", place / "annotations" / "instances_train2017.json", limit=3)
    detector = load_detector(small_retinanet(classes=12))
    labeling = read_labels("index0", dataset.annotations)
    found = [
        (picture.id, detector.detect([dataset.image(index)])[0])
        for index, picture in enumerate(dataset.annotations.pictures)
    ]
    check_labels(found, dataset.annotations, labeling)
    write_results(tmp_path / "full.json", detections_table(found))
    again, notices = map_labels(read_results(tmp_path / "full.json", dataset.annotations), labeling)
    assert again.equals(detections_table((image, labeling.read(each)[0]) for image, each in found))
    assert len(again) > 30
    assert notices == ()


def test_no_nan_is_written(tmp_path):
    table = pl.DataFrame([(3, 1, 1.0, 2.0, 3.0, 4.0, float("nan"))], schema=DETECTION_COLUMNS, orient="row")
    with pytest.raises(InputError, match="NaN or infinity"):
        write_results(tmp_path / "r.json", table)
    assert not list(tmp_path.iterdir())


def test_pycocotools_reads_what_is_written(tmp_path, real_data):
    coco = pytest.importorskip("pycocotools.coco")
    place = real_data("coco-tiny") / "annotations" / "instances_train2017.json"
    truth = read_annotations(place)
    table = detections_table(oracle(truth, ORACLE_LABELS["ids"](truth.categories)))
    write_results(tmp_path / "r.json", table)
    read = coco.COCO(str(place)).loadRes(str(tmp_path / "r.json"))
    assert [
        [a["image_id"], a["category_id"], *a["bbox"], a["score"]] for a in read.dataset["annotations"]
    ] == [list(row) for row in table.rows()]


def pictures():
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randint(256, (3, each.height, each.width), dtype=torch.uint8, generator=generator)
        for each in TWO.pictures
    ]


class Fails(Shown):
    def make(self, image, views, name):
        if name == 5:
            raise InputError("no")
        return super().make(image, views, name)


def test_images_are_written_for_every_view(tmp_path):
    views = (WHOLE, View("lfc", 128.0, "index"), View("hfc", 0.2, "pixel"))
    dataset = in_memory(TWO, pictures())
    seen = []
    write_images(dataset, views, Shown(), tmp_path / "out", progress=lambda *said: seen.append(said))
    out = tmp_path / "out"
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [
        "annotations.json",
        *(
            f"{folder}/{name}"
            for folder in ("full", "hfc-0.2px", "lfc-128")
            for name in ("a.png", "b/c.v2.png")
        ),
        "passband.json",
    ]
    assert seen == [("writing images", 1, 2), ("writing images", 2, 2)]
    for index, name in enumerate(("a.png", "b/c.v2.png")):
        whole = torch.tensor(list(Pillow.open(out / "full" / name).tobytes()), dtype=torch.uint8)
        assert torch.equal(whole, pictures()[index].permute(1, 2, 0).flatten())
        _, low, high = Shown().make(dataset.image(index), views, TWO.pictures[index].id)
        for folder, expected in (("lfc-128", low), ("hfc-0.2px", high)):
            written = torch.tensor(list(Pillow.open(out / folder / name).tobytes()))
            torch.testing.assert_close(written / 255, expected.permute(1, 2, 0).flatten(), atol=1e-6, rtol=0)
    again = read_annotations(out / "annotations.json")
    assert again.objects.equals(TWO.objects)
    assert [each.file_name for each in again.pictures] == ["a.png", "b/c.v2.png"]
    assert again.categories == TWO.categories
    about = json.loads((out / "passband.json").read_text())
    assert about["views"] == {"full": "full", "lfc-128": "lfc:128", "hfc-0.2px": "hfc:0.2px"}
    assert about["annotations_fingerprint"] == TWO.fingerprint


def test_nothing_is_written_where_something_fails(tmp_path):
    with pytest.raises(InputError, match="no"):
        write_images(in_memory(TWO, pictures()), (WHOLE,), Fails(), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_views_that_are_no_pictures_are_not_written(tmp_path):
    with pytest.raises(InputError, match="the amplitude 'raw' leave .* give picture or clip or minmax"):
        write_images(in_memory(TWO, pictures()), (WHOLE,), Shown("raw"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.jpg", "a.png"), "1 names of images would be given twice as PNG, such as to a.jpg and a.png"),
        (("A.jpg", "a.jpg"), "given twice"),
        (("../a.jpg", "b.jpg"), "image 1 is called '../a.jpg', which is no name below a folder"),
        (("/a.jpg", "b.jpg"), "no name below a folder"),
    ],
)
def test_names_that_cannot_be_kept_are_refused(names, message, tmp_path):
    these = annotations([(i, name, 4, 4) for i, name in enumerate(names, 1)], {1: "cat"})
    with pytest.raises(InputError, match=message):
        dataset = in_memory(these, [torch.zeros(3, 4, 4, dtype=torch.uint8)] * 2)
        write_images(dataset, (WHOLE,), Shown(), tmp_path / "out")


def test_folders_are_named_by_views():
    assert [folder_of(each) for each in (WHOLE, View("control", 8.5, "index"))] == ["full", "control-8.5"]
