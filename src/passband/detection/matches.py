"""Which detections matched which objects: all that is needed of them once the boxes have been compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int8, Int64

from passband.brief import Brief

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""How much two boxes must overlap to match: the area of their intersection over that of their union."""

LEVELS = np.linspace(0, 1, 101)
"""The recalls at which COCO reads a precision. Some of them lie a rounding error above their hundredth, which matters."""

MOST_DETECTIONS = (1, 10, 100)
"""How many detections count in an image and category, the surest first. Average precision looks at the last."""

SIZES = ("all", "small", "medium", "large")
AREAS = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""Areas in square pixels by size. Both ends belong, as COCO has it: an area of 32^2 is small and medium."""


@dataclass(frozen=True)
class Measure:
    """What one of COCO's numbers is the mean of, over the categories that have objects.

    Attributes:
        of: Average precision or recall.
        size: Of objects, by position in `SIZES`.
        threshold: Which of `THRESHOLDS`, by position; None for the mean over all.
        most: How many detections count, by position in `MOST_DETECTIONS`.
    """

    of: Literal["precision", "recall"]
    size: int = 0
    threshold: int | None = None
    most: int = -1

    @property
    def thresholds(self) -> slice:
        """The positions of its thresholds."""
        return slice(None) if self.threshold is None else slice(self.threshold, self.threshold + 1)


MEASURES = {
    "map": Measure("precision"),
    "map50": Measure("precision", threshold=0),
    "map75": Measure("precision", threshold=5),
    "map-small": Measure("precision", size=1),
    "map-medium": Measure("precision", size=2),
    "map-large": Measure("precision", size=3),
    "ar1": Measure("recall", most=0),
    "ar10": Measure("recall", most=1),
    "ar100": Measure("recall", most=2),
    "ar-small": Measure("recall", size=1),
    "ar-medium": Measure("recall", size=2),
    "ar-large": Measure("recall", size=3),
}
"""COCO's twelve numbers, in its order."""

NUMBERS = tuple(MEASURES)

MISSED, MATCHED, IGNORED = 0, 1, 2
"""What a detection is: wrong, right, or neither, since what it matches does not count, or it has another size than is asked."""


@dataclass(frozen=True, eq=False)
class Matches(Brief):
    """One view's detections and the objects that they were matched with, in flat arrays.

    Detections are those that count at all, the surest 100 in an image and category. They are sorted by category, then by
    falling score, then by image, then by their order, which is the order in which COCO goes through them.

    Attributes:
        images: The ids of all images, ascending.
        categories: The ids of all categories, ascending.
        image: Of each detection, its image's position in `images`.
        category: Likewise.
        rank: How many surer ones there are in the same image and category.
        score: How sure the detector is.
        verdict: `MISSED`, `MATCHED` or `IGNORED` by size of objects and threshold.
        object_id: Of each object, in the order of the annotations.
        object_image: Its image's position.
        object_category: Likewise.
        object_area: In square pixels.
        object_counts: Whether it counts among the objects of a size: it has that size, and is no crowd.
        object_matched: Whether it is found, by threshold, among objects of all sizes.
        object_score: The score of what found it at the first threshold; NaN where nothing did.
    """

    images: Int64[np.ndarray, " images"]
    categories: Int64[np.ndarray, " categories"]
    image: Int64[np.ndarray, " detections"]
    category: Int64[np.ndarray, " detections"]
    rank: Int64[np.ndarray, " detections"]
    score: Float[np.ndarray, " detections"]
    verdict: Int8[np.ndarray, "sizes thresholds detections"]
    object_id: Int64[np.ndarray, " objects"]
    object_image: Int64[np.ndarray, " objects"]
    object_category: Int64[np.ndarray, " objects"]
    object_area: Float[np.ndarray, " objects"]
    object_counts: Bool[np.ndarray, "sizes objects"]
    object_matched: Bool[np.ndarray, "thresholds objects"]
    object_score: Float[np.ndarray, " objects"]
