"""A study as pages show it: its figure and the numbers behind it, its table, what single images showed, and its claims."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from passband.analysis.judge import Judgement
from passband.analysis.table import fill
from passband.report.figure import draw
from passband.report.kernels import draw_kernels
from passband.report.study_words import corrected_text, estimate_text, table_in_percent, verdict_text
from passband.report.theme import Chart
from passband.studies.deviations import Deviation
from passband.studies.kernel_figure import KernelFigure
from passband.studies.result import StudyResult

LARGEST = 400_000  # bytes of a drawing

EXAMPLES = ("flips-*.svg", "losses-*.svg", "gains-*.svg")
"""Drawings of single images that studies write beside their figure."""


@dataclass(frozen=True)
class ShownClaim:
    """A claim as the page shows it."""

    sentence: str
    ours: bool
    hypothesis: str
    rule: str
    estimate: str
    verdict: str
    words: str
    among: str


@dataclass(frozen=True)
class ShownTable:
    """A table of the paper, with ours."""

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    printed_in: str


@dataclass(frozen=True)
class ShownStudy:
    """A study as the page shows it.

    Attributes:
        figure: The figure as SVG, as an address of its data.
        csv: The numbers behind it, likewise.
        examples: Single images in the form of the paper's figures: what is shown, and the drawing.
    """

    name: str
    title: str
    source: str
    question: str
    runs: int
    measurements: int
    claims: Sequence[ShownClaim]
    figure: str
    csv: str
    examples: Sequence[tuple[str, str]]
    table: ShownTable | None
    failures: Sequence[tuple[str, str]]
    deviations: Sequence[Deviation]
    folder: str


def show_study(result: StudyResult, folder: Path) -> ShownStudy:
    """Return a study as a page shows it, with the figure and the examples whose drawings are in its folder."""
    planned = result.planned
    study, setting = planned.study, planned.setting
    table = None
    if study.table is not None:
        asked = study.table(setting)
        lines = table_in_percent(asked, fill(asked, result.rows))
        table = ShownTable(asked.title, (asked.head, *asked.columns), lines, asked.printed_in)
    return ShownStudy(
        name=study.name,
        title=study.title,
        source=study.source,
        question=study.question,
        runs=len(planned.runs),
        measurements=len(planned.measurements),
        claims=[show_claim(judgement) for judgement in result.judgements],
        figure=_figure(folder),
        csv=address(result.table.write_csv(), "text/csv"),
        examples=[
            (path.stem.replace("-", " "), address(path.read_bytes(), "image/svg+xml"))
            for drawn in EXAMPLES
            for path in sorted(folder.glob(drawn))
        ],
        table=table,
        failures=list(result.failures.items()),
        deviations=study.all_deviations(setting),
        folder=folder.name,
    )


def show_claim(judgement: Judgement) -> ShownClaim:
    """Return a claim as the page shows it."""
    claim = judgement.claim
    return ShownClaim(
        claim.sentence,
        claim.asked_by != "paper",
        claim.hypothesis,
        str(claim.rule),
        estimate_text(judgement) if judgement.estimate is not None else "",
        judgement.verdict,
        verdict_text(judgement),
        corrected_text(judgement),
    )


def draw_study(result: StudyResult) -> Chart:
    """Return a study's figure as one chart."""
    figure = result.planned.study.figure(result.planned.setting)
    return (
        draw_kernels(figure, result.table) if isinstance(figure, KernelFigure) else draw(figure, result.table)
    )


def _figure(folder: Path) -> str:
    """Return the figure as the address of a drawing; one of very many parts as that of a picture, which is smaller then."""
    drawn = folder / "figure.svg"
    if drawn.stat().st_size <= LARGEST:
        return address(drawn.read_bytes(), "image/svg+xml")
    return address((folder / "figure.png").read_bytes(), "image/png")


def address(content: str | bytes, kind: str) -> str:
    """Return a file as an address that stands in a page in its place."""
    data = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
