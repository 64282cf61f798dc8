"""A data set's spectrum as pictures: in two dimensions with circles, and as curves by radius."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from passband.report.series import Place, Series, colored, lines, numbers
from passband.report.theme import LIGHT, SIZE, Chart, finish, load_altair, radius_axis, share_axis
from passband.types import Geometry

SPECTRUM_SIDE = 480  # pixels of the longer side of a drawn spectrum, at least
_DECADES = 10  # of power between the darkest color and the brightest, at most: beyond is rounding

_VIRIDIS = np.array(
    [
        *([68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142]),
        *([31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37]),
    ]
)  # ten steps of the color map that the heat maps have as well


def spectrum_picture(
    power: Float[Tensor, "height width"], radii: Sequence[float], geometry: Geometry = "index"
) -> Image.Image:
    """Draw a power spectrum with a circle at each radius.

    Colors are logarithmic and run from the weakest wave to the strongest. The mean, in the middle, is stronger
    than any wave: it has the brightest color, whatever it is.

    Args:
        power: Mean power, zero frequency in the middle.
        radii: Cut-offs to draw, in cycles per image.
        geometry: How a radius is measured; `"isotropic"` and `"pixel"` make ellipses where the sides differ.
    """
    height, width = power.shape
    values = power.detach().cpu().double().numpy()
    waves = np.delete(values, (height // 2) * width + width // 2)
    top = max(waves.max(initial=0), 1e-12)
    bottom = max(waves.min(initial=top), top * 10.0**-_DECADES)
    shade = np.log(np.clip(values, bottom, top) / bottom) / max(np.log(top / bottom), 1e-12)
    factor = max(1, -(-SPECTRUM_SIDE // max(height, width)))
    pixels = Image.fromarray(_colored(shade)).resize(
        (width * factor, height * factor), Image.Resampling.NEAREST
    )
    draw, font = ImageDraw.Draw(pixels), ImageFont.load_default(size=14)
    center = ((width // 2 + 0.5) * factor, (height // 2 + 0.5) * factor)
    shorter = min(height, width)
    stretches = {
        "index": (1.0, 1.0),
        "isotropic": (width / shorter, height / shorter),
        "pixel": (width, height),
    }[geometry]
    last_right = 0.0
    for radius in sorted(radii):
        x, y = (radius * factor * stretch for stretch in stretches)
        box = (center[0] - x, center[1] - y, center[0] + x, center[1] + y)
        draw.ellipse(box, outline="white", width=2)
        text, at = f"{radius:.3g}", (center[0] + x + 3, center[1])
        right = at[0] + draw.textlength(text, font=font)
        if at[0] > last_right and right < pixels.width:  # a name that would cover another one is left out
            draw.text(at, text, fill="white", font=font, anchor="lm", stroke_width=1, stroke_fill="black")
            last_right = right
    return pixels


def radial_power(power: Sequence[float], trace_radii: Sequence[float] = ()) -> Chart:
    """Draw the mean power of a data set by integer radius, from 1 (the mean, at 0, dwarfs the rest) to the corner.

    Args:
        power: Mean power at radius 0, 1, 2, ...
        trace_radii: Radii to mark: where traces of processing begin.
    """
    alt = load_altair()
    waves = list(power[1:])
    floor = max(1e-12, *waves, 0) * 10.0**-_DECADES  # a logarithm needs more than 0
    levels = [max(value, floor) for value in waves]
    lowest, highest = (math.floor(math.log10(end(levels, default=1))) for end in (min, max))
    decades = [10.0**k for k in range(lowest, highest + 2)]
    y = alt.Y(
        "value:Q",
        title="mean power",
        scale=alt.Scale(type="log", domain=[decades[0], decades[-1]]),
        axis=alt.Axis(values=decades, format="~e", labelOverlap="greedy"),
    )
    marks = alt.Chart(alt.Data(values=[{"x": radius} for radius in trace_radii]))
    chart = alt.layer(
        *_line("power", levels, y, ".3~e"),
        marks.mark_rule(color=LIGHT["hfc"], strokeDash=[4, 3]).encode(x="x:Q"),
    )
    return finish(chart, "Mean power of the images by radius, logarithmic.")


def energy_by_radius(energy: Sequence[float]) -> Chart:
    """Draw the share of a data set's energy, its mean brightness aside, within each integer radius.

    Args:
        energy: Share within radius 0, 1, 2, ... up to the corner, 0 to 1.
    """
    alt = load_altair()
    chart = alt.layer(*_line("energy", energy[1:], share_axis("energy within the radius"), ".2%"))
    return finish(chart, "Share of the images' energy within each radius.", (SIZE[0], 240))


def _line(name: str, values: Sequence[float], y: Any, number_format: str) -> list[Chart]:
    """Return layers that draw values at radius 1, 2, 3, ..."""
    series = [Series(name, LIGHT["energy"], [Place(radius, value) for radius, value in enumerate(values, 1)])]
    x = radius_axis(_doublings(len(values)), len(values))
    return lines(numbers(series), colored(series), x, y, number_format)


def _doublings(last: int) -> list[int]:
    return [2**k for k in range(16) if 2**k <= max(1, last)]


def _colored(shade: np.ndarray) -> np.ndarray:
    steps = np.linspace(0, 1, len(_VIRIDIS))
    channels = [np.interp(shade, steps, _VIRIDIS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
