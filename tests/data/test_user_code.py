"""Data sets made by files of the user's: of the MAITE protocol, of torch, and passband's own."""

from __future__ import annotations

import textwrap

import pytest
import torch

from passband.data.images import Request
from passband.data.load import load_dataset
from passband.data.user_code import load_from_code
from passband.errors import InputError

HEAD = """
import numpy as np
import torch
from PIL import Image

PHOTOS = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (12, 10, 8, 3), np.uint8)
PHOTOS[0, 0, 0] = 255
LABELS = np.arange(12) % 3
NAMES = ("cat", "dog", "owl")


class Maite:
    metadata = {"id": "pets", "index2label": {0: "cat", 1: "dog", 2: "owl", 3: "eel"}}

    def __init__(self, images, targets):
        self.images, self.targets = images, targets

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.targets[index], {"id": index}


class Pairs(torch.utils.data.Dataset):
    classes = list(NAMES)

    def __init__(self, images, labels=LABELS):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


CHW = PHOTOS.transpose(0, 3, 1, 2)
"""


@pytest.fixture
def load(tmp_path):
    """Return a function that loads what an expression makes, in a file of its own."""

    def load(code: str, **request):
        (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(code))
        return load_from_code(f"{tmp_path / 'mine.py'}:make", Request(**request))

    return load


def pixels(dataset):
    return sorted(image.tobytes() for image in dataset.images.numpy())


def paired(dataset):
    return sorted(
        (image.tobytes(), int(label))
        for image, label in zip(dataset.images.numpy(), dataset.labels, strict=True)
    )


@pytest.mark.parametrize(
    "made",
    [
        "Maite(CHW / 255, np.eye(4)[LABELS])",
        "Maite(CHW.astype('float32') / 255, np.eye(4)[LABELS] * 0.7 + 0.1)",
        "Maite(CHW, LABELS)",
        "Pairs(torch.from_numpy(CHW.copy()) / 255)",
        "Pairs(torch.from_numpy(CHW.copy()) / 255, torch.from_numpy(LABELS))",
        "Pairs(PHOTOS)",
        "Pairs([Image.fromarray(photo) for photo in PHOTOS], [NAMES[label] for label in LABELS])",
    ],
)
def test_every_kind_gives_the_same_pixels(load, photos, made):
    photos = photos.copy()
    photos[0, 0, 0] = 255
    dataset = load(f"def make():\n    return {made}")
    expected = [(photo.transpose(2, 0, 1).tobytes(), i % 3) for i, photo in enumerate(photos)]
    assert paired(dataset) == sorted(expected)
    assert dataset.classes == (("cat", "dog", "owl", "eel") if "Maite" in made else ("cat", "dog", "owl"))
    assert (dataset.name, dataset.notices) == ("mine:make", ())


def test_it_follows_the_protocol_of_maite(load, tmp_path):
    protocol = pytest.importorskip("maite.protocols.image_classification")
    load("make = Maite(CHW, np.eye(4)[LABELS])")
    names: dict = {}
    exec((tmp_path / "mine.py").read_text(), names)
    assert isinstance(names["make"], protocol.Dataset)


def test_the_order_is_fixed_and_a_limit_is_its_beginning(load):
    made = "make = Pairs(PHOTOS, np.arange(12) // 4)"
    whole, part = load(made), load(made, limit=5)
    assert torch.equal(whole.images[:5], part.images)
    assert part.class_counts().count_nonzero() > 1


def test_a_limit_asks_for_no_other_item(load):
    code = """
    class Counting(Pairs):
        asked = []
        def __getitem__(self, index):
            self.asked.append(index)
            if len(self.asked) > 3:
                raise RuntimeError("enough")
            return super().__getitem__(index)
    def make():
        return Counting(PHOTOS)
    """
    assert len(load(code, limit=3)) == 3
    with pytest.raises(
        InputError, match=r"item \d+ of .*mine.py:make cannot be had \(RuntimeError: enough\)"
    ):
        load(code)


def test_a_function_may_take_the_subset(load):
    code = "def make(subset):\n    return Pairs(PHOTOS if subset == 'train' else PHOTOS[:2])"
    assert (len(load(code, subset="train")), len(load(code, subset="test"))) == (12, 2)


def test_passbands_own(load):
    code = """
    from passband.data.dataset import ImageDataset
    from passband.notices import Notice
    def make():
        images = torch.from_numpy(CHW.copy())
        return ImageDataset(images, torch.from_numpy(LABELS), NAMES, "own", notices=(Notice("data", "made up"),))
    """
    dataset = load(code, limit=4, channels=1)
    assert (dataset.name, dataset.images.shape, dataset.labels.tolist()) == (
        "own",
        (4, 1, 10, 8),
        [0, 1, 2, 0],
    )
    assert [notice.message for notice in dataset.notices] == ["made up"]


def test_what_was_done_to_pixels_is_said(load):
    assert "rounded to 8 bits" in str(load("make = Pairs(torch.from_numpy(CHW.copy()) / 300)").notices[0])
    assert "alpha: it is left out" in str(
        load(
            "make = Pairs([Image.fromarray(p).convert('RGBA') for p in PHOTOS[:1]] + [np.pad(p, ((0, 0), (0, 0), (0, 1)), constant_values=255) for p in PHOTOS[1:]])"
        ).notices[0]
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("make = 3", "must be a data set with a length and items, .* got a int"),
        ("def make():\n    raise OSError('no disk')", r"calling .* failed \(OSError: no disk\)"),
        ("def make(a):\n    return a", r"calling .* failed \(TypeError"),
        ("other = 3", "has no 'make'"),
        ("make = []", "has no images"),
        ("make = [3]", "item 0 of .* must be an image and its label .* got a int"),
        ("make = [('photo', 3)]", "must be shaped"),
        ("make = [(CHW, 3)]", r"must be shaped \(channels, height, width\), got \(12, 3, 10, 8\)"),
        ("make = [(CHW[0], {'a': 3})]", "label of item 0 .* must be an array, got a dict"),
        ("make = [(CHW[0], None)]", "without a label"),
        ("make = [(CHW[0], [0.5, 0.5])]", "one highest score"),
        ("make = [(CHW[0], [[0, 1], [1, 0]])]", "one score a class"),
        ("make = [(CHW[0] / 50 - 2, 1)]", r"images \* std \+ mean"),
        ("make = [(CHW[0] / 255 / 255, 1)]", "divided by 255 twice"),
        ("make = Pairs(PHOTOS, LABELS + 5)", "labels must lie between 0 and 2"),
        ("make = [(CHW[0], 0), (CHW[0, :, :5], 0)]", "must have one size"),
    ],
)
def test_what_is_no_data_set_of_images(load, code, message):
    with pytest.raises(InputError, match=message):
        load(code)


def test_memory(load):
    with pytest.raises(InputError, match="2 images of .* would take"):
        load("make = Pairs(CHW / 255)", memory_limit=3000)


def test_it_is_a_source(load, tmp_path):
    load("make = Pairs(PHOTOS)")
    source = f"python:{tmp_path / 'mine.py'}:make"
    dataset = load_dataset(source, size=6, limit=5)
    assert (dataset.source, dataset.images.shape) == (source, (5, 3, 6, 6))
