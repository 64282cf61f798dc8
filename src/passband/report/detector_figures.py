"""The charts of a detector's audit: each a pure function from its card to one chart."""

from __future__ import annotations

from typing import Literal

from passband.audit.detector_card import CategoryEntry, DetectorCard, Measured, ViewEntry
from passband.choices import DETECTION_NUMBERS, ViewGeometry
from passband.detection.view import Kind, View, parse_view
from passband.report.detector_axes import (
    UNITS,
    Row,
    columns,
    cutoff_axis,
    interval_parts,
    interval_tooltip,
    key,
    points_axis,
    zero_line,
)
from passband.report.detector_words import NAMES, key_view, short
from passband.report.figures import ROW, unique_names
from passband.report.series import (
    Level,
    Look,
    Place,
    Series,
    colored,
    dashed,
    lines,
    named,
    numbers,
    rules,
)
from passband.report.theme import DASHES, LIGHT, SIZE, SMALL, Chart, finish, load_altair, share_axis
from passband.report.words import percent

MOST_CATEGORIES = 20
PALE = 0.4  # opacity of what has no interval
COLORS = {"full": LIGHT["full"], "lfc": LIGHT["lfc"], "hfc": LIGHT["hfc"], "control": LIGHT["muted"]}
SIZES = {"small": LIGHT["magenta"], "medium": LIGHT["ochre"], "large": LIGHT["violet"]}


def detector_charts(card: DetectorCard) -> dict[str, Chart]:
    """Return all charts that a card has numbers for, by name."""
    charts: dict[str, Chart] = {}
    for geometry in measured_geometries(card):
        charts[f"map-by-radius-{geometry}"] = by_cutoff(card, geometry, "map")
        charts[f"map50-by-radius-{geometry}"] = by_cutoff(card, geometry, "map50")
    components: tuple[Literal["lfc", "hfc"], ...] = ("lfc", "hfc")
    for kind in components:
        if any(f"map-{size}" in entry.lost for entry in of_kind(card, kind) for size in SIZES):
            charts[f"lost-by-size-{kind}"] = lost_by_size(card, kind)
    low = key_view(card)
    if low is not None and card.categories:
        charts["lost-by-category"] = lost_by_category(card, low)
    if any(entry.errors for entry in card.views):
        charts["cost-of-errors"] = cost_of_errors(card)
    charts["images-gain"] = changed_images(card, "gain")
    charts["images-lose"] = changed_images(card, "lose")
    charts["objects-changed"] = changed_objects(card)
    return charts


def measured_geometries(card: DetectorCard) -> list[ViewGeometry]:
    """Return how cut-offs were measured: in cycles per image, per pixel, or both."""
    found = {parse_view(entry.view).geometry for entry in card.views}
    return [geometry for geometry in UNITS if geometry in found]


def of_kind(card: DetectorCard, kind: Kind, geometry: ViewGeometry | None = None) -> list[ViewEntry]:
    """Return the views of a kind by rising cut-off, those in cycles per image first."""
    views = [(parse_view(entry.view), entry) for entry in card.views]
    chosen = [each for each in views if each[0].kind == kind and geometry in (None, each[0].geometry)]
    return [entry for _, entry in sorted(chosen, key=lambda each: _order(each[0]))]


def _order(view: View) -> tuple[bool, float]:
    return view.geometry == "pixel", view.radius or 0


