"""A made-up audit of a detector that follows the card's schema, for tests of its pages."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import torch

from passband.audit.card import Manifest, Share
from passband.audit.detector import DetectorAudit
from passband.audit.detector_card import (
    CategoryEntry,
    ChanceEntry,
    DetectorCard,
    DetectorSettings,
    ErrorEntry,
    ImageCounts,
    Measured,
    ObjectCounts,
    ScenesEntry,
    ViewEntry,
)
from passband.audit.detector_examples import Boxes, DetectorPictures, Example
from passband.choices import DETECTION_NUMBERS
from passband.detection.annotations import Annotations
from passband.detection.detector import DetectorEntry
from passband.detection.view import View, all_views
from passband.notices import Notice
from passband.stats import wilson_interval

VIEWS = all_views([32, 128], [0.0667, 0.267])
KINDS = ("classification", "localization", "both", "duplicate", "background", "missed")
MAP = {"full": 0.356, "lfc": 0.275, "hfc": 0.107, "control": 0.31}


def measured(value: float, *, width: float | None = 0.01) -> Measured:
    """Return a number with an interval of so much to either side; None leaves it out."""
    if width is None:
        return Measured(value, None, None, None)
    return Measured(value, value - width, value + width, width / 2)


def share(count: int, total: int) -> Share:
    """Return a share with its interval."""
    return Share(count / total, *wilson_interval(count, total), total)


def make_detector_card(
    *,
    views: Sequence[View] = VIEWS,
    images: int = 4952,
    names: Sequence[str] = ("person", "traffic light", "zebra"),
    name: str = "retinanet",
    width: float | None = 0.01,
    sizes: Sequence[str] = ("small", "medium", "large"),
    gain: int = 1684,
    p: float = 1e-9,
    beyond: Measured | None = None,
    from_files: bool = False,
    notices: tuple[Notice, ...] = (),
) -> DetectorCard:
    """Return a card; `width` is that of all intervals, `gain` how many images gain on each LFC."""
    numbers = [key for key in DETECTION_NUMBERS if key.partition("-")[2] in ("", *sizes)]
    gain = min(gain, images)

    def value(view: View) -> float:
        return MAP[view.kind] * (1 if view.kind == "full" else 0.9 if view.geometry == "pixel" else 1)

    def entry(view: View) -> ViewEntry:
        whole = view.kind == "full"
        gains = gain if view.kind == "lfc" else gain // 2
        loses = min(images - gains, images // 2)
        return ViewEntry(
            view=str(view),
            numbers={key: measured(value(view), width=width) for key in numbers},
            lost={} if whole else {key: measured(MAP["full"] - value(view), width=width) for key in numbers},
            errors=tuple(ErrorEntry(kind, 7 * i, i / 100) for i, kind in enumerate(KINDS)),
            objects=ObjectCounts(36335, 30000, 0 if whole else 512, 0 if whole else 6000),
            images=None
            if whole
            else ImageCounts(images, gains, loses, share(gains, images), share(loses, images), -0.07),
            detections=91234,
            unchanged=None if from_files else 0,
        )

    return DetectorCard(
        model=DetectorEntry(name, f"torchvision:{name}", "0123456789abcdef", 34_014_999),
        data=ScenesEntry(
            "val2017",
            "instances_val2017.json",
            "fedcba9876543210",
            images,
            36335,
            446,
            {str(i + 1): each for i, each in enumerate(names)},
            (145, 427.0, 640),
        ),
        settings=DetectorSettings(
            tuple(map(str, views)),
            None if from_files else "clip",
            None if from_files else "original",
            "ids",
            1000,
            0,
        ),
        notices=notices,
        views=tuple(map(entry, views)),
        categories=tuple(
            CategoryEntry(
                each,
                i + 1,
                1000 - i,
                500,
                ap={str(view): measured(value(view), width=width) for view in views},
                lost={str(view): measured(0.2 - 0.01 * i, width=width) for view in views[1:]},
            )
            for i, each in enumerate(names)
        ),
        chance=tuple(
            ChanceEntry(
                view.at,
                share(gain, images),
                share(gain // 2, images),
                beyond or measured((gain - gain // 2) / images, width=width),
                p,
            )
            for view in views
            if view.kind == "lfc" and View("control", view.radius, view.geometry) in views
        ),
        manifest=Manifest(created="2026-07-01T12:00:00+00:00", seconds=12.3, environment={"device": "cpu"}),
    )


def boxes(*found: tuple[float, float, float, float, str, float]) -> Boxes:
    """Return boxes from their corners, names and scores."""
    corners = torch.tensor([each[:4] for each in found], dtype=torch.float32).reshape(-1, 4)
    scores = torch.tensor([each[5] for each in found], dtype=torch.float32)
    return Boxes(corners, tuple(each[4] for each in found), scores)


def make_example(
    image: int, before: float, after: float, *, name: str = "person", side: int = 300, file_name: str = ""
) -> Example:
    """Return an example: an object, found as a whole, and something else found in the view."""
    pixels = torch.randint(
        256, (3, side, side * 4 // 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(image)
    )
    return Example(
        image,
        file_name or f"{image:012}.jpg",
        "lfc:128",
        before,
        after,
        pixels,
        pixels // 2 + 64,
        boxes((20, 30, 90, 130, name, 1.0)),
        boxes((22, 28, 88, 131, name, 0.91)),
        boxes((150, 60, 250, 160, "zebra", 0.52)),
    )


def make_detector_audit(
    card: DetectorCard, *, losses: Sequence[Example] = (), gains: Sequence[Example] = ()
) -> DetectorAudit:
    """Return an audit around a card: its tables are empty, since a page shows the card."""
    empty = pl.DataFrame()
    categories = {int(number): name for number, name in card.data.categories.items()}
    return DetectorAudit(
        card,
        empty,
        empty,
        empty,
        Annotations(card.data.name, card.data.source, (), categories, empty),
        empty,
        DetectorPictures(card.data.fingerprint, 0.45, tuple(losses), tuple(gains)),
    )
