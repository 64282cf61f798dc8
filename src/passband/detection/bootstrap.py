"""How sure a detector's numbers are: images are drawn anew, and nothing is matched again.

An image that is drawn twice is a weight of two on its detections, which are matched and sorted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int16

from passband.brief import Brief
from passband.detection.matches import NUMBERS, Matches
from passband.detection.weighting import images_with_objects, weighted_numbers
from passband.errors import InputError, UnknownNameError
from passband.stats import CONFIDENCE


@dataclass(frozen=True, eq=False)
class Resamples(Brief):
    """What each view's numbers are of images that are drawn anew, the same ones for all views.

    Attributes:
        values: A number of all images, each once, by its name or the id of a category: one a view.
        drawn: The same of each resample; NaN where it has nothing to measure.
        images: In how many images there is anything to measure.
    """

    values: Mapping[str | int, Float[np.ndarray, " views"]]
    drawn: Mapping[str | int, Float[np.ndarray, "views resamples"]]
    images: Mapping[str | int, int]

    def interval(self, view: int, number: str | int) -> tuple[float, float]:
        """Return the interval of a view's number, in [0, 1]; NaN where it rests on fewer than two images.

        It is the percentile interval of the resamples reflected at the number. A category with few objects has the greater
        precision the fewer there are: mAP lies too high where categories are rare, and its resamples lie higher still, by about
        as much. Two views share that, so that their difference needs no reflection. Resamples in which there is nothing to
        measure are left out.

        Raises:
            UnknownNameError: If nothing of that name was measured.

        Source:
            Davison and Hinkley 1997, Bootstrap methods and their application, section 5.2: the basic bootstrap interval.
        """
        low, high, _ = self._spread(number, self._of(number)[view])
        twice = 2 * float(self.values[number][view])
        return float(np.clip(twice - high, 0, 1)), float(np.clip(twice - low, 0, 1))

    def error(self, view: int, number: str | int) -> float:
        """Return the standard error of a view's number; NaN where it rests on fewer than two images.

        Raises:
            UnknownNameError: If nothing of that name was measured.
        """
        return self._spread(number, self._of(number)[view])[2]

    def difference(self, view: int, reference: int, number: str | int) -> tuple[float, float, float, float]:
        """Return by how much a view's number is greater than another's.

        Returns:
            `(difference, low, high, error)`, the percentile interval and the standard error of the paired difference.

        Raises:
            UnknownNameError: If nothing of that name was measured.
        """
        drawn = self._of(number)
        paired = drawn[view] - drawn[reference]
        value = float(self.values[number][view] - self.values[number][reference])
        return value, *self._spread(number, paired)

    def _of(self, number: str | int) -> Float[np.ndarray, "views resamples"]:
        if number not in self.drawn:
            raise UnknownNameError("number", str(number), map(str, self.drawn))
        return self.drawn[number]

    def _spread(
        self, number: str | int, drawn: Float[np.ndarray, " resamples"]
    ) -> tuple[float, float, float]:
        """Return the ends of the interval, and the standard error."""
        measured = drawn[~np.isnan(drawn)]
        if self.images[number] < 2 or len(measured) < 2:  # all resamples are the same, which is not certainty
            return np.nan, np.nan, np.nan
        low, high = np.quantile(measured, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(low), float(high), float(measured.std(ddof=1))


def bootstrap(views: Sequence[Matches], *, resamples: int = 1000, seed: int = 0) -> Resamples:
    """Return COCO's twelve numbers, and mAP by category, of images that are drawn with replacement.

    A resample's numbers are the library's of a data set with as many copies of each image. Copies of equal scores within one
    image and category stand side by side there; COCO would deal them out in turn.

    Args:
        views: What was found in the same images under each view.
        resamples: How often images are drawn, at least 1.
        seed: Draws them.

    Raises:
        InputError: If there are no views or resamples, or the views are not of the same images and objects.

    Source:
        Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13.
    """
    if not views or resamples < 1:
        raise InputError(f"a bootstrap needs views and resamples, got {len(views)} and {resamples}")
    first = views[0]
    for each in views[1:]:
        same = ("images", "categories", "object_image", "object_category", "object_counts")
        if not all(np.array_equal(getattr(each, name), getattr(first, name)) for name in same):
            raise InputError(
                "paired intervals need views of the same images and objects; got views of others: "
                f"{len(first.images):,} images with {len(first.object_id):,} objects, and {len(each.images):,} with {len(each.object_id):,}"
            )
    weights = np.column_stack(
        [np.ones(len(first.images), dtype=np.int16), draw_images(len(first.images), resamples, seed)]
    )
    drawn = np.stack([weighted_numbers(each, weights) for each in views])  # (views, numbers, 1 + resamples)
    images = images_with_objects(first)
    names: list[str | int] = [*NUMBERS, *first.categories.tolist()]
    measured = {name: index for index, name in enumerate(names) if images[index]}
    return Resamples(
        {name: drawn[:, index, 0] for name, index in measured.items()},
        {name: drawn[:, index, 1:] for name, index in measured.items()},
        {name: int(images[index]) for name, index in measured.items()},
    )


def draw_images(images: int, resamples: int, seed: int) -> Int16[np.ndarray, "images resamples"]:
    """Return how often each image is drawn in each resample, as many as there are and with replacement."""
    generator = np.random.default_rng(seed)
    drawn = np.empty((images, resamples), dtype=np.int16)
    for index in range(resamples):
        drawn[:, index] = np.bincount(generator.integers(images, size=images), minlength=images)
    return drawn
