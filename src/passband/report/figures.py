"""The charts of an audit: each a pure function from its card to one chart.

A chart is described once. The page draws it with tooltips, in light or dark; the files hold the same as PNG, SVG and PDF.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from operator import attrgetter
from typing import Any, Literal, TypeVar

from passband.audit.card import (
    AttackClass,
    AttackedCard,
    Ceiling,
    ClassEntry,
    ClassifierCard,
    CurvePoint,
    Part,
    Share,
)
from passband.report.series import (
    Level,
    Place,
    Series,
    at,
    clearest,
    colored,
    dashed,
    label,
    lines,
    named,
    numbers,
    rules,
)
from passband.report.theme import (
    DASHES,
    LIGHT,
    SIZE,
    SMALL,
    Chart,
    finish,
    load_altair,
    number_axis,
    radius_axis,
    radius_columns,
    share_axis,
)
from passband.report.words import guessing, number, percent
from passband.types import Norm

MOST_CLASSES = 40  # a class needs a row that can be read; beyond, the best and the worst are shown
MOST_NUMBERS = 12  # columns of a heat map that leave room for a number in each cell
ROW = 22  # pixels

FEWEST = 10  # images of a class of which an accuracy says something

Entry = TypeVar("Entry", ClassEntry, AttackClass)

NAMES: dict[Part, str] = {"lfc": "LFC", "hfc": "HFC"}


def accuracy_by_radius(card: ClassifierCard) -> Chart:
    """Draw accuracy on the LFC and on the HFC by radius, with the whole image's and the baseline beside them."""
    alt = load_altair()
    clean, series = card.clean.accuracy.value, _components(card, lambda point: point.accuracy)
    levels = [Level(f"clean {percent(clean)}", clean, LIGHT["full"]), baseline(card)]
    critical, texts = _critical(card), []
    for text, place in critical.items():
        along = [(place.x, place.value * part) for part in (0.15, 0.3, 0.5, 0.7)]
        clear = clearest(along, series[1:], [0, *(level.value for level in levels)])
        texts += label(text, LIGHT["lfc"], *clear, dx=4)
    marks = [{"text": text, "x": place.x, "value": place.value} for text, place in critical.items()]
    drops = alt.Chart(alt.Data(values=marks)).mark_rule(color=LIGHT["lfc"], strokeDash=[2, 3])
    chart = alt.layer(
        *rules(levels, gap=0.07),
        *_lines(card, series, share_axis("accuracy"), ".1%"),
        drops.encode(x="x:Q", y="value:Q", y2=alt.datum(0)),
        *texts,
        *named(series, levels),
    )
    return finish(chart, f"Accuracy of {card.model.name} on the LFC and on the HFC by radius.")


def energy_and_accuracy(card: ClassifierCard) -> Chart:
    """Draw the share of the images' energy that the LFC holds beside the share of clean accuracy that it keeps."""
    alt = load_altair()
    clean = card.clean.accuracy.value
    points = card.curve("lfc")
    energy = [Place(point.radius, point.energy) for point in points]
    kept = [Place(point.radius, point.accuracy.value / clean) for point in points if clean > 0]
    series = [Series("energy", LIGHT["energy"], energy, (2, 2)), Series("accuracy", LIGHT["lfc"], kept)]
    top = max(1.0, *(place.value for place in energy + kept))
    axis = share_axis("share of the whole image", top)
    chart = alt.layer(*_lines(card, series, axis, ".1%"), *named(series, span=top))
    return finish(
        chart, "Share of the energy that the LFC holds, and of the clean accuracy that it keeps, by radius."
    )


def measure_by_radius(card: ClassifierCard, measure: Literal["agreement", "confidence", "loss"]) -> Chart:
    """Draw another measure of the LFC and the HFC by radius, small, with the whole image's beside it."""
    alt = load_altair()
    series = _components(card, attrgetter(measure))
    whole = 1.0 if measure == "agreement" else attrgetter(measure)(card.clean)
    levels = [Level("whole", whole, LIGHT["full"])]
    if measure == "loss":
        top = 1.05 * max(whole, *(place.value for line in series for place in line.places))
        drawn = _lines(card, series, number_axis("value:Q", measure, top), ".3~r")
    else:
        top = 1.0
        drawn = _lines(card, series, share_axis(measure), ".1%")
    chart = alt.layer(*rules(levels), *drawn, *named(series, levels, top))
    return finish(chart, f"{measure.capitalize()} on the LFC and on the HFC by radius.", SMALL)


