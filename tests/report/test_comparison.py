"""The picture of a comparison: curves of all audits, and their differences from the first with intervals."""

import pytest

from pages import HOSTILE, faults, opened, read
from passband.audit.compare import Comparison, Difference
from passband.audit.gate import Held, judge
from passband.audit.requirement import parse_drop
from passband.report import comparison_words as words
from passband.report.comparison import comparison_figure, write_comparison

FOUND = Comparison(
    ("a", "b", "c"),
    (
        Difference("clean", 0.9, 0.8, -0.2, 0.0, 0.1),
        Difference("lfc@8", 0.7, 0.6, -0.15, -0.05, 0.01),
        Difference("lfc@16", 0.8, None),
        Difference("hfc@8", 0.2, 0.3, 0.05, 0.15, 0.01),
        Difference("lfc@8", 0.7, 0.75, audit=2),
    ),
    "paired",
    (),
)


def test_it_has_a_curve_an_audit_and_a_difference_each_of_the_others():
    figure, table = comparison_figure(FOUND)
    assert [panel.title for panel in figure.panels] == [
        "LFC: accuracy", "HFC: accuracy", "LFC: minus a", "HFC: minus a",
    ]  # fmt: skip
    assert table.select("panel", "series", "x", "value", "low", "high").rows() == [
        ("HFC: accuracy", "a", 8.0, 0.2, None, None),
        ("HFC: accuracy", "b", 8.0, 0.3, None, None),
        ("HFC: minus a", "b", 8.0, pytest.approx(0.1), 0.05, 0.15),
        ("LFC: accuracy", "a", 8.0, 0.7, None, None),
        ("LFC: accuracy", "a", 16.0, 0.8, None, None),
        ("LFC: accuracy", "b", 8.0, 0.6, None, None),
        ("LFC: accuracy", "c", 8.0, 0.75, None, None),
        ("LFC: minus a", "b", 8.0, pytest.approx(-0.1), -0.15, -0.05),
        ("LFC: minus a", "c", 8.0, pytest.approx(0.05), None, None),
    ]


def test_a_detectors_curves_are_of_its_map():
    found = Comparison(
        ("a", "b"), (Difference("map-hfc@0.2px", 0.1, 0.2), Difference("map-hfc@32", 0.3, 0.4)), "", ()
    )
    figure, table = comparison_figure(found)
    assert figure.panels[0].y == "mAP"
    assert set(table["x"]) == {32.0}  # cycles per pixel are no cycles per image


def test_its_curves_are_written_where_there_are_any(tmp_path):
    pytest.importorskip("altair")
    write_comparison(Comparison(("a", "b"), FOUND.differences[:1], "", ()), tmp_path / "one")
    assert {path.name for path in (tmp_path / "one").iterdir()} == {"comparison.html", "figures"}
    write_comparison(FOUND, tmp_path / "two")
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        "comparison.html",
        "comparison.svg",
        "comparison.pdf",
        "comparison.png",
        "figures",
    }
    assert "minus a" in (tmp_path / "two" / "comparison.svg").read_text()


def int8() -> Comparison:
    """Return what quantizing may do: hardly anything to accuracy, and one thing beyond chance."""
    curves = [
        Difference(f"{kind}@{radius}", 0.5, 0.49, -0.04, 0.02, 0.9)
        for kind in ("lfc", "hfc")
        for radius in (7, 14, 56)
    ]
    changed = Difference("lfc@28", 0.56, 0.46, -0.16, -0.04, 0.037)
    of_others = (Difference("loss", 0.41, 0.47), Difference("critical95", 40.0, None))
    clean = Difference("clean", 0.875, 0.862, -0.03, 0.005, 0.42)
    return Comparison(("float32", "int8"), (clean, *of_others, changed, *curves), "paired on 400 samples", ())


def test_the_story_of_a_quantized_network_is_one_sentence():
    (said,) = words.story(int8())
    assert said == (
        "int8 answers 86.2% of whole images right, 1.3 points less than float32 (95% interval -3.0 to +0.5, p = 0.42). "
        "1 of 8 differences is more than chance explains (p corrected for all tests): LFC at 28, -10.0 points (-16.0 to -4.0, "
        "p = 0.037)."
    )


