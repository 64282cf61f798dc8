"""Figure 2 in the paper's form: eight panels, each an image, its LFC and its HFC, with what the network makes of each."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from passband.instruments.flips import FlipExample, FlipPictures
from passband.report.panels import visible
from passband.report.svg import SMALL, svg_element, svg_image, svg_text, write_drawing
from passband.report.theme import LIGHT

ACROSS = 2  # panels side by side
SIDE, GAP = 150, 8  # of an image, in the drawing's units
MARGIN = 28  # around panels
TEXT = 13
BAR = 7  # height of the bar that shows a confidence
LONGEST = 19  # letters of a class
NOTE = "Bars are confidences. The HFC is drawn around gray, its strongest amplitudes black or white."
SCALE = 2  # of PNG


def write_flips(pictures: FlipPictures, folder: Path, name: str) -> None:
    """Write the clearest of a network's flips as `NAME.svg`, `.pdf` and `.png`; nothing where there are none.

    Raises:
        MissingDependencyError: If vl-convert is not installed.
    """
    if not pictures.examples:
        return
    write_drawing(draw_flips(pictures), folder, name, scale=SCALE, purpose="drawing Figure 2")


def draw_flips(pictures: FlipPictures) -> str:
    """Return the panels as one SVG on white."""
    height = SIDE * pictures.examples[0].original.shape[-2] / pictures.examples[0].original.shape[-1]
    across, down = 3 * SIDE + 2 * GAP + MARGIN, height + 4.5 * TEXT + BAR + MARGIN / 2
    width = min(ACROSS, len(pictures.examples)) * across + MARGIN
    total = -(-len(pictures.examples) // ACROSS) * down + MARGIN + 2 * TEXT
    parts = [f'<rect width="{width}" height="{total:.1f}" fill="{LIGHT["paper"]}"/>']
    for place, example in enumerate(pictures.examples):
        row, column = divmod(place, ACROSS)
        parts += _panel(example, pictures.classes, MARGIN + column * across, MARGIN / 2 + row * down, height)
    parts.append(svg_text(NOTE, MARGIN, total - TEXT, TEXT, color=LIGHT["muted"]))
    label = (
        f"Images of the {pictures.subset} subset that are answered as their HFC is and not as their LFC is"
    )
    return svg_element(parts, width, total, label)


def _panel(
    example: FlipExample, classes: tuple[str, ...], left: float, top: float, height: float
) -> list[str]:
    title = f"{_short(classes[example.label])} (image {example.sample}), r = {example.radius:g}"
    parts = [svg_text(title, left, top + TEXT, TEXT)]
    shown = (("image", example.original), ("LFC", example.low), ("HFC", visible(example.high)))
    for place, ((name, image), probabilities) in enumerate(zip(shown, example.probabilities, strict=True)):
        x, y = left + place * (SIDE + GAP), top + 1.6 * TEXT
        parts.append(svg_image(image, SIDE, height, x=x, y=y, most=2 * SMALL))
        parts += _answer(name, probabilities, example.label, classes, x, y + height)
    return parts


def _answer(
    name: str, probabilities: Tensor, label: int, classes: tuple[str, ...], x: float, y: float
) -> list[str]:
    """Return what is said beneath an image: the class that it is called, and a bar as long as that is sure."""
    answer = int(probabilities.argmax())
    confidence, right = probabilities[answer].item(), answer == label
    color = LIGHT["lfc"] if right else LIGHT["hfc"]
    said = f"{_short(classes[answer])} {100 * confidence:.0f}%"
    bar = f'y="{y + 3:.1f}" height="{BAR}"'
    return [
        f'<rect x="{x:.1f}" {bar} width="{SIDE}" fill="{LIGHT["grid"]}"/>',
        f'<rect x="{x:.1f}" {bar} width="{SIDE * confidence:.1f}" fill="{color}"/>',
        svg_text(said, x, y + BAR + TEXT + 4, TEXT - 1, color=color),
        svg_text(
            f"{name}: {'right' if right else 'wrong'}",
            x,
            y + BAR + 2 * TEXT + 5,
            TEXT - 2,
            color=LIGHT["muted"],
        ),
    ]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
