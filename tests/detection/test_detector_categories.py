from __future__ import annotations

import json

import pytest
import torch

from fake_detectors import ORACLE_LABELS, annotations, oracle
from passband.detection.annotations import read_annotations
from passband.detection.categories import map_labels, read_labels
from passband.detection.evidence import LabelWatch, check_labels
from passband.detection.objects import Detections, detections_table
from passband.errors import InputError, UnknownNameError

PICTURE = [(1, "a.jpg", 100, 100)]
PETS = annotations(PICTURE, {1: "cat", 7: "guinea pig", 18: "Dog"})


def found(*labels):
    return Detections(
        torch.arange(len(labels) * 4.0).reshape(-1, 4),
        torch.ones(len(labels)),
        torch.tensor(labels, dtype=torch.int64),
    )


@pytest.fixture(scope="module")
def coco(real_data):
    return read_annotations(real_data("coco-tiny") / "annotations" / "instances_train2017.json")


@pytest.mark.parametrize(
    ("label_ids", "labels"),
    [("ids", [18, 1, 7]), ("index0", [2, 0, 1]), ("index1", [3, 1, 2]), (None, [18, 1, 7])],
)
def test_labels_become_ids(label_ids, labels):
    read, left_out = read_labels(label_ids, PETS).read(found(*labels))
    assert read.labels.tolist() == [18, 1, 7]
    assert not left_out
    assert torch.equal(read.boxes, found(*labels).boxes)


def test_names_are_matched_and_what_has_none_is_left_out():
    names = {0: "CAT", 3: "guinea_pig", 5: "zebra"}
    labeling = read_labels(None, PETS, names)
    read, left_out = labeling.read(found(5, 3, 0, 9, 5))
    assert read.labels.tolist() == [7, 1]
    assert read.boxes[:, 0].tolist() == [4, 8]
    assert left_out == {5: 2, 9: 1}
    assert labeling.about(left_out)[0].message == (
        "3 detections were left out whose labels have no category in the annotations: 5, 9"
    )
    assert [
        "1 of 3 categories" in notice.message and "Dog" in notice.message for notice in labeling.notices
    ] == [True]


def test_capitals_tell_names_apart_where_nothing_else_does():
    birds = annotations(PICTURE, {1: "Crane", 2: "crane"})
    assert read_labels("names", birds, {4: "crane", 5: "Crane"}).categories == {4: 2, 5: 1}
    with pytest.raises(InputError, match="categories 1 and 2 share the name 'CRANE'"):
        read_labels("names", birds, {4: "CRANE"})


def test_names_that_are_none_are_refused():
    with pytest.raises(InputError, match="no name of a label is that of a category. Labels are called owl"):
        read_labels(None, PETS, {1: "owl"})
    with pytest.raises(InputError, match="does not say what its labels are called"):
        read_labels("names", PETS)
    with pytest.raises(UnknownNameError, match="Did you mean 'index0'"):
        read_labels("index_0", PETS)


@pytest.mark.parametrize("label_ids", ["ids", "index0", "index1"])
def test_a_label_without_a_category_is_refused_where_all_have_one(label_ids):
    labeling = read_labels(label_ids, PETS)
    with pytest.raises(InputError, match="2 detections have labels that are .*: 4, 99"):
        labeling.read(found(99, 1, 4))
    with pytest.raises(InputError, match="2 detections have labels that are .*: 4, 99"):
        map_labels(detections_table([(1, found(99, 1, 4))]), labeling)


