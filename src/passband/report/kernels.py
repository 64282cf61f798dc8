"""Figure 7: kernels as small pictures on one scale of colors, each layer with its frequency response."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from passband.kernels import GRID
from passband.report.theme import LIGHT, Chart, load_altair, printed
from passband.studies.kernel_figure import KernelFigure

FILTERS_IN_ROW = 16
WIDTH = 360  # pixels of a row of kernels, at most
WEIGHT = 14  # pixels of a weight, at most
GAP = 0.4  # between two kernels, in weights
RESPONSE = 128  # pixels of a frequency response
OVERLAP = 1.1  # cells of a frequency response overlap, or their seams would show
REACH = 2.5  # root mean squares at which the color of a weight is full

Datasets = dict[str, list[dict[str, Any]]]
"""Numbers by the name under which a chart looks for them."""

NOTE = (
    "Each panel's weights are divided by their root mean square, its frequency response by its maximum. Columns of kernels "
    "are filters, rows are input channels."
)


def draw_kernels(figure: KernelFigure, table: pl.DataFrame) -> Chart:
    """Draw the panels of a figure from the numbers behind it (`passband.studies.kernel_figure.KERNEL_TABLE`).

    Smoothing by Eq. 3 makes weights up to nine times as large, so that one scale would show nothing else: each panel's
    weights are divided by their root mean square.
    """
    alt = load_altair()
    data: Datasets = {}
    drawn = [
        [
            _panel(panel.title, numbers, data)
            for panel in row
            if len(numbers := table.filter(panel=panel.title))
        ]
        for row in figure.rows
    ]
    rows = [alt.hconcat(*row, spacing=40) for row in drawn if row]
    title = alt.TitleParams(NOTE, fontSize=11, fontWeight="normal", color=LIGHT["muted"], offset=12)
    charts = alt.vconcat(*rows, title=title, spacing=24).resolve_scale(color="shared", fill="shared")
    chart = printed(charts).configure_legend(
        labelColor=LIGHT["ink"], titleColor=LIGHT["ink"], titleFontWeight="normal", gradientLength=120
    )
    chart["datasets"] = data  # last, since altair copies a chart at every step
    return chart


def _panel(title: str, numbers: pl.DataFrame, data: Datasets) -> Any:
    alt = load_altair()
    values = {part: numbers.filter(part=part)["value"].item() for part in ("roughness", "high-frequency")}
    text = f"roughness {values['roughness']:.2f}, {100 * values['high-frequency']:.0f}% of energy at high frequencies"
    kernels, placed = _kernels(numbers.filter(part="weight"), alt.NamedData(f"{title}: weights"))
    response, gains = _response(numbers.filter(part="response"), alt.NamedData(f"{title}: response"))
    data |= {f"{title}: weights": placed.to_dicts(), f"{title}: response": gains.to_dicts()}
    beside = alt.hconcat(kernels, response, spacing=16)
    return beside.properties(
        title=alt.TitleParams(title, subtitle=text, subtitleColor=LIGHT["muted"], offset=8)
    )


def _kernels(weights: pl.DataFrame, source: Any) -> tuple[Any, pl.DataFrame]:
    """Draw kernels side by side, more than fit in a row go on below; return the chart and what it finds in `source`."""
    alt = load_altair()
    filters, channels, height, width = (
        weights[name].n_unique() for name in ("filter", "channel", "row", "column")
    )
    across = min(filters, FILTERS_IN_ROW)
    block = channels * (height + GAP) + GAP  # what a row of filters takes, with a wider gap to the next one
    columns = across * (width + GAP) - GAP
    rows = math.ceil(filters / across) * block - 2 * GAP
    scale = math.sqrt(weights.select(pl.col("value").pow(2).mean()).item()) or 1.0
    row, column = pl.col("filter") // across, pl.col("filter") % across
    placed = weights.select(
        "filter",
        "channel",
        x=column * (width + GAP) + pl.col("column"),
        y=row * block + pl.col("channel") * (height + GAP) + pl.col("row"),
        value=pl.col("value") / scale,
    ).with_columns(x2=pl.col("x") + 1, y2=pl.col("y") + 1)
    side = min(WEIGHT, WIDTH / columns)
    colors = alt.Scale(
        domain=[-REACH, 0, REACH], range=[LIGHT["hfc"], LIGHT["paper"], LIGHT["lfc"]], clamp=True
    )
    shown = alt.Chart(source).mark_rect(strokeWidth=0)
    chart = shown.encode(
        x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, columns], nice=False)),
        x2="x2:Q",
        y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[rows, 0], nice=False)),
        y2="y2:Q",
        color=alt.Color("value:Q", scale=colors, legend=alt.Legend(title="weight / RMS")),
        tooltip=["filter:Q", "channel:Q", alt.Tooltip("value:Q", format=".3f")],
    ).properties(
        width=side * columns, height=side * rows, view=alt.ViewConfig(fill=LIGHT["muted"], stroke=None)
    )
    return chart, placed


def _response(gains: pl.DataFrame, source: Any) -> tuple[Any, pl.DataFrame]:
    """Draw by how much the layer multiplies each frequency, DC in the middle; return as `_kernels`."""
    alt = load_altair()
    highest = gains["value"].max() or 1.0
    placed = gains.select(
        "row",
        "column",
        below=pl.col("row") + OVERLAP,
        right=pl.col("column") + OVERLAP,
        gain=pl.col("value") / highest,
    )
    half = GRID // 2
    domain = alt.Scale(domain=[-half, half], nice=False)
    axis = alt.Axis(values=[-half, 0, half], grid=False, domain=False)
    shown = alt.Chart(source).mark_rect(strokeWidth=0, clip=True)
    chart = shown.encode(
        x=alt.X("column:Q", title=f"cycles per {GRID} pixels", axis=axis, scale=domain),
        x2="right:Q",
        y=alt.Y("row:Q", title=None, axis=axis, scale=domain),
        y2="below:Q",
        fill=alt.Fill(
            "gain:Q",
            scale=alt.Scale(scheme="viridis", domain=[0, 1]),
            legend=alt.Legend(title="gain / maximum", format=".1f"),
        ),
        tooltip=["row:Q", "column:Q", alt.Tooltip("gain:Q", format=".3f")],
    ).properties(width=RESPONSE, height=RESPONSE)
    return chart, placed
