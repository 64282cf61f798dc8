import base64
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from made_up_studies import CLAIMS, SETTING, STUDY, made_up_result, rows
from pages import faults, opened, read
from passband.analysis.contrast import Term, above_chance, accuracy
from passband.analysis.estimate import Estimate
from passband.analysis.figure import Bar, Curve, Figure, HeatMap, Level, Panel, Point, figure_table
from passband.analysis.judge import Judgement
from passband.analysis.rule import Rule
from passband.analysis.table import SummaryTable
from passband.frequency.wave import Wave
from passband.report.figure import draw, draw_panels
from passband.report.studies import summary, write_study
from passband.report.study_page import address, show_study
from passband.report.study_words import corrected_text, estimate_text, verdict_text
from passband.report.theme import DASHES, SHAPES
from passband.rows import WaveRow, to_table
from passband.studies.catalog import STUDIES
from passband.studies.plan import PlannedStudy, find_setting
from passband.studies.result import StudyResult

LAPTOP = find_setting("laptop", "fashion-mnist", "text")


@pytest.fixture
def result() -> StudyResult:
    return made_up_result()


def test_all_files_of_a_study_are_written_whole(result, tmp_path):
    folder = write_study(result, tmp_path / "studies" / "x", command="passband study run x")
    names = {
        "figure.pdf",
        "figure.png",
        "figure.svg",
        "study.html",
        "table.csv",
        "table.parquet",
        "rows.parquet",
        "table1.csv",
        "table1.parquet",
        "claims.json",
        "uses.json",
        "study.md",
    }
    assert {path.name for path in folder.iterdir()} == names
    assert pl.read_parquet(folder / "table.parquet").equals(result.table)
    assert len(pl.read_csv(folder / "table.csv")) == len(result.table)
    claims = json.loads((folder / "claims.json").read_text())
    assert claims[0]["estimate"] == {"value": 0.4, "low": 0.3, "high": 0.5, "n": 1234, "over": "samples"}
    assert claims[0]["rule"] == str(CLAIMS[0].rule)
    assert [claim["verdict"] for claim in claims] == ["supported", "not tested"]
    (run,) = json.loads((folder / "uses.json").read_text())["runs"]
    assert run == {"label": "original", "run": result.planned.runs[0][1].id}
    assert [claims[0][name] for name in ("p", "p_sentence", "p_study")] == [0.001, 0.002, 0.004]
    assert (claims[1]["note"], claims[1]["p"]) == ("hfc-8 | has no rows", None)
    with Image.open(folder / "figure.png") as picture:
        assert picture.size[0] > 1000
    write_study(result, folder)
    assert len(list((tmp_path / "studies").iterdir())) == 1


def test_the_summary_says_claims_rules_failures_and_deviations(result):
    text = summary(result, "passband study run x")
    assert "    passband study run x" in text
    assert CLAIMS[0].sentence in text
    assert "0.400 [0.300, 0.500], 1,234 samples" in text
    assert "**supported** | stands, p = 0.004 (of its sentence 0.002) |" in text
    assert "| hfc-8 \\| has no rows | **not tested** |" in text
    assert "Supported if the whole 95% interval lies above 0.1" in text
    assert "hfc-8 \\| has no rows" in text
    assert "- hfc-8, seed 0: the loss is inf" in text
    assert STUDY.all_deviations(SETTING)[0].here in text


def test_an_estimate_of_epochs_reads_as_one():
    claim = STUDIES["label-shuffle"].claims(SETTING)[0]
    assert claim.rule == Rule("above", 1)
    found = Judgement(claim, "supported", Estimate(6.0, 5.0, 8.0, 3, "seeds"))
    assert estimate_text(found) == "6.000 [5.000, 8.000], 3 seeds"


FOUND = Estimate(0.4, 0.3, 0.5, 2, "seeds")


@pytest.mark.parametrize(
    ("judgement", "verdict", "among_all"),
    [
        (Judgement(CLAIMS[0], "no verdict", FOUND, "2 seeds: no verdict, which needs 3"),
         "2 seeds: no verdict, which needs 3", ""),
        (Judgement(CLAIMS[0], "not tested", FOUND, "a must: it is 0.1"), "not tested: a must: it is 0.1", ""),
        (Judgement(CLAIMS[0], "undecided", FOUND, p=0.4, p_sentence=0.4, p_study=1.0), "undecided", ""),
        (Judgement(CLAIMS[0], "contradicted", FOUND, p=0.02, p_sentence=0.02, p_study=0.08), "contradicted",
         "does not stand, p = 0.08"),
    ],
)  # fmt: skip
def test_a_verdict_says_why_there_is_none_and_what_is_left_of_it_among_all(judgement, verdict, among_all):
    assert (verdict_text(judgement), corrected_text(judgement)) == (verdict, among_all)


