from __future__ import annotations

import pytest

from passband.data.parquet_files import find_files
from passband.errors import InputError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder, subset="test"):
    return [str(file.relative_to(folder)) for file in find_files(folder, subset)[0].files]


@pytest.mark.parametrize(
    "name",
    [
        "test.parquet",
        "Valid.parquet",
        "data/validation-00000-of-00001.parquet",
        "data/test-00000-of-00001-0123456789abcdef.parquet",
        "plain_text/dev-00000-of-00001.parquet",
        "default/test/0000.parquet",
        "test/part-00000-8a1c7c64-0b5c-4a0e-9c79-0f2d7a0a1c11-c000.snappy.parquet",
        "EVAL/a.PARQUET",
        "cifar10-test.parquet",
        "cifar10_val_0.parquet",
        "test1.parquet",
        "test-2017.parquet",
    ],
)
def test_what_the_test_subset_is_called(tmp_path, name):
    touch(tmp_path, name)
    assert found(tmp_path) == [name]


def test_shards_come_in_the_order_of_their_numbers(tmp_path):
    touch(tmp_path, *(f"test_{number}.parquet" for number in range(11)))
    assert found(tmp_path) == [f"test_{number}.parquet" for number in range(11)]


def test_files_in_the_folder_of_a_subset_have_any_name(tmp_path):
    touch(tmp_path, "test/9f3c.parquet", "test/1a2b.parquet", "train/x.parquet")
    assert found(tmp_path) == ["test/1a2b.parquet", "test/9f3c.parquet"]


def test_hidden_files_are_left_out_and_links_followed(tmp_path):
    touch(tmp_path / "else", "test/0000.parquet")
    touch(tmp_path / "set", ".cache/test.parquet", "test/_temporary/0003.parquet", "test/._0001.parquet")
    (tmp_path / "set" / "test" / "more").symlink_to(tmp_path / "else" / "test")
    (tmp_path / "set" / "test" / "round").symlink_to(tmp_path / "set")
    assert found(tmp_path / "set") == ["test/more/0000.parquet"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["test-00000-of-00003.parquet", "test-00002-of-00003.parquet"], "shard 1 of 3 is missing"),
        (["data/test-00001-of-00002-0123456789abcdef.parquet"], "shard 0 of 2 is missing"),
        (["test-00001-of-00003.parquet", "test-00002-of-00003.parquet"], "shard 0 of 3 is missing"),
        (["test/0000.parquet", "test/0002.parquet"], "shard 1 of .* is missing"),
        (["test/0001.parquet", "test/0003.parquet"], "shard 2 of .* is missing"),
        (["test/0002.parquet"], "shard 0 of .* is missing"),
        (["test_1.parquet", "test_4.parquet"], "shard 2 of .* is missing"),
        (
            ["test-00000-of-00001.parquet", "test-00000-of-00002.parquet", "test-00001-of-00002.parquet"],
            "do not belong",
        ),
        (["test.parquet", "test-00000-of-00001.parquet"], "do not belong together.*twice"),
        (
            ["test-00000-of-00001-aaaaaaaaaaaaaaaa.parquet", "test-00000-of-00001-bbbbbbbbbbbbbbbb.parquet"],
            "there twice",
        ),
        (["test.parquet", "data/test.parquet"], "twice"),
        (
            ["mnist/test.parquet", "cifar/test.parquet"],
            r"2 data sets or .* cifar \(parquet:.*cifar/test.parquet\); mnist",
        ),
        (["a/test/0000.parquet", "a/test/0001.parquet", "b/test/0000.parquet"], r"a \(parquet:.*a/test\); b"),
        (["mnist/train.parquet", "cifar/test.parquet"], "2 data sets"),  # one subset of each is no data set
        (["cifar/test.parquet", "train.parquet"], "must hold .* and holds train.parquet"),
        (["train.parquet"], "must hold test.parquet or .* and holds train.parquet"),
        (["photos.csv"], "holds no Parquet file"),
    ],
)
def test_what_is_not_whole_or_not_one_is_refused(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        find_files(tmp_path, "test")


def test_subsets_of_one_configuration(tmp_path):
    touch(tmp_path, "plain_text/train/0000.parquet", "plain_text/test/0000.parquet", "notes.parquet")
    assert found(tmp_path) == ["plain_text/test/0000.parquet"]
    assert found(tmp_path, "train") == ["plain_text/train/0000.parquet"]


def test_files_beside_a_configuration_are_the_data_set(tmp_path):
    touch(tmp_path, "test.parquet", "corrupted/test.parquet", "test_original.parquet")
    assert found(tmp_path) == ["test.parquet"]


@pytest.mark.parametrize("subset", ["train", "test"])
def test_files_of_no_subset_serve_for_either(tmp_path, subset):
    touch(tmp_path, "0000.parquet", "0001.parquet")
    assert found(tmp_path, subset) == ["0000.parquet", "0001.parquet"]
