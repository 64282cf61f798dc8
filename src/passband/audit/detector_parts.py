"""The parts of a detector's card, and its tables, each computed from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from passband.audit.card import Share
from passband.audit.detector_card import (
    CategoryEntry,
    ChanceEntry,
    DetectorCard,
    ErrorEntry,
    ImageCounts,
    Measured,
    ObjectCounts,
    ScenesEntry,
    ViewEntry,
)
from passband.brief import Brief
from passband.detection.annotations import Annotations, Picture
from passband.detection.bootstrap import Resamples
from passband.detection.evaluation import Evaluation
from passband.detection.per_image import found_objects, image_precision
from passband.detection.view import WHOLE, View
from passband.notices import Notice
from passband.rows import (
    COST,
    GAIN,
    GAIN_BEYOND_CHANCE,
    LOSE,
    LOST,
    MAP,
    DetectionRow,
)
from passband.stats import bootstrap_difference, mcnemar, wilson_interval

HARDLY = 0.02
"""mAP@50 below which it is asked whether a detector fits its images."""

CHANGE = 1e-9
"""By how much an image's AP must differ to count as another one: sums of the same numbers differ by less."""


@dataclass(frozen=True, eq=False)
class Seen(Brief):
    """All that was found in one view.

    Attributes:
        view: The view.
        evaluation: What it is worth.
        precision: Each image's own AP, in the order of the annotations; NaN where there is nothing to find.
        objects: What became of each object: `passband.detection.per_image.found_objects`.
        detections: How many there are.
    """

    view: View
    evaluation: Evaluation
    precision: Float[np.ndarray, " images"]
    objects: pl.DataFrame
    detections: int


def see(view: View, evaluation: Evaluation, detections: int) -> Seen:
    """Return what follows of a view's matches alone."""
    matches = evaluation.matches
    return Seen(view, evaluation, image_precision(matches), found_objects(matches), detections)


def scenes_entry(annotations: Annotations, fingerprint: str) -> ScenesEntry:
    """Return what a card says of the images."""
    shorter = sorted(min(each.height, each.width) for each in annotations.pictures)
    crowds = int(annotations.objects["crowd"].sum())
    return ScenesEntry(
        name=annotations.name,
        source=annotations.source,
        fingerprint=fingerprint,
        images=len(annotations.pictures),
        objects=len(annotations.objects) - crowds,
        crowds=crowds,
        categories={str(number): name for number, name in annotations.categories.items()},
        sizes=(shorter[0], float(np.median(shorter)), shorter[-1]),
    )


def measured(value: float, low: float, high: float, error: float) -> Measured:
    """Return a number with its interval, as JSON holds them; what could not be drawn is missing."""
    drawn = (float(each) if np.isfinite(each) else None for each in (low, high, error))
    return Measured(float(value), *drawn)


def in_view(drawn: Resamples, place: int, number: str | int, value: float) -> Measured:
    """Return a number of COCO's, or a category's mAP, in a view."""
    return measured(value, *drawn.interval(place, number), drawn.error(place, number))


def lost_in(drawn: Resamples, place: int, number: str | int) -> Measured:
    """Return what of it is lost against the whole image, whose place is 0, over the same drawn images."""
    return measured(*drawn.difference(0, place, number))


def view_entry(seen: Seen, whole: Seen, place: int, drawn: Resamples, unchanged: int | None) -> ViewEntry:
    """Return what a card says of a view; `place` is its place among those that were drawn, the whole image's being 0."""
    numbers = seen.evaluation.numbers
    return ViewEntry(
        view=str(seen.view),
        numbers={name: in_view(drawn, place, name, value) for name, value in numbers.items()},
        lost={} if seen.view == WHOLE else {name: lost_in(drawn, place, name) for name in numbers},
        errors=tuple(
            ErrorEntry(kind, each.count, each.gain) for kind, each in seen.evaluation.errors.items()
        ),
        objects=object_counts(seen.objects, whole.objects),
        images=None if seen.view == WHOLE else image_counts(seen.precision, whole.precision),
        detections=seen.detections,
        unchanged=unchanged,
    )


