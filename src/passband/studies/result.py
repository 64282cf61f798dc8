"""What came of a study: its rows, the numbers of its figure, and its claims decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from passband.engine.execute import Outcome
from passband.engine.plan import Job
from passband.files import slug
from passband.results.tables import read_runs
from passband.studies.claims import Judgement, judge
from passband.studies.figure import figure_table
from passband.studies.presets import Setting
from passband.studies.study import Study


@dataclass(frozen=True)
class StudyResult:
    """A study that has ended.

    Attributes:
        study: The study.
        setting: In which setting.
        runs: The label and the job of every run, once a seed.
        failures: Why runs failed, by their label and seed.
        rows: What was measured; see `passband.results.tables.RUN_COLUMNS`.
        table: The numbers behind the figure; see `passband.studies.figure.TABLE`.
        judgements: What came of each claim.
    """

    study: Study
    setting: Setting
    runs: tuple[tuple[str, Job], ...]
    failures: Mapping[tuple[str, int], str]
    rows: pl.DataFrame
    table: pl.DataFrame
    judgements: tuple[Judgement, ...]


def conclude(
    study: Study, setting: Setting, runs: Sequence[tuple[str, Job]], outcomes: Mapping[str, Outcome]
) -> StudyResult:
    """Read the runs of a study and decide its claims; runs that failed are left out where they are missing.

    Args:
        study: The study.
        setting: In which setting.
        runs: The label and the job of every run, once a seed.
        outcomes: What became of the jobs, by the run's id; those of other studies may be among them.
    """
    rows = read_runs((label, job.folder) for label, job in runs if job.done)
    failures = {
        (label, job.config.seed): outcomes[job.run].message
        for label, job in runs
        if outcomes[job.run].status == "failed"
    }
    return StudyResult(
        study,
        setting,
        tuple(runs),
        failures,
        rows,
        figure_table(study.figure(setting), rows),
        tuple(judge(claim, rows) for claim in study.claims(setting)),
    )


def claims_record(result: StudyResult) -> list[dict[str, Any]]:
    """Return the claims and what came of them, as JSON holds them."""
    return [
        {
            "sentence": judgement.claim.sentence,
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
