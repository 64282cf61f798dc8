from __future__ import annotations

import gzip
import re
import struct

import numpy as np
import pytest
import torch

from passband.data.arrays import load_npz, read_idx
from passband.data.images import Request
from passband.errors import InputError
from passband.preparation import Preparation

LABELS = np.arange(12) % 3


def save(folder, **arrays):
    np.savez_compressed(folder / "set.npz", **arrays)
    return str(folder / "set.npz")


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "NHW", "Fortran", "float32", "float64"])
def test_layouts_and_types_give_the_same_pixels(tmp_path, photos, layout):
    stored = {
        "NHWC": photos,
        "NCHW": photos.transpose(0, 3, 1, 2),
        "NHW": photos[..., 0],
        "Fortran": np.asfortranarray(photos),
        "float32": photos.astype(np.float32) / 255,
        "float64": photos / 255,
    }[layout]
    dataset = load_npz(save(tmp_path, images=stored, labels=LABELS), Request(limit=5))
    expected = photos.transpose(0, 3, 1, 2)[:5, :1] if layout == "NHW" else photos.transpose(0, 3, 1, 2)[:5]
    assert torch.equal(dataset.images, torch.from_numpy(expected.copy()))
    assert dataset.labels.tolist() == [0, 1, 2, 0, 1]
    assert (dataset.name, dataset.classes) == ("set", ("0", "1", "2"))


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("train_images", "train_labels", "val_images", "val_labels"),
    ],
)
def test_both_subsets_in_one_file(tmp_path, photos, names):
    # The test subset lacks the last class and its labels are shaped (samples, 1), as in Keras and MedMNIST.
    arrays = dict(zip(names, (photos, LABELS, photos[:2], np.array([[1], [0]], np.uint8)), strict=True))
    path = save(tmp_path, **arrays)
    train, test = load_npz(path, Request("train")), load_npz(path, Request("test"))
    assert (len(train), train.subset, len(test), test.subset) == (12, "train", 2, "test")
    assert test.labels.tolist() == [1, 0]
    assert test.classes == train.classes == ("0", "1", "2")


def test_class_names_are_read(tmp_path, photos):
    path = save(tmp_path, images=photos, labels=LABELS, classes=np.array(["cat", "dog", "owl"]))
    assert load_npz(path, Request()).classes == ("cat", "dog", "owl")


def test_resizing_and_gray(tmp_path, photos):
    path = save(tmp_path, images=photos, labels=LABELS)
    assert load_npz(path, Request(preparation=Preparation((5, 4), "squash"), channels=1)).images.shape == (
        12,
        1,
        5,
        4,
    )