def object_counts(here: pl.DataFrame, whole: pl.DataFrame) -> ObjectCounts:
    """Return how many objects are found, and how many of them otherwise than in the whole image."""
    now, before = here["found"], whole["found"]
    return ObjectCounts(len(here), int(now.sum()), int((now & ~before).sum()), int((before & ~now).sum()))


def gains(here: Float[np.ndarray, " images"], whole: Float[np.ndarray, " images"]) -> np.ndarray:
    """Return of which images with objects the AP is higher than on the whole."""
    counted = np.isfinite(whole)
    return here[counted] > whole[counted] + CHANGE


def image_counts(here: Float[np.ndarray, " images"], whole: Float[np.ndarray, " images"]) -> ImageCounts:
    """Return how many images gain and lose against the whole (Figures 8 and 9)."""
    gain, lose = gains(here, whole), gains(whole, np.where(np.isfinite(whole), here, np.nan))
    counted = np.isfinite(whole)
    return ImageCounts(
        images=int(counted.sum()),
        gain=int(gain.sum()),
        lose=int(lose.sum()),
        gain_share=_share(gain),
        lose_share=_share(lose),
        mean_change=float((here - whole)[counted].mean()),
    )


def chance_entries(seen: Sequence[Seen], seed: int) -> tuple[ChanceEntry, ...]:
    """Return, for each cut-off at which there is a control, how many more images gain on the LFC than under it."""
    by_view = {each.view: each for each in seen}
    whole, found = by_view[WHOLE], []
    for view, low in by_view.items():
        control = by_view.get(View("control", view.radius, view.geometry)) if view.kind == "lfc" else None
        if control is None:
            continue
        one, two = gains(low.precision, whole.precision), gains(control.precision, whole.precision)
        found.append(
            ChanceEntry(
                cutoff=view.at,
                lfc=_share(one),
                control=_share(two),
                difference=_difference(one, two, seed),
                p=mcnemar(int((one & ~two).sum()), int((two & ~one).sum())),
            )
        )
    return tuple(found)


def _share(those: np.ndarray) -> Share:
    count, total = int(those.sum()), len(those)
    return Share(count / total, *wilson_interval(count, total), total)


def _difference(one: np.ndarray, two: np.ndarray, seed: int) -> Measured:
    difference = one.astype(float) - two.astype(float)
    if len(difference) < 2:
        return Measured(float(difference.mean()), None, None, None)
    value, low, high = bootstrap_difference(two, one, seed=seed)
    return Measured(value, low, high, float(difference.std(ddof=1) / np.sqrt(len(difference))))


def category_entries(
    seen: Sequence[Seen], annotations: Annotations, drawn: Resamples
) -> tuple[CategoryEntry, ...]:
    """Return each category's AP in each view; categories without objects are left out."""
    counted = annotations.objects.filter(~pl.col("crowd"))
    sizes = counted.group_by("category").agg(objects=pl.len(), images=pl.col("image").n_unique())
    counts = {category: (objects, images) for category, objects, images in sizes.rows()}
    found = []
    for number, name in annotations.categories.items():
        if number not in seen[0].evaluation.by_category:
            continue
        places = {str(each.view): place for place, each in enumerate(seen)}
        found.append(
            CategoryEntry(
                name,
                number,
                *counts[number],
                ap={
                    view: in_view(drawn, place, number, seen[place].evaluation.by_category[number])
                    for view, place in places.items()
                },
                lost={view: lost_in(drawn, place, number) for view, place in places.items() if place},
            )
        )
    return tuple(found)


def images_table(seen: Sequence[Seen], annotations: Annotations) -> pl.DataFrame:
    """Return one row an image and view: its own AP, how many objects it has, and how its AP changed."""
    counts = annotations.objects.filter(~pl.col("crowd")).group_by("image").agg(objects=pl.len())
    pictures = pl.DataFrame(
        {
            "image": [each.id for each in annotations.pictures],
            "file_name": [each.file_name for each in annotations.pictures],
            "height": [each.height for each in annotations.pictures],
            "width": [each.width for each in annotations.pictures],
        }
    ).join(counts, on="image", how="left", maintain_order="left")
    whole = pl.Series(seen[0].precision).fill_nan(None)
    return pl.concat(
        pictures.with_columns(
            pl.col("objects").fill_null(0).cast(pl.Int64),
            shown=pl.lit(str(each.view)),
            ap=(here := pl.Series(each.precision).fill_nan(None)),
            change=here - whole,
        )
        for each in seen
    )


