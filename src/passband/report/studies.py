"""The files of a study: its figure, the numbers behind it, its rows, and its claims with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from passband.files import write_json, written_whole
from passband.report.theme import FONT, LIGHT, Chart, load_altair
from passband.studies.claims import Judgement
from passband.studies.figure import Bar, Curve, Figure, Mark, Panel
from passband.studies.result import StudyResult, claims_record

PANEL = (300, 220)  # width and height in pixels
PALEST = 0.6  # how much white the palest shade of a color holds


def write_study(result: StudyResult, folder: Path, *, command: str = "") -> Path:
    """Write `figure.png`, `figure.svg`, `table.csv`, `table.parquet`, `rows.parquet`, `claims.json` and `study.md`.

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
        chart = draw(result.study.figure(result.setting), result.table)
        chart.save(aside / "figure.png", scale_factor=2)
        chart.save(aside / "figure.svg")
        result.table.write_csv(aside / "table.csv")
        result.table.write_parquet(aside / "table.parquet")
        result.rows.write_parquet(aside / "rows.parquet")
        write_json(aside / "claims.json", claims_record(result))
        (aside / "study.md").write_text(summary(result, command), encoding="utf-8")
    return folder


def draw(figure: Figure, table: pl.DataFrame) -> Chart:
    """Draw a figure's panels from the numbers behind it (`passband.studies.figure.TABLE`)."""
    alt = load_altair()
    panels = {panel.title: table.filter(pl.col("panel") == panel.title) for panel in figure.panels}
    ranges = {
        y: _range([panels[panel.title] for panel in figure.panels if panel.y == y])
        for y in {panel.y for panel in figure.panels}
    }
    rows = (
        alt.hconcat(*(_panel(panel, panels[panel.title], ranges[panel.y]) for panel in row))
        for row in figure.rows
    )
    text = {"labelColor": LIGHT["ink"], "titleColor": LIGHT["ink"], "labelFontSize": 11, "titleFontSize": 11}
    return (
        alt.vconcat(*rows)
        .configure(font=FONT, background=LIGHT["paper"])
        .configure_view(stroke=None)
        .configure_axis(**text, gridColor=LIGHT["grid"], titleFontWeight="normal")
        .configure_title(color=LIGHT["ink"], fontSize=13, anchor="start")
        .configure_legend(labelColor=LIGHT["ink"], title=None, symbolStrokeWidth=2.5, symbolSize=200)
    )


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
        f"{'seed' if seeds == 1 else 'seeds'}, {len(result.runs)} runs.",
        "",
        *([f"    {command}", ""] if command else []),
        "![figure](figure.png)",
        "",
        "## Claims",
        "",
        *_table(
            ("The paper says", "In rows", "Effect, 95% interval", "Verdict"),
            [
                (f"“{j.claim.sentence}”", f"{j.claim.hypothesis} *{_capital(str(j.claim.rule))}.*", effect_text(j),
                 f"**{j.verdict}**")
                for j in result.judgements
            ],
        ),
    ]  # fmt: skip
    if result.failures:
        lines += ["", "## Runs that failed", ""]
        lines += [f"- {label}, seed {seed}: {message}" for (label, seed), message in result.failures.items()]
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


def _panel(panel: Panel, numbers: pl.DataFrame, range_: tuple[float, float]) -> Any:
    alt = load_altair()
    looks = {mark.name: mark for mark in panel.marks}
    kind = type(panel.marks[0])
    base = alt.Chart(alt.Data(values=numbers.to_dicts())).encode(
        color=_colors(looks, "square" if kind is Bar else "stroke" if kind is Curve else "circle"),
        tooltip=["series:N", *(alt.Tooltip(f"{part}:Q", format=".3f") for part in ("value", "low", "high"))],
    )
    y = alt.Y(
        "value:Q",
        title=panel.y,
        scale=alt.Scale(domain=range_, nice=False),
        axis=alt.Axis(format="%", tickCount=5),
    )
    if kind is Curve:
        layers = _curves(base, panel, looks, y)
    elif kind is Bar:
        layers = _bars(base, panel, looks, y)
    else:
        x = alt.X("x:Q", title=panel.x, axis=alt.Axis(format=".0%", tickCount=5), scale=alt.Scale(zero=False))
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
    x = alt.X("x:Q", title=panel.x, axis=alt.Axis(grid=False, tickMinStep=1, format="d"))
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
    ends = [end for table in tables for end in table["low"].to_list() + table["high"].to_list()]
    return 1.05 * min([0.0, *ends]), min(1.0, 1.05 * max([0.05, *ends]))


def _color(mark: Mark) -> str:
    """Return a mark's color: that of its role, mixed with white the more the paler its shade.

    Example:
        >>> _color(Mark("LFC", "lfc")), _color(Mark("LFC", "lfc", shade=0))
        ('#0072b2', '#99c7e0')
    """
    white = PALEST * (1 - mark.shade)
    parts = (int(LIGHT[mark.role][start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