def test_every_kind_of_mark_is_drawn_in_its_colors_with_one_legend():
    measured = rows(a=0.5, b=0.8)
    curves = Panel(
        "curves", tuple(Curve(n, "lfc", s, n == "b", term=Term(n)) for n, s in (("a", 0.0), ("b", 1.0)))
    )
    bars = Panel("bars", (Bar("a", "hfc", category="x", contrast=above_chance("a")),), x="", y="share")
    points = Panel("points", (Point("a", x=(accuracy("b"),), y=accuracy("a")),), x="across", y="up")
    figure = Figure(((curves, bars), (points,)))
    chart = draw(figure, figure_table(figure, measured))
    spec = json.dumps(chart.to_dict())
    for text in ('"curves"', '"bars"', '"points"', "#0072b2", "#99c7e0", "#c25400", "across"):
        assert text in spec
    import vl_convert

    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    assert svg.count('aria-roledescription="legend"') == 1


def test_levels_stand_among_curves_and_a_heat_map_alone():
    measured = rows(a=0.5, b=0.8)
    waves = [Wave(-1, 0), Wave(0, 0), Wave(1, 0)]
    errors = (
        WaveRow(run="a", seed=0, subset="test", metric="wrong", component=wave, value=0.25, count=8)
        for wave in waves
    )
    measured = pl.concat(
        [measured, to_table(errors).with_columns(label=pl.col("run"), failed=pl.lit(False))], how="diagonal"
    )
    level = Level("b", "muted", dashed=True, at=Term("b"))
    curves = Panel("curves", (Curve("a", "lfc", term=Term("a")), level))
    heat = Panel(
        "map", (HeatMap("wrong", cells=Term("a", shown="wave", metric="wrong")),), x="across", y="down"
    )
    figure = Figure(((curves, heat),))
    table = figure_table(figure, measured)
    assert table.filter(series="b").select("x", "value", "y").row(0) == (None, pytest.approx(0.8), None)
    assert set(table.filter(panel="map").select("x", "y", "value").rows()) == {
        (0, y, 0.25) for y in (-1, 0, 1)
    }
    spec = json.dumps(draw(figure, table).to_dict())
    for text in ('"viridis"', '"rule"', '"down"', "#5f6771"):
        assert text in spec
    alone = draw_panels(figure, table)["map"].to_dict()
    assert alone["width"] == alone["height"]


@pytest.mark.parametrize(("count", "width"), [(1, 300), (4, 195), (9, 61), (30, 60)])
def test_panels_of_a_row_share_its_room_and_keep_a_width_however_many_they_are(count, width):
    panels = tuple(Panel(f"{index}", (Curve("a", term=Term("a")),)) for index in range(count))
    chart = draw(Figure((panels,)), figure_table(Figure((panels,)), rows(a=0.5))).to_dict()
    assert {panel["width"] for panel in chart["vconcat"][0]["hconcat"]} == {width}


def test_an_axis_is_in_percent_only_where_its_numbers_are_fractions():
    measured = rows(a=0.5).with_columns(metric=pl.lit("loss"))
    panel = Panel("a loss", (Curve("a", term=Term("a", metric="loss")),), y="loss")
    chart = draw(Figure(((panel,),)), figure_table(Figure(((panel,),)), measured)).to_dict()
    axis = chart["vconcat"][0]["hconcat"][0]["layer"][0]["encoding"]["y"]["axis"]
    assert axis["format"] == "~g"


