import json

import polars as pl
import pytest

from engines import Here
from passband.cli import reproduce as command_module
from passband.engine.local import Local
from passband.studies import budget


@pytest.fixture(autouse=True)
def two_studies_in_this_process(monkeypatch):
    """Train in this process, and less than all: it is the same for two studies that share a run."""

    monkeypatch.setattr(Local, "call", Here.call)
    monkeypatch.setattr(budget, "measure_peak", lambda run, **_: 2**30)
    names = dict.fromkeys(["label-shuffle", "heuristics"])
    monkeypatch.setattr(command_module, "STUDIES", names)


LINE = ("reproduce", "--preset", "smoke", "--store", "s", "--limit", "40", "--device", "cpu")


def test_all_studies_are_run_once_and_shown_on_one_page(command, tmp_path):
    ran = command(*LINE, "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert list(found["claims"]) == ["label-shuffle", "heuristics"]
    page = tmp_path / found["page"]
    assert page == tmp_path / "s" / "reproductions" / "smoke-fashion-mnist-limit40" / "reproduction.html"
    text = page.read_text()
    assert "Figure 3 after the last epoch" in text
    assert "Figure 5 after the last epoch" in text
    assert "(98)</td>" in text  # what the poster has on natural labels
    assert len(list((tmp_path / "s" / "runs").iterdir())) == 8  # the vanilla run is that on natural labels
    assert (tmp_path / "s" / "studies" / "heuristics-smoke-fashion-mnist-limit40" / "figure.png").is_file()
    claims = pl.read_parquet(page.parent / "claims.parquet")
    again = command(*LINE, "--out", "elsewhere")
    assert again.code == 0
    assert "of which the store holds 10" in again.err
    assert "Page: elsewhere/reproduction.html" in again.out
    assert pl.read_parquet(tmp_path / "elsewhere" / "claims.parquet").equals(claims)


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(command, tmp_path):
    ran = command(*LINE, "--dry-run", "--workers", "3")
    assert ran.code == 0
    for text in ("In all 8 runs and 2 measurements", "of which the store holds 0", "with 3 at a time",
                 "Memory: 1.00 GiB a process, 3.00 GiB for 3", "floating-point operations", "GPU hours"):  # fmt: skip
        assert text in ran.out
    assert list(tmp_path.iterdir()) == []
    found = json.loads(command(*LINE, "--dry-run", "--json").out)
    assert [each["shared"] for each in found["shares"]] == [1, 1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--workers", "0"), "workers must be at least 1"),
        (("--threads", "0"), "threads must be a whole number of at least 1"),
        (("--data", "npz:none.npz"), "none.npz"),
    ],
)
def test_malformed_input_is_refused_before_anything_is_written(command, tmp_path, more, message):
    ran = command(*LINE, *more)
    assert ran.code == 2
    assert message in ran.err
    assert list(tmp_path.iterdir()) == []
