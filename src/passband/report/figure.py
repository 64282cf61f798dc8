"""Figures that are described by what they show (`passband.analysis.figure`), drawn: a study's, or an instrument's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import Any

import polars as pl

from passband.analysis.figure import Bar, Curve, Figure, HeatMap, Mark, Panel, Point
from passband.report.series import Look, lines
from passband.report.theme import DASHES, LIGHT, SHAPES, SIZE, WIDE, Chart, finish, load_altair, printed

PANEL = (300, 220)  # width and height in pixels, at most
ROOM = 960  # pixels for a row of panels, so that what is written in them can be read on a page
AXIS = 45  # pixels beside each panel
LEAST = 60  # pixels that a panel needs; a row of more panels than there is room for is wider
LETTER = 6.5  # pixels of a panel's title for each of its letters
PALEST = 0.6  # how much white the palest shade of a color holds
SQUARE = (420, 420)  # of a heat map alone
LINES = Look(width=2, size=18, band=False)  # there may be many in a panel
MOST_BANDS = 4  # intervals of more curves hide each other
ALONE = Look(width=2, size=18)  # of a panel that has a chart to itself


def draw(figure: Figure, table: pl.DataFrame, *, bands: bool = False) -> Chart:
    """Draw a figure's panels as one chart, from the numbers behind it (`passband.analysis.figure.TABLE`).

    Args:
        figure: The figure.
        table: Its numbers.
        bands: Whether the intervals of curves are shaded, for which there must be few of them.
    """
    alt = load_altair()
    layers, looks = _layers(figure, table, ALONE if bands else LINES), _looks(figure)
    width = max(LEAST, min(PANEL[0], ROOM // max(map(len, figure.rows), default=1) - AXIS))
    rows = (
        alt.hconcat(
            *(
                alt.layer(*layers(panel, looks)).properties(
                    width=width, height=PANEL[1], title=alt.Title(wrap(panel.title, int(width / LETTER)))
                )
                for panel in row
            )
        )
        for row in figure.rows
    )
    return printed(alt.vconcat(*rows)).configure_legend(labelColor=LIGHT["ink"], title=None, labelLimit=260)


def draw_panels(figure: Figure, table: pl.DataFrame) -> dict[str, Chart]:
    """Draw each of a figure's panels as a chart of its own, by title; those of which nothing was measured are left out."""
    alt = load_altair()
    layers, measured = _layers(figure, table, ALONE), set(table["panel"])
    return {
        panel.title: finish(
            alt.layer(*layers(panel, {mark.name: mark for mark in panel.marks})),
            f"{panel.title}: {panel.y}{f' by {panel.x}' if panel.x else ''}.",
            SQUARE if isinstance(panel.marks[0], HeatMap) else SIZE,
        ).configure_legend(
            title=None,
            orient="top",
            labelColor=LIGHT["ink"],
            labelFontSize=12,
            labelLimit=240,
            columns=_columns([mark.name for mark in panel.marks]),
        )
        for panel in figure.panels
        if panel.title in measured
    }


def _layers(
    figure: Figure, table: pl.DataFrame, look: Look
) -> Callable[[Panel, Mapping[str, Mark]], list[Chart]]:
    """Return a function that draws a panel of the figure; panels of one `y` share its axis."""
    numbers = {panel.title: table.filter(pl.col("panel") == panel.title) for panel in figure.panels}
    drawn = {panel.title: numbers[panel.title].select(_parts(panel, look)) for panel in figure.panels}
    ranges = {
        y: _range([drawn[panel.title] for panel in figure.panels if panel.y == y])
        for y in {panel.y for panel in figure.panels}
    }
    return lambda panel, looks: _panel(panel, numbers[panel.title], ranges[panel.y], looks, look)


def _looks(figure: Figure) -> dict[str, Mark]:
    """Return the marks that the figure's one legend names: not those that are alone in a panel, which names them."""
    named = (panel for panel in figure.panels if len({mark.name for mark in panel.marks}) > 1)
    return {mark.name: mark for panel in named for mark in panel.marks}


def _panel(
    panel: Panel,
    numbers: pl.DataFrame,
    range_: tuple[float, float],
    looks: Mapping[str, Mark],
    look: Look,
) -> list[Chart]:
    """Return the layers of one panel; `looks` are the marks that its legend names."""
    alt = load_altair()
    own = {mark.name: mark for mark in panel.marks}
    looks = looks if len(own) > 1 else own
    axis = alt.Axis(format="%" if panel.in_percent else "~g", tickCount=5)
    y_axis = axis if range_[1] <= 1 else alt.Axis(format="~g", tickCount=5)
    y = alt.Y("value:Q", title=panel.y, scale=alt.Scale(domain=range_, nice=False), axis=y_axis)
    rows = numbers.to_dicts()
    kind = type(panel.marks[0])
    if kind is Curve:
        whole = {"tickMinStep": 1, "format": "d"} if panel.x == "epoch" else {"format": "~r"}
        x = alt.X("x:Q", title=panel.x, axis=alt.Axis(grid=False, **whole))
        color, strokes = _colors(looks, "stroke"), _strokes(looks, look.width)
        along = [row for row in rows if row["x"] is not None]
        levels = [row for row in rows if row["x"] is None]
        look = look._replace(band="low" in _parts(panel, look))
        across = alt.Chart(alt.Data(values=levels)).mark_rule()
        return [
            *lines(along, color, x, y, ".3f", over=panel.x, strokes=strokes, look=look),
            *([across.encode(y=y, color=color, tooltip="series:N", **strokes)] if levels else []),
        ]
    if kind is HeatMap:
        return [_heat_map(panel, rows)]
    base = alt.Chart(alt.Data(values=rows)).encode(
        color=_colors(looks, "square" if kind is Bar else _symbol(looks)),
        tooltip=["series:N", *(alt.Tooltip(f"{part}:Q", format=".3f") for part in ("value", "low", "high"))],
    )
    if kind is Bar:
        return _bars(base, panel, own, y)
    base = base.encode(x=alt.X("x:Q", title=panel.x, axis=axis, scale=alt.Scale(zero=False)))
    return [
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title=panel.y), y2="high:Q"),
        *_points(base.encode(y=y), looks),
    ]


