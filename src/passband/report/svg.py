"""Drawings as SVG: their elements, and as files with a PDF and a PNG beside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from passband.optional import require
from passband.report.panels import data_uri, picture
from passband.report.theme import FONT, LIGHT

SMALL = 160
"""Images up to this side are shown pixel by pixel."""


def write_drawing(svg: str, folder: Path, name: str, *, scale: float, purpose: str) -> None:
    """Write a drawing as `NAME.svg`, `NAME.pdf` and `NAME.png`.

    Args:
        svg: The drawing.
        folder: Where to write.
        name: What the files are called.
        scale: Pixels of the PNG for a unit of the drawing.
        purpose: What it is for, where a library is missing.

    Raises:
        MissingDependencyError: If vl-convert is not installed.
    """
    convert = require("vl_convert", extra="report", purpose=purpose)
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{name}.pdf").write_bytes(convert.svg_to_pdf(svg))
    (folder / f"{name}.png").write_bytes(convert.svg_to_png(svg, scale=scale))


def write_chart(chart: Any, folder: Path, name: str, *, purpose: str) -> None:
    """Write a chart of altair's, as `write_drawing` does."""
    chart.save(drawn := StringIO(), format="svg")
    write_drawing(drawn.getvalue(), folder, name, scale=2, purpose=purpose)


def svg_element(parts: Sequence[str], width: float, height: float, label: str) -> str:
    """Return elements as one drawing; `label` says what it shows to readers who cannot see it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" role="img" aria-label="{escape(label)}">'
    )
    return head + "".join(parts) + "</svg>"


def svg_text(
    text: str,
    x: float,
    y: float,
    size: float,
    *,
    color: str = LIGHT["ink"],
    anchor: Literal["start", "middle"] = "start",
) -> str:
    """Return a line of text whose start, or middle, stands at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-family="{FONT}" fill="{color}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def svg_image(
    pixels: Float[Tensor, "channels height width"],
    width: float,
    height: float,
    *,
    x: float = 0,
    y: float = 0,
    most: int = SMALL,
) -> str:
    """Return an image of [0, 1] pixels, drawn to a size at a place.

    Args:
        pixels: The image.
        width: In the drawing's units.
        height: Likewise.
        x: Its left edge.
        y: Its upper edge.
        most: Pixels that its longer side keeps.
    """
    shown = picture(pixels)
    small = max(shown.size) <= SMALL
    if max(shown.size) > most:
        factor = most / max(shown.size)
        size = (max(1, round(shown.width * factor)), max(1, round(shown.height * factor)))
        shown = shown.resize(size, Image.Resampling.LANCZOS)
    address = data_uri(shown, "PNG" if small else "JPEG")
    style = ' style="image-rendering: pixelated"' if small else ""
    return (
        f'<image href="{address}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'preserveAspectRatio="none"{style}/>'
    )
