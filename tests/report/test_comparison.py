"""The picture of a comparison: curves of all audits, and their differences from the first with intervals."""

import pytest

from passband.audit.compare import Comparison, Difference
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


def test_it_is_written_where_there_is_a_curve(tmp_path):
    pytest.importorskip("altair")
    write_comparison(Comparison(("a", "b"), FOUND.differences[:1], "", ()), tmp_path)
    assert not list(tmp_path.iterdir())
    write_comparison(FOUND, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"comparison.svg", "comparison.png"}
    assert "minus a" in (tmp_path / "comparison.svg").read_text()
