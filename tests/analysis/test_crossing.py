import pytest

from passband.analysis.crossing import Crossing, crossing


@pytest.mark.parametrize(
    ("values", "threshold", "expected"),
    [
        ([0.1, 0.5, 0.9], 0.3, Crossing(3.0, False)),
        ([0.1, 0.5, 0.9], 0.5, Crossing(4.0, False)),
        ([0.1, 0.5, 0.9], 0.1, Crossing(2.0, True)),
        ([0.1, 0.5, 0.9], 0.05, Crossing(2.0, True)),
        ([0.1, 0.5, 0.9], 0.95, None),
        ([0.1, 0.9, 0.2, 1.0], 0.5, Crossing(3.0, False)),  # the first of three
        ([], 0.5, None),
    ],
)
def test_the_first_place_is_found_between_two_that_were_measured(values, threshold, expected):
    found = crossing([2, 4, 6, 8][: len(values)], values, threshold)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_with_signs_turned_it_is_where_values_fall():
    assert crossing([90, 50, 10], [-1.0, -0.75, -0.25], -0.5) == Crossing(30.0, False)