def annotations_again(card: DetectorCard, images: pl.DataFrame, objects: pl.DataFrame) -> Annotations:
    """Return the annotations of an audit from what it wrote: its card, its images and its objects."""
    pictures = images.filter(pl.col("shown") == str(WHOLE)).select("image", "file_name", "height", "width")
    categories = {int(number): name for number, name in card.data.categories.items()}
    return Annotations(
        card.data.name, card.data.source, tuple(Picture(*row) for row in pictures.rows()), categories, objects
    )


def objects_table(seen: Sequence[Seen], annotations: Annotations) -> pl.DataFrame:
    """Return one row an object and view: whether it is found, how surely, and at how many overlaps."""
    names = pl.DataFrame(
        {"category": list(annotations.categories), "category_name": list(annotations.categories.values())},
        schema={"category": pl.Int64, "category_name": pl.String},
    )
    return pl.concat(
        each.objects.join(names, on="category", how="left", maintain_order="left").with_columns(
            shown=pl.lit(str(each.view))
        )
        for each in seen
    )


def notices_of_fit(numbers: Mapping[str, float]) -> Iterator[Notice]:
    """Say if a detector finds hardly anything in whole images."""
    if numbers["map50"] < HARDLY:
        yield Notice(
            "fit",
            f"the detector finds hardly anything: mAP@50 on whole images is {numbers['map50']:.1%}. Does it fit the images? Labels that "
            "are read otherwise (--label-ids), boxes in other units, or pixels in another range all look so.",
        )


def notices_of_views(entries: Sequence[ViewEntry], images: int) -> Iterator[Notice]:
    """Say of which cut-offs some images know nothing."""
    for entry in entries:
        if entry.view.startswith("lfc") and entry.unchanged:
            cutoff = entry.view.partition(":")[2]
            yield Notice(
                "data",
                f"{entry.unchanged:,} of {images:,} images have no frequency beyond the cut-off {cutoff}: their LFC is the image "
                "itself, and their HFC is black",
            )


def detection_rows(
    entries: Sequence[ViewEntry],
    categories: Sequence[CategoryEntry],
    chance: Sequence[ChanceEntry],
    views: Mapping[str, View],
    *,
    run: str,
    images: int,
    split_at: str | None,
    amplitude: str | None,
) -> Iterator[DetectionRow]:
    """Yield one row a number; lost are those of the whole image less those of a view."""

    def row(
        view: str, metric: str, value: Measured | Share | float, count: int = images, **more: str
    ) -> DetectionRow:
        shown = views[view]
        return DetectionRow(
            run=run,
            subset="test",
            component=shown,
            geometry=shown.geometry,
            split_at=split_at if shown != WHOLE else None,
            amplitude=amplitude if shown != WHOLE else None,
            metric=metric,
            value=value.value if isinstance(value, Measured | Share) else value,
            error=value.error if isinstance(value, Measured) else None,
            count=count,
            class_name=more.get("category"),
        )

    for entry in entries:
        for name, value in entry.numbers.items():
            yield row(entry.view, name, value)
        for name, value in entry.lost.items():
            yield row(entry.view, f"{name}{LOST}", value)
        for each in entry.errors:
            yield row(entry.view, f"{COST}{each.kind}", each.cost)
        if entry.images is not None:
            yield row(entry.view, GAIN, entry.images.gain_share, entry.images.images)
            yield row(entry.view, LOSE, entry.images.lose_share, entry.images.images)
    for each in chance:
        yield row(f"lfc:{each.cutoff}", GAIN_BEYOND_CHANCE, each.difference, each.lfc.count)
    for category in categories:
        for view, value in category.ap.items():
            yield row(view, MAP, value, category.images, category=category.name)