def test_limit_reads_no_more_than_it_needs(tmp_path, photos):
    """A limit is applied before the memory is checked, let alone used."""
    path = save(tmp_path, images=np.zeros((1000, 64, 64), np.uint8), labels=np.zeros(1000, int))
    assert len(load_npz(path, Request(limit=3, memory_limit=3 * 64 * 64))) == 3
    with pytest.raises(InputError, match="1,000 images of 'images'"):
        load_npz(path, Request(memory_limit=3 * 64 * 64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": lambda x: x * 0.998}, r"from 0 to 254.49 .*images / 255"),
        ({"images": lambda x: x / 127.5 - 1}, r"from -1 to 1 .*\(images \+ 1\) / 2"),
        ({"images": lambda x: x / 50 - 2}, r"images \* std \+ mean"),
        ({"images": lambda x: x / 0.0 * 0}, "must be finite"),
        ({"images": lambda x: x.astype(np.int64) - 1}, r"got int64 from -1 to 254"),
        ({"images": lambda x: x > 127}, r"got bool for .*astype\('uint8'\) \* 255"),
        (
            {"images": lambda x: x / 255 / 255},
            "at most 1/255: they were divided by 255 twice.*images \\* 255",
        ),
        (
            {"images": lambda x: x.astype(np.uint16) * 16},
            r"0 to 4080 .*/ 4095 if their scale has 12 bits, .*65535 if",
        ),
        ({"images": lambda x: x // 16.0}, r"got float64 from 0 to 15 .*images / 15 if 15 is white"),
        ({"images": lambda x: x.transpose(0, 1, 3, 2)}, r"1 or 3 channels, .* \(12, 10, 3, 8\)"),
        ({"images": lambda x: x[:, :3]}, r"second or the last axis of \(12, 3, 8, 3\)"),
        ({"images": lambda x: x.reshape(12, -1)}, r"images must be shaped \(samples, height, width"),
        ({"images": lambda x: x[0]}, "as many labels as images, got 12"),
        ({"images": lambda x: x[0, 0]}, r"images must be shaped \(samples, height, width"),
        ({"images": lambda x: x[:0], "labels": lambda y: y[:0]}, "'images' in .* has no images"),
        ({"labels": lambda y: y[:5]}, "as many labels as images, got 5 in 'labels' and 12 in 'images'"),
        ({"labels": lambda y: y - 1}, "'labels' in .* holds negative labels"),
        ({"labels": lambda y: y / 2}, "the labels 'labels' in .* must be whole numbers, .*got 0.5"),
        (
            {"labels": lambda y: np.eye(3, dtype=int)[y] * 2},
            r"lists of 3 values that are not one-hot.*argmax",
        ),
        ({"labels": lambda y: y.astype(object)}, "'labels' in .* holds Python objects"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning")
def test_what_does_not_fit_is_refused_with_the_mending(tmp_path, photos, change, message):
    arrays = {"images": photos.copy(), "labels": LABELS}
    arrays["images"][0, 0, 0] = [0, 128, 255]
    path = save(
        tmp_path, **{name: change.get(name, lambda same: same)(array) for name, array in arrays.items()}
    )
    with pytest.raises(InputError, match=message):
        load_npz(path, Request())


@pytest.mark.parametrize(
    "names",
    [
        ("data", "targets"),
        ("X", "y"),
        ("X_test", "Y_TEST"),
        ("val_images", "val_labels"),
        ("arr_0", "arr_1"),
        ("arr_1", "arr_0"),
    ],
)
def test_what_arrays_are_called(tmp_path, photos, names):
    path = save(tmp_path, **dict(zip(names, (photos, LABELS), strict=True)))
    assert load_npz(path, Request()).labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("x_test", "y_test"), "'x_train' and 'y_train', .* for the train subset, and holds x_test, y_test"),
        (("arr_0", "arr_1", "arr_2"), "holds arr_0, arr_1, arr_2"),
        (
            ("images", "x", "y"),
            "one array of images and one of labels for the train subset, and holds 'images', 'x', 'y'",
        ),
    ],
)
def test_arrays_that_are_not_the_subset_or_too_many(tmp_path, photos, names, message):
    path = save(tmp_path, **dict(zip(names, (photos, LABELS, LABELS), strict=False)))
    with pytest.raises(InputError, match=message):
        load_npz(path, Request("train"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.astype(np.int64), "Note: .* whole numbers up to 255, of type int64"),
        (lambda x: x.astype(np.float32), "whole numbers up to 255, of type float32"),
        (lambda x: x.astype(np.uint16) * 257, "16 bits: the higher 8 are used"),
        (lambda x: x.astype(np.int32) * 256, "16 bits"),
        (
            lambda x: np.concatenate([x, np.full_like(x[..., :1], 255)], -1),
            "255 throughout, alpha: it is left out",
        ),
        (lambda x: (x / 255).astype(">f4"), None),
        (lambda x: (x / 255).astype(np.float16), None),
        (lambda x: x / 255 + 1e-7, None),
    ],
)
def test_other_types_give_the_same_pixels_and_say_so(tmp_path, photos, change, said):
    photos = photos.copy()
    photos[0, 0, 0] = 255
    dataset = load_npz(save(tmp_path, images=change(photos), labels=LABELS), Request())
    assert torch.equal(dataset.images, torch.from_numpy(photos.transpose(0, 3, 1, 2).copy()))
    assert [bool(re.search(said, str(notice))) for notice in dataset.notices] == (
        [] if said is None else [True]
    )


def test_alpha_is_left_out(tmp_path, photos):
    clear = np.concatenate([photos, np.zeros_like(photos[..., :1])], -1)
    dataset = load_npz(save(tmp_path, images=clear, labels=LABELS), Request())
    assert torch.equal(dataset.images, torch.from_numpy(photos.transpose(0, 3, 1, 2).copy()))
    assert "Warning: the fourth channel" in str(dataset.notices[0])


def test_floats_that_are_no_bytes_are_said_to_be_rounded(tmp_path, photos):
    dataset = load_npz(save(tmp_path, images=photos / 300, labels=LABELS), Request())
    assert "rounded to 8 bits, by up to 0.5 of 255" in str(dataset.notices[0])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array(["owl", "cat", "dog"])[LABELS], [2, 0, 1]),
        (np.eye(3)[LABELS], [0, 1, 2]),
        (LABELS * 1.0, [0, 1, 2]),
        (LABELS + 1, [0, 1, 2]),
        (LABELS.astype(">i8"), [0, 1, 2]),
    ],
)
def test_kinds_of_labels(tmp_path, photos, labels, expected):
    assert load_npz(save(tmp_path, images=photos, labels=labels), Request()).labels.tolist() == expected * 4


