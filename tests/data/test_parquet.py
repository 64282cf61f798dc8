from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from passband.data import parquet
from passband.data.images import Request
from passband.data.parquet import load_parquet
from passband.data.stream import StreamedImages
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
        ({"view": [b""], "label": [0]}, "image called 'image', 'img', .* and has 'view', 'label'"),
        ({"image": [b""], "id": [0]}, "label called 'label', 'labels', .* and has 'id'"),
        ({"image": ["a.png"], "label": [0]}, "row 0 of .* no picture 'a.png' in .*embed"),
        ({"image": ["x" * 5000], "label": [0]}, "no picture 'xxx"),
        ({"image": ["https://example.org/a.png"], "label": [0]}, "no picture 'https"),
        ({"image": [[1, 2]], "label": [0]}, "'image' must hold encoded images, .* got List"),
        ({"image": [b""], "label": [0.5]}, "labels 'label' of .* must be whole numbers, .* got 0.5"),
        ({"image": [b""], "label": [{"a": 1}]}, "'label' must hold labels, got Struct"),
        (
            {"image": [{"bytes": None, "path": "a.png"}], "label": [0]},
            "no image bytes, and there is no picture",
        ),
        (
            {"image": [{"bytes": b"", "path": None}, {"bytes": None, "path": None}], "label": [0, 0]},
            "row 1 of .* no path",
        ),
        ({"image": [], "label": []}, "has no images"),
    ],
)
def test_other_layouts_are_refused(tmp_path, columns, message):
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        load_parquet(str(tmp_path / "a.parquet"), Request())


@pytest.mark.parametrize("kind", ["struct", "struct without bytes", "text"])
def test_pictures_beside_the_file(tmp_path, encode, photos, kind):
    """Paths are read from the file's folder, or from that which was asked for."""
    paths = [f"pictures/{i}.png" for i in range(3)]
    for i, (folder, path) in enumerate(zip(("data", "data", ""), paths, strict=True)):
        (tmp_path / folder / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / path).write_bytes(encode(photos[i]))
    image = {
        "struct": [{"bytes": None, "path": path} for path in paths],
        "struct without bytes": [{"path": path} for path in paths],
        "text": paths,
    }[kind]
    pl.DataFrame({"image": image, "label": [0, 1, 0]}).write_parquet(tmp_path / "data" / "test.parquet")
    dataset = load_parquet(str(tmp_path), Request())
    assert torch.equal(dataset.images, torch.from_numpy(photos[:3].transpose(0, 3, 1, 2).copy()))


def test_a_column_of_text_is_no_image_where_another_is(tmp_path, encode, photos):
    columns = {"image": ["a cat", "a dog"], "jpg": [encode(photo) for photo in photos[:2]], "cls": [0, 1]}
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    assert len(load_parquet(str(tmp_path / "a.parquet"), Request())) == 2


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["owl", "cat", "dog"], pl.String),
        (["owl", "cat", "dog"], pl.Categorical),
        ([2.0, 0.0, 1.0], pl.Float32),
        ([2, 0, 1], pl.UInt8),
        ([[2], [0], [1]], pl.List(pl.Int64)),
        ([3, 1, 2], pl.Int64),
    ],
)
def test_kinds_of_labels(tmp_path, encode, photos, labels, kind):
    columns = {"image": [encode(photo) for photo in photos[:3]], "label": pl.Series(labels, dtype=kind)}
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    assert load_parquet(str(tmp_path / "a.parquet"), Request()).labels.tolist() == [2, 0, 1]


def test_shards_of_other_widths_and_an_empty_one(tmp_path, encode, photos):
    for part, kind in enumerate((pl.Int64, pl.UInt8, pl.Int64)):
        rows = photos[2 * part : 2 * part + 2] if part else photos[:0]
        columns = {
            "image": pl.Series([encode(row) for row in rows], dtype=pl.Binary),
            "label": pl.Series([0, 1][: len(rows)], dtype=kind),
        }
        pl.DataFrame(columns).write_parquet(tmp_path / f"test-{part:05d}-of-00003.parquet")
    dataset = load_parquet(str(tmp_path), Request())
    assert torch.equal(dataset.images, torch.from_numpy(photos[2:6].transpose(0, 3, 1, 2).copy()))
    assert dataset.labels.tolist() == [0, 1, 0, 1]


def test_shards_with_other_columns_are_refused(tmp_path, write_parquet, photos):
    write_parquet(tmp_path / "test-00000-of-00002.parquet", photos[:1], [0])
    write_parquet(tmp_path / "test-00001-of-00002.parquet", photos[:1], [0], columns=("image", "target"))
    with pytest.raises(
        InputError, match="must have the same columns, .* 'label' of .*, and 'image' and 'target' of"
    ):
        load_parquet(str(tmp_path), Request())