def by_cutoff(card: DetectorCard, geometry: ViewGeometry, number: str) -> Chart:
    """Draw a number of COCO's on the LFC and the HFC by cut-off, with the whole image's beside it."""
    alt = load_altair()
    whole = card.views[0].numbers[number]
    series, highest = [], [whole.high or whole.value]
    for kind in ("lfc", "hfc"):
        highest += [
            each.high or each.value
            for entry in of_kind(card, kind)  # both geometries: panels side by side have one axis
            if (each := entry.numbers.get(number)) is not None
        ]
        places = [
            Place(parse_view(entry.view).radius or 0, *_bounds(entry.numbers[number]))
            for entry in of_kind(card, kind, geometry)
            if number in entry.numbers
        ]
        if places:
            series.append(Series(NAMES[kind], COLORS[kind], places, DASHES[kind][0]))
    rows, top = numbers(series), min(1.0, 1.12 * max(0.02, *highest))
    levels = [Level(f"whole {percent(whole.value)}", whole.value, LIGHT["full"])]
    x, y = cutoff_axis([row["x"] for row in rows], geometry), share_axis(DETECTION_NUMBERS[number], top)
    bars = alt.Chart(alt.Data(values=[row for row in rows if "low" in row])).mark_rule(strokeWidth=2)
    chart = alt.layer(
        *rules(levels),
        *lines(
            rows,
            colored(series),
            x,
            y,
            ".1%",
            over=UNITS[geometry],
            strokes={"strokeDash": dashed(series)},
            look=Look(band=False, size=55),
        ),
        bars.encode(x=x, y=alt.Y("low:Q", title=y["title"]), y2="high:Q", color=colored(series)),
        *named(series, levels, top),
    )
    name = DETECTION_NUMBERS[number]
    return finish(chart, f"{name} on the LFC and on the HFC by cut-off in {UNITS[geometry]}.", SMALL)


def _bounds(found: Measured) -> tuple[float, float | None, float | None]:
    return found.value, found.low, found.high


def lost_by_size(card: DetectorCard, kind: Literal["lfc", "hfc"]) -> Chart:
    """Draw how many points of mAP are lost at each cut-off, by size of objects."""
    rows = [
        {"cutoff": parse_view(entry.view).at, "series": size, **interval_parts(entry.lost[f"map-{size}"])}
        for entry in of_kind(card, kind)
        for size in SIZES
        if f"map-{size}" in entry.lost
    ]
    measured = {row["series"] for row in rows}
    shown = {size: color for size, color in SIZES.items() if size in measured}
    alt, base = load_altair(), columns(rows, shown)
    y = points_axis("y", rows, "mAP lost, points")
    chart = alt.layer(
        *zero_line("y"),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=y["title"]), y2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(y=y),
    )
    return finish(
        chart, f"Points of mAP that are lost on the {NAMES[kind]}, by size of objects and cut-off.", SMALL
    )


def changed_images(card: DetectorCard, what: Literal["gain", "lose"]) -> Chart:
    """Draw the share of images whose own AP rises, or falls, by cut-off: on the LFC, on the HFC and under the control."""
    kinds: tuple[Kind, ...] = ("lfc", "hfc", "control")
    rows: list[Row] = [
        {"cutoff": parse_view(entry.view).at, "series": NAMES[kind], **interval_parts(share)}
        | {"count": counts.gain if what == "gain" else counts.lose}
        for kind in kinds
        for entry in of_kind(card, kind)
        if (counts := entry.images) is not None
        for share in [counts.gain_share if what == "gain" else counts.lose_share]
    ]
    shown = {NAMES[kind]: COLORS[kind] for kind in kinds if of_kind(card, kind)}
    alt, base = load_altair(), columns(rows, shown)
    top = min(1.0, 1.08 * max([0.02, *(row.get("high", row["value"]) for row in rows)]))
    y = share_axis(f"images that {what}", top)
    chart = alt.layer(
        base.mark_bar().encode(y=y),
        base.mark_rule(strokeWidth=1.5).encode(
            y=alt.Y("low:Q", title=y["title"]), y2="high:Q", color=alt.value(LIGHT["ink"])
        ),
    )
    return finish(chart, f"Share of images that {what} against the whole image, by view and cut-off.", SMALL)


