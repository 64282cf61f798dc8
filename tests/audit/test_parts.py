from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from helpers import noise
from passband.audit import parts
from passband.audit.card import Baselines, FlipCount
from passband.models.pixels import PixelModel
from passband.notices import Notice

points = st.lists(
    st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]
)


@given(points)
def test_area_lies_between_the_lowest_and_the_highest_accuracy(pairs):
    radii, accuracies = zip(*sorted(pairs), strict=True)
    assert min(accuracies) - 1e-9 <= parts.area(radii, accuracies) <= max(accuracies) + 1e-9


def test_area_weighs_by_the_gaps_between_radii():
    assert parts.area([1, 2, 10], [0.0, 1.0, 1.0]) == pytest.approx((0.5 + 8) / 9)


def test_flips_count_by_radius():
    found = torch.tensor([[True, False, True], [True, False, False]])
    by_chance = torch.tensor([[0.25, 0.125, 0.125], [0.5, 0.5, 0.5]])
    counts = parts.flips(found, by_chance, [4, 8], eligible=4)
    assert (counts.pairs, counts.samples, counts.eligible) == (3, 2, 4)
    assert [(p.radius, p.count, p.fraction, p.expected) for p in counts.by_radius] == [
        (4, 2, 0.5, 0.5),
        (8, 1, 0.25, 1.5),
    ]
    beyond = np.array([[0.75, -0.125, 0.875], [0.5, -0.5, -0.5]])
    for excess, values, confidence in (
        (counts.by_radius[0].beyond, beyond[0], 0.975),
        (counts.by_radius[1].beyond, beyond[1], 0.975),
        (counts.beyond, beyond.mean(axis=0), 0.95),
    ):
        low, high = scipy.stats.t.interval(confidence, 2, values.mean(), scipy.stats.sem(values))
        assert (excess.value, excess.low, excess.high) == pytest.approx((values.mean(), low, high))


@pytest.mark.parametrize(("share", "surely"), [(0.01, False), (0.1, True)])
def test_flips_that_chance_explains_are_told_from_those_it_does_not(share, surely):
    found = torch.arange(200)[None] < 200 * share
    counts = parts.flips(found, torch.full((1, 200), 0.01), [4], eligible=200)
    assert counts.by_radius[0].beyond_chance is surely
    assert bool(counts.beyond_chance) is surely


def test_one_image_says_nothing_of_chance():
    counts = parts.flips(torch.tensor([[True]]), torch.tensor([[0.0]]), [4], eligible=1)
    assert counts.beyond is None


def test_cards_that_know_no_interval_go_by_the_counts():
    assert FlipCount(4, 2, 0.5, 1.5).beyond_chance
    assert not FlipCount(4, 2, 0.5, 2.0).beyond_chance


@pytest.mark.parametrize(
    ("right", "of", "majority", "noticed"),
    [
        (42, 169, 0.25, True),
        (60, 169, 0.25, False),
        (0, 8, 0.25, True),
        (8, 8, 0.25, False),
        (96, 100, 0.95, True),
    ],
)
def test_an_accuracy_that_is_not_above_guessing_is_noticed(right, of, majority, noticed):
    model, dataset = PixelModel(nn.Identity(), name="x"), noise(samples=9)
    accuracy = parts.share(torch.arange(of) < right)
    found = parts.notices(model, dataset, accuracy, Baselines(majority))
    assert [notice.about for notice in found] == ["fit"] * noticed
    if noticed:
        assert f"{right / of:.1%} [" in found[0].message
        assert f"is not above the {majority:.1%} of naming the most frequent class" in found[0].message


def test_gray_pictures_in_three_channels_are_noticed():
    model, dataset, sure = (
        PixelModel(nn.Identity(), name="x"),
        noise(samples=9),
        parts.share(torch.arange(99) >= 0),
    )
    gray = replace(dataset, images=dataset.images[:, :1].repeat(1, 3, 1, 1))
    said = "the pictures are gray, and shown to the model as red, green and blue alike"
    assert parts.notices(model, gray, sure, Baselines(0.25)) == (Notice("fit", said, warning=False),)
    for other in (dataset, noise(samples=9, channels=1)):
        assert parts.notices(model, other, sure, Baselines(0.25)) == ()
