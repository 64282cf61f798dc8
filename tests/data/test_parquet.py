from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from passband.data.images import Request
from passband.data.parquet import load_parquet
from passband.errors import InputError
from passband.preparation import Preparation

LABELS = [0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 2, 0]


@pytest.mark.parametrize("columns", [("image", "label"), ("img", "fine_label"), ("image", "labels")])
def test_pixels_labels_and_names_come_back(tmp_path, write_parquet, photos, columns):
    write_parquet(tmp_path / "pets" / "test.parquet", photos, LABELS, columns=columns)
    dataset = load_parquet(str(tmp_path / "pets"), Request())
    assert torch.equal(dataset.images, torch.from_numpy(photos.transpose(0, 3, 1, 2).copy()))
    assert dataset.labels.tolist() == LABELS
    assert (dataset.classes, dataset.name, dataset.subset) == (("cat", "dog", "owl"), "pets", "test")


@pytest.mark.parametrize("stem", ["test", "val", "validation"])
def test_names_of_the_test_file(tmp_path, write_parquet, photos, stem):
    write_parquet(tmp_path / "train.parquet", photos[:3], LABELS[:3])
    write_parquet(tmp_path / f"{stem}.parquet", photos[:2], LABELS[:2])
    assert len(load_parquet(str(tmp_path), Request("test"))) == 2
    assert len(load_parquet(str(tmp_path), Request("train"))) == 3


@pytest.mark.parametrize("inside", ["", "data"])
def test_shards_are_read_in_order(tmp_path, write_parquet, photos, inside):
    folder = tmp_path / "pets" / inside
    for part in range(3):
        rows = slice(4 * part, 4 * part + 4)
        write_parquet(folder / f"train-{part:05d}-of-00003.parquet", photos[rows], LABELS[rows])
    dataset = load_parquet(str(tmp_path / "pets"), Request("train", limit=10))
    assert torch.equal(dataset.images, torch.from_numpy(photos[:10].transpose(0, 3, 1, 2).copy()))
    assert dataset.name == "pets"
    (folder / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(InputError, match="shard 1 of 3 is missing"):
        load_parquet(str(tmp_path / "pets"), Request("train"))


def test_a_file_serves_for_either_subset_and_is_named_well(tmp_path, write_parquet, photos):
    plain = write_parquet(tmp_path / "pets" / "holiday.parquet", photos, LABELS)
    usual = write_parquet(tmp_path / "pets" / "train-00000-of-00001.parquet", photos, LABELS)
    assert load_parquet(str(plain), Request("train")).name == "holiday"
    assert load_parquet(str(usual), Request("test")).name == "pets"


def test_without_names_classes_are_numbered_over_all_subsets(tmp_path, write_parquet, photos):
    write_parquet(tmp_path / "train.parquet", photos, LABELS, names=None)
    write_parquet(tmp_path / "test.parquet", photos[:2], LABELS[:2], names=None)
    assert load_parquet(str(tmp_path), Request("test")).classes == ("0", "1", "2")


def test_images_may_be_a_plain_column_of_bytes(tmp_path, encode, photos):
    pl.DataFrame({"image": [encode(photos[0])], "label": [0]}).write_parquet(tmp_path / "a.parquet")
    assert load_parquet(str(tmp_path / "a.parquet"), Request()).size == (10, 8)


def test_only_the_rows_asked_for_are_decoded(tmp_path, write_parquet, photos):
    path = write_parquet(tmp_path / "a.parquet", [photos[0], photos[1], b"broken"], [0, 1, -1])
    assert len(load_parquet(str(path), Request(limit=2))) == 2
    with pytest.raises(InputError, match="1 of 3 rows .* have no label"):
        load_parquet(str(path), Request())


def test_a_broken_image_is_named_by_its_row(tmp_path, write_parquet, photos):
    path = write_parquet(tmp_path / "a.parquet", [photos[0], b"broken"], [0, 1])
    with pytest.raises(InputError, match=r"cannot decode the image in row 1 of .*a\.parquet"):
        load_parquet(str(path), Request())


@pytest.mark.parametrize("label", [-1, None])
def test_unlabeled_rows_are_refused(tmp_path, write_parquet, photos, label):
    path = write_parquet(tmp_path / "a.parquet", photos[:3], [0, label, label])
    with pytest.raises(
        InputError, match=r"2 of 3 rows .* have no label \(null or negative\).*Use a labeled file"
    ):
        load_parquet(str(path), Request())


def test_labels_beyond_the_names(tmp_path, write_parquet, photos):
    path = write_parquet(tmp_path / "a.parquet", photos[:1], [3])
    with pytest.raises(InputError, match="between 0 and 2 for 3 classes, got 3 to 3"):
        load_parquet(str(path), Request())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"picture": [b""], "label": [0]}, "image called 'image' or 'img', and has 'picture', 'label'"),
        (
            {"image": [b""], "target": [0]},
            "label called 'label' or 'labels' or 'fine_label', and has 'image', 'target'",
        ),
        ({"image": ["a.png"], "label": [0]}, "'image' must hold encoded images, .* got String"),
        ({"image": [b""], "label": ["cat"]}, "'label' must hold integers, got String"),
        (
            {"image": [{"bytes": None, "path": "a.png"}], "label": [0]},
            "'image' must hold encoded images|no image bytes",
        ),
        ({"image": [], "label": []}, "must hold encoded images"),
    ],
)
def test_other_layouts_are_refused(tmp_path, columns, message):
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        load_parquet(str(tmp_path / "a.parquet"), Request())


