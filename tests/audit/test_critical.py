import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passband.audit import critical
from passband.audit.card import CriticalRadii, CriticalRadius

points = st.lists(
    st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]
)


@given(points, st.floats(0.01, 1))
def test_critical_radius_is_where_the_interpolated_curve_first_reaches_the_threshold(pairs, threshold):
    radii, accuracies = zip(*sorted(pairs), strict=True)
    found = critical.critical_radius(radii, accuracies, threshold, 0)
    if found.note == critical.NOT_REACHED:
        assert found.radius is None
        assert max(accuracies) < threshold
    elif found.note == critical.AT_MOST:
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
    found = critical.critical_radius([1, 2], [accuracy, accuracy], 0.95 * accuracy, guessing)
    assert found == CriticalRadius(None, critical.BY_GUESSING)


RADII = (2.0, 4.0, 8.0)


def made_up(seed: int, count: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which of so many images are right on the whole and on the LFC; of the LFC, the more the larger the radius."""
    draw = np.random.default_rng(seed)
    whole = draw.random(count) < 0.9
    kept = draw.random(count)
    low = np.stack([whole & (kept < share) for share in (0.2, 0.4, 0.9)])
    return torch.from_numpy(whole), torch.from_numpy(low)


def radii_of(whole: torch.Tensor, low: torch.Tensor) -> CriticalRadii:
    accuracies, clean = low.double().mean(dim=1).tolist(), whole.double().mean().item()
    return CriticalRadii(
        *(critical.critical_radius(RADII, accuracies, share * clean, 0.1) for share in (0.5, 0.95))
    )


def test_intervals_are_those_of_drawing_the_images_anew():
    """Image by image, as it is written in the book; the module draws kinds of images."""
    whole, low = made_up(0)
    found = critical.with_intervals(radii_of(whole, low), RADII, whole, low)
    draw, seen = np.random.default_rng(1), []
    for _ in range(2000):
        chosen = draw.integers(0, len(whole), len(whole))
        seen.append(radii_of(whole[chosen], low[:, chosen]).half.radius)
    assert (found.half.low, found.half.high) == pytest.approx(
        tuple(np.percentile(seen, [2.5, 97.5])), abs=0.08
    )
    assert found.half.low < found.half.radius < found.half.high


def test_intervals_hold_the_true_radius_as_often_as_they_say():
    """With all images there are, half of 0.9 is kept at 4 + 4 * (0.5 - 0.4) / 0.5."""
    truth = 4 + 4 * 0.1 / 0.5
    held = 0
    for seed in range(100):
        whole, low = made_up(seed)
        half = critical.with_intervals(radii_of(whole, low), RADII, whole, low).half
        held += half.low <= truth <= half.high
    assert 88 <= held <= 100


def test_an_interval_that_is_not_reached_has_no_upper_end():
    whole = torch.ones(100, dtype=torch.bool)
    low = torch.stack([torch.arange(100) < kept for kept in (10, 20, 52)])
    half = critical.with_intervals(radii_of(whole, low), RADII, whole, low).half
    assert half.radius is not None
    assert half.low is not None
    assert half.high is None


@pytest.mark.parametrize(("kept", "ends"), [((90, 95, 99), (2.0, 2.0)), ((10, 20, 30), (None, None))])
def test_an_interval_ends_at_the_smallest_radius_and_what_is_nowhere_has_none(kept, ends):
    whole = torch.ones(100, dtype=torch.bool)
    low = torch.stack([torch.arange(100) < each for each in kept])
    half = critical.with_intervals(radii_of(whole, low), RADII, whole, low).half
    assert (half.low, half.high) == ends


def test_a_single_image_has_no_interval():
    whole, low = torch.ones(1, dtype=torch.bool), torch.tensor([[False], [False], [True]])
    found = radii_of(whole, low)
    assert found.half.radius is not None
    assert critical.with_intervals(found, RADII, whole, low) == found
