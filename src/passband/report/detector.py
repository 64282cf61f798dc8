"""The page of a detector's audit: `detection.html`, and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from passband.audit.detector import DetectorAudit
from passband.audit.detector_examples import Boxes, DetectorPictures, Example
from passband.choices import DETECTION_NUMBERS
from passband.report import detector_figures, detector_words
from passband.report.boxes import SIDE, Drawing, category_colors, draw_boxes, draw_sheet
from passband.report.detector_verdict import next_steps
from passband.report.detector_words import short
from passband.report.render import PURPOSE, manifest_lines, write_figures, write_page
from passband.report.svg import write_drawing
from passband.report.words import percent

PRINTED = 720  # pixels that the longer side of an image keeps at most in a file
LONGEST_NAME = 48  # letters of a file's name in a caption


@dataclass(frozen=True)
class ShownExample:
    """An image before and after, as the page shows it.

    Attributes:
        example: What was found in it.
        whole: The image with boxes, as SVG.
        shown: The view of it with boxes, likewise.
        names: The categories in it, with their colors.
    """

    example: Example
    whole: Drawing
    shown: Drawing
    names: Mapping[str, str]


def write_detector_report(audit: DetectorAudit, folder: Path | str) -> Path:
    """Write a detector's audit as a page, `detection.html`, and its figures as files, `figures/*.png`, `*.svg` and `*.pdf`.

    The page holds all that it shows: it can be sent, and opened without a network.

    Args:
        audit: What was measured.
        folder: Where to write; made if it is not there.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    folder, card, pictures = Path(folder), audit.card, audit.pictures
    charts = detector_figures.detector_charts(card)
    plots = write_figures(charts, {}, folder / "figures")
    colors = category_colors((*pictures.losses, *pictures.gains))
    write_examples(pictures, folder / "figures")
    low = detector_words.key_view(card)
    return write_page(
        folder / "detection.html",
        "detection.html.j2",
        plots=plots,
        title=f"{card.model.name} on {card.data.name}",
        card=card,
        said=detector_words,
        steps=next_steps(card),
        number_names={key: name.removesuffix(" objects") for key, name in DETECTION_NUMBERS.items()},
        geometries=detector_figures.measured_geometries(card),
        low=low,
        sizes=[kind for kind in ("lfc", "hfc") if f"lost-by-size-{kind}" in charts],
        compared=detector_figures.compared_views(card),
        categories=[] if low is None else detector_figures.ranked_categories(card, low.view),
        shown_categories=[] if low is None else detector_figures.shown_categories(card, low.view),
        losses=_shown(pictures.losses, colors),
        gains=_shown(pictures.gains, colors),
        score=pictures.score,
        manifest=manifest_lines(card),
    )


def _shown(examples: Sequence[Example], colors: Mapping[str, str]) -> list[ShownExample]:
    found = []
    for example in examples:
        parts = (example.truth, example.found_before, example.found_after)
        here = {name for boxes in parts for name in boxes.names}
        names = {name: color for name, color in colors.items() if name in here}
        found.append(ShownExample(example, *_drawings(example, colors), names))
    return found


def _drawings(example: Example, colors: Mapping[str, str], **more: int) -> tuple[Drawing, Drawing]:
    there = example.truth
    views = (
        ("whole image", example.whole, example.found_before),
        (short(example.view), example.shown, example.found_after),
    )
    before, after = (
        draw_boxes(
            image,
            there,
            found,
            colors,
            label=f"{example.file_name}, {name}: {_counted(found)} found, {_counted(there)} there",
            **more,
        )
        for name, image, found in views
    )
    return before, after


def _counted(boxes: Boxes) -> str:
    return f"{len(boxes.names)} object{'s' if len(boxes.names) != 1 else ''}"


def _end(name: str) -> str:
    """Return a file's name, the end of it where it is long."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def write_examples(pictures: DetectorPictures, folder: Path, suffix: str = "") -> None:
    """Write the losses and the gains, each as one figure in the form of the paper's Figures 8 and 9, as SVG and PNG.

    Args:
        pictures: Those of an audit.
        folder: Takes `losses` and `gains`, where there are any.
        suffix: Stands behind these names.

    Raises:
        MissingDependencyError: If vl-convert is not installed.
    """
    colors = category_colors((*pictures.losses, *pictures.gains))
    note = "solid: found, with scores; dashed: what is there, named where it was not found"
    for name, examples in (("losses", pictures.losses), ("gains", pictures.gains)):
        if not examples:
            continue
        rows = [
            (
                f"{_end(each.file_name)}: AP {percent(each.before)} as a whole, {percent(each.after)} on the {short(each.view)}",
                _drawings(each, colors, side=PRINTED),
            )
            for each in examples
        ]
        write_drawing(
            draw_sheet(rows, note),
            folder,
            f"{name}{suffix}",
            scale=PRINTED / SIDE,
            purpose=PURPOSE["purpose"],
        )