def _heat_map(panel: Panel, rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Return the layer of a heat map: cells by their place, whatever lies between two of them; 0 is the darkest."""
    alt = load_altair()
    ends = [min(0.0, *(row["value"] for row in rows)), max(0.05, *(row["value"] for row in rows))]
    places = {"labelOverlap": True, "labelAngle": 0, "grid": False}
    written = "%" if panel.in_percent and ends[1] <= 1 else "~g"
    color = alt.Color(
        "value:Q",
        scale=alt.Scale(domain=ends, scheme="viridis"),
        legend=alt.Legend(title=panel.marks[0].name, format=written, orient="right"),
    )
    numbers = [alt.Tooltip(f"{part}:Q", format=".3f") for part in ("value", "low", "high")]
    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_rect(strokeWidth=0)
        .encode(
            x=alt.X("x:O", title=panel.x, axis=alt.Axis(**places)),
            y=alt.Y("y:O", title=panel.y, axis=alt.Axis(**places)),
            color=color,
            tooltip=[alt.Tooltip("x:O", title=panel.x), alt.Tooltip("y:O", title=panel.y), *numbers],
        )
    )


def _columns(names: Sequence[str]) -> int:
    """Return how many names of a legend stand in a row that fits a phone.

    Example:
        >>> _columns(["LFC", "HFC"]), _columns([f"blocks.{number}" for number in range(12)])
        (5, 3)
    """
    letter, before, room = 7, 40, 340  # pixels
    return max(1, room // (before + letter * max(map(len, names))))


def _strokes(looks: Mapping[str, Mark], width: float) -> dict[str, Any]:
    """Return dashes and width of each mark's line, by which they are told apart without colors."""
    alt = load_altair()
    dashes = [list(DASHES[mark.role][mark.dashed]) or [1, 0] for mark in looks.values()]
    widths = [width * (WIDE if mark.role == "full" else 1) for mark in looks.values()]
    legend = alt.Legend(**_legend("stroke"))  # as that of the color, so that all are one

    def scale(values: Sequence[Any]) -> Any:
        return alt.Scale(type="ordinal", domain=list(looks), range=values)

    return {
        "strokeDash": alt.StrokeDash("series:N", scale=scale(dashes), legend=legend),
        "strokeWidth": alt.StrokeWidth("series:O", scale=scale(widths), legend=legend),
    }


def _bars(base: Any, panel: Panel, looks: Mapping[str, Mark], y: Any) -> list[Chart]:
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


def _points(base: Any, looks: Mapping[str, Mark]) -> list[Chart]:
    """Return points, those of dashed marks hollow; their shapes tell them apart without colors, where no lines do."""
    alt = load_altair()
    if _symbol(looks) is None and len(looks) > 1:
        shapes = alt.Scale(domain=list(looks), range=[SHAPES[mark.role] for mark in looks.values()])
        base = base.encode(shape=alt.Shape("series:N", scale=shapes, legend=alt.Legend(**_legend(None))))
    hollow = alt.FieldOneOfPredicate("series", [mark.name for mark in looks.values() if mark.dashed])
    return [
        base.transform_filter(~hollow).mark_point(size=70, opacity=1, filled=True),
        base.transform_filter(hollow).mark_point(size=60, opacity=1, strokeWidth=2),
    ]


def _legend(symbol: str | None) -> dict[str, Any]:
    """Return how a legend shows marks: a line long enough for its dashes, and nothing as pale as an interval."""
    shown = {} if symbol is None else {"symbolType": symbol}
    return {"symbolOpacity": 1, "symbolSize": 900 if symbol == "stroke" else 150, **shown}


def _symbol(looks: Mapping[str, Mark]) -> str | None:
    """Return what stands for a point in the legend: where there are lines too, theirs; None is its own shape."""
    return None if all(isinstance(mark, Point) for mark in looks.values()) else "stroke"


def _colors(looks: Mapping[str, Mark], symbol: str | None) -> Any:
    """Return the color of each mark; one mark alone needs no legend, since its panel names it.

    Args:
        looks: The marks.
        symbol: What stands for one in the legend; None is the shape that it has.
    """
    alt = load_altair()
    colors = [_color(mark) for mark in looks.values()]
    if len(looks) == 1:
        return alt.value(colors[0])
    scale = alt.Scale(domain=list(looks), range=colors)
    legend = alt.Legend(**_legend(symbol))
    return alt.Color("series:N", scale=scale, legend=legend)


def _parts(panel: Panel, look: Look) -> list[str]:
    """Return which numbers a panel draws: curves have no intervals where there are many."""
    curves = isinstance(panel.marks[0], Curve)
    many = len({mark.name for mark in panel.marks}) > MOST_BANDS
    return ["value"] if curves and (many or not look.band) else ["value", "low", "high"]


def _range(tables: Sequence[pl.DataFrame]) -> tuple[float, float]:
    """Return the ends of an axis that several panels share: from 0, or from below where a value is negative."""
    ends = [end for table in tables for part in table for end in part.drop_nulls()]
    top = max([0.02, *ends])  # a spectrum of large images has no more at a radius
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
