from dataclasses import replace

import polars as pl
import pytest

import passband as pb
from helpers import same
from pages import HOSTILE, read
from passband.analysis.contrast import Term, accuracy
from passband.analysis.figure import Bar, Curve, Figure, Panel, Point
from passband.audit.pictures import ExtraReading
from passband.frequency.component import Low
from passband.report.page import write_report
from passband.rows import COLUMNS, SAMPLE_COLUMNS, ComponentRow, to_table

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

ROWS = to_table(
    ComponentRow(run="abc", subset="test", component=Low(radius), metric="accuracy", value=v, count=60)
    for radius, v in ((2.0, 0.25), (4.0, 0.5), (8.0, 0.8125))
)
FIGURE = Figure(
    (
        (
            Panel("by radius", (Curve("LFC", "lfc", term=Term("abc", "test", "lfc"), along="radius"),), x="radius"),
            Panel("bars", tuple(Bar(f"r = {r}", "lfc", category="x", contrast=accuracy("abc", "test", "lfc", r)) for r in (2.0, 8.0)), x=""),
        ),
        (Panel("not measured", (Point("a", x=(accuracy("other"),), y=accuracy("abc")),)),),
    )
)  # fmt: skip
READINGS = (
    ExtraReading("trivial", f"Something else {HOSTILE}", ROWS, FIGURE),
    ExtraReading("no-figure", "Numbers alone", pl.concat([ROWS] * 20), None),
)


@pytest.fixture
def audit(card_of, audit_of):
    return replace(audit_of(card_of(), panels=1), rows=ROWS, extra=READINGS)


def test_the_page_shows_figure_and_rows_of_other_instruments(audit, tmp_path):
    page = read(write_report(audit, tmp_path))
    charts = {a["id"] for a in page.all("div") if a.get("class") == "stage"}
    assert {name for name in charts if name.startswith("trivial")} == {"trivial-by-radius", "trivial-bars"}
    assert not any(name.startswith("no-figure") for name in charts)
    assert f"Something else {HOSTILE}" in page.text
    assert "0.812" in page.text
    assert "60 rows" in page.text
    assert "Shown are the first 50; all are in rows.parquet." in page.text
    (curve,) = [chart for chart in page.charts if "by radius: accuracy" in chart["description"]]
    assert [row["value"] for row in rows_of(curve)] == [0.25, 0.5, 0.8125]
    assert {f"trivial-{name}.{kind}" for name in ("by-radius", "bars") for kind in ("png", "svg")} <= {
        path.name for path in (tmp_path / "figures").iterdir()
    }


def rows_of(spec):
    data = spec["layer"][0].get("data", spec.get("data"))
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def test_an_audit_with_other_instruments_is_loaded_equal(card_of, audit_of, tmp_path):
    audit = replace(audit_of(card_of(ceiling=False), panels=1), rows=ROWS, extra=READINGS)
    audit = replace(audit, samples=pl.DataFrame(schema=SAMPLE_COLUMNS))
    audit.save(tmp_path)
    loaded = pb.Audit.load(tmp_path)
    assert same(loaded, audit)
    assert loaded.extra[0].figure == FIGURE
    assert loaded.extra[0].rows.columns == list(COLUMNS)
    one, two = (write_report(each, tmp_path / name) for name, each in (("one", audit), ("two", loaded)))
    assert one.read_bytes() == two.read_bytes()