def test_a_table_maps_labels(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"0": 18, "1": "Cat", "-1": 7}))
    labeling = read_labels(path, PETS)
    assert labeling.categories == {0: 18, 1: 1, -1: 7}
    mapped, notices = map_labels(detections_table([(1, found(1, 5, -1))]), labeling)
    assert mapped["category"].to_list() == [1, 7]
    assert "1 detections were left out" in notices[0].message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "must hold a dict"),
        ({}, "must hold a dict"),
        ({"a": 1}, "labels in .* are whole numbers, got 'a'"),
        ({"1": 3}, "label 1 is category 3, and there is none"),
        ({"1": [1]}, "label 1 is category \\[1\\]"),
        ({"1": True}, "label 1 is category True"),
        ({"1": "cat", "2": "horse"}, "names categories that do not exist: horse"),
    ],
)
def test_a_table_that_cannot_be_is_refused(content, message, tmp_path):
    (tmp_path / "table.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / "table.json", PETS)


def readable(detections, labeling):
    """Return what is left of detections whose labels can be read, for a wrong reading is often refused for the rest."""
    kept = []
    for image, each in detections:
        known = torch.tensor(
            [label in labeling.categories for label in each.labels.tolist()], dtype=torch.bool
        )
        kept.append((image, Detections(each.boxes[known], each.scores[known], each.labels[known])))
    return kept


@pytest.mark.parametrize("given", ORACLE_LABELS)
@pytest.mark.parametrize("right", ORACLE_LABELS)
def test_readings_of_a_perfect_detector(given, right, coco):
    detections = oracle(coco, ORACLE_LABELS[right](coco.categories))
    labeling = read_labels(given, coco)
    if given == right:
        check_labels(detections, coco, labeling)
        check_labels(detections_table(detections), coco, labeling)
        return
    with pytest.raises(InputError, match=f"Give --label-ids {right} "):
        check_labels(readable(detections, labeling), coco, labeling)


@pytest.mark.parametrize("right", ORACLE_LABELS)
@pytest.mark.parametrize("wrong", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_bad_detector_that_is_read_right_is_not_accused(right, wrong, seed, coco):
    detections = oracle(coco, ORACLE_LABELS[right](coco.categories), wrong=wrong, seed=seed)
    check_labels(detections, coco, read_labels(right, coco))


def test_a_detector_that_knows_one_category_is_not_accused(coco):
    detections = oracle(coco, dict.fromkeys(coco.categories, 1))
    check_labels(detections, coco, read_labels("ids", coco))


def test_a_fair_detector_that_is_read_wrongly_is_found_out(coco):
    detections = oracle(coco, ORACLE_LABELS["index1"](coco.categories), wrong=0.5)
    with pytest.raises(InputError, match="Give --label-ids index1 "):
        check_labels(detections, coco, read_labels("ids", coco))


def test_a_file_is_taken_at_its_word(coco, tmp_path):
    detections = oracle(coco, ORACLE_LABELS["ids"](coco.categories))
    ids = list(coco.categories)
    (tmp_path / "table.json").write_text(json.dumps(dict(zip(ids, [*ids[1:], ids[0]], strict=True))))
    check_labels(detections, coco, read_labels(tmp_path / "table.json", coco))


def test_little_is_no_evidence():
    objects = [(1, 1 + i % 3, 30.0 * i, 0.0, 20.0, 20.0) for i in range(9)]
    few = annotations([(1, "a.jpg", 30, 300)], {1: "a", 2: "b", 3: "c", 4: "d"}, objects)
    detections = oracle(few, {1: 2, 2: 3, 3: 4})
    check_labels(detections, few, read_labels("ids", few))
    nothing = annotations([(1, "a.jpg", 30, 300)], {1: "a"})
    check_labels([], nothing, read_labels("ids", nothing))
    check_labels([(1, found(1))], nothing, read_labels("ids", nothing))


def test_the_surest_detection_tells(coco):
    right = oracle(coco, ORACLE_LABELS["ids"](coco.categories))
    shifted = ORACLE_LABELS["index0"](coco.categories)
    both = [
        (
            image,
            Detections(
                torch.cat([each.boxes, each.boxes]),
                torch.cat([each.scores + 1, each.scores]),
                torch.cat([each.labels, torch.tensor([shifted[int(label)] for label in each.labels])]),
            ),
        )
        for image, each in right
    ]
    check_labels(both, coco, read_labels("ids", coco))


def test_a_watch_asks_after_a_few_images(coco):
    detections = oracle(coco, ORACLE_LABELS["index1"](coco.categories))
    wrong, right = (read_labels(name, coco) for name in ("ids", "index1"))
    watch = LabelWatch(right, coco)
    for image, each in detections:
        watch.see(image, each)
    watch = LabelWatch(wrong, coco)
    with pytest.raises(InputError, match="Give --label-ids index1 "):
        for image, each in readable(detections, wrong):
            watch.see(image, each)
    with pytest.raises(InputError, match="no ids of categories, which are 1 to 90 with 10 gaps: 12"):
        LabelWatch(wrong, coco).see(1, found(12))
