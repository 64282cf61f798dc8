"""Whether labels are read as categories rightly: what overlaps an object should be called what it is.

COCO has 80 categories with ids up to 90. So a detector whose labels run from 0 to 79, or from 1 to 80, looks right at first:
its boxes are good, some categories are right, and all others are something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from passband.detection.annotations import Annotations
from passband.detection.categories import POSITIONS, READINGS, Labeling, read_labels
from passband.detection.objects import Detections, detections_table
from passband.errors import InputError

OVERLAP = 0.5
"""The IoU from which on a detection is taken to be of an object, whatever its label."""

LEAST_OBJECTS, LEAST_CATEGORIES, TIMES, LEAST_SHARE = 10, 3, 4, 0.25
"""When labels were read wrongly: see `check_labels`."""

AFTER = (8, 32, 128)
"""After how many images `LabelWatch` asks."""


class LabelWatch:
    """Looks at what is found in the first images, so that labels that are read wrongly do not take hours to be noticed.

    Args:
        labeling: How labels are read.
        annotations: What is in the images.
    """

    def __init__(self, labeling: Labeling, annotations: Annotations) -> None:
        self.labeling, self.annotations = labeling, annotations
        self._found: list[tuple[int, Detections]] = []

    def see(self, image: int, found: Detections) -> None:
        """Look at what was found in an image, with the detector's own labels.

        Raises:
            InputError: If a label has no category and must have one, or as `check_labels`, after a few images.
        """
        self.labeling.read(found)
        if len(self._found) < AFTER[-1]:
            self._found.append((image, found))
            if len(self._found) in AFTER:
                check_labels(self._found, self.annotations, self.labeling)


def check_labels(
    found: Sequence[tuple[int, Detections]] | pl.DataFrame,
    annotations: Annotations,
    labeling: Labeling,
) -> None:
    """Refuse a reading of labels against which the annotations speak.

    Of each object that is no crowd, the surest detection that overlaps it by half (IoU) tells a label, whatever it is read as.
    Another reading is taken to be the right one if, among the objects of whose label the two say otherwise, it names the
    object's category for at least a quarter, for ten or more of three or more categories, and for more than four times as many
    as the reading that was given does. So a detector that finds little, or mistakes one category for another, is not accused.
    A file that says what labels are is taken at its word.

    Args:
        found: The id of an image and what was found in it, with the detector's own labels; or a table of that.
        annotations: What is in the images.
        labeling: The reading that was given.

    Raises:
        InputError: If another reading is taken to be right: the message says how many objects each names rightly.
    """
    if labeling.said not in READINGS:
        return
    table = found if isinstance(found, pl.DataFrame) else detections_table(found)
    labels, truth = _told(table, annotations)
    given = _mapped(labels, labeling.categories)
    others = {
        name: _mapped(labels, read_labels(name, annotations).categories) for name in ("ids", *POSITIONS)
    }
    better = {
        name: int((other == truth).sum())
        for name, other in others.items()
        if _far_better(other, given, truth)
    }
    if not better:
        return
    name = max(better, key=better.__getitem__)
    raise InputError(
        f"labels seem to be read wrongly. Of {len(truth):,} objects that a box was found for, {int((given == truth).sum()):,} "
        f"have the category of its label as --label-ids {labeling.said} reads it, and {better[name]:,} as --label-ids {name} "
        f"would. Give --label-ids {name} (label_ids={name!r}), or a JSON file of a dict from labels to ids or names."
    )


def _far_better(other: np.ndarray, given: np.ndarray, truth: np.ndarray) -> bool:
    """Return whether another reading of labels is right so much more often that it must be the one."""
    differ = other != given
    for_other, for_given = differ & (other == truth), differ & (given == truth)
    needed = max(LEAST_OBJECTS, LEAST_SHARE * differ.sum(), TIMES * for_given.sum() + 1)
    return bool(for_other.sum() >= needed) and len(np.unique(truth[for_other])) >= LEAST_CATEGORIES


def _told(table: pl.DataFrame, annotations: Annotations) -> tuple[np.ndarray, np.ndarray]:
    """Return the label that was found for each object for which a box was, and its category."""
    labels, truth = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    objects = annotations.objects.filter(~pl.col("crowd"))
    by_image = {key[0]: part for key, part in objects.partition_by("image", as_dict=True).items()}
    for (image,), part in table.partition_by("image", as_dict=True, maintain_order=True).items():
        if image not in by_image:
            continue
        there = by_image[image]
        surest = part.sort("score", descending=True, maintain_order=True)
        overlaps = _iou(_corners(surest), _corners(there)) >= OVERLAP
        met = overlaps.any(axis=0)
        labels.append(surest["category"].to_numpy()[overlaps.argmax(axis=0)[met]])
        truth.append(there["category"].to_numpy()[met])
    return np.concatenate(labels), np.concatenate(truth)


def _corners(table: pl.DataFrame) -> np.ndarray:
    x, y, width, height = (table.get_column(n).to_numpy() for n in ("x", "y", "width", "height"))
    return np.stack([x, y, x + width, y + height], axis=1)


def _iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the intersection over union of boxes (n, 4) with others (m, 4), shaped (n, m)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=2)
    area = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (one, other)]
    union = area[0][:, None] + area[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _mapped(labels: np.ndarray, categories: Mapping[int, int]) -> np.ndarray:
    """Return the category of each label; -1, which is none of an object, where there is none."""
    return np.array([categories.get(int(label), -1) for label in labels], dtype=np.int64)
