import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passband.report.series import Level, Place, Series, clearest, colored, lines, named, numbers, rules
from passband.report.theme import radius_axis, share_axis

RISING = Series("up", "#000000", [Place(1, 0.1), Place(2, 0.5), Place(4, 0.9)])
FALLING = Series("down", "#ffffff", [Place(1, 0.9), Place(2, 0.5), Place(4, 0.1)])


def placed(layers) -> dict[str, tuple[float, float]]:
    rows = [layer.to_dict()["data"]["values"][0] for layer in layers]
    return {row["text"]: (row["x"], row["value"]) for row in rows}


@settings(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_names_of_levels_are_apart_and_their_lines_stay(values):
    layers = rules([Level(f"{i}", value, "#000000") for i, value in enumerate(values)], gap=0.07)
    heights = [layer.to_dict()["data"]["values"][0]["value"] for layer in layers]
    drawn, written = heights[::2], heights[1::2]
    assert drawn == sorted(values)
    assert all(later - earlier >= 0.07 - 1e-9 for earlier, later in itertools.pairwise(written))


def test_name_avoids_the_other_curve_and_the_levels():
    where = placed(named([RISING, FALLING]))
    assert set(where) == {"up", "down"}
    for radius, value in where.values():
        assert radius == 2  # not at an end
        assert value in (pytest.approx(0.44), pytest.approx(0.56))
    above = placed(named([RISING], [Level("line", 0.44, "#000000")]))
    assert above["up"][1] == pytest.approx(0.56)


def test_a_curve_of_one_point_is_named_and_one_of_none_is_not():
    assert placed(named([Series("one", "#000000", RISING.places[:1])]))["one"][0] == 1
    assert named([Series("none", "#000000", [])]) == []


def test_clearest_interpolates_between_points():
    assert clearest([(1.5, 0.3), (1.5, 0.7)], [RISING], [1.0]) == (1.5, 0.7)  # the curve passes at (1.5, 0.3)


@pytest.mark.parametrize("banded", [True, False])
def test_lines_have_a_band_exactly_where_there_are_intervals(banded):
    extra = {"low": 0.0, "high": 1.0} if banded else {}
    series = [Series("a", "#000000", [place._replace(**extra) for place in RISING.places])]
    drawn = lines(numbers(series), colored(series), radius_axis([1, 4], 5), share_axis("share"), ".1%")
    layers = [layer.to_dict() for layer in drawn]
    assert [layer["mark"]["type"] for layer in layers] == ["area"] * banded + ["line", "point"]
    fields = [entry["field"] for entry in layers[-1]["encoding"]["tooltip"]]
    assert fields == ["series", "x", "value", *(["low", "high"] if banded else [])]


def test_a_line_without_intervals_takes_those_of_another_away_from_nobody():
    series = [
        Series("with", "#000000", [place._replace(low=0.0, high=1.0) for place in RISING.places]),
        Series("without", "#ff0000", RISING.places),
    ]
    rows = [{"low": None, "high": None} | row for row in numbers(series)]
    band, *others = lines(rows, colored(series), radius_axis([1, 4], 5), share_axis("share"), ".1%")
    shown = band.to_dict()["data"]["values"]
    assert {row["series"] for row in shown} == {"with"}
    assert all(
        {row["series"] for row in layer.to_dict()["data"]["values"]} == {"with", "without"}
        for layer in others
    )
