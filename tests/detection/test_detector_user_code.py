from __future__ import annotations

import numpy as np
import pytest
import torch

from fake_detectors import small_retinanet
from passband.detection.load import load_detector
from passband.detection.objects import Detections
from passband.errors import InputError, UnknownNameError
from passband.files import digest

IMAGES = [torch.rand(3, 80, 100), torch.rand(3, 60, 50)]
GOOD = {"boxes": [[1.0, 2, 30, 40], [0, 0, 5, 5]], "scores": [0.9, 0.2], "labels": [3, 1]}
NOTHING = {"boxes": [], "scores": [], "labels": []}

CODE = """
import torch
from torch import nn
import beside_detector as beside

label_names = None

def find(images):
    assert all(image.shape[0] == 3 for image in images)
    for image in images:
        image.zero_()
    return [beside.ANSWER for _ in images]

find.label_names = ["cat", "dog"]

class Finder:
    categories = {4: "owl"}
    def __call__(self, images):
        return [beside.ANSWER for _ in images]

finder = Finder()

def make():
    return find

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
    def forward(self, images):
        return [{"boxes": torch.tensor([[0, 0, 1, 1]]) * self.layer.weight.abs(), "scores": torch.ones(1), "labels": torch.tensor([2])}
                for _ in images]

net = Net()
number = 3

def fail(images):
    raise RuntimeError("no GPU")

def broken():
    raise RuntimeError("no file")
"""


@pytest.fixture
def code(tmp_path):
    (tmp_path / "beside_detector.py").write_text(f"ANSWER = {GOOD!r}\n")
    (tmp_path / "mine.py").write_text(CODE)
    return lambda name: f"python:{tmp_path / 'mine.py'}:{name}"


@pytest.mark.parametrize("name", ["find", "finder", "Finder", "make"])
def test_a_function_in_a_file_is_a_detector(name, code, tmp_path):
    detector = load_detector(code(name), device="cpu")
    first, second = detector.detect(IMAGES)
    assert first.boxes.tolist() == second.boxes.tolist() == GOOD["boxes"]
    assert first.labels.tolist() == [3, 1]
    torch.testing.assert_close(first.scores, torch.tensor([0.9, 0.2], dtype=first.scores.dtype))
    assert detector.entry.name == f"mine:{name}"
    assert detector.entry.source == code(name)
    assert detector.entry.weights_hash == digest((tmp_path / "mine.py").read_bytes())
    assert all(image.any() for image in IMAGES)  # the function wrote into copies
    with pytest.raises(InputError, match="does not show its own resize"):
        detector.to_input(IMAGES[0])


def test_names_of_labels_are_taken(code):
    assert load_detector(code("find")).label_names == {0: "cat", 1: "dog"}
    assert load_detector(code("Finder")).label_names == {4: "owl"}


@pytest.mark.parametrize("name", ["net", "Net"])
def test_a_module_gets_its_weights(name, code, tmp_path):
    torch.save({"layer.weight": torch.tensor([[-7.0]]), "layer.bias": torch.zeros(1)}, tmp_path / "w.pth")
    detector = load_detector(code(name), weights=tmp_path / "w.pth", device="cpu")
    assert detector.detect(IMAGES)[1].boxes.tolist() == [[0, 0, 7, 7]]
    assert detector.entry.parameters == 2
    with pytest.raises(InputError, match="has its own"):
        load_detector(code("find"), weights=tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "has no 'nothing'"),
        ("number", "got a int"),
        ("broken", "calling .* without arguments failed \\(RuntimeError: no file\\)"),
    ],
)
def test_what_is_no_detector_is_refused(name, message, code):
    with pytest.raises(InputError, match=message):
        load_detector(code(name))


def test_what_fails_is_said_with_what_a_detector_is(code):
    with pytest.raises(InputError, match="RuntimeError: no GPU.*It gets a list of images"):
        load_detector(code("fail")).detect(IMAGES)


def answered(*answers):
    return load_detector(lambda images: list(answers)).detect(IMAGES)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda v: [torch.tensor(each) for each in v]])
def test_answers_may_be_lists_arrays_and_tensors(kind):
    first, second = answered({key: kind(value) for key, value in GOOD.items()}, NOTHING)
    assert first.boxes.tolist() == GOOD["boxes"]
    assert isinstance(first, Detections)
    assert second.boxes.shape == (0, 4)
    assert second.labels.dtype == torch.int64


