from __future__ import annotations

import numpy as np
import pytest
import torch

from passband.data.pixels import as_bytes, channels_last, exposure
from passband.errors import InputError


def test_one_rule_for_all_arrays_of_a_set():
    """A dark image alone looks as if it were on another scale."""
    dark, light = np.full((2, 2), 1 / 255), np.ones((2, 3))
    found, notices = as_bytes([dark, light], "images")
    assert [array.max() for array in found] == [1, 255]
    assert not notices
    with pytest.raises(InputError, match="divided by 255 twice"):
        as_bytes([dark], "images")


def test_whole_numbers_are_kept_one_by_one():
    every = np.arange(256)
    for kind in (np.int16, np.uint32, np.float64):
        assert as_bytes([every.astype(kind)], "images")[0][0].tolist() == every.tolist()
    for factor in (256, 257):
        assert as_bytes([(every * factor).astype(np.uint16)], "images")[0][0].tolist() == every.tolist()


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0, 1, "masks"),
        (0, 0, "brighter than 0"),
        (0, 16, "such as 0 to 16"),
        (250, 255, "darker than 250"),
        (0, 255, None),
        (0, 200, None),
    ],
)
def test_exposure(low, high, said):
    images = torch.tensor([low, high], dtype=torch.uint8).reshape(1, 1, 1, 2)
    notices = exposure(images)
    assert bool(notices) == (said is not None)
    assert said is None or said in notices[0].message


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 9), (5, 8, 9, 1)),
        ((5, 8, 9, 3), (5, 8, 9, 3)),
        ((5, 3, 8, 9), (5, 8, 9, 3)),
        ((5, 4, 4, 3), (5, 4, 4, 3)),
        ((5, 4, 8, 9), (5, 8, 9, 4)),
    ],
)
def test_the_axis_of_channels(shape, expected):
    assert channels_last(np.zeros(shape, np.uint8), "images").shape == expected


@pytest.mark.parametrize("shape", [(5, 3, 8, 1), (5, 3, 3, 3), (5, 4, 8, 4), (5, 2, 8, 9), (5, 8, 9, 2)])
def test_no_axis_of_channels_or_two(shape):
    with pytest.raises(InputError, match="channels"):
        channels_last(np.zeros(shape, np.uint8), "images")
