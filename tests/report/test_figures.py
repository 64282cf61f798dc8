import json
from dataclasses import replace

import pytest

from helpers import edited
from passband.audit.card import CeilingPoint, Share
from passband.report import figures
from passband.report.series import at
from passband.report.theme import LIGHT, radius_columns

DRAWN = {
    "accuracy": figures.accuracy_by_radius,
    "energy": figures.energy_and_accuracy,
    "agreement": lambda card: figures.measure_by_radius(card, "agreement"),
    "confidence": lambda card: figures.measure_by_radius(card, "confidence"),
    "loss": lambda card: figures.measure_by_radius(card, "loss"),
    "lfc by class": lambda card: figures.accuracy_by_class(card, "lfc"),
    "hfc by class": lambda card: figures.accuracy_by_class(card, "hfc"),
    "flips": figures.flips_by_radius,
    "ceiling linf": lambda card: figures.ceiling(card.ceiling, "linf"),
    "ceiling l2": lambda card: figures.ceiling(card.ceiling, "l2"),
}


def rows(chart, mark: str) -> list[dict]:
    """Return the data of a chart's first layer of a kind."""
    spec = chart.to_dict()
    layer = next(layer for layer in spec["layer"] if layer["mark"]["type"] == mark)
    data = layer.get("data", spec.get("data"))
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


@pytest.fixture(scope="session")
def svg_of():
    convert = pytest.importorskip("vl_convert")
    return lambda chart: convert.vegalite_to_svg(chart.to_json(), allowed_base_urls=[])


@pytest.mark.parametrize("name", DRAWN)
def test_chart_is_drawn_and_described(card_of, svg_of, name):
    chart = DRAWN[name](card_of())
    assert chart.to_dict()["description"].endswith(".")
    svg = svg_of(chart)
    assert svg.startswith("<svg")
    assert "NaN" not in svg


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize(
    "odd",
    [
        {"radii": [0.0], "size": (1, 1), "classes": ("only",), "clean": 0.0, "flips": 0},
        {"radii": [4.0, 8.0], "clean": 1.0, "low": 0.0, "high": 1.0},
        {"radii": [float(r) for r in range(40)], "size": (64, 48)},
    ],
    ids=["one pixel", "extremes", "many radii"],
)
def test_odd_audits_are_drawn_too(card_of, svg_of, name, odd):
    assert "NaN" not in svg_of(DRAWN[name](card_of(**odd)))


def test_accuracy_chart_holds_the_numbers_of_the_card(card_of):
    card = card_of()
    drawn = rows(figures.accuracy_by_radius(card), "point")
    expected = {(p.component.upper(), p.radius): at(p.radius, p.accuracy)[1:] for p in card.curves}
    assert {(row["series"], row["x"]): (row["value"], row["low"], row["high"]) for row in drawn} == expected


def test_energy_chart_shows_accuracy_as_a_share_of_clean(card_of):
    drawn = rows(figures.energy_and_accuracy(card_of(clean=0.8, low=0.4)), "point")
    assert [row["value"] for row in drawn if row["series"] == "accuracy"] == pytest.approx([0.5] * 7)


def test_critical_radii_are_marked_only_where_they_mean_something(card_of):
    def marked(card):
        return "50%: 3.7" in figures.accuracy_by_radius(card).to_json()

    assert marked(card_of())
    none = {"radius": None, "note": "guessing alone would reach it"}
    assert not marked(edited(card_of(), "critical_radius.half", none))
    note = {"radius": 3.7, "note": "at or below the smallest radius measured"}
    assert not marked(edited(card_of(), "critical_radius.half", note))


def test_many_classes_are_cut_to_the_best_and_the_worst(card_of):
    card = card_of(classes=tuple(f"c{i}" for i in range(60)))
    shown = [entry.name for entry in figures.shown_classes(card)]
    assert shown == [f"c{i}" for i in (*range(20), *range(40, 60))]
    cells = rows(figures.accuracy_by_class(card, "hfc"), "rect")
    assert {cell["class"] for cell in cells} == {f"{name} (n = 60)" for name in shown}
    assert len(cells) == 40 * 7


def test_classes_of_one_name_keep_a_row_each(card_of):
    cells = rows(figures.accuracy_by_class(card_of(classes=("crane", "crane", "heron")), "lfc"), "rect")
    assert sorted({cell["class"] for cell in cells}) == [
        "crane (n = 60)",
        "crane (n = 60) (2)",
        "heron (n = 60)",
    ]


def test_classes_of_few_images_are_gray_and_of_many_classes_left_out(card_of):
    card = card_of(classes=tuple(f"c{i}" for i in range(60)))
    classes = tuple(replace(entry, count=9 if i < 30 else 60) for i, entry in enumerate(card.classes))
    shown = figures.shown_classes(replace(card, classes=classes))
    assert [entry.name for entry in shown] == [f"c{i}" for i in range(30, 60)]
    shares = [Share(0.5, 0.4, 0.6, 9)]
    chart = figures.class_heat_map([("few", shares)], ["1"], radius_columns("top"), "radius", "x").to_dict()
    (shade,) = [layer["encoding"]["color"] for layer in chart["layer"] if layer["mark"]["type"] == "rect"]
    assert shade["condition"]["test"] == "datum.count < 10"
    assert shade["condition"]["value"] == LIGHT["grid"]
    assert figures.tells_of_classes(classes)
    assert not figures.tells_of_classes(classes[:30])


def test_heat_map_of_many_radii_has_no_numbers(card_of):
    def texts(radii):
        layers = figures.accuracy_by_class(card_of(radii=radii), "lfc").to_dict()["layer"]
        return [layer for layer in layers if layer["mark"]["type"] == "text"]

    assert texts([1.0, 2.0])
    assert not texts([float(r) for r in range(13)])


def test_ceiling_is_compared_with_the_accuracy_on_the_same_samples(card_of):
    found = replace(card_of(clean=0.9).ceiling, clean=0.7)  # it may rest on fewer samples
    assert rows(figures.ceiling(found, "l2"), "rule")[0]["value"] == 0.7


@pytest.mark.parametrize("most", [1, 2, 9, 64, 200, 256])
def test_ceiling_in_linf_has_few_ticks_at_whole_255ths(card_of, most):
    curve = tuple(CeilingPoint(e / 255, 0.5) for e in range(most + 1))
    spec = json.loads(figures.ceiling(replace(card_of().ceiling, linf=curve), "linf").to_json())
    ticks = [255 * tick for tick in spec["layer"][0]["encoding"]["x"]["axis"]["values"]]
    assert 2 <= len(ticks) <= 9
    assert ticks == pytest.approx([round(tick) for tick in ticks])