def test_whole_labels_may_be_floats_and_need_no_gradient():
    scores = torch.tensor([0.5, 0.25], requires_grad=True)
    first, _ = answered({**GOOD, "labels": np.array([3.0, 1.0]), "scores": scores}, NOTHING)
    assert first.labels.tolist() == [3, 1]
    assert not first.scores.requires_grad


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([GOOD], "it was shown 2 and returned 1"),
        ([GOOD, None], "one dict an image, with boxes, scores, labels; got a NoneType"),
        ([GOOD, {"boxes": [], "scores": []}], "labels missing, it has boxes, scores"),
        ([GOOD, {**GOOD, "boxes": [1, 2, 3, 4]}], "got boxes \\(4,\\), scores \\(2,\\), labels \\(2,\\)"),
        ([GOOD, {**GOOD, "scores": [[0.9, 0.1], [0.1, 0.2]]}], "got boxes \\(2, 4\\), scores \\(2, 2\\)"),
        ([GOOD, {**GOOD, "labels": [1]}], "labels \\(1,\\)"),
        ([GOOD, {**GOOD, "boxes": [[1, 2, 3, 4], [1]]}], "boxes that are no numbers"),
        ([GOOD, {**GOOD, "labels": ["cat", "dog"]}], "labels that are no numbers"),
        ([GOOD, {**GOOD, "labels": [0.5, 1]}], "whole numbers as labels, got 0.5"),
        ([GOOD, {**GOOD, "scores": [float("nan"), 1]}], "scores that are NaN or infinite"),
        ([GOOD, {**GOOD, "boxes": [[0, 0, 1, float("inf")]] * 2}], "boxes that are NaN or infinite"),
        ([GOOD, {**GOOD, "scores": [True, False]}], "scores of the type torch.bool"),
        (
            [GOOD, {**GOOD, "boxes": [[50, 10, 20, 40], [0, 0, 1, 1]]}],
            "1 of 2 boxes .* such as \\(50, 10, 20, 40\\).*left, top, width and height",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(answers, message):
    with pytest.raises(InputError, match=message):
        answered(*answers)


@pytest.mark.parametrize("answer", [GOOD, None, torch.zeros(2, 6), "boxes"])
def test_what_is_no_list_is_refused(answer):
    with pytest.raises(InputError, match="must return a list|one dict an image"):
        load_detector(lambda images: answer).detect(IMAGES)


def test_edges_that_rounding_has_swapped_are_one():
    first, _ = answered({**GOOD, "boxes": [[5.0, 5, 4.9999, 8], [0, 0, 1, 1]]}, NOTHING)
    assert first.boxes[0].tolist() == [5, 5, 5, 8]


def test_shares_of_the_image_are_noticed_over_many_images():
    shares = {"boxes": [[0.1, 0.2, 0.5, 1.0]] * 3, "scores": [0.5] * 3, "labels": [1] * 3}
    detector = load_detector(lambda images: [shares for _ in images])
    detector.detect(IMAGES)
    assert detector.notices == ()
    detector.detect(IMAGES)
    assert ["within the first pixel" in each.message and each.warning for each in detector.notices] == [True]
    empty = load_detector(lambda images: [{**shares, "boxes": [[0.0] * 4] * 3} for _ in images])
    for _ in range(5):
        empty.detect(IMAGES)
    assert empty.notices == ()  # filled up with zeros


def test_boxes_that_leave_their_images_are_noticed():
    def find(images):
        return [{"boxes": [[10.0, 10, 640, 480]] * 9, "scores": [0.5] * 9, "labels": [1] * 9} for _ in images]

    detector = load_detector(find)
    detector.detect(IMAGES[:1])
    assert detector.notices == ()
    detector.detect(IMAGES[1:])
    assert ["most boxes of find leave their image" in each.message for each in detector.notices] == [True]


def test_scores_that_are_no_shares_are_noticed_once():
    detector = load_detector(lambda images: [{**GOOD, "scores": [-3.0, 8.5]} for _ in images])
    for _ in range(2):
        detector.detect(IMAGES)
    assert ["as logits do" in each.message and not each.warning for each in detector.notices] == [True]


@pytest.mark.parametrize(
    ("names", "message"), [("cat", "got a str"), ({"cat": 1}, "whole numbers"), (3, "got a int")]
)
def test_names_of_labels_must_be_names(names, message):
    def find(images):
        return []

    find.label_names = names
    with pytest.raises(InputError, match=message):
        load_detector(find)


def test_what_is_in_memory_is_taken_as_it_is():
    module = small_retinanet()
    detector = load_detector(module)
    assert load_detector(detector) is detector
    with pytest.raises(InputError, match="--decoder cannot be used here"):
        load_detector(module, decoder="yolov8")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("timm:resnet50", UnknownNameError, "no source of detectors named 'timm'"),
        ("retinanet_resnet50_fpn", InputError, "Did you mean torchvision:retinanet_resnet50_fpn"),
        ("net.onnx", InputError, "onnx:net.onnx --decoder NAME"),
        ("net.pt", InputError, "torchvision:NAME --weights net.pt"),
        ("net.py", InputError, "python:net.py:NAME"),
    ],
)
def test_what_was_meant_is_said(source, error, message):
    with pytest.raises(error, match=message):
        load_detector(source)


def test_options_that_a_source_cannot_heed_are_refused(code, tmp_path):
    for options in ({"decoder": "yolov8"}, {"size": (3, 4)}):
        with pytest.raises(InputError, match="only an ONNX file"):
            load_detector(code("find"), **options)
    with pytest.raises(InputError, match="give that with --weights"):
        load_detector(code("find"), weights_key="model")
    with pytest.raises(InputError, match="an ONNX file holds its weights"):
        load_detector("onnx:a.onnx", weights=tmp_path)
