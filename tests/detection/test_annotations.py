import json

import pytest

from blobs import write_scenes
from passband.detection.annotations import read_annotations
from passband.errors import InputError


@pytest.fixture
def document(tmp_path):
    return json.loads(write_scenes(tmp_path)[1].read_text())


def read(document, tmp_path):
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(document))
    return read_annotations(path)


def test_what_is_in_the_file_is_read(document, tmp_path):
    document["images"].reverse()
    document["categories"].reverse()
    found = read(document, tmp_path)
    assert [each.id for each in found.pictures] == [0, 10, 20, 30, 40, 50]
    assert (found.pictures[0].height, found.pictures[0].width) == (40, 60)
    assert list(found.categories.items()) == [(3, "bright"), (7, "dim")]
    first = document["annotations"][0]
    assert found.objects.row(0) == (
        1,
        0,
        first["category_id"],
        *map(float, first["bbox"]),
        first["area"],
        False,
    )
    assert found.notices == ()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.pop("images"), "'images' is missing"),
        (lambda d: d.update(annotations={}), "'annotations' is something else"),
        (lambda d: d.update(categories=[]), "no categories"),
        (lambda d: d.update(images=[]), "no images"),
        (lambda d: d.update(annotations=[]), "no objects"),
        (lambda d: d["images"][1].pop("id"), r"images\[1\] needs 'id', a whole number; it has None"),
        (lambda d: d["images"][1].update(id="10"), "whole number; it has '10'"),
        (lambda d: d["images"][1].update(id=0), "two entries of 'images' have the id 0"),
        (lambda d: d["images"][1].update(file_name="scene-0.png"), "two images have the file name"),
        (lambda d: d["images"][0].pop("height"), "image 0 needs 'height'"),
        (lambda d: d["images"][0].update(width=0), "40x0 pixels"),
        (lambda d: d["categories"][0].pop("name"), "category 3 needs 'name'"),
        (lambda d: d["annotations"][2].update(id=2), "two entries of 'annotations' have the id 2"),
        (lambda d: d["annotations"][2].pop("bbox"), "annotation 3 needs 'bbox'.*Captions"),
        (lambda d: d["annotations"][2].update(bbox=[1, 2, 3]), "needs 'bbox', the numbers"),
        (lambda d: d["annotations"][2].update(bbox=[1, 2, float("nan"), 3]), "needs 'bbox', the numbers"),
        (
            lambda d: d["annotations"][2].update(bbox=[9, 9, -3, 4]),
            r"negative side, \[9, 9, -3, 4\].*no corners",
        ),
        (lambda d: d["annotations"][2].update(area=-1), "needs an 'area' of at least 0"),
        (lambda d: d["annotations"][2].update(image_id=None), "annotation 3 needs 'image_id'"),
    ],
)
def test_what_cannot_be_used_is_named(document, tmp_path, edit, message):
    edit(document)
    with pytest.raises(InputError, match=message):
        read(document, tmp_path)


@pytest.mark.parametrize(
    ("edit", "message", "left"),
    [
        (lambda a: a.update(image_id=99), "of 12 objects, 1 are in images that the file does not have", 11),
        (lambda a: a.update(category_id=99), "1 are of categories that the file does not have", 11),
        (lambda a: a.pop("area"), "1 have no area", 12),
        (lambda a: a["bbox"].__setitem__(2, 0), "1 have a box without an area", 12),
        (lambda a: a["bbox"].__setitem__(0, 500), "1 lie wholly outside their image", 12),
    ],
)
def test_what_coco_passes_over_is_counted(document, tmp_path, edit, message, left):
    edit(document["annotations"][0])
    found = read(document, tmp_path)
    assert len(found.objects) == left
    assert message in found.notices[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [("[]", "Is it a file of results"), ("3", "got int"), ("{", "cannot be read as JSON")],
)
def test_what_is_no_file_of_annotations_is_refused(tmp_path, text, message):
    path = tmp_path / "annotations.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_annotations(path)


def test_an_area_is_that_of_the_outline_and_a_crowd_is_a_crowd(document, tmp_path):
    document["annotations"][0] |= {"area": 12.5, "iscrowd": 1, "segmentation": {"counts": [], "size": [1, 1]}}
    found = read(document, tmp_path)
    assert found.objects["area"][0] == 12.5
    assert found.objects["crowd"].to_list() == [True] + 11 * [False]
    assert (
        found.fingerprint
        != read(json.loads(json.dumps(document).replace("12.5", "13.5")), tmp_path).fingerprint
    )
