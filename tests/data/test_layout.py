from __future__ import annotations

import pytest

from passband.data.layout import names_a_class, read_layout
from passband.errors import InputError


@pytest.fixture
def tree(encode, photos, tmp_path):
    """Return a function that puts a picture into each of some folders, named with blanks between them."""

    def make(folders: str):
        for folder in folders.split():
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "1.png").write_bytes(encode(photos[0]))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("folders", "train", "test"),
    [
        ("Train/cat Train/dog Test/cat Test/dog", "Train", "Test"),
        ("training_set/cat test_set/cat", "training_set", "test_set"),
        ("train_images/cat train_images/dog val_images/dog", "train_images", "val_images"),
        ("train2017/cat val2017/dog", "train2017", "val2017"),
        ("train/cat valid/cat test/cat", "train", "test"),
        ("train/cat dev/cat val/cat eval/cat", "train", "val"),
        ("train/cat/images train/dog/images val/cat/images", "train", "val"),
        ("train/cat val/cat test", "train", "val"),
        ("train/cat val/cat test/images", "train", "val"),
        ("train/cat test/train test/plane", "train", "test"),
    ],
)
def test_folders_of_subsets(tree, folders, train, test):
    path = tree(folders)
    assert read_layout(path, "train").folder == path / train
    assert read_layout(path, "test").folder == path / test


@pytest.mark.parametrize(
    "folders", ["cat dog", "train plane", "val dog cat", "cat/part1 cat/part2 dog", "cat/images dog/images"]
)
def test_folders_of_classes(tree, folders):
    path = tree(folders)
    for subset in ("train", "test"):
        layout = read_layout(path, subset)
        assert layout.folder == path
        assert layout.classes == {each.split("/")[0] for each in folders.split()}


def test_a_class_that_might_be_a_subset_is_named(tree):
    (notice,) = read_layout(tree("train plane"), "test").notices
    assert "'train' is a class here, not a subset" in notice.message


def test_what_is_taken_for_a_subset_is_said(tree):
    path = tree("train/cat valid/cat test extra/cat")
    taken, beside = read_layout(path, "test").notices
    assert taken.message == "the test subset is the folder 'valid'; 'test' has no folders of classes"
    assert not taken.warning
    assert beside.message.startswith("pictures in 'extra' are left out")
    (path / "cover.png").write_bytes((path / "test" / "1.png").read_bytes())
    assert "1 pictures directly in" in read_layout(path, "train").notices[-1].message


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            "data/cat data/dog",
            r"data must hold the pictures of a class, and holds only folders \('cat', 'dog'\).*folder:.*/data\.",
        ),
        (
            "ILSVRC/Data/CLS-LOC/train/n01440764 ILSVRC/Data/CLS-LOC/val/n01440764",
            "holds only folders .'Data'",
        ),
        ("fold1/cat fold1/dog fold2/cat fold2/dog", r"fold1 must .* holds only folders \('cat', 'dog'\)"),
        ("fold1/0 fold1/1 fold2/0 fold2/1", "fold1 must .* holds only folders .'0', '1'"),
        ("cat/images/small/a cat/images/large dog", "images must .* holds only folders"),
        (
            "cat/train cat/test dog/train dog/test",
            r"cat must .* \('test', 'train'\)\. If these are the subsets.*/test/cat\.",
        ),
        ("cat cat/test dog", r"cat must .* holds folders \('test'\)"),
        (
            "images/train/cat images/val/cat labels",
            "If these are the subsets, give the folder that holds them: folder:.*/images",
        ),
        (
            "train test",
            r"the 1 pictures in .*test lie in no folders of classes.* If 'test', 'train' are the classes.*into a folder",
        ),
        ("train/images val/images", "train/images lie in no folders of classes"),
        (
            "train/cat train/dog cat dog",
            "'train' looks like a subset, since it holds folders, and 'cat', 'dog' like a class",
        ),
        ("val/cat validation/cat", "'val', 'validation' in .* may each be the test subset"),
        (
            "train/cat test",
            "for the test subset, such as 'test' or 'val' or 'dev' or 'eval', and holds 'train'; 'test' has no fold",
        ),
        (".", "the 1 pictures in .* lie in no folders of classes"),
        ("", "must hold one folder of images a class, .* and holds nothing"),
    ],
)
def test_what_is_not_plain_is_refused(tree, folders, message):
    with pytest.raises(InputError, match=message):
        read_layout(tree_or_picture(tree, folders), "test")


def tree_or_picture(tree, folders: str):
    if folders != ".":
        return tree(folders)
    path = tree("x")
    (path / "x" / "1.png").rename(path / "1.png")
    (path / "x").rmdir()
    return path


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"], "ImageNet's validation pictures"),
        (["ant_1.png", "ant_2.png", "bee-1.png", "bee-2.png"], r"names begin with the class \(ant, bee\)"),
        (["1.png", "2.png"], "Move each into a folder of its class .*/CLASS/1.png"),
    ],
)
def test_a_flat_folder_is_described(tmp_path, names, hint):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        InputError, match=f"the {len(names)} pictures in .* lie in no folders of classes.* {hint}"
    ):
        read_layout(tmp_path, "test")


def test_the_message_lists_what_lies_in_a_folder_without_pictures(tmp_path):
    for name in ("a.npy", "b.npy", "readme.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=r"and holds 2 \.npy files, 1 \.txt file"):
        read_layout(tmp_path, "test")


def test_names_that_are_no_text_are_refused(tree):
    path = tree("cat")
    (path / "dog\x1b[1m").mkdir()
    with pytest.raises(InputError, match=r"a class cannot be called 'dog\\x1b\[1m'"):
        read_layout(path, "test")


def test_which_folders_divide_a_class():
    assert not any(
        map(names_a_class, ("part1", "Batch_02", "images", "JPEG", "2019", "20200131", "more", "cam-3"))
    )
    assert all(map(names_a_class, ("cat", "n01440764", "masks", "fold1", "001", "part of speech", "imagery")))
