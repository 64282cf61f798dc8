import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passband.audit import parts
from passband.audit.card import CriticalRadius, FlipCount, FlipCounts

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
