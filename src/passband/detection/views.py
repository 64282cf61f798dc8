"""Which views a detector is shown of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from passband.detection.annotations import Annotations
from passband.detection.dataset import DetectionDataset
from passband.detection.view import View, all_views, default_radii, per_pixel
from passband.errors import InputError
from passband.frequency.fourier import frequency_distance


def choose_views(
    dataset: DetectionDataset,
    *,
    radii: Sequence[float] | None = None,
    cycles_per_pixel: Sequence[float] | None = None,
    geometry: Literal["both", "index", "pixel"] = "both",
    control: bool = True,
    wanted: Sequence[View] = (),
) -> tuple[View, ...]:
    """Return what a detector is shown of images.

    Args:
        dataset: The images.
        radii: Cut-offs in cycles per image, above 0; None takes the three largest powers of two below the Nyquist frequency of the
            median image's shorter side: 32, 64 and 128 for photographs as COCO has them.
        cycles_per_pixel: Cut-offs in cycles per pixel, above 0; None takes those that the radii are in the median image, and none
            where all images are squares of one size, in which the two are the same.
        geometry: Which of the two kinds of cut-offs are taken.
        control: Whether there is a control for chance at each cut-off.
        wanted: Views whose cut-offs are taken besides.

    Raises:
        InputError: If a cut-off is impossible, or nothing of any image lies beyond it.
    """
    shorter = dataset.shorter_side
    per_image = list(default_radii(shorter) if radii is None else radii)
    if cycles_per_pixel is None:
        sizes = {(each.height, each.width) for each in dataset.annotations.pictures}
        square = len(sizes) == 1 and len(set(*sizes)) == 1
        cycles_per_pixel = () if square and geometry == "both" else per_pixel(per_image, shorter)
    cutoffs = {"index": per_image, "pixel": list(cycles_per_pixel)}
    if geometry != "both":
        cutoffs["pixel" if geometry == "index" else "index"] = []
    for view in wanted:
        if (
            view.radius is not None
            and view.geometry is not None
            and view.radius not in cutoffs[view.geometry]
        ):
            cutoffs[view.geometry].append(view.radius)
    views = all_views(sorted(cutoffs["index"]), sorted(cutoffs["pixel"]), control=control)
    if len(views) == 1:
        raise InputError("at least one cut-off is needed, got none")
    for view in views:
        if unchanged_images(view, dataset.annotations) == len(dataset):
            raise InputError(
                f"no image has frequencies beyond the cut-off {view.at}: {str(view)!r} would be all of it, or nothing. The median "
                f"image has a shorter side of {shorter:g} pixels. Choose a smaller cut-off."
            )
    return views


def unchanged_images(view: View, annotations: Annotations) -> int:
    """Return of how many images a view leaves everything, or nothing, since no frequency lies beyond its cut-off."""
    if view.radius is None or view.geometry is None:
        return 0
    sizes: dict[tuple[int, int], int] = {}
    for each in annotations.pictures:
        sizes[each.height, each.width] = sizes.get((each.height, each.width), 0) + 1
    return sum(
        count
        for (height, width), count in sizes.items()
        if frequency_distance(height, width, geometry=view.geometry).max() <= view.radius
    )
