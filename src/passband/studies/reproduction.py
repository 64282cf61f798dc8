"""What came of all studies together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from passband.analysis.judge import Judgement, Verdict
from passband.errors import InputError
from passband.results.places import Store
from passband.results.tables import processor_seconds
from passband.studies.plan import PlannedStudy, plan_studies
from passband.studies.result import StudyResult, describe_claims


@dataclass(frozen=True)
class Reproduction:
    """All studies in a setting, when they have ended.

    Attributes:
        results: Study by study, in the paper's order.
        command: The command line that made it.
        made: How many runs and measurements were made by it; the rest was in the store.
        seconds: What it took by the clock.
        left_out: The names of studies that want other data, and were left out.
    """

    results: tuple[StudyResult, ...]
    command: str
    made: int
    seconds: float
    left_out: tuple[str, ...] = ()

    VERDICTS: ClassVar[tuple[Verdict, ...]] = (
        "supported",
        "contradicted",
        "undecided",
        "not tested",
        "no verdict",
    )

    @property
    def judgements(self) -> Iterator[tuple[str, Judgement]]:
        """What came of every claim, with the study's name."""
        for result in self.results:
            for judgement in result.judgements:
                yield result.planned.study.name, judgement

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """How many claims of each study came out how, ours among them."""
        return {
            result.planned.study.name: Counter(each.verdict for each in result.judgements)
            for result in self.results
        }

    @property
    def runs(self) -> int:
        """How many runs there are, each counted once."""
        return len({run.id for result in self.results for _, run in result.planned.runs})

    @property
    def measurements(self) -> int:
        """How many measurements of finished networks, likewise."""
        return len({one.id for result in self.results for _, one in result.planned.measurements})

    @property
    def seeds(self) -> int:
        """How often each run was made."""
        return max(len({run.config.seed for _, run in result.planned.runs}) for result in self.results)

    def sentence(self) -> str:
        """Return what the paper's claims come to, in a sentence."""
        of_paper = [each for _, each in self.judgements if each.claim.asked_by == "paper"]
        counts = Counter(each.verdict for each in of_paper)
        said = [f"{counts[verdict]} {SAID[verdict]}" for verdict in self.VERDICTS if counts[verdict]]
        text = ", ".join(said[:-1]) + " and " * (len(said) > 1) + "".join(said[-1:])
        firm = [each for each in of_paper if each.verdict == "supported" and each.stands]
        stand = (
            f" Of the supported ones {len(firm)} also stand among all claims of their study."
            if counts["supported"]
            else ""
        )
        return f"Of {len(of_paper)} claims of the paper, {text}.{stand}"

    def processor_seconds(self) -> float:
        """Return what all runs and measurements took, in whatever sessions: see `passband.results.tables.processor_seconds`."""
        folders = {one.id: one.folder for result in self.results for one in result.planned.everything}
        return sum(map(processor_seconds, folders.values()))

    def to_table(self) -> pl.DataFrame:
        """Return one row a claim."""
        rows = []
        for result in self.results:
            for claim in describe_claims(result):
                estimate: Mapping[str, float] = claim.pop("estimate") or {}
                rows.append(
                    {"study": result.planned.study.name, **claim}
                    | {name: estimate.get(name) for name in ("value", "low", "high", "n", "over")}
                )
        return pl.DataFrame(rows, infer_schema_length=None)


DETECTION = "detection"
"""The name of the study whose data, in the preset `paper`, are images with boxes."""

SAID = {
    "supported": "are supported",
    "contradicted": "are contradicted",
    "undecided": "stay undecided",
    "not tested": "were not tested, since what they presuppose did not hold",
    "no verdict": "have no verdict",
}


def plan_reproduction(
    studies: Sequence[str], *, preset: str, detection_data: str | None = None, **settings: Any
) -> tuple[list[PlannedStudy], tuple[str, ...]]:
    """Return studies as planned, and the names of those that are left out since they want other data.

    The paper's detection wants images with boxes, which no other study takes.

    Args:
        studies: Their names.
        preset: As `plan_studies` takes it.
        detection_data: Annotated images for detection, such as `coco:FOLDER`; where they are needed and None are given, detection is
            left out.
        **settings: As `plan_studies` takes them.

    Raises:
        InputError: As `plan_studies`, or if annotated images are given where detection makes its own.
    """
    if preset != "paper":
        if detection_data is not None:
            raise InputError(
                f"the preset {preset} draws its own scenes for detection: --detection-data is for the preset paper"
            )
        return plan_studies(studies, preset=preset, **settings), ()
    others = [name for name in studies if name != DETECTION]
    planned = plan_studies(others, preset=preset, **settings)
    if DETECTION not in studies:
        return planned, ()
    if detection_data is None:
        return planned, (DETECTION,)
    settings["data"] = detection_data
    found = plan_studies(DETECTION, preset=preset, **settings)
    place = {name: position for position, name in enumerate(studies)}
    return sorted([*planned, *found], key=lambda each: place[each.study.name]), ()


def reproduction_folder(store: Path, planned: Sequence[PlannedStudy]) -> Path:
    """Return where the page of studies in one setting belongs: `STORE/reproductions/PRESET-DATA`."""
    return Store(store).reproductions / planned[0].folder.name.removeprefix(f"{planned[0].study.name}-")
