"""The files of a study: its figure, the numbers behind it, its rows, and its claims with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from passband.analysis.claim import Judgement
from passband.analysis.estimate import Estimate
from passband.analysis.figure import Bar, Curve, Figure, Mark, Panel
from passband.analysis.table import SummaryTable, as_frame, fill
from passband.files import write_json, written_whole
from passband.optional import require
from passband.report.kernels import draw_kernels
from passband.report.theme import LIGHT, Chart, load_altair, printed
from passband.studies.kernel_figure import KernelFigure
from passband.studies.result import StudyResult, describe_claims

PURPOSE = {"extra": "report", "purpose": "drawing a study's figure"}
PANEL = (300, 220)  # width and height in pixels
PALEST = 0.6  # how much white the palest shade of a color holds


def write_study(result: StudyResult, folder: Path | None = None, *, command: str = "") -> Path:
    """Write `figure.png`, `figure.svg`, `table.csv`, `table.parquet`, `rows.parquet`, `claims.json` and `study.md`.

    A study of one of the paper's tables has that too, as CSV and Parquet.

    Args:
        result: The study.
        folder: Takes the place of what was there, once all files are written; None is the study's own in the store.
        command: The command line that made it, for `study.md`.

    Returns:
        The folder.

    Raises:
        MissingDependencyError: If altair or vl-convert is not installed.
    """
    study, setting = result.planned.study, result.planned.setting
    folder = result.planned.folder if folder is None else folder
    with written_whole(folder) as aside:
        figure = study.figure(setting)
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
        if study.table is not None:
            table = study.table(setting)
            frame = as_frame(table, fill(table, result.rows))
            frame.write_csv(aside / f"{table.name}.csv")
            frame.write_parquet(aside / f"{table.name}.parquet")
        write_json(aside / "claims.json", describe_claims(result))
        (aside / "study.md").write_text(summary(result, command), encoding="utf-8")
    return folder


def draw(figure: Figure, table: pl.DataFrame) -> Chart:
    """Draw a figure's panels from the numbers behind it (`passband.analysis.figure.TABLE`)."""
    alt = load_altair()
    panels = {panel.title: table.filter(pl.col("panel") == panel.title) for panel in figure.panels}
    looks = _looks(figure)
    ranges = {
        y: _range([panels[panel.title] for panel in figure.panels if panel.y == y])
        for y in {panel.y for panel in figure.panels}
    }
    rows = (
        alt.hconcat(*(_panel(panel, panels[panel.title], ranges[panel.y], looks) for panel in row))
        for row in figure.rows
    )
    return printed(alt.vconcat(*rows)).configure_legend(
        labelColor=LIGHT["ink"], title=None, symbolStrokeWidth=2.5, symbolSize=200
    )


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
            ("Claim", "In rows", "Estimate, 95% interval", "Verdict"),
            [
                (j.claim.quoted, f"{j.claim.hypothesis} *{_capital(str(j.claim.rule))}.*", estimate_text(j),
                 f"**{j.verdict}**")
                for j in result.judgements
            ],
        ),
    ]  # fmt: skip
    if result.failures:
        lines += ["", "## Runs and measurements that failed", ""]
        lines += [f"- {what}: {message}" for what, message in result.failures.items()]
    lines += ["", "## Where this deviates from the paper", ""]
    deviations = study.all_deviations(setting)
    lines += _table(("What", "Paper", "Here", "Why"), [(d.what, d.paper, d.here, d.why) for d in deviations])
    return "\n".join(lines) + "\n"


def estimate_text(judgement: Judgement) -> str:
    """Return an estimate as text, such as `0.120 [0.080, 0.160], 3 seeds`, or why there is none."""
    estimate = judgement.estimate
    if estimate is None:
        return judgement.note
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}], {estimate.n:,} {estimate.over}"


def _looks(figure: Figure) -> dict[str, Mark]:
    """Return the marks that the figure's one legend names: not those that are alone in a panel, which names them."""
    named = (panel for panel in figure.panels if len({mark.name for mark in panel.marks}) > 1)
    return {mark.name: mark for panel in named for mark in panel.marks}