@pytest.mark.parametrize("kind", [object, "S"])
def test_class_names_of_other_types(tmp_path, photos, kind):
    path = save(tmp_path, images=photos, labels=LABELS, classes=np.array(["cat", "dog", "owl"], dtype=kind))
    assert load_npz(path, Request()).classes == ("cat", "dog", "owl")


class Hostile:
    def __reduce__(self):
        return print, ("the file has run code",)


@pytest.mark.parametrize(
    "classes", [np.array([Hostile(), "a"], dtype=object), np.array([[1.5], [2]], dtype=object)]
)
def test_objects_are_never_made(tmp_path, photos, capsys, classes):
    path = save(tmp_path, images=photos, labels=LABELS, classes=classes)
    with pytest.raises(InputError, match="'classes' in .* must"):
        load_npz(path, Request())
    assert "run code" not in capsys.readouterr().out


def test_a_limit_takes_a_fair_part_of_what_is_sorted_by_class(tmp_path):
    images = np.arange(120, dtype=np.uint8).repeat(16).reshape(120, 4, 4) + 100
    path = save(tmp_path, images=images, labels=np.arange(120) // 30)
    part, whole = load_npz(path, Request(limit=40)), load_npz(path, Request())
    assert part.class_counts().min() >= 5
    assert torch.equal(whole.images[:40], part.images)
    assert torch.equal((whole.images[:, 0, 0, 0].long() - 100) // 30, whole.labels)
    assert "class lie together" in str(part.notices[0])


def test_not_an_archive(tmp_path):
    (tmp_path / "set.npz").write_bytes(b"not a zip file")
    with pytest.raises(InputError, match=r"cannot read .*set\.npz as an \.npz archive"):
        load_npz(str(tmp_path / "set.npz"), Request())
    with pytest.raises(InputError, match="no file .*absent"):
        load_npz(str(tmp_path / "absent.npz"), Request())


def test_one_array_alone(tmp_path, photos):
    np.save(tmp_path / "images.npy", photos)
    with pytest.raises(InputError, match=r"holds one array, and labels are needed .*numpy\.savez"):
        load_npz(str(tmp_path / "images.npy"), Request())


def test_damaged_archive(tmp_path, photos):
    path = tmp_path / "set.npz"
    np.savez(path, images=photos, labels=LABELS)
    content = bytearray(path.read_bytes())
    content[400:500] = bytes(100)  # pixels: the checksum of the archive's member no longer fits
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read .*CRC"):
        load_npz(str(path), Request())


def idx(items: np.ndarray) -> bytes:
    return struct.pack(f">HBB{items.ndim}I", 0, 8, items.ndim, *items.shape) + items.tobytes()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx(tmp_path, photos, suffix):
    items = photos[..., 0]
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(idx(items)) if suffix else idx(items))
    assert np.array_equal(read_idx(path), items)
    assert np.array_equal(read_idx(path, limit=4), items[:4])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\x0d\x01\0\0\0\1abcd", "unsigned bytes"),
        (b"\0\0", "cannot read .* as an IDX file"),
        (b"\0\0\x08\x01\0\0\0\x09abc", "truncated"),
        (None, "cannot read .* No such file"),
    ],
)
def test_broken_idx(tmp_path, content, message):
    if content is not None:
        (tmp_path / "images").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_idx(tmp_path / "images")


def test_truncated_gzip(tmp_path, photos):
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(photos[..., 0]))[:-200])
    with pytest.raises(InputError, match="cannot read"):
        read_idx(tmp_path / "images.gz")
