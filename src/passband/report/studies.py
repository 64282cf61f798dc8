"""The files of a study: its figure, the numbers behind it, its rows, and its claims with their verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from passband.analysis.estimate import Estimate
from passband.analysis.table import SummaryTable, as_frame, fill
from passband.audit.detector_examples import DetectorPictures
from passband.audit.pictures import PICTURES
from passband.engine.detection import PlannedDetection
from passband.environment import versions
from passband.files import slug, write_json, written_whole
from passband.instruments.flips import FlipPictures
from passband.instruments.instrument import EXAMPLES, SAMPLES
from passband.report.detector import write_examples
from passband.report.flips import write_flips
from passband.report.render import write_page
from passband.report.study_page import draw_study, show_study
from passband.report.study_words import (
    AMONG_ALL,
    corrected_text,
    estimate_text,
    table_in_percent,
    verdict_text,
)
from passband.report.svg import write_chart
from passband.report.words import capitalized
from passband.results.places import USES
from passband.serial import read_tensors
from passband.studies.result import StudyResult, describe_claims, describe_uses

PAGE = "study.html"


def write_study(result: StudyResult, folder: Path | None = None, *, command: str = "") -> Path:
    """Write a study's page, `study.html`, its figure (SVG, PDF, PNG), tables, rows, claims, what it uses, and `study.md`.

    A study of one of the paper's tables has that too, as CSV and Parquet; some have examples in the form of the paper's figures,
    and what became of single images in `samples.parquet`.

    Args:
        result: The study.
        folder: Takes the place of what was there, once all files are written; None is the study's own in the store.
        command: The command line that made it, for the page and `study.md`.

    Returns:
        The folder.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    study, setting = result.planned.study, result.planned.setting
    folder = result.planned.folder if folder is None else folder
    with written_whole(folder) as aside:
        write_chart(draw_study(result), aside, "figure", purpose="drawing a study's figure")
        result.table.write_csv(aside / "table.csv")
        result.table.write_parquet(aside / "table.parquet")
        result.rows.write_parquet(aside / "rows.parquet")
        if study.table is not None:
            table = study.table(setting)
            frame = as_frame(table, fill(table, result.rows))
            frame.write_csv(aside / f"{table.name}.csv")
            frame.write_parquet(aside / f"{table.name}.parquet")
        _write_examples(result, aside)
        write_json(aside / "claims.json", describe_claims(result))
        write_json(aside / USES, describe_uses(result.planned))
        (aside / "study.md").write_text(summary(result, command), encoding="utf-8")
        _write_page(result, aside, command)
    return folder


def _write_page(result: StudyResult, folder: Path, command: str) -> None:
    counts = Counter(judgement.verdict for judgement in result.judgements)
    write_page(
        folder / PAGE,
        "study.html.j2",
        plots=(),
        title=result.planned.study.title,
        study=show_study(result, folder),
        setting=result.planned.setting,
        seeds=len({run.config.seed for _, run in result.planned.runs}),
        counted=[_counted(verdict, count) for verdict, count in counts.items()],
        command=command,
        versions=versions(),
    )


def _counted(verdict: str, count: int) -> str:
    """Return how many claims came out so, as a part of a sentence.

    Example:
        >>> _counted("supported", 1), _counted("no verdict", 3)
        ('1 is supported', '3 have no verdict')
    """
    if verdict == "no verdict":
        return f"{count} {'has' if count == 1 else 'have'} {verdict}"
    return f"{count} {'is' if count == 1 else 'are'} {verdict}"


