from __future__ import annotations

import torch

from helpers import noise
from passband.data.labels import shuffle_labels


def test_labels_are_permuted_and_images_are_not():
    data = noise(samples=200)
    shuffled = shuffle_labels(data, torch.Generator().manual_seed(0))
    assert shuffled.images is data.images
    assert torch.equal(shuffled.class_counts(), data.class_counts())
    assert 0.1 < (shuffled.labels == data.labels).float().mean() < 0.4  # one in four by chance
    assert (shuffled.classes, shuffled.name) == (data.classes, data.name)
    assert shuffled.fingerprint != data.fingerprint


def test_the_generator_decides():
    data = noise()
    first, again, other = (shuffle_labels(data, torch.Generator().manual_seed(s)).labels for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