def shown_classes(card: ClassifierCard) -> Sequence[ClassEntry]:
    """Return the classes that a heat map shows, best first; of many, the best and the worst of those with enough images."""
    return worth_showing(card.classes, lambda entry: -entry.clean.value)


def worth_showing(classes: Sequence[Entry], rank: Callable[[Entry], Any]) -> Sequence[Entry]:
    """Return the classes that a heat map shows, in the order of `rank`; of many, both ends of those with enough images."""
    ranked = sorted(classes, key=rank)
    if len(ranked) <= MOST_CLASSES:
        return ranked
    enough = [entry for entry in ranked if entry.count >= FEWEST] or ranked
    if len(enough) <= MOST_CLASSES:
        return enough
    return enough[: MOST_CLASSES // 2] + enough[-MOST_CLASSES // 2 :]


def tells_of_classes(classes: Sequence[ClassEntry] | Sequence[AttackClass]) -> bool:
    """Return whether any class has enough images for its accuracy to say something."""
    return any(entry.count >= FEWEST for entry in classes)


def accuracy_by_class(card: ClassifierCard, component: Part) -> Chart:
    """Draw a heat map of accuracy, class by radius, the class that is best on whole images on top."""
    shown = shown_classes(card)
    rows = [(entry.name, entry.lfc if component == "lfc" else entry.hfc) for entry in shown]
    description = f"Accuracy on the {NAMES[component]} by class and radius, in percent."
    columns = [number(radius) for radius in card.settings.radii]
    return class_heat_map(rows, columns, radius_columns("top"), "radius", description)


def class_heat_map(
    rows: Sequence[tuple[str, Sequence[Share]]],
    columns: Sequence[str],
    x: Any,
    along: str,
    description: str,
) -> Chart:
    """Draw accuracies as colors, a row a class, with a number in each cell where there is room.

    Behind a class stands on how many images it rests; one that has too few is gray.

    Args:
        rows: The classes from top to bottom: name, and an accuracy with its interval for each column.
        columns: What is written above the columns.
        x: The horizontal axis, of the field `along`.
        along: What the columns differ in.
        description: What the chart shows.
    """
    alt = load_altair()
    names = unique_names([f"{name} (n = {values[0].count:,})" for name, values in rows])
    cells = [
        {"class": name, along: column, "percent": 100 * cell.value, **asdict(cell)}
        for name, (_, values) in zip(names, rows, strict=True)
        for column, cell in zip(columns, values, strict=True)
    ]
    tooltip = [
        "class:N",
        f"{along}:N",
        *(alt.Tooltip(f"{p}:Q", format=".1%") for p in ("value", "low", "high")),
        alt.Tooltip("count:Q", title="images", format=","),
    ]
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=x, y=alt.Y("class:N", title=None, sort=names, axis=alt.Axis(labelLimit=220)), tooltip=tooltip
    )
    scale = alt.Scale(domain=[0, 1], scheme="viridis")
    few = f"datum.count < {FEWEST}"
    shade = alt.condition(few, alt.value(LIGHT["grid"]), alt.Color("value:Q", scale=scale, legend=None))
    layers = [base.mark_rect().encode(color=shade)]
    if len(columns) <= MOST_NUMBERS:
        color = (
            alt.when(few)
            .then(alt.value(LIGHT["muted"]))
            .when("datum.value < 0.6")
            .then(alt.value("white"))
            .otherwise(alt.value("black"))
        )
        text = alt.Text("percent:Q", format=".0f")
        layers.append(base.mark_text(fontSize=11).encode(color=color, text=text))
    return finish(alt.layer(*layers), description, (SIZE[0], ROW * len(rows)))