def test_missing_bytes(tmp_path):
    kinds = {"image": pl.Struct({"bytes": pl.Binary, "path": pl.String}), "label": pl.Int64}
    rows = {"image": [{"bytes": None, "path": "a.png"}], "label": [0]}
    pl.DataFrame(rows, schema=kinds).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="row 0 of .* has no image bytes.*embed the images"):
        load_parquet(str(tmp_path / "a.parquet"), Request())


def test_no_rows(tmp_path, write_parquet):
    path = write_parquet(tmp_path / "a.parquet", [], [])
    with pytest.raises(InputError, match=r"a\.parquet has no images"):
        load_parquet(str(path), Request())


def test_missing_files(tmp_path, write_parquet, photos):
    with pytest.raises(InputError, match="no file or folder .*absent"):
        load_parquet(str(tmp_path / "absent"), Request())
    write_parquet(tmp_path / "val.parquet", photos, LABELS)
    with pytest.raises(
        InputError, match=r"must hold train\.parquet .* for the train subset, and holds val\.parquet"
    ):
        load_parquet(str(tmp_path), Request("train"))


@pytest.mark.parametrize("content", [b"", b"not parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_not_parquet(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet cannot be read as Parquet"):
        load_parquet(str(tmp_path / "a.parquet"), Request())


def test_memory_is_checked_before_reading(tmp_path, write_parquet, photos):
    path = write_parquet(tmp_path / "a.parquet", photos, LABELS)
    with pytest.raises(InputError, match="12 encoded images of .* raise memory_limit="):
        load_parquet(str(path), Request(memory_limit=100))


def test_real_images(real_data):
    dataset = load_parquet(
        str(real_data("imagenette-64")), Request(limit=200, preparation=Preparation((32, 32)))
    )
    assert (dataset.name, dataset.images.shape) == ("imagenette-64", (200, 3, 32, 32))
    assert dataset.classes[0] == "tench"
    assert dataset.class_counts().min() > 5  # a prefix is a fair subset
    assert 90 < np.mean(dataset.images.numpy()) < 140


def test_gray_among_color_in_real_images(real_data):
    dataset = load_parquet(
        str(real_data("imagenette-224")), Request(limit=300, preparation=Preparation((64, 64)))
    )
    gray = (dataset.images[:, 0] == dataset.images[:, 1]).all(dim=(1, 2))
    assert dataset.channels == 3
    assert 0 < gray.sum() < 30
