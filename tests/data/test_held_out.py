from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers import noise
from passband.data.held_out import hold_out, shares_images
from passband.errors import InputError

DATA = replace(noise(samples=50), source="npz:photos.npz")


def positions(part) -> list[int]:
    return [int((DATA.images == image).flatten(1).all(dim=1).nonzero()) for image in part.images]


def test_no_image_is_in_both_and_none_is_lost():
    train, test = hold_out(DATA)
    assert (len(train), len(test), train.subset, test.subset) == (40, 10, "train", "test")
    assert sorted(positions(train) + positions(test)) == list(range(50))
    assert positions(test) != list(range(40, 50))  # a file may be sorted by class
    for part in (train, test):
        assert torch.equal(part.labels, DATA.labels[positions(part)])
    assert "20% of its 50 images, drawn at random" in str(train.notices[0])


def test_limits_take_the_first_of_each_and_leave_the_parts_as_they_are():
    train, test = hold_out(DATA)
    few, fewer = hold_out(DATA, limit=7, test_limit=3)
    assert (positions(few), positions(fewer)) == (positions(train)[:7], positions(test)[:3])


def test_one_image_cannot_be_in_two_parts():
    train, test = hold_out(DATA.take(slice(2)))
    assert (len(train), len(test)) == (1, 1)
    with pytest.raises(InputError, match="has one image, and both training and test need some"):
        hold_out(DATA.take(slice(1)))


def test_what_counts_as_the_same_images():
    assert shares_images(DATA, DATA)
    assert shares_images(DATA.take(slice(5)), DATA)
    assert shares_images(DATA, DATA.take(slice(5)))
    assert not shares_images(DATA, DATA.take(slice(5, 10)))
    assert not shares_images(DATA, replace(DATA, labels=(DATA.labels + 1) % 4))
    assert not shares_images(DATA, noise(samples=50, size=(6, 6)))
