"""The files of a study: its figure, the numbers behind it, its rows, and its claims with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from passband.analysis.claim import Judgement
from passband.analysis.estimate import Effect
from passband.analysis.table import SummaryTable, as_frame, fill
from passband.files import write_json, written_whole
from passband.optional import require
from passband.report.figure import draw
from passband.report.kernels import draw_kernels
from passband.studies.kernel_figure import KernelFigure
from passband.studies.result import StudyResult, claims_record

PURPOSE = {"extra": "report", "purpose": "drawing a study's figure"}


def write_study(result: StudyResult, folder: Path, *, command: str = "") -> Path:
    """Write `figure.png`, `figure.svg`, `table.csv`, `table.parquet`, `rows.parquet`, `claims.json` and `study.md`.

    A study of one of the paper's tables has that too, as CSV and Parquet.

    Args:
        result: The study.
        folder: Takes the place of what was there, once all files are written.
        command: The command line that made it, for `study.md`.

    Returns:
        `folder`.

    Raises:
        MissingDependencyError: If altair or vl-convert is not installed.
    """
    with written_whole(folder) as aside:
        figure = result.study.figure(result.setting)
        chart = (
            draw_kernels(figure, result.table)
            if isinstance(figure, KernelFigure)
            else draw(figure, result.table)
        )
        chart.save(aside / "figure.svg")
        drawn = (aside / "figure.svg").read_text(encoding="utf-8")
        (aside / "figure.png").write_bytes(require("vl_convert", **PURPOSE).svg_to_png(drawn, scale=2))
        result.table.write_csv(aside / "table.csv")
        result.table.write_parquet(aside / "table.parquet")
        result.rows.write_parquet(aside / "rows.parquet")
        if result.study.table is not None:
            table = result.study.table(result.setting)
            frame = as_frame(table, fill(table, result.rows))
            frame.write_csv(aside / f"{table.name}.csv")
            frame.write_parquet(aside / f"{table.name}.parquet")
        write_json(aside / "claims.json", claims_record(result))
        (aside / "study.md").write_text(summary(result, command), encoding="utf-8")
    return folder


def summary(result: StudyResult, command: str = "") -> str:
    """Return a study as Markdown: what was run, how it departs from the paper, and its claims with their verdicts."""
    study, setting = result.study, result.setting
    seeds = len({job.config.seed for _, job in result.runs})
    lines = [
        f"# {study.title}",
        "",
        f"{study.question} ({study.source})",
        "",
        f"Preset `{setting.preset}`, reading `{setting.source}`, data `{setting.data}`, {seeds} "
        f"{'seed' if seeds == 1 else 'seeds'}, {len(result.runs)} runs"
        f"{f', {len(result.measurements)} measurements of them' * bool(result.measurements)}.",
        "",
        *([f"    {command}", ""] if command else []),
        "![figure](figure.png)",
        "",
        *(_summary_table(study.table(setting), result.rows) if study.table is not None else []),
        "## Claims",
        "",
        *_table(
            ("Claim", "In rows", "Effect, 95% interval", "Verdict"),
            [
                (j.claim.quoted, f"{j.claim.hypothesis} *{_capital(str(j.claim.rule))}.*", effect_text(j),
                 f"**{j.verdict}**")
                for j in result.judgements
            ],
        ),
    ]  # fmt: skip
    if result.failures:
        lines += ["", "## Runs and measurements that failed", ""]
        lines += [f"- {what}: {message}" for what, message in result.failures.items()]
    lines += ["", "## Where this departs from the paper", ""]
    lines += _table(
        ("What", "Paper", "Here", "Why"), [(d.what, d.paper, d.here, d.why) for d in setting.departures]
    )
    return "\n".join(lines) + "\n"


def effect_text(judgement: Judgement) -> str:
    """Return an effect as text, such as `0.120 [0.080, 0.160], 3 seeds`, or why there is none."""
    effect = judgement.effect
    if effect is None:
        return judgement.note
    return f"{effect.value:.3f} [{effect.low:.3f}, {effect.high:.3f}], {effect.n:,} {effect.over}"


def _summary_table(table: SummaryTable, rows: pl.DataFrame) -> list[str]:
    """Return a table of the paper in percent, as Markdown; intervals are in its files."""
    cells = fill(table, rows)
    lines = _table(
        (table.head, *table.columns),
        [(name, *(_percent(found) for found in row.values())) for name, row in cells.items()],
    )
    note = f"In percent; 95% intervals are in `{table.name}.csv`. {_counts(table, cells)}"
    return [f"## {table.title}", "", *lines, "", note, ""]


def _percent(effect: Effect | None) -> str:
    return "–" if effect is None else f"{100 * effect.value:.1f}"


def _counts(table: SummaryTable, cells: Mapping[str, Mapping[str, Effect | None]]) -> str:
    """Say on how much the columns rest: what most of them do, then those that differ."""
    groups: dict[str, list[str]] = {}
    for column in table.columns:
        found = [row[column] for row in cells.values()]
        bases = sorted({f"{effect.n:,} {effect.over}" for effect in found if effect is not None})
        groups.setdefault(" or ".join(bases) or "nothing", []).append(column)
    most, *others = sorted(groups, key=lambda base: -len(groups[base]))
    return "; ".join([f"On {most}", *(f"{', '.join(groups[base])} on {base}" for base in others)]) + "."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
