"""A study that has ended, on paper only."""

from pathlib import Path

import polars as pl

from passband.analysis.estimate import Estimate
from passband.analysis.figure import figure_table
from passband.analysis.judge import Judgement
from passband.engine.plan import PlannedRun
from passband.results.tables import RUN_COLUMNS
from passband.studies.catalog import STUDIES
from passband.studies.plan import PlannedStudy
from passband.studies.presets import find_setting
from passband.studies.result import StudyResult

SETTING = find_setting("smoke", "fashion-mnist")
STUDY = STUDIES["train-on-components"]
CLAIMS = STUDY.claims(SETTING)
PART = {"run": "r", "seed": 0, "failed": False, "chance": 0.1, "count": 100}


def rows(**values: float) -> pl.DataFrame:
    records = [
        PART | {"label": label, "epoch": epoch, "subset": subset, "component": "full", "shown": "full", "metric": "accuracy",
                "value": value * epoch / 3}
        for label, value in values.items() for subset in ("train", "test") for epoch in (1, 2, 3)
    ]  # fmt: skip
    return pl.DataFrame(records, schema=RUN_COLUMNS)


def made_up_result() -> StudyResult:
    """Return the result of Table 1's study: one claim supported, one not tested, one run failed."""
    measured = rows(original=0.9, **{f"{c}-{r}": 0.6 for c in ("lfc", "hfc") for r in (4, 8, 12, 16)})
    config = SETTING.vanilla
    run = PlannedRun(
        id="r",
        folder=Path("r"),
        config=config,
        probe=None,
        images={"train": 60, "test": 40},
        fingerprints={},
        shape=(1, 28, 28),
        classes=10,
    )
    estimates = [Estimate(0.4, 0.3, 0.5, 1234, "samples"), None]
    judgements = (
        Judgement(CLAIMS[0], "supported", estimates[0], p=0.001, p_sentence=0.002, p_study=0.004),
        Judgement(CLAIMS[1], "not tested", note="hfc-8 | has no rows"),
    )
    table = figure_table(STUDY.figure(SETTING), measured)
    return StudyResult(PlannedStudy(STUDY, SETTING, [("original", run)], [], Path("x")), {"hfc-8, seed 0": "the loss is inf"}, measured, table, judgements)  # fmt: skip