def _panel(
    panel: Panel, numbers: pl.DataFrame, range_: tuple[float, float], looks: Mapping[str, Mark]
) -> Any:
    alt = load_altair()
    own = {mark.name: mark for mark in panel.marks}
    looks = looks if len(own) > 1 else own
    kind = type(panel.marks[0])
    base = alt.Chart(alt.Data(values=numbers.to_dicts())).encode(
        color=_colors(looks, "square" if kind is Bar else "stroke" if kind is Curve else "circle"),
        tooltip=["series:N", *(alt.Tooltip(f"{part}:Q", format=".3f") for part in ("value", "low", "high"))],
    )
    y = alt.Y(
        "value:Q",
        title=panel.y,
        scale=alt.Scale(domain=range_, nice=False),
        axis=alt.Axis(format="%" if range_[1] <= 1 else "~g", tickCount=5),
    )
    if kind is Curve:
        layers = _curves(base, panel, looks, y)
    elif kind is Bar:
        layers = _bars(base, panel, own, y)
    else:
        x = alt.X("x:Q", title=panel.x, axis=alt.Axis(format="%", tickCount=5), scale=alt.Scale(zero=False))
        base = base.encode(x=x)
        layers = [
            base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title=panel.y), y2="high:Q"),
            base.mark_point(filled=True, size=70, opacity=1).encode(y=y),
        ]
    return alt.layer(*layers).properties(width=PANEL[0], height=PANEL[1], title=panel.title)


def _curves(base: Any, panel: Panel, looks: Mapping[str, Mark], y: Any) -> list[Any]:
    alt = load_altair()
    dashes = [[5, 3] if mark.dashed else [1, 0] for mark in looks.values()]
    legend = alt.Legend(symbolType="stroke")  # as that of the color, so that both are one
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=list(looks), range=dashes), legend=legend)
    whole = {"tickMinStep": 1, "format": "d"} if panel.x == "epoch" else {"format": "~g"}
    x = alt.X("x:Q", title=panel.x, axis=alt.Axis(grid=False, **whole))
    base = base.encode(x=x, y=y)
    return [
        base.mark_line(strokeWidth=2).encode(strokeDash=dash),
        base.mark_point(filled=True, size=18, opacity=1),
    ]


def _bars(base: Any, panel: Panel, looks: Mapping[str, Mark], y: Any) -> list[Any]:
    alt = load_altair()
    order = list(dict.fromkeys(mark.category for mark in panel.marks if isinstance(mark, Bar)))
    axis = alt.Axis(labelAngle=-30, grid=False)
    base = base.encode(x=alt.X("category:N", title=panel.x or None, sort=order, axis=axis))
    if len(looks) > 1:
        base = base.encode(xOffset=alt.XOffset("series:N", sort=list(looks)))
    ends = base.mark_rule(strokeWidth=1.5).encode(
        y=alt.Y("low:Q", title=panel.y), y2="high:Q", color=alt.value(LIGHT["ink"])
    )
    return [base.mark_bar().encode(y=y), ends]


def _colors(looks: Mapping[str, Mark], symbol: str) -> Any:
    """Return the color of each mark; one mark alone needs no legend, since its panel names it."""
    alt = load_altair()
    colors = [_color(mark) for mark in looks.values()]
    if len(looks) == 1:
        return alt.value(colors[0])
    scale = alt.Scale(domain=list(looks), range=colors)
    return alt.Color("series:N", scale=scale, legend=alt.Legend(symbolType=symbol))


def _range(tables: Sequence[pl.DataFrame]) -> tuple[float, float]:
    """Return the ends of an axis that several panels share: from 0, or from below where a value is negative."""
    ends = [end for table in tables for part in ("value", "low", "high") for end in table[part].drop_nulls()]
    top = max([0.05, *ends])
    return 1.05 * min([0.0, *ends]), 1.05 * top if top > 1 else min(1.0, 1.05 * top)


def _color(mark: Mark) -> str:
    """Return a mark's color: that of its role, mixed with white the more the paler its shade.

    Example:
        >>> _color(Mark("LFC", "lfc")), _color(Mark("LFC", "lfc", shade=0))
        ('#0072b2', '#99c7e0')
    """
    white = PALEST * (1 - mark.shade)
    parts = (int(LIGHT[mark.role][start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)


def _summary_table(table: SummaryTable, rows: pl.DataFrame) -> list[str]:
    """Return a table of the paper in percent, as Markdown; intervals are in its files."""
    cells = fill(table, rows)
    lines = _table(
        (table.head, *table.columns),
        [(name, *(_percent(found) for found in row.values())) for name, row in cells.items()],
    )
    note = f"In percent; 95% intervals are in `{table.name}.csv`. {_counts(table, cells)}"
    return [f"## {table.title}", "", *lines, "", note, ""]


def _percent(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{100 * estimate.value:.1f}"


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


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
