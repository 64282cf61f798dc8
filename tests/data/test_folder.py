from __future__ import annotations

import pytest
import torch

from passband.data.folder import load_folder
from passband.data.images import Request
from passband.errors import InputError
from passband.types import Subset


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


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(InputError, match="no folder .*absent"):
        load_folder(str(tmp_path / "absent"), Request())
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.svg").write_text("<svg/>")
    with pytest.raises(
        InputError, match=r"has no images that Pillow reads .*1 \.svg file .* At least one is needed"
    ):
        load_folder(str(tmp_path), Request())


def said(folder, subset: Subset = "test") -> list[str]:
    return [str(notice) for notice in load_folder(str(folder), Request(subset)).notices]


def test_a_plain_set_needs_no_word(tmp_path, fill):
    for folder in ("train/cat", "train/dog", "test/cat", "test/dog"):
        fill(tmp_path / folder)
    (tmp_path / "README.md").write_text("Cats and dogs.")
    assert said(tmp_path) == said(tmp_path, "train") == []


def test_what_is_left_out_is_counted_by_kind(tmp_path, fill):
    fill(tmp_path / "cat")
    fill(tmp_path / "dog")
    for name in ("a.txt", "b.txt", ".DS_Store"):
        (tmp_path / "cat" / name).write_text("")
    fill(tmp_path / "dog" / ".ipynb_checkpoints")
    assert said(tmp_path) == [
        "Note: 6 pictures; left out: 2 .txt files (cat/a.txt), 1 hidden file (cat/.DS_Store), "
        "1 hidden folder (dog/.ipynb_checkpoints)"
    ]
    (tmp_path / "dog" / "a.heic").write_text("")
    (message,) = said(tmp_path)
    assert message.startswith("Warning: 6 pictures; left out: ")
    assert message.endswith("Pillow does not read .heic: convert what should count")


def test_pictures_outside_the_class_folders_are_named(tmp_path, fill):
    fill(tmp_path / "test" / "cat")
    fill(tmp_path / "test" / "dog")
    (tmp_path / "test" / "x.png").write_bytes((tmp_path / "test" / "cat" / "0.png").read_bytes())
    assert said(tmp_path) == [
        f"Warning: pictures in no class folder are left out: 1 directly in {tmp_path}/test"
    ]


def test_pictures_within_class_folders_are_named(tmp_path, fill):
    fill(tmp_path / "cat" / "part1")
    fill(tmp_path / "cat" / "part2")
    fill(tmp_path / "dog")
    assert said(tmp_path) == [
        "Note: 6 of the pictures lie in folders within those of the classes, and count (cat/part1, cat/part2)"
    ]
    fill(tmp_path / "dog" / "masks")
    assert said(tmp_path)[0].startswith("Warning: 9 of the pictures lie in folders within")


def test_classes_without_pictures_are_named(tmp_path, fill):
    fill(tmp_path / "train" / "cat")
    fill(tmp_path / "train" / "dog")
    fill(tmp_path / "test" / "cat")
    (tmp_path / "test" / "zebra").mkdir()
    assert said(tmp_path) == [
        "Warning: without pictures in 'test': 'dog', 'zebra'. They count as classes; remove a folder that is none"
    ]


def test_one_class_alone(tmp_path, fill):
    fill(tmp_path / "cat")
    assert "'cat' is the only class" in said(tmp_path)[0]


def test_classes_that_differ_in_case_alone(tmp_path, fill):
    fill(tmp_path / "train" / "Cat")
    fill(tmp_path / "test" / "cat")
    assert "'Cat' and 'cat' count as two classes" in said(tmp_path)[0]


def test_a_file_that_counts_twice_through_links_is_counted(tmp_path, fill):
    fill(tmp_path / "cat")
    fill(tmp_path / "dog")
    (tmp_path / "dog" / "x.png").symlink_to(tmp_path / "cat" / "0.png")
    (tmp_path / "dog" / "gone.png").symlink_to(tmp_path / "nowhere")
    twice = [line for line in said(tmp_path) if "1 of 7 pictures are files that count already" in line]
    assert len(twice) == 1
    assert any(
        "Warning: 7 pictures; left out: 1 dangling link (dog/gone.png)" in line for line in said(tmp_path)
    )


def test_numbered_classes(tmp_path, fill):
    for i in range(11):
        fill(tmp_path / str(i), 1)
    dataset = load_folder(str(tmp_path), Request())
    assert dataset.classes == tuple(str(i) for i in range(11))
    assert "--class-indices 0,1,3,4,5,6,7,8,9,10,2" in dataset.notices[0].message


def test_tiny_imagenet(tmp_path, fill):
    for name in ("n01", "n02"):
        fill(tmp_path / "train" / name / "images")
    fill(tmp_path / "val" / "images", 4)
    fill(tmp_path / "test" / "images", 4)
    (tmp_path / "wnids.txt").write_text("n02\nn01\n")
    rows = [f"{i}.png\tn0{1 + i % 2}\t0\t0\t9\t9" for i in range(4)]
    (tmp_path / "val" / "val_annotations.txt").write_text("\n".join(rows) + "\n")
    dataset = load_folder(str(tmp_path), Request())
    assert dataset.classes == ("n01", "n02")
    assert dataset.class_counts().tolist() == [2, 2]
    first = load_folder(str(tmp_path / "val"), Request())  # the folder itself, too
    assert first.fingerprint == dataset.fingerprint
    assert said(tmp_path) == ["Note: the test subset is the folder 'val'; 'test' has no folders of classes"]
    assert load_folder(str(tmp_path), Request("train")).class_counts().tolist() == [3, 3]
    (tmp_path / "val" / "val_annotations.txt").write_text("\n".join(rows[:3]))
    with pytest.raises(InputError, match=r"must name each picture, and does not name 1 of 4"):
        load_folder(str(tmp_path), Request())
    (tmp_path / "val" / "val_annotations.txt").write_text("\n".join([*rows, "gone.png\tn01"]))
    assert "names 1 pictures that are not there, such as gone.png" in said(tmp_path)[1]
    (tmp_path / "val" / "val_annotations.txt").write_text("0.png n01")
    with pytest.raises(InputError, match="must hold a file's name, a tab and its class in each line"):
        load_folder(str(tmp_path), Request())