def shown_categories(card: DetectorCard, view: str) -> list[CategoryEntry]:
    """Return the categories that a chart shows, the largest loss first; of many, the largest and the smallest losses."""
    ranked = ranked_categories(card, view)
    if len(ranked) <= MOST_CATEGORIES:
        return ranked
    return ranked[: MOST_CATEGORIES // 2] + ranked[-MOST_CATEGORIES // 2 :]


def ranked_categories(card: DetectorCard, view: str) -> list[CategoryEntry]:
    """Return all categories, the one that loses most in a view first."""
    return sorted(card.categories, key=lambda entry: (-entry.lost[view].value, entry.name))


def lost_by_category(card: DetectorCard, entry: ViewEntry) -> Chart:
    """Draw how many points of mAP each category loses in a view, with its mAP on whole images beside it."""
    alt, shown = load_altair(), shown_categories(card, entry.view)
    names = unique_names([each.name for each in shown])
    rows = [
        {"category": name, "whole": each.ap["full"].value, **interval_parts(each.lost[entry.view])}
        for name, each in zip(names, shown, strict=True)
    ]
    tooltip = ["category:N", alt.Tooltip("whole:Q", format=".1%"), *interval_tooltip()]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("category:N", title=None, sort=names), tooltip=tooltip
    )
    x = points_axis("x", rows, f"mAP lost on the {short(entry.view)}, points")
    beside = base.mark_text(align="left", dx=6, fontSize=11, color=LIGHT["muted"])
    chart = alt.layer(
        base.mark_bar(color=LIGHT["lfc"], height={"band": 0.7}).encode(
            x=x, opacity=alt.condition("isValid(datum.low)", alt.value(1), alt.value(PALE))
        ),
        base.mark_rule(strokeWidth=1.5, color=LIGHT["ink"]).encode(
            x=alt.X("low:Q", title=x["title"]), x2="high:Q"
        ),
        *zero_line("x"),
        beside.transform_calculate(text="'of ' + format(100 * datum.whole, '.1f')").encode(
            x=alt.value("width"), text="text:N"
        ),
    )
    description = (
        f"Points of mAP that each category loses on the {short(entry.view)}, the largest loss on top."
    )
    return finish(chart, description, (SIZE[0], ROW * max(2, len(rows))))


def cost_of_errors(card: DetectorCard) -> Chart:
    """Draw what each kind of error costs of mAP@50: on whole images, and on the LFC and the HFC at the largest cut-off."""
    alt, views = load_altair(), compared_views(card)
    rows = [
        {"kind": each.kind, "series": short(entry.view), "value": each.cost, "count": each.count}
        for entry in views
        for each in entry.errors
    ]
    shown = {short(entry.view): COLORS[parse_view(entry.view).kind] for entry in views}
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("kind:N", title=None, sort=kinds),
        yOffset=alt.YOffset("series:N", sort=list(shown)),
        x=points_axis("x", rows, "mAP@50 that errors of this kind cost, points"),
        tooltip=[
            "kind:N",
            "series:N",
            alt.Tooltip("value:Q", format=".1%", title="cost"),
            alt.Tooltip("count:Q", format=","),
        ],
    )
    counts = base.mark_text(align="left", dx=4, fontSize=10, color=LIGHT["muted"])
    chart = alt.layer(
        base.mark_bar().encode(color=key(shown, "square")),
        counts.encode(text=alt.Text("count:Q", format=",")),
    )
    description = "What each kind of error costs of mAP@50, by view."
    return finish(chart, description, (SIZE[0], 2 * ROW * max(2, len(kinds))))


def compared_views(card: DetectorCard) -> list[ViewEntry]:
    """Return the whole image, and the LFC and the HFC at the key cut-off."""
    return [entry for entry in (card.views[0], key_view(card), key_view(card, "hfc")) if entry is not None]


def changed_objects(card: DetectorCard) -> Chart:
    """Draw the shares of objects that are found in a view alone, or in the whole image alone."""
    alt = load_altair()
    names = {"newly found": LIGHT["energy"], "lost": LIGHT["magenta"]}
    rows = [
        {"view": short(entry.view), "series": series, "value": sign * count / max(1, entry.objects.objects)}
        | {"count": count}
        for entry in card.views[1:]
        for series, sign, count in (
            ("newly found", 1, entry.objects.gained),
            ("lost", -1, entry.objects.lost),
        )
    ]
    views = list(dict.fromkeys(row["view"] for row in rows))
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("view:N", title=None, sort=views),
            x=points_axis("x", rows, "percent of all objects", absolute=True),
            color=key(names, "square"),
            tooltip=["view:N", "series:N", alt.Tooltip("count:Q", format=",")],
        )
    )
    description = "Objects found in a view and not in the whole image, and the reverse, by view."
    return finish(alt.layer(bars, *zero_line("x")), description, (SIZE[0], ROW * max(2, len(views))))
