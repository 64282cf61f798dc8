"""What came of a study: its rows, the numbers of its figure, and its claims decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from passband.analysis.figure import figure_table
from passband.analysis.judge import Judgement, judge_claims
from passband.brief import Brief
from passband.engine.execute import Ended
from passband.results.tables import read_runs
from passband.studies.kernel_figure import KernelFigure, kernel_table
from passband.studies.plan import PlannedStudy


@dataclass(frozen=True)
class StudyResult(Brief):
    """A study that has ended.

    Attributes:
        planned: The study, its setting, its runs and their measurements.
        failures: Why some failed, by what they are: a run's label and seed, and what was measured of it.
        rows: What was measured; see `passband.results.tables.RUN_COLUMNS`.
        table: The numbers behind the figure; see `passband.analysis.figure.TABLE` and `KERNEL_TABLE`.
        judgements: What came of each claim.
        lacking: The ids of runs and measurements that could not be made: their processes crashed, or were refused.
    """

    planned: PlannedStudy
    failures: Mapping[str, str]
    rows: pl.DataFrame
    table: pl.DataFrame
    judgements: tuple[Judgement, ...]
    lacking: frozenset[str] = frozenset()


def conclude(planned: PlannedStudy, ended: Mapping[str, Ended]) -> StudyResult:
    """Read the runs and measurements of a study and decide its claims; what failed is left out where it is missing.

    Args:
        planned: The study.
        ended: What became of its runs and measurements, by their ids; those of other studies may be among them.
    """
    study, setting, runs, measurements = planned.study, planned.setting, planned.runs, planned.measurements
    rows = read_runs(
        [(label, run.folder) for label, run in runs if ended[run.id].held],
        [(label, measurement.folder) for label, measurement in measurements if ended[measurement.id].held],
    )
    names = [
        *((run.id, f"{label}, seed {run.config.seed}") for label, run in runs),
        *((one.id, f"{label}, seed {one.run.config.seed}, {one.measurement}") for label, one in measurements),
    ]
    figure = study.figure(setting)
    if isinstance(figure, KernelFigure):
        finished = {label: run.folder for label, run in reversed(runs) if ended[run.id].status != "failed"}
        table = kernel_table(figure, finished)  # of each run the first seed that there is
    else:
        table = figure_table(figure, rows)
    return StudyResult(
        planned,
        {name: ended[one].message for one, name in names if ended[one].status == "failed"},
        rows,
        table,
        judge_claims(study.claims(setting), rows, verdicts=setting.verdicts),
        frozenset(one.id for one in planned.everything if not ended[one.id].held),
    )


def describe_uses(planned: PlannedStudy) -> dict[str, Any]:
    """Return which runs and measurements of the store a study rests on, as JSON holds them: see `passband.results.uses`."""
    return {
        "runs": [{"label": label, "run": run.id} for label, run in planned.runs],
        "measurements": [
            {"label": label, "run": one.run.id, "measurement": one.id} for label, one in planned.measurements
        ],
    }


def describe_claims(result: StudyResult) -> list[dict[str, Any]]:
    """Return the claims and what came of them, as JSON holds them."""
    return [
        {
            "sentence": judgement.claim.sentence,
            "asked_by": judgement.claim.asked_by,
            "hypothesis": judgement.claim.hypothesis,
            "rule": str(judgement.claim.rule),
            "estimate": None if judgement.estimate is None else vars(judgement.estimate),
            "verdict": judgement.verdict,
            "note": judgement.note,
            "p": judgement.p,
            "p_sentence": judgement.p_sentence,
            "p_study": judgement.p_study,
        }
        for judgement in result.judgements
    ]
