import json

import pytest

from made_up_detector import VIEWS, make_detector_card, share
from passband.detection.view import View, all_views
from passband.report import detector_figures as figures

pytest.importorskip("altair")


def rows_of(chart, *, has):
    """Return the rows of the first data in a chart that have a column."""
    spec = chart.to_dict()

    def tables(node):
        if isinstance(node, dict):
            if isinstance(node.get("values"), list):
                yield node["values"]
            for each in node.values():
                yield from tables(each)
        elif isinstance(node, list):
            for each in node:
                yield from tables(each)

    return next(table for table in tables(spec) if table and isinstance(table[0], dict) and has in table[0])


def test_curves_have_the_numbers_of_the_card():
    card = make_detector_card()
    rows = rows_of(figures.by_cutoff(card, "index", "map"), has="x")
    assert [(row["series"], row["x"]) for row in rows] == [
        ("LFC", 32),
        ("LFC", 128),
        ("HFC", 32),
        ("HFC", 128),
    ]
    assert [row["value"] for row in rows] == pytest.approx([0.275, 0.275, 0.107, 0.107])
    assert [row["low"] for row in rows] == pytest.approx([0.265, 0.265, 0.097, 0.097])
    rows = rows_of(figures.by_cutoff(card, "pixel", "map50"), has="x")
    assert [row["x"] for row in rows] == [0.0667, 0.267, 0.0667, 0.267]


def test_panels_side_by_side_have_one_vertical_axis():
    card = make_detector_card()
    domains = []
    for geometry in ("index", "pixel"):
        spec = json.dumps(figures.by_cutoff(card, geometry, "map").to_dict())
        domains.append({part.split("]")[0] for part in spec.split('"domain": [0, ')[1:]})
    assert domains[0] == domains[1]
    assert len(domains[0]) == 1


@pytest.mark.parametrize(
    ("views", "left_out"),
    [
        (VIEWS, set()),
        (all_views([128], []), {"map-by-radius-pixel", "map50-by-radius-pixel"}),
        (
            (View("full"), View("hfc", 0.2, "pixel")),
            {"map-by-radius-index", "map50-by-radius-index", "lost-by-size-lfc", "lost-by-category"},
        ),
        (
            (View("full"), View("lfc", 0.0, "index")),
            {"map-by-radius-pixel", "map50-by-radius-pixel", "lost-by-size-hfc"},
        ),
    ],
)
def test_what_was_not_measured_has_no_chart(views, left_out):
    everything = {
        "map-by-radius-index",
        "map50-by-radius-index",
        "map-by-radius-pixel",
        "map50-by-radius-pixel",
        "lost-by-size-lfc",
        "lost-by-size-hfc",
        "lost-by-category",
        "cost-of-errors",
        "images-gain",
        "images-lose",
        "objects-changed",
    }
    assert set(figures.detector_charts(make_detector_card(views=views))) == everything - left_out


def test_sizes_without_objects_are_left_out():
    chart = figures.lost_by_size(make_detector_card(sizes=("medium",)), "lfc")
    assert '"domain": ["medium"]' in json.dumps(chart.to_dict())  # nor are they in the legend
    rows = rows_of(chart, has="cutoff")
    assert {row["series"] for row in rows} == {"medium"}
    assert [row["cutoff"] for row in rows] == ["32", "128", "0.0667px", "0.267px"]
    assert not any("lost-by-size" in name for name in figures.detector_charts(make_detector_card(sizes=())))


def test_of_many_categories_the_largest_and_the_smallest_losses_are_shown():
    card = make_detector_card(names=[f"category {i:02}" for i in range(80)])
    shown = [entry.name for entry in figures.shown_categories(card, "lfc:128")]
    assert shown == [f"category {i:02}" for i in (*range(10), *range(70, 80))]
    few = make_detector_card(names=["b", "a", "a"])
    assert [entry.id for entry in figures.shown_categories(few, "lfc:128")] == [1, 2, 3]
    rows = rows_of(figures.lost_by_category(few, few.view("lfc:128")), has="category")
    assert [row["category"] for row in rows] == ["b", "a", "a (2)"]
    assert [row["value"] for row in rows] == pytest.approx([0.2, 0.19, 0.18])
    assert [row["whole"] for row in rows] == pytest.approx([0.356] * 3)


def test_bars_of_images_are_shares_of_those_with_objects():
    card = make_detector_card(images=100, gain=20)
    rows = rows_of(figures.changed_images(card, "gain"), has="cutoff")
    found = {(row["series"], row["cutoff"]): row for row in rows}
    assert found["LFC", "128"]["value"] == pytest.approx(0.2)
    assert found["LFC", "128"]["count"] == 20
    assert found["control", "128"]["value"] == pytest.approx(0.1)
    assert found["LFC", "128"]["low"] == pytest.approx(share(20, 100).low)
    assert "control" not in json.dumps(
        figures.changed_images(make_detector_card(views=all_views([8], [], control=False)), "gain").to_dict()
    )


def test_errors_and_objects_are_those_of_the_card():
    card = make_detector_card()
    rows = rows_of(figures.cost_of_errors(card), has="kind")
    assert {row["series"] for row in rows} == {"whole image", "LFC 128", "HFC 128"}
    assert [row["value"] for row in rows[:3]] == pytest.approx([0, 0.01, 0.02])
    rows = rows_of(figures.changed_objects(card), has="view")
    assert len(rows) == 2 * (len(VIEWS) - 1)
    assert {round(row["value"] * 36335) for row in rows} == {512, -6000}


def test_missing_intervals_draw_no_line():
    card = make_detector_card(width=None, images=1, gain=0)
    for chart in figures.detector_charts(card).values():
        assert '"low": null' not in json.dumps(chart.to_dict())
    rows = rows_of(figures.by_cutoff(card, "index", "map"), has="x")
    assert all("low" not in row for row in rows)


def test_an_axis_of_points_holds_gains_and_intervals():
    card = make_detector_card(names=[f"category {i:02}" for i in range(80)])  # the last loses -0.59
    spec = json.dumps(figures.lost_by_category(card, card.view("lfc:128")).to_dict()["layer"][0])
    low, high = json.loads("[" + spec.split('"domain": [')[1].split("]")[0] + "]")
    assert low < -0.59 - 0.01
    assert high > 0.2 + 0.01