def flips_by_radius(card: ClassifierCard) -> Chart:
    """Draw at each radius how many images are right on the whole and on the HFC and wrong on the LFC (Figure 2).

    A mark across each bar is the number expected if the answers to the HFC had nothing to do with the images.
    """
    alt = load_altair()
    found = card.flips.by_radius
    bars = [{**asdict(point), "radius": number(point.radius)} for point in found]
    top = 1.1 * max(1, *(max(point.count, point.expected) for point in found))
    base = alt.Chart(alt.Data(values=bars)).encode(
        x=radius_columns("bottom"),
        y=number_axis("count:Q", "images", top),
        tooltip=[
            "radius:N",
            alt.Tooltip("count:Q", format=","),
            alt.Tooltip("fraction:Q", format=".2%"),
            alt.Tooltip("expected:Q", format=",.1f", title="expected by chance"),
        ],
    )
    counts = base.mark_text(dy=-8, fontSize=11, color=LIGHT["ink"])
    chart = alt.layer(
        base.mark_bar(color=LIGHT["hfc"]),
        base.mark_tick(color=LIGHT["ink"], thickness=3).encode(y=number_axis("expected:Q", "images", top)),
        counts.encode(text=alt.Text("count:Q", format=",")),
    )
    description = "Images that follow the HFC, by radius, and how many are expected by chance."
    return finish(chart, description, (SIZE[0], 220))


def ceiling(found: Ceiling, norm: Norm) -> Chart:
    """Draw the highest robust accuracy that Corollary 1 leaves possible at each epsilon.

    Args:
        found: The ceiling of a card.
        norm: How a perturbation is measured. Linf is shown in 255ths, as such bounds are always given.
    """
    alt = load_altair()
    points = found.curve(norm)
    if norm == "linf":
        most = round(255 * points[-1].epsilon)
        step = 2 ** max(0, math.ceil(math.log2(most / 8)))  # at most nine ticks
        ticks = [level / 255 for level in range(0, most + 1, step)]
        axis = alt.Axis(grid=False, values=ticks, labelExpr="format(datum.value * 255, '.0f')")
        title = "epsilon, L∞, in 255ths"
    else:
        axis, title = alt.Axis(grid=False, tickCount=6), "epsilon, L2, all pixels together ([0, 1] scale)"
    curve = alt.Chart(alt.Data(values=list(map(asdict, points)))).encode(
        x=alt.X("epsilon:Q", title=title, axis=axis, scale=alt.Scale(nice=False)),
        y=share_axis("robust accuracy, at most", field="accuracy:Q"),
        tooltip=[alt.Tooltip("epsilon:Q", format=".4f"), alt.Tooltip("accuracy:Q", format=".1%")],
    )
    chart = alt.layer(
        curve.mark_area(interpolate="step-after", color=LIGHT["full"], opacity=0.12),
        curve.mark_line(interpolate="step-after", color=LIGHT["full"], strokeWidth=2.5),
        curve.mark_point(filled=True, size=60, opacity=0),  # something to point at
        *rules([Level("clean", found.clean, LIGHT["muted"], (4, 3))]),
    )
    return finish(
        chart, f"Highest robust accuracy that the LFCs leave possible, by epsilon in {norm}.", SMALL
    )


def _components(card: ClassifierCard, measure: Callable[[CurvePoint], Share | float]) -> list[Series]:
    """Return the lines of the LFC and the HFC, with intervals where the measure has them."""
    series = []
    for component, name in NAMES.items():
        found = [(point.radius, measure(point)) for point in card.curve(component)]
        places = [
            at(radius, each) if isinstance(each, Share) else Place(radius, each) for radius, each in found
        ]
        series.append(Series(name, LIGHT[component], places, DASHES[component][0]))
    return series


def _lines(card: ClassifierCard, series: Sequence[Series], y: Any, number_format: str) -> list[Chart]:
    """Return layers that draw lines over the radii of a card."""
    x = radius_axis(card.settings.radii, card.settings.corner)
    return lines(
        numbers(series), colored(series), x, y, number_format, strokes={"strokeDash": dashed(series)}
    )


def _critical(card: ClassifierCard) -> dict[str, Place]:
    """Return the critical radii that need no note, with the accuracy reached there, by text."""
    clean = card.clean.accuracy.value
    found = {0.5: card.critical_radius.half, 0.95: card.critical_radius.most}
    return {
        f"{share:.0%}: {number(critical.radius)}": Place(critical.radius, share * clean)
        for share, critical in found.items()
        if critical.radius is not None and not critical.note
    }


def baseline(card: AttackedCard) -> Level:
    """Return the accuracy that needs no image as a level."""
    return Level(f"majority {percent(guessing(card))}", guessing(card), LIGHT["muted"], (6, 3))


def unique_names(names: Sequence[str]) -> list[str]:
    """Number names that occur twice ("crane", "crane (2)"), since rows of one name would be drawn as one."""
    return [
        name if (before := names[:i].count(name)) == 0 else f"{name} ({before + 1})"
        for i, name in enumerate(names)
    ]
