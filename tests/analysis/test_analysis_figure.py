from dataclasses import replace

import polars as pl
import pytest

from made_up import rows_of
from passband.analysis.contrast import Contrast, Term, accuracy, gap
from passband.analysis.evidence import estimate
from passband.analysis.figure import TABLE, Bar, Curve, Figure, Mark, Panel, Point, figure_table, in_rows
from passband.analysis.lookup import NotMeasured
from passband.frequency.component import High

CELLS = {"a test": [0.2, 0.4], "a train": 0.7, "a test hfc 4": 0.1, "a test hfc 8": 0.3, "b test": 0.5}


def table_of(*marks: Mark, **settings):
    return figure_table(Figure(((Panel("p", marks),),)), rows_of(CELLS, **settings))


def test_a_curve_has_a_point_an_epoch():
    table = table_of(Curve("A", term=Term("a")))
    assert table.schema == TABLE
    assert table.select("panel", "series", "x", "value", "n", "over").rows() == [
        ("p", "A", 1, 0.2, 2400, "samples"),
        ("p", "A", 2, 0.4, 2400, "samples"),
    ]
    assert (table["low"] < table["value"]).all()
    assert (table["high"] > table["value"]).all()


def test_over_seeds_it_is_their_mean():
    table = table_of(Curve("A", term=Term("a")), seeds=3, spread=0.1)
    assert table["over"].to_list() == ["seeds", "seeds"]
    assert table["n"].to_list() == [3, 3]
    values = rows_of(CELLS, seeds=3, spread=0.1)
    first = values.filter(label="a", subset="test", component="full", epoch=1)["value"].mean()
    assert table["value"].item(0) == pytest.approx(first)


def test_a_curve_may_run_along_another_column_of_a_finished_network():
    cells = {f"a counterexamples {r}": r / 20 for r in (8, 4)} | {
        "a roughness rho 0": 0.5,
        "a roughness rho 1": 0.2,
    }
    shares = Curve("A", term=Term("a", "test", "lfc", "counterexamples"), along="radius")
    rough = Curve("B", term=Term("a", None, None, metric="roughness", normalized=False), along="rho")
    table = figure_table(Figure(((Panel("p", (shares, rough)),),)), rows_of(cells))
    assert table.select("series", "x", "value").rows() == [
        ("A", 4, 0.2), ("A", 8, 0.4), ("B", 0, 0.5), ("B", 1, 0.2),
    ]  # fmt: skip


def test_a_bar_and_a_point_are_of_the_last_epoch():
    table = table_of(
        Bar("A", category="test", contrast=accuracy("a")),
        Point("A", x=tuple(accuracy("a", component=High(r)) for r in (4, 8)), y=gap("a")),
    )
    assert table["value"].to_list() == pytest.approx([0.4, 0.3])
    assert table["category"].to_list() == ["test", None]
    assert table["x"].to_list() == [None, pytest.approx(0.2)]


def test_what_no_run_measured_is_left_out():
    table = table_of(Bar("C", category="test", contrast=accuracy("c")), Curve("B", term=Term("b", "train")))
    assert table.is_empty()
    assert table.schema == TABLE


@pytest.mark.usefixtures("untyped")
def test_a_mark_without_a_kind_is_a_mistake():
    with pytest.raises(TypeError, match="a Point or a HeatMap, got Mark"):
        table_of(Mark("A"))


def test_panels_are_set_in_rows():
    panels = tuple(Panel(str(index), ()) for index in range(5))
    figure = in_rows(panels, 3)
    assert [len(row) for row in figure.rows] == [3, 2]
    assert figure.panels == panels


@pytest.mark.parametrize(("metric", "value"), [("loss", 0.5), ("energy-within", 0.5), ("my-own", 0.12345)])
def test_a_mean_between_0_and_1_is_not_taken_for_a_share_of_samples(metric, value):
    measured = rows_of({"a test": value}).with_columns(metric=pl.lit(metric))
    with pytest.raises(NotMeasured, match="several seeds decide it"):
        estimate(measured, Contrast((Term("a", metric=metric),)))
    assert figure_table(curve_of(metric), measured).select("low", "high").row(0) == (None, None)


def test_a_share_that_an_instrument_of_ones_own_measures_has_its_interval():
    measured = rows_of({"a test": 0.25}).with_columns(metric=pl.lit("my-own"))
    assert estimate(measured, Contrast((Term("a", metric="my-own"),))).low == pytest.approx(0.233, abs=1e-3)


def test_percent_is_for_fractions_unless_a_panel_says_so():
    of_loss, of_accuracy = curve_of("loss").panels[0], curve_of("accuracy").panels[0]
    assert (of_loss.in_percent, of_accuracy.in_percent) == (False, True)
    assert replace(of_loss, percent=True).in_percent
    assert not replace(of_accuracy, percent=False).in_percent


def curve_of(metric: str) -> Figure:
    return Figure(((Panel("p", (Curve("a", term=Term("a", metric=metric)),)),),))


def test_a_number_that_is_no_share_has_an_interval_only_with_its_error_or_over_seeds():
    term = Term("a", metric="loss")
    rows = rows_of({"a test": 0.5}).with_columns(metric=pl.lit("loss"), value=pl.col("value") + 2)
    bare = figure_table(Figure(((Panel("p", (Curve("a", term=term),)),),)), rows)
    assert bare.select("value", "low", "high").row(0) == (2.5, None, None)
    with_error = figure_table(
        Figure(((Panel("p", (Curve("a", term=term),)),),)), rows.with_columns(error=pl.lit(0.1))
    )
    assert with_error["low"].item(0) == pytest.approx(2.5 - 0.196, abs=1e-3)
    with pytest.raises(NotMeasured, match="no standard error of loss on full .* several seeds decide it"):
        estimate(rows, Contrast((term,)))
    seeds = rows_of({"a test": 0.5}, seeds=3).with_columns(metric=pl.lit("loss"), value=pl.col("value") + 2)
    assert estimate(seeds, Contrast((term,))).over == "seeds"


def test_a_curve_over_seeds_holds_what_varies_within_them():
    found = table_of(Curve("A", term=Term("b")), seeds=3, spread=0.0)
    assert found["over"].to_list() == ["seeds"] * 4
    assert (found["high"] - found["low"] > 0.03).all()  # though all seeds say the same


def test_a_curve_of_finished_networks_has_one_number_a_seed_and_none_of_a_run_that_failed():
    radii = Curve("A", term=Term("a", shown="hfc"), along="radius")
    cells = {"a test hfc 4": [0.9, 0.1], "a test hfc 8": [0.9, 0.3]}
    rows = rows_of(cells, seeds=3)
    figure = Figure(((Panel("p", (radii,)),),))
    found = figure_table(figure, rows)
    assert found["n"].to_list() == [3, 3]
    assert found["value"].to_list() == pytest.approx([0.1, 0.3], abs=0.01)
    failed = rows.with_columns(failed=pl.col("seed") == 1)
    assert figure_table(figure, failed)["n"].to_list() == [2, 2]
