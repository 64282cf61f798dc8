"""What is no data set: the message has the very line that makes one of it, and that line works."""

import re

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import passband
from helpers import Memory, noise
from passband.audit.attack import measure_robustness
from passband.errors import InputError

DATA = noise(samples=8, classes=2)
IMAGES, LABELS = DATA.images / 255, DATA.labels
MODEL = Memory(DATA)
pytestmark = pytest.mark.usefixtures("untyped")


def message(given: object) -> str:
    with pytest.raises(InputError, match="data is a passband.ImageDataset, got a") as refused:
        passband.audit(MODEL, given)
    return str(refused.value)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (DataLoader(TensorDataset(IMAGES, LABELS), batch_size=3), "loader"),
        (TensorDataset(IMAGES, LABELS), "dataset"),
        (IMAGES, "images"),
        (list(IMAGES), "images"),
        ([IMAGES, LABELS], "data"),
        ((IMAGES, LABELS), "data"),
    ],
    ids=["DataLoader", "Dataset", "tensor", "list", "pair", "tuple"],
)
def test_the_line_that_is_named_makes_a_data_set(given, names):
    said = message(given)
    lines = re.findall(r"^    (.*)$", said, re.MULTILINE)
    scope = {"torch": torch, "passband": passband, "labels": LABELS, names: given}
    exec("\n".join(lines), scope)
    made = scope["data"]
    assert torch.equal(made.images, DATA.images)
    assert torch.equal(made.labels, DATA.labels)
    assert "not normalized" in said


def test_other_things_say_what_to_write_too():
    assert "passband.load_dataset('folder:photos')" in message("folder:photos")
    assert "got a NoneType" in message(None)
    with pytest.raises(InputError, match="passband.audit_detector"):
        passband.audit(MODEL, type("Scenes", (), {"annotations": ()})())


@pytest.mark.parametrize(
    "ask",
    [
        lambda given: measure_robustness(MODEL, given, [passband.AttackPlan(passband.FGSM(), (0.1,))]),
        lambda given: passband.evaluate_attack(MODEL, given, passband.FGSM(), [0.1]),
        lambda given: passband.evaluate_components(MODEL, given, [2]),
        lambda given: passband.train(MODEL, given, passband.RunConfig("mine")),
    ],
    ids=["attack", "outcome", "components", "train"],
)
def test_whatever_takes_data_says_so(ask):
    with pytest.raises(InputError, match="got a DataLoader. Write"):
        ask(DataLoader(TensorDataset(IMAGES, LABELS)))


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (IMAGES, LABELS, r"got a Tensor of float32, shaped \(8, 3, 12, 10\). Write \(255 \* images\)"),
        (IMAGES[:, 0], LABELS, r"Write images\[:, None\]"),
        (DATA.images.long(), LABELS, "Write images.byte()"),
        (DATA.images.numpy(), LABELS, "got a ndarray of uint8, .* torch.as_tensor"),
        (list(DATA.images), LABELS, "got a list. Write torch.stack"),
        (DATA.images.permute(0, 2, 3, 1), LABELS, r"write images.permute\(0, 3, 1, 2\)"),
        (DATA.images, LABELS.tolist(), "labels are class numbers .* got a list: write torch.as_tensor"),
        (DATA.images, LABELS.float(), "got a Tensor of float32"),
        (DATA.images, np.asarray(LABELS), "got a ndarray of int64"),
        (DATA.images, LABELS[:, None], r"shaped \(8, 1\)"),
    ],
)
def test_images_that_are_no_bytes_and_labels_that_are_no_classes_are_refused(images, labels, said):
    with pytest.raises(InputError, match=said):
        passband.ImageDataset(images, labels, ("a", "b"), "mine")
