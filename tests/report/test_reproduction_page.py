"""The page of all studies, from made-up results."""

import base64
import re
from dataclasses import replace

import polars as pl
import pytest

from made_up_studies import CLAIMS, made_up_result
from pages import faults, opened
from passband.analysis.estimate import Estimate
from passband.analysis.judge import Judgement
from passband.report.reproduction import write_reproduction
from passband.report.studies import write_study
from passband.studies.reproduction import Reproduction, reproduction_folder


@pytest.fixture
def result(tmp_path):
    made = made_up_result()
    result = replace(made, planned=replace(made.planned, folder=tmp_path / "studies" / "x"))
    write_study(result)
    return result


@pytest.fixture
def found(result) -> Reproduction:
    odd = Judgement(replace(CLAIMS[0], sentence="<b>ours</b> & theirs", asked_by="passband"), "contradicted", Estimate(-0.2, -0.3, -0.1, 5, "seeds"), p=0.01, p_sentence=0.01, p_study=0.02)  # fmt: skip
    return Reproduction(
        (replace(result, judgements=(*result.judgements, odd)),),
        command="passband reproduce --preset smoke",
        made=3,
        seconds=75.0,
    )


def test_the_sentence_counts_the_papers_claims_alone(found):
    assert found.sentence() == (
        "Of 2 claims of the paper, 1 are supported and 1 were not tested, since what they presuppose did not hold. "
        "Of the supported ones 1 also stand among all claims of their study."
    )
    assert found.counts == {"train-on-components": {"supported": 1, "not tested": 1, "contradicted": 1}}


def test_the_page_holds_figure_numbers_and_claims_and_asks_for_nothing(found, tmp_path):
    page = write_reproduction(found, tmp_path / "out")
    text = page.read_text()
    assert "<b>ours</b>" not in text
    assert "&lt;b&gt;ours&lt;/b&gt; &amp; theirs" in text
    assert "-0.200 [-0.300, -0.100], 5 seeds" in text
    assert re.search(r'(src|href)="(?!data:|#)', text) is None
    assert "vegaEmbed" not in text  # figures are still: a megabyte less
    drawn = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    assert drawn
    assert base64.b64decode(drawn[1]).startswith(b"<svg")
    numbers = re.search(r'download="train-on-components.csv" href="data:text/csv;base64,([^"]+)"', text)
    assert numbers
    assert len(pl.read_csv(base64.b64decode(numbers[1]))) == len(found.results[0].table)
    for said in (
        "passband reproduce --preset smoke",
        "hfc-8, seed 0: the loss is inf",
        "1 min 15 s",
        "shows only that everything runs",
    ):
        assert said in text


def test_all_claims_are_a_table_too(found, tmp_path):
    write_reproduction(found, tmp_path / "out")
    table = pl.read_parquet(tmp_path / "out" / "claims.parquet")
    assert table["verdict"].to_list() == ["supported", "not tested", "contradicted"]
    assert table["value"].to_list() == [0.4, None, -0.2]
    assert table["study"].unique().to_list() == ["train-on-components"]
    assert pl.read_csv(tmp_path / "out" / "claims.csv").shape == table.shape


def test_the_folder_is_named_by_what_all_studies_have_in_common(result, tmp_path):
    planned = replace(result.planned, folder=tmp_path / "train-on-components-smoke-fashion-mnist-limit40")
    assert (
        reproduction_folder(tmp_path, [planned]) == tmp_path / "reproductions" / "smoke-fashion-mnist-limit40"
    )


def test_what_was_left_out_is_said(found, tmp_path):
    said = "Left out: detection, for which there were no images with boxes."
    assert said not in write_reproduction(found, tmp_path / "all").read_text()
    assert said in write_reproduction(replace(found, left_out=("detection",)), tmp_path / "less").read_text()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_any_screen_and_no_accessibility_fault_is_found(browser, found, tmp_path, width):
    page = write_reproduction(found, tmp_path / "out")
    tab, requests, complaints = opened(browser, page, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert ([url for url in requests if not url.startswith("data:")], complaints) == ([page.as_uri()], [])
    tab.close()
    assert faults(browser, page, width) == []
