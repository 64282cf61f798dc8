"""A study from its runs to its claims, at the smoke preset; the runs are trained in this process."""

import re
from pathlib import Path

import polars as pl
import pytest

from engines import Here
from passband.analysis.figure import figure_table
from passband.analysis.table import fill
from passband.engine.execute import Ended, execute
from passband.errors import InputError
from passband.instruments import pairs
from passband.studies.catalog import STUDIES
from passband.studies.kernel_figure import KernelFigure
from passband.studies.plan import plan_studies, result_folder
from passband.studies.presets import find_setting
from passband.studies.result import conclude, describe_claims

SETTING = find_setting("smoke", "fashion-mnist")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Return a store that the tests of this module fill: studies share runs."""
    return tmp_path_factory.mktemp("store")


def conducted(name: str, store: Path, seeds: int = 1):
    (planned,) = plan_studies(name, limit=60, seeds=seeds, store=store)
    ended = execute(planned.everything, engine=Here(), device="cpu")
    return conclude(planned, ended), ended


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_runs_to_its_claims(name, store):
    result, ended = conducted(name, store)
    assert not result.failures
    assert {one.status for one in ended.values()} <= {"done", "found"}
    study = result.planned.study
    figure = study.figure(SETTING)
    if isinstance(figure, KernelFigure):
        assert set(result.table["panel"]) == {panel.title for panel in figure.panels}
    else:
        marks = {(panel.title, mark.name) for panel in figure.panels for mark in panel.marks}
        drawn = set(result.table.select("panel", "series").rows())
        assert drawn == marks  # nothing that the figure asks for is missing from the rows
    if study.table is not None:
        cells = fill(study.table(SETTING), result.rows)
        assert None not in [found for row in cells.values() for found in row.values()]
    for judgement in result.judgements:
        assert judgement.verdict == "no verdict"
        assert judgement.estimate is not None or re.search("differ|alike", judgement.note), judgement.note
    assert len(describe_claims(result)) == len(study.claims(SETTING))


def test_what_studies_share_is_trained_once(store):
    _, first = conducted("heuristics", store)
    _, second = conducted("optimizers", store)
    shared = set(first) & set(second)
    assert len(shared) == 1
    assert second[shared.pop()].status == "found"


def test_a_failed_run_is_named_and_the_rest_is_decided(store):
    result, ended = conducted("train-on-components", store)
    label, run = result.planned.runs[1]
    failed = Ended(run, "failed", "the loss is inf")
    again = conclude(result.planned, {**ended, run.id: failed})
    assert again.failures == {f"{label}, seed 0": "the loss is inf"}


def test_a_failed_measurement_is_named_and_its_rows_are_missing(store, monkeypatch):
    def refuse(*arguments, **settings):
        raise InputError("no gradient")

    monkeypatch.setattr(pairs, "find_pairs", refuse)
    result, _ = conducted("corollary", store, seeds=2)  # seed 0 may be in the store
    assert result.failures["natural, seed 1, answers to x and x_l at r = 4, 8, 12, 16"] == "no gradient"
    without = result.rows.filter(pl.col("seed") == 1, pl.col("metric").str.starts_with("counterexamples"))
    assert without.is_empty()


def test_what_studies_measure_of_shared_runs_is_stored_once(store):
    _, first = conducted("smoothing", store)
    _, again = conducted("smoothing", store)
    _, other = conducted("corollary", store)
    assert set(first) == set(again)
    assert {one.status for one in again.values()} == {"found"}
    assert len(set(first) & set(other)) == 2  # the two runs


def test_several_seeds_make_intervals_over_seeds(store):
    result, _ = conducted("label-shuffle", store, seeds=2)
    estimates = [judgement.estimate for judgement in result.judgements]
    assert {None if estimate is None else estimate.over for estimate in estimates} - {None} == {"seeds"}
    assert result.rows["seed"].n_unique() == 2
    whole = result.table.filter(pl.col("series") == "natural, LFC 4")
    assert set(whole["over"]) == {"seeds"}
    assert figure_table(result.planned.study.figure(SETTING), result.rows).equals(result.table)


def test_a_result_has_a_place_that_says_what_it_is():
    study = STUDIES["batch-size"]
    assert result_folder(Path("s"), study, SETTING) == Path("s/studies/batch-size-smoke-fashion-mnist")
    other = find_setting("smoke", "phantom:shape=1,texture=0", "code")
    folder = result_folder(Path("s"), study, other, cut="epochs2")
    assert folder == Path("s/studies/batch-size-smoke-shape-1-texture-0-code-epochs2")