def test_the_page_has_the_story_one_chart_of_differences_and_all_numbers_in_percent(tmp_path):
    pytest.importorskip("altair")
    requirement = judge(parse_drop("clean-drop <= 0.01"), Held(0.013, "+0.0130 [-0.0050, +0.0300]"))
    page = read(write_comparison(int8(), tmp_path, [requirement.entry]))
    text = " ".join(page.text.split())
    assert words.story(int8())[0] in text
    assert "not met clean-drop <= 0.01: +0.0130 [-0.0050, +0.0300]" in text
    assert "LFC at 28 lfc@2856.0% 46.0%-10.0-16.0 to -4.00.037" in text
    assert "loss loss0.41 0.47+0.06" in text
    assert "radius that keeps 95% critical9540 –" in text
    differences, *curves = page.charts
    rows = next(data["values"] for data in values_of(differences) if "sure" in data["values"][0])
    assert {row["measure"]: row["sure"] for row in rows} == {
        words.measure_name(d.measure): d.measure == "lfc@28"
        for d in int8().differences
        if d.measure not in ("loss", "critical95")
    }
    assert len(curves) == 2


def values_of(chart: dict) -> list[dict]:
    """Return all data of a chart."""
    here = [chart["data"]] if "values" in chart.get("data", {}) else []
    return here + [data for layer in chart.get("layer", []) for data in values_of(layer)]


def test_what_is_not_more_than_chance_is_not_called_nothing():
    alike = [
        Difference("clean", 0.9, 0.9, -0.01, 0.01, 1.0),
        Difference("lfc@8", 0.7, 0.69, -0.03, 0.01, 0.6),
    ]
    (said,) = words.story(Comparison(("a", "b"), tuple(alike), "paired", ()))
    assert said.startswith(
        "b answers 90.0% of whole images right, as many as a (95% interval -1.0 to +1.0, p = 1)."
    )
    assert "None of 2 differences is more than chance explains" in said
    assert "the least p-value, corrected for all tests, is 0.6" in said
    assert said.endswith("that does not show that there is none.")


def test_without_pairs_nothing_is_said_of_chance():
    (said,) = words.story(
        Comparison(("a", "b"), (Difference("clean", 0.9, 0.5),), "not paired: other data", ())
    )
    assert said == (
        "b answers 50.0% of whole images right, 40.0 points less than a. What differs by chance cannot be told: not paired: "
        "other data."
    )
    assert not words.beyond_chance(Difference("clean", 0.9, 0.5))


def test_of_detectors_each_interval_speaks_for_itself():
    found = Comparison(
        ("a", "b"),
        (Difference("map", 0.4, 0.38, -0.05, 0.01), Difference("map-lfc@64", 0.3, 0.2, -0.15, -0.05)),
        "paired on 50 images",
        (),
    )
    assert words.story(found) == [
        "b has a mAP of 38.0% on whole images, 2.0 points less than a (95% interval -5.0 to +1.0). 1 of 2 differences of mAP "
        "(whole images, LFC, HFC) has an interval that leaves out 0 (each for itself, uncorrected): mAP, LFC at 64, -10.0 points "
        "(-15.0 to -5.0)."
    ]
    assert "about one interval leaves out 0" in words.tests_text(found)


def test_names_are_escaped(tmp_path):
    pytest.importorskip("altair")
    page = read(write_comparison(Comparison((HOSTILE, "b"), FOUND.differences[:2], "", (HOSTILE,)), tmp_path))
    assert HOSTILE in page.text
    assert len(page.all("img")) == 0


@pytest.mark.browser
def test_it_opens_on_a_phone_and_asks_for_nothing(browser, tmp_path):
    tab, requests, complaints = opened(browser, write_comparison(FOUND, tmp_path), 390)
    tab.wait_for_selector(".stage .marks")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.locator(".stage").count() == 3
    assert requests == [(tmp_path / "comparison.html").as_uri()]
    assert complaints == []
    assert faults(browser, tmp_path / "comparison.html", 390) == []
