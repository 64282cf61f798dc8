"""What came of a study: its rows, the numbers of its figure, and its claims decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from passband.analysis.claim import Judgement, judge
from passband.analysis.figure import figure_table
from passband.engine.execute import Outcome
from passband.engine.plan import MeasurementJob, TrainingJob
from passband.files import slug
from passband.results.tables import read_runs
from passband.studies.kernel_figure import KernelFigure, kernel_table
from passband.studies.presets import Setting
from passband.studies.study import Study


@dataclass(frozen=True)
class StudyResult:
    """A study that has ended.

    Attributes:
        study: The study.
        setting: In which setting.
        runs: The label and the job of every run, once a seed.
        measurements: The label of the run and the job of every measurement.
        failures: Why jobs failed, by what they are: a run's label and seed, and what was measured of it.
        rows: What was measured; see `passband.results.tables.RUN_COLUMNS`.
        table: The numbers behind the figure; see `passband.analysis.figure.TABLE` and `KERNEL_TABLE`.
        judgements: What came of each claim.
    """

    study: Study
    setting: Setting
    runs: tuple[tuple[str, TrainingJob], ...]
    measurements: tuple[tuple[str, MeasurementJob], ...]
    failures: Mapping[str, str]
    rows: pl.DataFrame
    table: pl.DataFrame
    judgements: tuple[Judgement, ...]


def conclude(
    study: Study,
    setting: Setting,
    runs: Sequence[tuple[str, TrainingJob]],
    measurements: Sequence[tuple[str, MeasurementJob]],
    outcomes: Mapping[str, Outcome],
) -> StudyResult:
    """Read the runs and measurements of a study and decide its claims; what failed is left out where it is missing.

    Args:
        study: The study.
        setting: In which setting.
        runs: The label and the job of every run, once a seed.
        measurements: The label of the run and the job of every measurement.
        outcomes: What became of the jobs, by their ids; those of other studies may be among them.
    """
    rows = read_runs(
        [(label, job.folder) for label, job in runs if job.done],
        [(label, job.folder) for label, job in measurements if job.done],
    )
    names = [
        *((job.id, f"{label}, seed {job.config.seed}") for label, job in runs),
        *((job.id, f"{label}, seed {job.run.config.seed}, {job.measurement}") for label, job in measurements),
    ]
    figure = study.figure(setting)
    if isinstance(figure, KernelFigure):
        finished = {label: job.folder for label, job in reversed(runs) if job.done and job.failure() is None}
        table = kernel_table(figure, finished)  # of each run the first seed that there is
    else:
        table = figure_table(figure, rows)
    return StudyResult(
        study,
        setting,
        tuple(runs),
        tuple(measurements),
        {name: outcomes[job].message for job, name in names if outcomes[job].status == "failed"},
        rows,
        table,
        tuple(judge(claim, rows) for claim in study.claims(setting)),
    )


def claims_record(result: StudyResult) -> list[dict[str, Any]]:
    """Return the claims and what came of them, as JSON holds them."""
    return [
        {
            "sentence": judgement.claim.sentence,
            "asked_by": judgement.claim.asked_by,
            "hypothesis": judgement.claim.hypothesis,
            "rule": str(judgement.claim.rule),
            "effect": None if judgement.effect is None else vars(judgement.effect),
            "verdict": judgement.verdict,
            "note": judgement.note,
        }
        for judgement in result.judgements
    ]


def result_folder(store: Path, study: Study, setting: Setting, cut: str = "") -> Path:
    """Return where the result of a study is: `STORE/studies/NAME-PRESET-DATA`.

    Args:
        store: The folder of all results.
        study: The study.
        setting: In which setting. The reading of the code is named too, that of the text is not.
        cut: Names what was changed in the preset's runs.
    """
    kind, _, argument = setting.data.partition(":")
    data = Path(argument).name or kind
    reading = "" if setting.source == "text" else setting.source
    parts = (study.name, setting.preset, data, reading, cut)
    return store / "studies" / slug("-".join(part for part in parts if part))
