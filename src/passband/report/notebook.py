"""Results as notebooks show them: in words, as one chart, and both together as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import singledispatch
from html import escape
from importlib.util import find_spec
from typing import Any

from passband.attacks.epsilon import write_epsilon
from passband.audit.attack import RobustnessAudit
from passband.audit.card import Card
from passband.audit.classifier import Audit
from passband.audit.compare import Comparison
from passband.audit.detector import DetectorAudit
from passband.data.dataset import ImageDataset, to_pixels
from passband.detection.dataset import DetectionDataset
from passband.errors import InputError
from passband.optional import require
from passband.report import comparison_words, detector_words, words
from passband.report.attacks import norms_of, robust_accuracy
from passband.report.comparison_chart import differences_chart, shown_differences
from passband.report.detector_figures import by_cutoff, measured_geometries
from passband.report.figures import accuracy_by_radius
from passband.report.panels import data_uri, picture
from passband.report.render import PURPOSE
from passband.report.theme import LIGHT, Chart
from passband.robustness.evaluate import AttackOutcome

PICTURES = 10  # images of a data set that a notebook shows
SIDE = 84  # pixels of each
WIDEST = 760  # pixels


def summary(found: Any) -> str:
    """Return a result in a few sentences."""
    return "\n".join(_sentences(found))


@singledispatch
def plot(found: Any) -> Chart:
    """Return the most telling chart of a result.

    Raises:
        InputError: If it has none.
        MissingDependencyError: If altair is not installed.
    """
    raise InputError(f"a {type(found).__name__} has no chart")


@plot.register
def _(found: Audit) -> Chart:
    return accuracy_by_radius(found.card)


@plot.register
def _(found: RobustnessAudit) -> Chart:
    return robust_accuracy(found.card, norms_of(found.card)[0])


@plot.register
def _(found: DetectorAudit) -> Chart:
    return by_cutoff(found.card, measured_geometries(found.card)[0], "map")


@plot.register
def _(found: Comparison) -> Chart:
    if not shown_differences(found):
        raise InputError("the comparison has no accuracy that two audits have, and so no chart")
    return differences_chart(found)


def html(found: Any) -> str:
    """Return a result as HTML: in words, and with a picture."""
    head, *sentences = map(escape, _sentences(found))
    said = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    return f'<div style="max-width: {WIDEST}px"><p><b>{head}</b></p>{said}{_picture(found)}</div>'


@singledispatch
def _sentences(found: Any) -> list[str]:
    raise TypeError(f"a {type(found).__name__} has no words")


@_sentences.register
def _(found: Audit) -> list[str]:
    warnings = [f"Warning: {trace.message}" for trace in found.card.traces.findings]
    extra = [f"{reading.name}: {reading.words}" for reading in found.extra if reading.words]
    return [*_headed(found.card), *words.summary(found.card), *extra, *warnings, *_notices(found.card)]


@_sentences.register
def _(found: RobustnessAudit) -> list[str]:
    card = found.card
    clean = f"{words.percent(card.clean.accuracy.value)} ({words.interval(card.clean.accuracy)})"
    return [
        *_headed(card),
        f"{card.model.name} answers {clean} of {card.clean.accuracy.count:,} whole images right; guessing the most frequent class would "
        f"give {words.percent(words.guessing(card))}.",
        *words.under_attack(card),
        *words.doubts(card),
        *_notices(card),
    ]


@_sentences.register
def _(found: DetectorAudit) -> list[str]:
    return [*_headed(found.card), *detector_words.summary(found.card), *_notices(found.card)]


@_sentences.register
def _(found: Comparison) -> list[str]:
    warnings = [f"Warning: {warning}" for warning in found.warnings]
    return [f"Beside {found.names[0]} ({found.pairing})", *comparison_words.story(found), *warnings]


@_sentences.register
def _(found: AttackOutcome) -> list[str]:
    rows = found.rows.to_dicts()
    return [
        f"{found.attack.label} on {len(found.samples):,} images",
        *(
            f"{words.percent(row['accuracy'])} right ({100 * row['low']:.1f}–{words.percent(row['high'])}) at epsilon "
            f"{write_epsilon(row['epsilon'])}"
            for row in rows
        ),
    ]


@_sentences.register
def _(found: ImageDataset) -> list[str]:
    height, width = found.size
    kind = "gray" if found.channels == 1 else "color" if found.channels == 3 else f"{found.channels}-channel"
    return [
        f"{found.name} ({found.subset}): {len(found):,} {kind} images of {height}x{width} pixels, {len(found.classes)} classes",
        f"Classes: {found.describe_classes()}",
        *([f"Pictures: {found.preparation}"] if found.preparation is not None else []),
        *map(str, found.notices),
    ]


@_sentences.register
def _(found: DetectionDataset) -> list[str]:
    there = found.annotations
    return [
        f"{there.name}: {len(found):,} images, {len(there.objects):,} objects, {len(there.categories)} categories",
        *map(str, there.notices),
    ]


def _headed(card: Any) -> Iterator[str]:
    yield f"{card.model.name} on {card.data.name}"


def _notices(card: Card) -> list[str]:
    return [str(notice) for notice in card.notices]


def _picture(found: Any) -> str:
    """Return the picture of a result; of what is drawn, a sentence where what draws is not installed."""
    if isinstance(found, ImageDataset):
        return _images(found)
    if type(found) not in plot.registry:
        return ""
    if find_spec("altair") is None or find_spec("vl_convert") is None:
        return "<p>Install <code>passband[report]</code> to see its chart here.</p>"
    try:
        chart = plot(found)
    except InputError:
        return ""
    spec = json.loads(chart.to_json()) | {"background": LIGHT["paper"]}
    svg = require("vl_convert", **PURPOSE).vegalite_to_svg(spec, allowed_base_urls=[])
    shown = svg.replace(
        "<svg ", '<svg style="overflow: visible" ', 1
    )  # other fonts are wider than those it was measured with
    return f'<div style="overflow-x: auto; padding-right: 3em">{shown}</div>'


def _images(found: ImageDataset) -> str:
    """Return the first image of each class, of the first classes."""
    firsts: dict[int, int] = {}
    for place, label in enumerate(found.labels.tolist()):
        firsts.setdefault(label, place)
    shown = [firsts[label] for label in sorted(firsts)][:PICTURES]
    return f'<div style="display: flex; flex-wrap: wrap; gap: 8px">{"".join(map(_figure, _cells(found, shown)))}</div>'


def _cells(found: ImageDataset, shown: Sequence[int]) -> Iterator[tuple[str, str]]:
    for place in shown:
        yield found.classes[found.labels[place]], data_uri(picture(to_pixels(found.images[place])))


def _figure(cell: tuple[str, str]) -> str:
    name, address = escape(cell[0]), cell[1]
    style = f"width: {SIDE}px; image-rendering: pixelated; display: block"
    return f'<figure style="margin: 0; width: {SIDE}px"><img src="{address}" alt="{name}" style="{style}"><figcaption>{name}</figcaption></figure>'
