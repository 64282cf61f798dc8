"""What all charts share: colors for light and dark, fonts, sizes, axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from passband.optional import require

if TYPE_CHECKING:
    from altair import LayerChart as Chart
    from altair import X, Y
else:  # altair is optional, and shapes and types are checked while the tests run
    Chart = X = Y = Any

LIGHT = {
    "lfc": "#0072b2",
    "hfc": "#c25400",
    "full": "#4a4a4b",
    "energy": "#00795a",
    "magenta": "#a8326f",
    "violet": "#5b3fb0",
    "ochre": "#8a6100",
    "ink": "#1f2328",
    "muted": "#5f6771",
    "grid": "#e2e5e9",
    "paper": "#fefefe",
}
"""Colors by role. LFC and HFC are told apart with any color vision: the blue and the vermilion of Okabe and Ito, the
latter darkened until it can be read as text. Magenta, violet and ochre are for attacks, in the order in which they were run."""

DARK = {
    "lfc": "#5cb6ec",
    "hfc": "#ff9a4d",
    "full": "#c9ccd1",
    "energy": "#4fcfa4",
    "magenta": "#f08abf",
    "violet": "#b3a1ff",
    "ochre": "#e3bb55",
    "ink": "#e8eaed",
    "muted": "#a3abb5",
    "grid": "#343a42",
    "paper": "#16191d",
}
"""The same roles on a dark page, lighter."""

DASHES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "full": ((), (6, 3)),
    "lfc": ((), (8, 2, 2, 2)),
    "hfc": ((6, 3), (3, 1)),
    "energy": ((10, 3, 2, 3), (4, 4)),
    "magenta": ((2, 2), (1, 2)),
    "violet": ((12, 2), (5, 1)),
    "ochre": ((6, 2, 1, 2, 1, 2), (10, 2, 1, 2, 1, 2)),
    "muted": ((1, 3), (2, 5)),
}
"""By role, the dashes of its line and those of a second one of that color, by which lines are told apart without colors; empty is whole.
Those of `full`, beside which others are read, are told from whole ones by `WIDE`."""

SHAPES = {
    "full": "circle",
    "lfc": "square",
    "hfc": "triangle-up",
    "energy": "diamond",
    "magenta": "cross",
    "violet": "triangle-down",
    "ochre": "triangle-right",
    "muted": "triangle-left",
}
"""By role, the shape of a point that stands for itself, and not on a line."""

WIDE = 1.6
"""By how much wider than others a line of `full` is."""

FONT = "system-ui, 'Liberation Sans', Arial, sans-serif"
SIZE = (560, 320)  # width and height in pixels, in files; on the page a chart is as wide as its column
SMALL = (360, 240)  # of one of several small charts


def with_variables(text: str) -> str:
    """Replace the light theme's colors in a chart's JSON or SVG by CSS variables, which know light and dark.

    Example:
        >>> with_variables('fill="#0072B2"')
        'fill="var(--lfc)"'
    """
    for role, color in LIGHT.items():
        text = text.replace(color, f"var(--{role})").replace(color.upper(), f"var(--{role})")
    return text


def load_altair() -> Any:
    """Import altair, or say how to install it."""
    return require("altair", extra="report", purpose="writing a report")


def finish(chart: Chart, description: str, size: tuple[int, int] = SIZE) -> Chart:
    """Give a layered chart its size, its colors and its description for readers who cannot see it."""
    text = {"labelColor": LIGHT["ink"], "titleColor": LIGHT["ink"], "labelFontSize": 12, "titleFontSize": 12}
    lines = {"gridColor": LIGHT["grid"], "domainColor": LIGHT["muted"], "tickColor": LIGHT["muted"]}
    return (
        chart.properties(width=size[0], height=size[1], description=description)
        .configure(font=FONT, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(**text, **lines, titleFontWeight="normal", titlePadding=8, labelLimit=130)
        .configure_legend(labelColor=LIGHT["ink"], labelFontSize=12, labelLimit=150)
    )


def printed(chart: Any) -> Any:
    """Give charts that stand side by side in one file its colors: those of a page that is light."""
    text = {"labelColor": LIGHT["ink"], "titleColor": LIGHT["ink"], "labelFontSize": 11, "titleFontSize": 11}
    return (
        chart.configure(font=FONT, background=LIGHT["paper"])
        .configure_view(stroke=None)
        .configure_axis(**text, gridColor=LIGHT["grid"], titleFontWeight="normal")
        .configure_title(color=LIGHT["ink"], fontSize=13, anchor="start")
    )


def radius_axis(radii: Sequence[float], corner: float) -> X:
    """Return the horizontal axis of all curves: radius, each doubling about as wide as the one before."""
    alt = load_altair()
    domain = [min(1.0, *radii), max(2.0, corner, *radii)]
    return alt.X(
        "x:Q",
        title="radius (cycles per image)",
        scale=alt.Scale(type="symlog", domain=domain, nice=False),  # as log, and 0 has a place too
        axis=alt.Axis(
            values=list(radii), format=".3~r", grid=False, labelOverlap="greedy", labelSeparation=5
        ),
    )


def radius_columns(orient: str) -> X:
    """Return a horizontal axis with one column a radius, at the `"top"` or the `"bottom"`."""
    alt = load_altair()
    axis = alt.Axis(labelAngle=0, orient=orient)
    return alt.X("radius:O", title="radius (cycles per image)", sort=None, axis=axis)


def share_axis(title: str, top: float = 1, field: str = "value:Q") -> Y:
    """Return a vertical axis in percent, from 0 to `top`, which is 1 for 100%."""
    alt = load_altair()
    axis = alt.Axis(format=".0%", tickCount=5)
    return alt.Y(field, title=title, scale=alt.Scale(domain=[0, top]), axis=axis)


def number_axis(field: str, title: str, top: float) -> Y:
    """Return a vertical axis from 0 to `top`."""
    alt = load_altair()
    return alt.Y(field, title=title, scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5))