def _write_examples(result: StudyResult, folder: Path) -> None:
    """Write what measurements have to show beside their rows.

    Of audits of detectors, Figures 8 and 9: `losses-LABEL` and `gains-LABEL`. Of images that follow their HFC, Figure 2, of the
    first seed: `flips-LABEL-SUBSET`; and single images of all measurements that keep them, in one table: `samples.parquet`.
    """
    tables = []
    for label, planned in result.planned.measurements:
        if planned.id in result.lacking:
            continue
        if isinstance(planned, PlannedDetection):
            pictures = read_tensors(planned.folder / PICTURES, DetectorPictures)
            write_examples(pictures, folder, suffix=f"-{slug(label)}")
            continue
        seed, subset = planned.run.config.seed, planned.measurement.subset
        if (planned.folder / SAMPLES).is_file():
            named = (pl.lit(label).alias("label"), pl.lit(seed).alias("seed"), pl.lit(subset).alias("subset"))
            tables.append(pl.read_parquet(planned.folder / SAMPLES).select(*named, pl.all()))
        if (planned.folder / EXAMPLES).is_file() and seed == 0:
            flips = read_tensors(planned.folder / EXAMPLES, FlipPictures)
            write_flips(flips, folder, f"flips-{slug(label)}-{subset}")
    if tables:
        pl.concat(tables).write_parquet(folder / SAMPLES)


def summary(result: StudyResult, command: str = "") -> str:
    """Return a study as Markdown: what was run, how it deviates from the paper, and its claims with their verdicts."""
    planned = result.planned
    study, setting = planned.study, planned.setting
    seeds = len({run.config.seed for _, run in planned.runs})
    lines = [
        f"# {study.title}",
        "",
        f"{study.question} ({study.source})",
        "",
        f"Preset `{setting.preset}`, reading `{setting.source}`, data `{setting.data}`, {seeds} "
        f"{'seed' if seeds == 1 else 'seeds'}, {len(planned.runs)} runs"
        f"{f', {len(planned.measurements)} measurements of them' * bool(planned.measurements)}.",
        "",
        *([f"    {command}", ""] if command else []),
        "![figure](figure.png)",
        "",
        *(_summary_table(study.table(setting), result.rows) if study.table is not None else []),
        "## Claims",
        "",
        *_table(
            ("Claim", "In rows", "Estimate, 95% interval", "Verdict", "Among all claims"),
            [
                (j.claim.quoted, f"{j.claim.hypothesis} *{capitalized(str(j.claim.rule))}.*", estimate_text(j),
                 verdict_text(j).replace(j.verdict, f"**{j.verdict}**", 1), corrected_text(j))
                for j in result.judgements
            ],
        ),
        "",
        f"Differences are taken seed by seed; an interval holds what varies between seeds and within their samples. {AMONG_ALL}",
    ]  # fmt: skip
    if result.failures:
        lines += ["", "## Runs and measurements that failed", ""]
        lines += [f"- {what}: {message}" for what, message in result.failures.items()]
    lines += ["", "## Where this deviates from the paper", ""]
    deviations = study.all_deviations(setting)
    lines += _table(("What", "Paper", "Here", "Why"), [(d.what, d.paper, d.here, d.why) for d in deviations])
    return "\n".join(lines) + "\n"


def _summary_table(table: SummaryTable, rows: pl.DataFrame) -> list[str]:
    """Return a table of the paper in percent, as Markdown, beside what the paper prints; intervals are in its files."""
    cells = fill(table, rows)
    lines = _table((table.head, *table.columns), table_in_percent(table, cells))
    notes = [f"In percent; 95% intervals are in `{table.name}.csv`.", _counts(table, cells)]
    if table.printed:
        notes.append(f"In parentheses: {table.printed_in}.")
    return [f"## {table.title}", "", *lines, "", " ".join(notes), ""]


def _counts(table: SummaryTable, cells: Mapping[str, Mapping[str, Estimate | None]]) -> str:
    """Say on how much the columns rest: what most of them do, then those that differ."""
    groups: dict[str, list[str]] = {}
    for column in table.columns:
        found = [row[column] for row in cells.values()]
        bases = sorted({f"{estimate.n:,} {estimate.over}" for estimate in found if estimate is not None})
        groups.setdefault(" or ".join(bases) or "nothing", []).append(column)
    most, *others = sorted(groups, key=lambda base: -len(groups[base]))
    return "; ".join([f"On {most}", *(f"{', '.join(groups[base])} on {base}" for base in others)]) + "."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]
