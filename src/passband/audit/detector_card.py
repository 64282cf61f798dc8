"""The card of a detector: what it finds in whole images and in components of them, with intervals over images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from passband.audit.card import Card, CheckedEntry, Share
from passband.brief import Brief
from passband.choices import DETECTION, SplitAt, ViewAmplitude
from passband.detection.detector import DetectorEntry
from passband.files import read_json


@dataclass(frozen=True)
class Measured:
    """A number with its 95% interval over images (bootstrap, percentiles) and its standard error.

    An interval is missing where there is no second image to draw, or where nothing could be measured in most draws.
    """

    value: float
    low: float | None
    high: float | None
    error: float | None


@dataclass(frozen=True)
class ScenesEntry(Brief):
    """Which images they were.

    Attributes:
        name: What they are called.
        source: The file of annotations.
        fingerprint: A hash of images and annotations; of annotations alone where no image was looked at.
        images: How many.
        objects: How many are looked for, boxes around crowds aside.
        crowds: How many boxes are around crowds, in which detections count neither way.
        categories: Names by their ids.
        sizes: The smallest, the median and the largest shorter side in pixels.
    """

    name: str
    source: str
    fingerprint: str
    images: int
    objects: int
    crowds: int
    categories: Mapping[str, str]
    sizes: tuple[int, float, int]


@dataclass(frozen=True)
class DetectorSettings:
    """How a detector was audited.

    Attributes:
        views: What it was shown, as text: `passband.detection.view`.
        amplitude: What was done to all views but the whole image; None of result files, which do not say.
        split_at: Whether the original images were split, or the network's input; None of result files.
        label_ids: How its labels became ids of categories.
        resamples: How often images were drawn anew for intervals.
        seed: Draws them, and the control's noise.
    """

    views: tuple[str, ...]
    amplitude: ViewAmplitude | None
    split_at: SplitAt | None
    label_ids: str
    resamples: int
    seed: int


@dataclass(frozen=True)
class ErrorEntry:
    """One kind of error (TIDE): how many there are, and how much mAP@50 would rise if they were mended."""

    kind: str
    count: int
    cost: float


@dataclass(frozen=True)
class ObjectCounts:
    """What became of objects: how many are found at IoU 0.5, and how many of them are new or lost against the whole image."""

    objects: int
    found: int
    gained: int
    lost: int


@dataclass(frozen=True)
class ImageCounts:
    """What became of the images' own AP against the whole image (Figures 8 and 9).

    Attributes:
        images: Those that have objects.
        gain: How many have a higher AP.
        lose: How many have a lower one.
        gain_share: The share that gain.
        lose_share: The share that lose.
        mean_change: Mean of the AP's change.
    """

    images: int
    gain: int
    lose: int
    gain_share: Share
    lose_share: Share
    mean_change: float


@dataclass(frozen=True)
class ViewEntry(Brief):
    """What a detector finds in one view of the images.

    Attributes:
        view: Such as `"lfc:128"`.
        numbers: COCO's, by their names here (`passband.rows.DETECTION_NUMBERS`); those without objects of a size are left out.
        lost: Of each the whole image's less this one, over the same drawn images; empty of the whole image.
        errors: What kinds of errors there are.
        objects: What became of the objects.
        images: What became of the images; None of the whole image.
        detections: How many there are.
        unchanged: How many images the view leaves as they are, or of which it leaves nothing: those with no frequency beyond
            the cut-off. None where images were not looked at.
    """

    view: str
    numbers: Mapping[str, Measured]
    lost: Mapping[str, Measured]
    errors: tuple[ErrorEntry, ...]
    objects: ObjectCounts
    images: ImageCounts | None
    detections: int
    unchanged: int | None = None


@dataclass(frozen=True)
class CategoryEntry(Brief):
    """One category: its objects, its AP in each view, and what of it is lost."""

    name: str
    id: int
    objects: int
    images: int
    ap: Mapping[str, Measured]
    lost: Mapping[str, Measured]


@dataclass(frozen=True)
class ChanceEntry:
    """How many images gain on the LFC, against how many do under the control at the same cut-off.

    Attributes:
        cutoff: Such as `"128"` or `"0.2px"`.
        lfc: The share of images that gain on the LFC.
        control: The share that gain under the control.
        difference: The first less the second, over the same images.
        p: McNemar's exact two-sided p-value.
    """

    cutoff: str
    lfc: Share
    control: Share
    difference: Measured
    p: float


@dataclass(frozen=True, kw_only=True, repr=False)
class DetectorCard(Card):
    """Which frequencies a detector needs."""

    kind: ClassVar[str] = "detection"
    schema: ClassVar[int] = 1
    made_by: ClassVar[str] = "passband detect"

    model: DetectorEntry
    data: ScenesEntry
    settings: DetectorSettings
    views: tuple[ViewEntry, ...]
    categories: tuple[CategoryEntry, ...]
    chance: tuple[ChanceEntry, ...]
    requirements: tuple[CheckedEntry, ...] | None = None

    @property
    def line(self) -> str:
        """What was measured, and the mAP of whole images."""
        whole = self.views[0].numbers["map"]
        sure = "" if whole.low is None or whole.high is None else f" [{whole.low:.1%}, {whole.high:.1%}]"
        return f"{self.model.name} on {self.data.name}: mAP {whole.value:.1%}{sure} of {self.data.images:,} images"

    def view(self, name: str) -> ViewEntry | None:
        """Return what was found in a view; None if it was not measured."""
        return next((entry for entry in self.views if entry.view == name), None)


def read_detector_card(path: Path) -> DetectorCard:
    """Read a detector's card from its file, or from the folder of `passband detect`.

    Raises:
        InputError: If there is none, or the file is something else.
    """
    path = path / DETECTION if path.is_dir() else path
    return DetectorCard.from_dict(read_json(path), str(path))