def test_one_legend_names_the_marks_of_all_panels_in_their_own_colors():
    measured = rows(a=0.5, b=0.8, c=0.1)
    panels = [
        Panel("left", (Curve("A", "lfc", term=Term("a")), Curve("B", "hfc", dashed=True, term=Term("b")))),
        Panel("right", (Curve("A", "lfc", term=Term("b")), Curve("C", "full", term=Term("c")))),
    ]
    chart = draw(Figure((tuple(panels),)), figure_table(Figure((tuple(panels),)), measured)).to_dict()
    for panel in chart["vconcat"][0]["hconcat"]:
        encoding = panel["layer"][0]["encoding"]
        scale = encoding["color"]["scale"]
        assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
            "A": "#0072b2", "B": "#c25400", "C": "#4a4a4b",
        }  # fmt: skip
        strokes = next(layer["encoding"] for layer in panel["layer"] if layer["mark"]["type"] == "line")
        assert strokes["strokeDash"]["scale"]["range"] == [[1, 0], [3, 1], [1, 0]]
        assert strokes["strokeWidth"]["scale"]["range"] == [2, 2, 3.2]  # that of the whole image is wider
        assert "strokeWidth" not in next(
            layer["mark"] for layer in panel["layer"] if layer["mark"]["type"] == "line"
        )


@pytest.mark.parametrize(
    "name", [name for name, study in STUDIES.items() if isinstance(study.figure(LAPTOP), Figure)]
)
def test_curves_and_points_of_a_panel_are_told_apart_without_colors(name):
    """By dashes and width, by shape, and by shades that are as far apart as their grays can be seen to be."""
    figure = STUDIES[name].figure(LAPTOP)
    for panel in figure.panels:
        drawn = [mark for mark in panel.marks if isinstance(mark, Curve | Level)]
        looks = [
            (DASHES[mark.role][mark.dashed], mark.role == "full", round(4 * mark.shade)) for mark in drawn
        ]
        assert len(set(looks)) == len({mark.name for mark in drawn}), looks
        points = [mark for mark in panel.marks if isinstance(mark, Point)]
        shapes = {(SHAPES[mark.role], mark.dashed, round(4 * mark.shade)) for mark in points}
        assert len(shapes) == len(points), shapes


def test_an_axis_holds_what_is_drawn_and_no_intervals_that_are_not():
    names = list("abcde")
    measured = pl.concat(
        [rows(**dict.fromkeys(names, value)).with_columns(seed=pl.lit(seed, pl.Int64)) for seed, value in ((0, 0.1), (1, 0.3))]
    )  # fmt: skip
    panels = [Panel("few", tuple(Curve(n, term=Term(n)) for n in names[:2])), Panel("many", tuple(Curve(n, term=Term(n)) for n in names), y="other")]  # fmt: skip
    figure = Figure((tuple(panels),))
    table = figure_table(figure, measured)
    for bands, tops in ((True, [1.0, 0.21]), (False, [0.21, 0.21])):
        shown = draw(figure, table, bands=bands).to_dict()["vconcat"][0]["hconcat"]
        ends = [panel["layer"][-1]["encoding"]["y"]["scale"]["domain"][1] for panel in shown]
        assert ends == pytest.approx(tops)


def test_a_point_of_a_dashed_mark_is_hollow_and_lines_give_the_legend_where_there_are_any():
    measured = rows(a=0.5, b=0.8)
    points = (
        Point("A", "lfc", x=(accuracy("b"),), y=accuracy("a")),
        Point("B", "hfc", dashed=True, x=(accuracy("a"),), y=accuracy("b")),
    )
    curves = (Curve("A", "lfc", term=Term("a")), Curve("B", "hfc", dashed=True, term=Term("b")))
    import vl_convert

    for panels in ((points,), (points, curves)):
        figure = Figure((tuple(Panel(f"{n}", marks) for n, marks in enumerate(panels)),))
        chart = draw(figure, figure_table(figure, measured)).to_dict()
        (legend,) = vl_convert.vegalite_to_vega(chart)["legends"]
        assert ("shape" in legend) == (len(panels) == 1)
        assert (legend["symbolType"] == "stroke") == (len(panels) == 2)
        drawn = chart["vconcat"][0]["hconcat"][0]["layer"][1:]
        assert [layer["mark"].get("filled", False) for layer in drawn] == [True, False]
        assert drawn[1]["transform"][0]["filter"]["oneOf"] == ["B"]


