import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passband.audit import card
from passband.errors import InputError
from passband.frequency.fourier import corner_radius

points = st.lists(
    st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]
)


@given(points, st.floats(0.01, 1))
def test_critical_radius_is_where_the_interpolated_curve_first_reaches_the_threshold(pairs, threshold):
    radii, accuracies = zip(*sorted(pairs), strict=True)
    found = card.critical_radius(radii, accuracies, threshold)
    if found["note"] == card.NOT_REACHED:
        assert found["radius"] is None
        assert max(accuracies) < threshold
    elif found["note"] == card.AT_MOST:
        assert found["radius"] == radii[0]
        assert accuracies[0] >= threshold
    else:
        at = found["radius"]
        index = next(i for i, r in enumerate(radii) if r >= at - 1e-9)
        assert all(a < threshold for a in accuracies[:index])
        share = (at - radii[index - 1]) / (radii[index] - radii[index - 1])
        assert accuracies[index - 1] + share * (accuracies[index] - accuracies[index - 1]) == pytest.approx(
            threshold
        )


def test_critical_radius_of_a_model_that_is_never_right():
    assert card.critical_radius([1, 2], [0, 0], 0) == {"radius": None, "note": card.NOTHING_TO_REACH}


@given(points)
def test_area_lies_between_the_lowest_and_the_highest_accuracy(pairs):
    radii, accuracies = zip(*sorted(pairs), strict=True)
    assert min(accuracies) - 1e-9 <= card.area(radii, accuracies) <= max(accuracies) + 1e-9


def test_area_weighs_by_the_gaps_between_radii():
    assert card.area([1, 2, 10], [0.0, 1.0, 1.0]) == pytest.approx((0.5 + 8) / 9)


@given(st.integers(1, 300), st.integers(1, 300))
def test_default_radii_are_measurable_on_any_size(height, width):
    radii = card.default_radii((height, width))
    assert radii == sorted(set(radii))
    assert 1 <= len(radii) <= 9
    assert all(0 <= radius < max(corner_radius(height, width), 1) for radius in radii)


def test_default_radii_at_32_pixels_hold_those_of_the_paper():
    assert {4, 8, 12, 16} <= set(card.default_radii((32, 32)))


def test_followers_count_by_radius():
    found = torch.tensor([[True, False, True], [True, False, False]])
    assert card.followers(found, torch.tensor([0.5, 1.5]), [4, 8], eligible=4) == {
        "pairs": 3,
        "samples": 2,
        "eligible": 4,
        "by_radius": [
            {"radius": 4, "count": 2, "fraction": 0.5, "expected": 0.5},
            {"radius": 8, "count": 1, "fraction": 0.25, "expected": 1.5},
        ],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no file"),
        ("{", "cannot be read as JSON"),
        ("[]", "is not a frequency card"),
        ('{"kind": "spectrum"}', "is not a frequency card"),
        ('{"kind": "audit", "schema": 99}', "has schema 99, this passband reads 1"),
    ],
)
def test_what_is_not_a_card_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "card.json").write_text(content)
    with pytest.raises(InputError, match=message):
        card.read_card(tmp_path)


def test_a_card_is_read_from_its_file_or_its_folder(tmp_path):
    written = {"kind": "audit", "schema": 1}
    (tmp_path / "card.json").write_text(json.dumps(written))
    assert card.read_card(tmp_path) == card.read_card(tmp_path / "card.json") == written


def test_a_card_from_before_attacks_has_none():
    assert card.attacks_of({"kind": "audit", "schema": 1}) == []
