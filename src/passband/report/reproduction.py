"""The page of all studies: what they say of the paper's claims, and each figure beside what the paper says."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

from passband.analysis.judge import Judgement
from passband.analysis.table import fill
from passband.checks import duration
from passband.environment import versions
from passband.files import written_whole
from passband.report.render import write_page
from passband.report.studies import corrected_text, draw_study, estimate_text, table_in_percent, verdict_text
from passband.report.theme import Chart
from passband.studies.deviations import Deviation
from passband.studies.reproduction import Reproduction
from passband.studies.result import StudyResult

PAGE = "reproduction.html"
LARGEST = 400_000  # characters of a drawing
SCALE = 2  # pixels of a picture for each that is seen


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
    table: ShownTable | None
    failures: Sequence[tuple[str, str]]
    deviations: Sequence[Deviation]
    folder: str


def write_reproduction(found: Reproduction, folder: Path) -> Path:
    """Write the page, `reproduction.html`, with the table of all claims, `claims.parquet` and `claims.csv`.

    The page holds all that it shows, the numbers behind each figure among it.

    Args:
        found: All studies.
        folder: Takes the place of what was there, once all files are written.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    setting = found.results[0].planned.setting
    with written_whole(folder) as aside:
        claims = found.to_table()
        claims.write_parquet(aside / "claims.parquet")
        claims.write_csv(aside / "claims.csv")
        write_page(
            aside / PAGE,
            "reproduction.html.j2",
            plots=(),
            title=f"The paper on {setting.data}",
            found=found,
            setting=setting,
            studies=[show_study(result) for result in found.results],
            claims_csv=_address(claims.write_csv(), "text/csv"),
            took=duration(found.seconds),
            processor=duration(found.processor_seconds()),
            versions=versions(),
        )
    return folder / PAGE


def show_study(result: StudyResult) -> ShownStudy:
    """Return a study as the page shows it."""
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
        figure=_figure(draw_study(result)),
        csv=_address(result.table.write_csv(), "text/csv"),
        table=table,
        failures=list(result.failures.items()),
        deviations=study.all_deviations(setting),
        folder=planned.folder.name,
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


def _figure(chart: Chart) -> str:
    """Return a chart as the address of a drawing; one of very many parts as that of a picture, which is smaller then."""
    chart.save(drawn := StringIO(), format="svg")
    if len(drawn.getvalue()) <= LARGEST:
        return _address(drawn.getvalue(), "image/svg+xml")
    chart.save(pixels := BytesIO(), format="png", scale_factor=SCALE)
    return _address(pixels.getvalue(), "image/png")


def _address(content: str | bytes, kind: str) -> str:
    data = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
