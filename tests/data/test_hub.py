"""Folders that `save_to_disk` wrote, made here, and a name that is in a cache made here."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from passband.data import hub
from passband.data.hub import load_hub
from passband.data.images import Request
from passband.data.parquet import load_parquet
from passband.errors import DownloadError, InputError, MissingDependencyError

datasets = pytest.importorskip("datasets")

LABELS = [0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 2, 0]
NAMES = ["cat", "dog", "owl"]


@pytest.fixture
def make(encode):
    """Return a function that makes a `datasets.Dataset` of photos."""

    def make(images, labels, *, names=NAMES, columns=("image", "label"), label=None):
        kind = datasets.ClassLabel(names=list(names)) if names else datasets.Value("int64")
        features = datasets.Features({columns[0]: datasets.Image(), columns[1]: label or kind})
        stored = [{"bytes": encode(image), "path": None} for image in images]
        return datasets.Dataset.from_dict({columns[0]: stored, columns[1]: list(labels)}, features=features)

    return make


def test_the_same_images_as_from_parquet(tmp_path, make, write_parquet, photos):
    make(photos, LABELS).save_to_disk(tmp_path / "pets")
    write_parquet(tmp_path / "pets.parquet", photos, LABELS)
    found, same = (
        load_hub(str(tmp_path / "pets"), Request()),
        load_parquet(str(tmp_path / "pets.parquet"), Request()),
    )
    assert found.fingerprint == same.fingerprint
    assert (found.classes, found.name, found.notices) == (tuple(NAMES), "pets", ())


@pytest.mark.parametrize("split", ["test", "Validation", "valid", "val", "dev"])
def test_splits(tmp_path, make, photos, split):
    both = datasets.DatasetDict(
        {"train": make(photos[:3], LABELS[:3]), split: make(photos[3:5], LABELS[3:5])}
    )
    both.save_to_disk(tmp_path / "pets")
    assert len(load_hub(str(tmp_path / "pets"), Request("train"))) == 3
    assert len(load_hub(str(tmp_path / "pets"), Request())) == 2


def test_a_selection_keeps_its_rows(tmp_path, make, photos):
    make(photos, LABELS).select([4, 1]).save_to_disk(tmp_path / "pets")
    found = load_hub(str(tmp_path / "pets"), Request())
    assert found.labels.tolist() == [2, 1]
    assert torch.equal(found.images, torch.from_numpy(photos[[4, 1]].transpose(0, 3, 1, 2).copy()))


def test_kinds_of_labels(tmp_path, make, photos):
    make(photos[:2], ["owl", "cat"], label=datasets.Value("string")).save_to_disk(tmp_path / "text")
    assert load_hub(str(tmp_path / "text"), Request()).classes == ("cat", "owl")
    make(photos[:3], [1, 3, 2], names=None, columns=("img", "target")).save_to_disk(tmp_path / "one")
    found = load_hub(str(tmp_path / "one"), Request())
    assert found.labels.tolist() == [0, 2, 1]
    assert "count from 1" in str(found.notices[0])


def test_splits_that_name_the_classes_in_two_orders(tmp_path, make, photos):
    other = make(photos[:2], [0, 2], names=NAMES[::-1])
    datasets.DatasetDict({"train": make(photos, LABELS), "test": other}).save_to_disk(tmp_path / "pets")
    found = load_hub(str(tmp_path / "pets"), Request())
    assert (found.classes, found.labels.tolist()) == (tuple(NAMES), [2, 0])
    assert "mapped by name" in str(found.notices[0])


def test_secret_labels(tmp_path, make, photos):
    both = {"test": make(photos[:3], [-1] * 3), "validation": make(photos[3:5], LABELS[3:5])}
    datasets.DatasetDict(both).save_to_disk(tmp_path / "pets")
    found = load_hub(str(tmp_path / "pets"), Request())
    assert len(found) == 2
    assert "'validation' is used" in str(found.notices[0])
    datasets.DatasetDict({"test": make(photos[:3], [-1, 0, 1])}).save_to_disk(tmp_path / "half")
    with pytest.raises(InputError, match="1 of 3 images of 'test' .* have no label"):
        load_hub(str(tmp_path / "half"), Request())


def test_a_limit_reads_no_more_pictures_than_it_needs(tmp_path, make, photos, encode):
    data = make(np.concatenate([photos, photos]), [0] * 12 + [1] * 12)
    data.save_to_disk(tmp_path / "pets")
    found = load_hub(str(tmp_path / "pets"), Request(limit=10))
    assert found.class_counts()[:2].min() >= 2
    broken = [{"bytes": encode(photos[0]), "path": None}, {"bytes": b"broken", "path": None}]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict({"image": broken, "label": [0, 1]}, features=features).save_to_disk(
        tmp_path / "broken"
    )
    assert len(load_hub(str(tmp_path / "broken"), Request(limit=1))) == 1
    with pytest.raises(InputError, match="cannot decode the image in row 1 of '' in hf:.*broken"):
        load_hub(str(tmp_path / "broken"), Request())


def test_what_is_no_data_set_of_images(tmp_path, make, photos):
    with pytest.raises(InputError, match="no folder .*absent"):
        load_hub(str(tmp_path / "absent"), Request())
    with pytest.raises(InputError, match="no folder that save_to_disk .* Did you mean parquet:"):
        load_hub(str(tmp_path), Request())
    make(photos, LABELS, columns=("image", "id"), names=None).save_to_disk(tmp_path / "unlabeled")
    with pytest.raises(InputError, match="a column for the label .* has 'id'"):
        load_hub(str(tmp_path / "unlabeled"), Request())
    datasets.Dataset.from_dict({"image": ["a cat"], "label": [0]}).save_to_disk(tmp_path / "text")
    with pytest.raises(InputError, match="'image' of .* must hold pictures"):
        load_hub(str(tmp_path / "text"), Request())
    datasets.DatasetDict({"train": make(photos, LABELS)}).save_to_disk(tmp_path / "train")
    with pytest.raises(InputError, match="must have a split called 'test' or .*, and has 'train'"):
        load_hub(str(tmp_path / "train"), Request())
    next((tmp_path / "train" / "train").glob("*.arrow")).unlink()
    with pytest.raises(InputError, match="cannot read .*save_to_disk wrote"):
        load_hub(str(tmp_path / "train"), Request("train"))


@pytest.mark.parametrize("name", ["csv", "imagefolder:train", "parquet"])
def test_a_format_is_no_data_set(name):
    """`datasets` would read the files of the current folder."""
    with pytest.raises(InputError, match="is a format of files and no data set"):
        load_hub(name, Request())


def test_a_name_that_is_neither_cached_nor_within_reach(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        DownloadError,
        match=r"is not in the cache .* cannot be reached.*load_dataset\('nobody/pets', 'small'\)",
    ):
        load_hub("nobody/pets:small", Request())
    assert not datasets.config.HF_HUB_OFFLINE


def test_a_name_that_is_cached(monkeypatch, tmp_path, make, photos):
    """The cache is laid out as `load_dataset` leaves it: by owner and name, configuration, version and hash."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(hub, "_reachable", lambda: pytest.fail("the network was asked"))
    (tmp_path / "pets").mkdir()
    make(photos, LABELS).to_parquet(tmp_path / "pets" / "test.parquet")
    files = {"test": str(tmp_path / "pets" / "test.parquet")}
    builder = datasets.load_dataset_builder("parquet", data_files=files, cache_dir=tmp_path / "other")
    folder = tmp_path / "cache" / "owner___pets" / "default" / "0.0.0" / "000"
    builder.download_and_prepare(str(folder))
    (folder / "parquet-test.arrow").rename(folder / "pets-test.arrow")
    found = load_hub("owner/pets", Request())
    assert (len(found), found.name, found.classes) == (12, "owner/pets", tuple(NAMES))


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install \"passband\[hub\]\""):
        load_hub("nobody/pets", Request())