def test_files_that_name_the_classes_in_two_orders_are_mapped(tmp_path, write_parquet, photos):
    """Each shard and each subset: the labels mean the same animals whichever file they are from."""
    write_parquet(tmp_path / "train.parquet", photos[:3], [0, 1, 2])
    write_parquet(tmp_path / "test-00000-of-00002.parquet", photos[:2], [0, 2], names=["owl", "dog", "cat"])
    write_parquet(tmp_path / "test-00001-of-00002.parquet", photos[:2], [1, 0], names=["dog", "owl"])
    dataset = load_parquet(str(tmp_path), Request())
    assert [dataset.classes[label] for label in dataset.labels] == ["owl", "cat", "owl", "dog"]
    assert dataset.classes == ("cat", "dog", "owl")
    assert "name the classes differently" in str(dataset.notices[0])
    write_parquet(tmp_path / "train.parquet", photos[:3], [0, 1, 2], names=["cat", "dog", "eel"])
    with pytest.raises(InputError, match="has 'owl', which .* lacks"):
        load_parquet(str(tmp_path), Request())


def test_names_in_one_shard_serve_for_all(tmp_path, write_parquet, photos):
    write_parquet(tmp_path / "test-00000-of-00002.parquet", photos[:2], [0, 2], names=None)
    write_parquet(tmp_path / "test-00001-of-00002.parquet", photos[:2], [1, 0])
    dataset = load_parquet(str(tmp_path), Request())
    assert (dataset.labels.tolist(), dataset.classes) == ([0, 2, 1, 0], ("cat", "dog", "owl"))


def test_secret_labels_of_a_test_set(tmp_path, write_parquet, photos):
    write_parquet(tmp_path / "test.parquet", photos[:3], [-1, -1, -1])
    with pytest.raises(InputError, match="3 of 3 rows .* have no label"):
        load_parquet(str(tmp_path), Request())
    write_parquet(tmp_path / "valid.parquet", photos[:2], [0, 1])
    dataset = load_parquet(str(tmp_path), Request())
    assert len(dataset) == 2
    assert "Warning: the labels of 'test' in" in str(dataset.notices[0])
    write_parquet(tmp_path / "test.parquet", photos[:3], [-1, 0, -1])
    with pytest.raises(InputError, match="2 of 3 rows .* have no label"):
        load_parquet(str(tmp_path), Request())


def test_a_limit_takes_a_fair_part_of_what_is_sorted_by_class(tmp_path, write_parquet, photos):
    labels = sorted(i % 3 for i in range(60))
    shown = [np.full((4, 4, 3), 4 * i, np.uint8) for i in range(60)]
    write_parquet(tmp_path / "test-00000-of-00002.parquet", shown[:25], labels[:25])
    write_parquet(tmp_path / "test-00001-of-00002.parquet", shown[25:], labels[25:])
    whole, part = load_parquet(str(tmp_path), Request()), load_parquet(str(tmp_path), Request(limit=20))
    assert part.class_counts().min() >= 2  # of the first twenty in the files, all are of one class
    assert torch.equal(whole.images[:20], part.images)
    assert torch.equal(whole.labels[:20], part.labels)
    rows = whole.images[:, 0, 0, 0].long() // 4
    assert sorted(rows.tolist()) == list(range(60))
    assert [labels[row] for row in rows] == whole.labels.tolist()  # image and label stay together
    assert "class lie together" in str(part.notices[0])


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


@pytest.mark.parametrize("labels", [LABELS, sorted(LABELS * 5)])
def test_what_is_too_large_is_streamed_and_the_same(tmp_path, write_parquet, photos, labels, monkeypatch):
    """Also where it lies class by class, and is put into another order; in windows of a few rows."""
    monkeypatch.setattr(parquet, "WINDOW_BYTES", 2000)
    pictures = [photos[i % len(photos)] for i in range(len(labels))]
    for part, place in enumerate((slice(None, 7), slice(7, None))):
        write_parquet(tmp_path / f"test-0000{part}-of-00002.parquet", pictures[place], labels[place])
    whole = load_parquet(str(tmp_path), Request())
    streamed = load_parquet(str(tmp_path), Request(memory_limit=1, num_workers=0))
    assert isinstance(streamed.images, StreamedImages)
    assert torch.equal(streamed.images[:], whole.images)
    assert torch.equal(streamed.labels, whole.labels)
    assert streamed.fingerprint == whole.fingerprint
    assert streamed.notices == whole.notices


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
