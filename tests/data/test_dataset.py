from __future__ import annotations

import pytest
import torch

from passband.data.dataset import ImageDataset, to_pixels
from passband.errors import InputError


def make(images: torch.Tensor | None = None, labels: tuple[int, ...] = (0, 1, 1)) -> ImageDataset:
    images = torch.arange(3 * 2 * 4, dtype=torch.uint8).reshape(3, 1, 2, 4) if images is None else images
    return ImageDataset(images, torch.tensor(labels, dtype=torch.int64), ("cat", "dog"), "pets")


def test_fingerprint_depends_on_pixels_labels_and_shape_alone():
    same = ImageDataset(make().images.clone(), make().labels.clone(), ("a", "b", "c"), "another", "train")
    assert same.fingerprint == make().fingerprint
    assert make(labels=(1, 1, 1)).fingerprint != make().fingerprint
    assert make(make().images.reshape(3, 1, 4, 2)).fingerprint != make().fingerprint
    assert make(255 - make().images).fingerprint != make().fingerprint


def test_fingerprint_does_not_depend_on_memory_layout():
    images = make(make().images.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2))
    assert images.fingerprint == make().fingerprint


def test_take_keeps_classes_and_name():
    taken = make().take(torch.tensor([2, 0]))
    assert taken.labels.tolist() == [1, 0]
    assert torch.equal(taken.images, make().images[[2, 0]])
    assert (taken.classes, taken.name) == (("cat", "dog"), "pets")


def test_properties():
    dataset = make()
    assert (len(dataset), dataset.size, dataset.channels) == (3, (2, 4), 1)
    assert dataset.class_counts().tolist() == [1, 2]
    assert dataset.majority_baseline == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [((0, 2, 1), "between 0 and 1 for 2 classes, got 0 to 2"), ((0,), "got 1 labels and 3 images")],
)
def test_labels_must_fit(untyped, labels, message):
    with pytest.raises(InputError, match=message):
        make(labels=labels)


def test_no_images():
    with pytest.raises(InputError, match="'pets' has no images in its test subset"):
        make(torch.zeros(0, 1, 2, 2, dtype=torch.uint8), ())


def test_to_pixels_spans_zero_to_one():
    pixels = to_pixels(torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 1, 1, 3))
    torch.testing.assert_close(pixels.flatten(), torch.tensor([0, 0.2, 1]))


def test_classes_are_described_with_their_counts():
    dataset = ImageDataset(
        torch.zeros(4, 1, 2, 2).byte(), torch.tensor([0, 0, 1, 3]), ("ant", "bee", "cat", "dog"), "pets"
    )
    assert dataset.describe_classes() == "ant (2), bee (1), cat (0), dog (1)"
    assert dataset.describe_classes(most=2) == "ant (2), bee (1), ... and 2 more"
