from __future__ import annotations

import numpy as np
import pytest

from passband.data.order import fair_order, shuffled

RANDOM = np.random.Generator(np.random.PCG64(0))


@pytest.mark.parametrize(
    "labels",
    [
        np.repeat(np.arange(4), 20),
        np.repeat(np.arange(4), 20)[::-1],
        np.repeat(np.arange(1000), 1),
        np.repeat([2, 0, 1, 2, 0, 1], 10),  # two sorted shards, whose classes have no order
        np.repeat([0, 1], [95, 5]),
    ],
)
def test_classes_that_lie_together_are_shuffled(labels):
    order, notices = fair_order(labels)
    assert sorted(order) == list(range(len(labels)))
    assert len(notices) == 1
    share = np.bincount(labels[order[: len(labels) // 2]], minlength=labels.max() + 1) / np.bincount(labels)
    if len(labels) < 1000:
        assert share[0] == pytest.approx(0.5, abs=0.25)


@pytest.mark.parametrize(
    "labels",
    [
        RANDOM.integers(0, 10, 1000),
        RANDOM.integers(0, 2, 1000),
        RANDOM.choice([0, 1], 1000, p=[0.99, 0.01]),
        np.arange(200) % 4,
        np.zeros(50, int),
        np.array([0, 0, 1, 1]),  # may well be chance
        np.array([3]),
    ],
)
def test_other_orders_are_kept(labels):
    order, notices = fair_order(labels)
    assert order.tolist() == list(range(len(labels)))
    assert not notices


def test_a_shuffled_set_is_hardly_ever_taken_for_a_sorted_one():
    labels = np.repeat(np.arange(3), 6)
    assert sum(bool(fair_order(RANDOM.permutation(labels))[1]) for _ in range(3000)) <= 3


def test_shuffled_is_fixed():
    assert shuffled(5).tolist() == [4, 3, 0, 1, 2]
