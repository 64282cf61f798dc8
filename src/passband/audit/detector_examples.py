"""Figures 8 and 9: the images whose own AP falls most on the LFC, and those whose AP rises most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from passband.audit.detector_parts import CHANGE, Seen
from passband.brief import Brief
from passband.detection.annotations import Annotations
from passband.detection.dataset import DetectionDataset
from passband.detection.matches import IGNORED, MATCHED, Matches
from passband.detection.shown import Shown
from passband.detection.view import WHOLE, View

MOST = 4
"""Examples of losses, and of gains."""


@dataclass(frozen=True, eq=False)
class Boxes(Brief):
    """Boxes as they are drawn.

    Attributes:
        corners: Left, top, right and bottom edge in pixels.
        names: Of their categories.
        scores: How sure the detector is; all 1 of what is there.
    """

    corners: Float[Tensor, "boxes 4"]
    names: tuple[str, ...]
    scores: Float[Tensor, " boxes"]


@dataclass(frozen=True, eq=False)
class Example(Brief):
    """An image before and after.

    Attributes:
        image: Its id.
        file_name: Its name.
        view: What it was shown as, besides the whole.
        before: Its own AP on the whole.
        after: Its own AP in the view.
        whole: The image.
        shown: The view, as a picture.
        truth: What is there; boxes around crowds are left out.
        found_before: What was found in the whole.
        found_after: What was found in the view.
    """

    image: int
    file_name: str
    view: str
    before: float
    after: float
    whole: UInt8[Tensor, "3 height width"]
    shown: UInt8[Tensor, "3 height width"]
    truth: Boxes
    found_before: Boxes
    found_after: Boxes


@dataclass(frozen=True, eq=False)
class DetectorPictures(Brief):
    """What the report of a detector shows beside its card.

    Attributes:
        fingerprint: Of images and annotations.
        score: From which score on detections are drawn: that at which precision and recall of whole images balance best (F1 at
            IoU 0.5).
        losses: Images that lose most, the clearest first.
        gains: Images that gain most, likewise.
    """

    fingerprint: str
    score: float
    losses: tuple[Example, ...] = ()
    gains: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Lookup:
    """Where the pictures of examples come from.

    Attributes:
        dataset: The images.
        how: How views are made.
    """

    dataset: DetectionDataset
    how: Shown

    def pictures(self, index: int, view: View) -> tuple[UInt8[Tensor, "3 height width"], ...]:
        """Return an image and a view of it as bytes."""
        image = self.dataset.image(index)
        (shown,) = self.how.make(image, [view], self.dataset.annotations.pictures[index].id)
        return tuple((each.clamp(0, 1) * 255).round().to(torch.uint8) for each in (image, shown))


def find_examples(
    seen: Sequence[Seen],
    annotations: Annotations,
    detections: pl.DataFrame,
    lookup: Lookup | None,
    fingerprint: str,
) -> DetectorPictures:
    """Return the clearest losses and gains on the LFC at the largest cut-off in cycles per image, the paper's; else per pixel.

    Of images that change equally much, those with more objects come first.

    Args:
        seen: What was found in each view, the whole first.
        annotations: What is there.
        detections: What was found, in all views.
        lookup: Where pictures come from; without, there are no examples.
        fingerprint: Of images and annotations.
    """
    score = balanced_score(seen[0].evaluation.matches)
    lows = [each for each in seen if each.view.kind == "lfc"]
    if lookup is None or not lows:
        return DetectorPictures(fingerprint, score)
    chosen = max(lows, key=lambda each: (each.view.geometry == "index", each.view.radius or 0))
    change = np.nan_to_num(chosen.precision - seen[0].precision)
    objects = np.bincount(
        seen[0].evaluation.matches.object_image, minlength=len(annotations.pictures)
    )  # of each image
    order = np.lexsort((-objects, -np.abs(change)))
    kept = detections.filter(pl.col("score") >= score)

    def example(index: int) -> Example:
        picture = annotations.pictures[index]
        whole, shown = lookup.pictures(index, chosen.view)
        there = annotations.objects.filter(pl.col("image") == picture.id, ~pl.col("crowd"))
        here = kept.filter(pl.col("image") == picture.id)
        return Example(
            picture.id,
            picture.file_name,
            str(chosen.view),
            float(seen[0].precision[index]),
            float(chosen.precision[index]),
            whole,
            shown,
            _boxes(there, annotations),
            _boxes(here.filter(pl.col("shown") == str(WHOLE)), annotations),
            _boxes(here.filter(pl.col("shown") == str(chosen.view)), annotations),
        )

    return DetectorPictures(
        fingerprint,
        score,
        losses=tuple(example(int(i)) for i in order[change[order] < -CHANGE][:MOST]),
        gains=tuple(example(int(i)) for i in order[change[order] > CHANGE][:MOST]),
    )


def balanced_score(matches: Matches) -> float:
    """Return the score from which on detections have the highest F1 at IoU 0.5, all categories together; 0 if none is right."""
    verdict = matches.verdict[0, 0]
    counted = verdict != IGNORED
    order = np.argsort(-matches.score[counted], kind="stable")
    right = (verdict[counted][order] == MATCHED).cumsum()
    if not len(right) or not right[-1]:
        return 0.0
    balance = 2 * right / (np.arange(len(right)) + 1 + matches.object_counts[0].sum())
    return float(matches.score[counted][order][balance.argmax()])


def _boxes(table: pl.DataFrame, annotations: Annotations) -> Boxes:
    left, top = table["x"].to_numpy(), table["y"].to_numpy()
    corners = np.column_stack([left, top, left + table["width"].to_numpy(), top + table["height"].to_numpy()])
    scores = table["score"].to_numpy() if "score" in table.columns else np.ones(len(table))
    return Boxes(
        torch.from_numpy(corners).float(),
        tuple(annotations.categories[category] for category in table["category"]),
        torch.from_numpy(scores.copy()).float(),
    )