def test_a_table_of_the_paper_is_among_the_files_and_in_the_summary(result, tmp_path):
    table = SummaryTable(
        "table9",
        "Table 9: accuracy",
        "network",
        {
            "first": {"test": accuracy("original"), "lfc": accuracy("lfc-4")},
            "second": {"test": accuracy("hfc-4"), "lfc": accuracy("nobody")},
        },
    )
    planned = replace(result.planned, study=replace(STUDY, table=lambda _: table))
    result = replace(result, planned=planned)
    folder = write_study(result, tmp_path / "x")
    frame = pl.read_csv(folder / "table9.csv")
    assert frame.columns == ["network", "test", "test, low", "test, high", "lfc", "lfc, low", "lfc, high"]
    assert frame["test"].to_list() == [0.9, 0.6]
    assert frame["lfc"].to_list() == [0.6, None]
    assert pl.read_parquet(folder / "table9.parquet").equals(frame)
    text = (folder / "study.md").read_text()
    assert "## Table 9: accuracy" in text
    assert "| first | 90.0 | 60.0 |" in text
    assert "| second | 60.0 | – |" in text
    assert "On 100 samples." in text


def test_what_columns_rest_on_is_said_where_it_differs():
    few = rows(a=0.5).with_columns(count=pl.lit(7, pl.Int64), label=pl.lit("few"))
    cells = {"test": accuracy("a"), "train": accuracy("a", "train"), "few": accuracy("few")}
    table = SummaryTable("t", "T", "network", {"a": cells})
    study = replace(STUDY, table=lambda _: table)
    planned = PlannedStudy(study, SETTING, [], [], Path("x"))
    result = StudyResult(planned, {}, pl.concat([rows(a=0.5), few]), rows(), ())
    assert "On 100 samples; few on 7 samples." in summary(result)


def test_a_question_of_ours_is_not_quoted_as_the_papers(result):
    ours = replace(CLAIMS[0], sentence="it holds for cats", asked_by="passband")
    text = summary(replace(result, judgements=(Judgement(ours, "not tested", note="nothing"),)))
    assert "| Ours, not the paper's: it holds for cats |" in text
    assert "“it holds" not in text


def test_panels_of_one_measure_share_an_axis():
    measured = rows(a=0.5, b=0.8)
    figure = Figure((tuple(Panel(n, (Curve(n, term=Term(n)),)) for n in "ab"),))
    chart = draw(figure, figure_table(figure, measured)).to_dict()
    panels = chart["vconcat"][0]["hconcat"]
    domains = [panel["layer"][0]["encoding"]["y"]["scale"]["domain"] for panel in panels]
    assert domains[0] == domains[1]
    assert domains[0][1] > 0.8


def test_a_figure_without_numbers_can_be_drawn_too():
    figure = STUDY.figure(SETTING)
    draw(figure, figure_table(figure, rows())).to_dict()


def test_numbers_above_one_have_an_axis_that_holds_them():
    measured = rows(a=0.5).with_columns(value=pl.col("value") + 2)
    figure = Figure(((Panel("loss", (Curve("a", term=Term("a")),), y="loss"),),))
    y = draw(figure, figure_table(figure, measured)).to_dict()["vconcat"][0]["hconcat"][0]["layer"][0][
        "encoding"
    ]["y"]
    assert y["scale"]["domain"][1] > 2.5
    assert y["axis"]["format"] == "~g"


def test_a_study_has_a_page_with_its_claims_its_numbers_and_its_command(result, tmp_path):
    folder = write_study(result, tmp_path / "x", command="passband study run x")
    page = read(folder / "study.html")
    for claim in CLAIMS:
        assert claim.sentence in page.text
    assert "passband study run x" in page.text
    (numbers,) = [a["href"] for a in page.all("a") if (a.get("download") or "").endswith(".csv")]
    assert pl.read_csv(base64.b64decode(numbers.partition(",")[2])).height == len(result.table)


def test_single_images_of_a_study_are_on_its_page(result, tmp_path):
    (tmp_path / "figure.svg").write_text("<svg></svg>")
    (tmp_path / "flips-natural-test.svg").write_text("<svg/>")
    shown = show_study(result, tmp_path)
    assert shown.figure == address("<svg></svg>", "image/svg+xml")
    assert shown.examples == [("flips natural test", address("<svg/>", "image/svg+xml"))]


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_its_page_fits_any_screen(browser, result, tmp_path, width):
    page = write_study(result, tmp_path / "x") / "study.html"
    tab, requests, complaints = opened(browser, page, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert ([url for url in requests if not url.startswith("data:")], complaints) == ([page.as_uri()], [])
    tab.close()
    assert faults(browser, page, width) == []
