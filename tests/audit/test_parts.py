from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from helpers import noise
from passband.audit import parts
from passband.audit.card import Baselines, CriticalRadius, FlipCount, FlipCounts
from passband.models.pixels import PixelModel
from passband.notices import Notice

points = st.lists(
    st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]
)


@given(points, st.floats(0.01, 1))
def test_critical_radius_is_where_the_interpolated_curve_first_reaches_the_threshold(pairs, threshold):
    radii, accuracies = zip(*sorted(pairs), strict=True)
    found = parts.critical_radius(radii, accuracies, threshold, 0)
    if found.note == parts.NOT_REACHED:
        assert found.radius is None
        assert max(accuracies) < threshold
    elif found.note == parts.AT_MOST:
        assert found.radius == radii[0]
        assert accuracies[0] >= threshold
    else:
        at = found.radius
        index = next(i for i, r in enumerate(radii) if r >= at - 1e-9)
        assert all(a < threshold for a in accuracies[:index])
        share = (at - radii[index - 1]) / (radii[index] - radii[index - 1])
        assert accuracies[index - 1] + share * (accuracies[index] - accuracies[index - 1]) == pytest.approx(
            threshold
        )


@pytest.mark.parametrize(("accuracy", "guessing"), [(0.0, 0.0), (0.1, 0.1)])
def test_a_model_that_has_collapsed_has_no_critical_radius(accuracy, guessing):
    found = parts.critical_radius([1, 2], [accuracy, accuracy], 0.95 * accuracy, guessing)
    assert found == CriticalRadius(None, parts.BY_GUESSING)


@given(points)
def test_area_lies_between_the_lowest_and_the_highest_accuracy(pairs):
    radii, accuracies = zip(*sorted(pairs), strict=True)
    assert min(accuracies) - 1e-9 <= parts.area(radii, accuracies) <= max(accuracies) + 1e-9


def test_area_weighs_by_the_gaps_between_radii():
    assert parts.area([1, 2, 10], [0.0, 1.0, 1.0]) == pytest.approx((0.5 + 8) / 9)


def test_flips_count_by_radius():
    found = torch.tensor([[True, False, True], [True, False, False]])
    assert parts.flips(found, torch.tensor([0.5, 1.5]), [4, 8], eligible=4) == FlipCounts(
        pairs=3,
        samples=2,
        eligible=4,
        by_radius=(FlipCount(4, 2, 0.5, 0.5), FlipCount(8, 1, 0.25, 1.5)),
    )


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
