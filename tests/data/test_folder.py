from __future__ import annotations

import pytest
import torch

from passband.data.folder import load_folder
from passband.data.images import Request
from passband.errors import InputError


@pytest.fixture
def fill(encode, photos):
    def write(folder, count: int = 3) -> None:
        folder.mkdir(parents=True)
        for i in range(count):
            (folder / f"{i}.png").write_bytes(encode(photos[i]))

    return write


def test_one_folder_a_class_serves_for_either_subset(tmp_path, fill):
    fill(tmp_path / "pets" / "dog", 2)
    fill(tmp_path / "pets" / "cat", 4)
    (tmp_path / "pets" / ".cache").mkdir()
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("not an image")
    train, test = (load_folder(str(tmp_path / "pets"), Request(subset)) for subset in ("train", "test"))
    assert train.classes == ("cat", "dog")
    assert train.class_counts().tolist() == [4, 2]
    assert (train.name, train.fingerprint) == ("pets", test.fingerprint)


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_folders_for_the_subsets(tmp_path, fill, name):
    fill(tmp_path / "train" / "cat", 3)
    fill(tmp_path / "train" / "owl", 3)
    fill(tmp_path / name / "owl", 2)
    test = load_folder(str(tmp_path), Request("test"))
    assert test.classes == ("cat", "owl")  # a class without test images keeps its number
    assert test.labels.tolist() == [1, 1]
    assert len(load_folder(str(tmp_path), Request("train"))) == 6


def test_a_class_may_be_called_train(tmp_path, fill):
    fill(tmp_path / "train")
    fill(tmp_path / "plane")
    assert load_folder(str(tmp_path), Request("test")).classes == ("plane", "train")


def test_a_prefix_is_a_fair_subset_in_the_same_order(tmp_path, fill):
    for name in "abcd":
        fill(tmp_path / name, 10)
    whole = load_folder(str(tmp_path), Request())
    part = load_folder(str(tmp_path), Request(limit=20))
    assert torch.equal(part.images, whole.images[:20])
    assert part.class_counts().min() >= 2
    assert part.labels.tolist() != sorted(part.labels.tolist())


def test_only_the_files_asked_for_are_read(tmp_path, fill):
    fill(tmp_path / "cat", 5)
    for file in sorted((tmp_path / "cat").iterdir()):
        file.write_bytes(b"broken")
        try:
            load_folder(str(tmp_path), Request(limit=4))
            break  # this one was fifth
        except InputError:
            file.write_bytes((tmp_path / "cat" / "4.png").read_bytes())
    else:
        pytest.fail("every file was read, and four were asked for")


def test_a_broken_file_is_named(tmp_path, fill):
    fill(tmp_path / "cat")
    (tmp_path / "cat" / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    with pytest.raises(InputError, match=r"cannot decode .*cat.bad\.jpg"):
        load_folder(str(tmp_path), Request())


def test_wrong_layouts(tmp_path, fill):
    with pytest.raises(InputError, match="no folder .*absent"):
        load_folder(str(tmp_path / "absent"), Request())
    with pytest.raises(InputError, match="must hold one folder of images a class"):
        load_folder(str(tmp_path), Request())
    (tmp_path / "cat").mkdir()
    with pytest.raises(InputError, match=r"has no images. At least one is needed"):
        load_folder(str(tmp_path), Request())


def test_a_missing_subset_says_what_is_there(tmp_path, fill):
    fill(tmp_path / "train" / "cat")
    with pytest.raises(
        InputError, match="'test' or 'val' or 'validation' for the test subset, and holds 'train'"
    ):
        load_folder(str(tmp_path), Request("test"))
