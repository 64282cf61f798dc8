"""What the explorer of a detector was started with: a detector, and perhaps annotated images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import UInt8
from torch import Tensor

from passband.audit.detector import BATCH
from passband.choices import SplitAt, ViewAmplitude
from passband.data.dataset import to_pixels
from passband.detection.annotations import Annotations
from passband.detection.categories import Labeling, read_labels
from passband.detection.dataset import DetectionDataset
from passband.detection.detect import Showing, in_image
from passband.detection.detector import Detector, Image
from passband.detection.evidence import LabelWatch
from passband.detection.objects import Detections
from passband.detection.shown import Shown
from passband.detection.view import WHOLE, View, default_radii
from passband.detection.views import choose_views
from passband.errors import InputError
from passband.frequency.fourier import corner_radius
from passband.notices import Notice

PLACES = 12
"""Radii at which an image is split where nobody says which, beside those that `passband detect` chooses: a detector takes its time."""

KEPT = 4000
"""Views of which it is kept what was found in them."""


class DetectorPicture(NamedTuple):
    """An image that is looked at.

    Attributes:
        pixels: 0 to 255.
        id: Its id in the annotations; 0 of an upload.
        key: What tells it from all others.
        name: What it is called.
        truth: What is in it, as annotations of this image alone; None where nobody knows.
        notices: What must be known of how it became these pixels.
    """

    pixels: UInt8[Tensor, "3 height width"]
    id: int
    key: str
    name: str
    truth: Annotations | None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, eq=False)
class DetectorScene:
    """What is explored; `of` makes it.

    Attributes:
        detector: The detector.
        dataset: The images to choose from; None where all are uploaded.
        labeling: How its labels become categories; None without data, where they stay what they are.
        radii: Cut-offs in cycles per image; None chooses for each image.
        split_at: Whether the image is split as it is stored, or as the network's own resize makes it.
        seed: Draws the noise of the control.
    """

    detector: Detector
    dataset: DetectionDataset | None
    labeling: Labeling | None
    radii: tuple[float, ...] | None
    split_at: SplitAt = "original"
    seed: int = 0
    _watch: LabelWatch | None = None
    _doubts: list[str] = field(default_factory=list, repr=False)
    _found: OrderedDict[tuple[str, str, str], Detections] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def of(
        cls,
        detector: Detector,
        dataset: DetectionDataset | None = None,
        *,
        radii: Sequence[float] | None = None,
        split_at: SplitAt = "original",
        label_ids: str | Path | None = None,
        seed: int = 0,
    ) -> DetectorScene:
        """Return the scene of a detector and images, once it is certain that they go together.

        Args:
            detector: `passband.load_detector` returns one.
            dataset: `passband.open_detection_data` returns them.
            radii: Cut-offs in cycles per image, above 0, for all images; None chooses for each.
            split_at: See `passband.audit_detector`.
            label_ids: Likewise.
            seed: Likewise.

        Raises:
            InputError: If labels cannot be read, a radius cannot be, or the detector does not show its own resize and that is split.
        """
        if dataset is None and label_ids is not None:
            raise InputError(
                "labels become categories of annotations, and there are none: give IMAGES and ANNOTATIONS too"
            )
        if radii is not None and dataset is not None:
            choose_views(dataset, radii=radii, geometry="index", control=False)
        if split_at == "input":
            detector.to_input(torch.full((3, 64, 64), 0.5))
        labeling = watch = None
        if dataset is not None:
            labeling = read_labels(label_ids, dataset.annotations, detector.label_names)
            watch = LabelWatch(labeling, dataset.annotations)
        chosen = (
            None
            if radii is None
            else tuple(sorted({View("lfc", each, "index").radius or 0 for each in radii}))
        )
        return cls(detector, dataset, labeling, chosen, split_at, seed, watch)

    @property
    def categories(self) -> Mapping[int, str]:
        """What categories are called, or the detector's own labels where there are no annotations."""
        return (
            (self.detector.label_names or {}) if self.dataset is None else self.dataset.annotations.categories
        )

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What must be known of detector and data."""
        said = () if self.dataset is None else self.dataset.annotations.notices
        return (*self.detector.notices, *said, *(() if self.labeling is None else self.labeling.notices))

    @property
    def doubts(self) -> str | None:
        """Why labels seem to be read wrongly, from the images that were looked at so far; None if they do not."""
        return self._doubts[-1] if self._doubts else None

    def having(self, index: int) -> DetectionDataset:
        """Return the data set, once it is certain that it has an image.

        Raises:
            InputError: If it has not.
        """
        count = 0 if self.dataset is None else len(self.dataset)
        if self.dataset is None or not 0 <= index < count:
            raise InputError(
                f"there is no image {index}: {count} images were loaded, the first of which is number 0"
            )
        return self.dataset

    def picture(self, index: int) -> DetectorPicture:
        """Return an image of the data set.

        Raises:
            InputError: If there is no such image, or it cannot be read.
        """
        dataset = self.having(index)
        there = dataset.annotations.pictures[index]
        objects = dataset.annotations.objects.filter(pl.col("image") == there.id)
        truth = Annotations(there.file_name, "", (there,), dataset.annotations.categories, objects)
        return DetectorPicture(dataset.read(index), there.id, f"image {there.id}", there.file_name, truth)

    def default_radii(self, size: tuple[int, int]) -> tuple[float, ...]:
        """Return the cut-offs of `passband detect`: those that were given, else three that follow from the median image."""
        if self.radii is not None:
            return self.radii
        return default_radii(min(size) if self.dataset is None else self.dataset.shorter_side)

    def places(self, size: tuple[int, int]) -> tuple[float, ...]:
        """Return the radii at which an image of a size (height, width) is split: below its corner, where its LFC is all of it.

        Raises:
            InputError: If there is none.

        Example:
            Of 480x640 pixels, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256 and 362: about half an octave apart.
        """
        corner = corner_radius(*size)
        places = set(self.default_radii(size))
        if self.radii is None:
            steps = [round(2 ** (step / 2)) for step in range(2 * int(np.log2(max(corner, 1))) + 2)]
            places |= set(sorted({float(each) for each in steps if each < corner})[-PLACES:])
        below = sorted(each for each in places if each < corner)
        if not below:
            asked = f"; the radii are {', '.join(f'{each:g}' for each in sorted(places))}" if places else ""
            raise InputError(
                f"an image of {size[0]}x{size[1]} pixels has no frequencies to be cut apart{asked}"
            )
        return tuple(below)

    def image(self, picture: DetectorPicture) -> Image:
        """Return an image where the detector computes."""
        return to_pixels(picture.pixels, self.detector.device)

    def views_of(
        self, picture: DetectorPicture, views: Sequence[View], amplitude: ViewAmplitude
    ) -> list[Image]:
        """Return views of an image as `passband detect` gives them to the detector."""
        resizing = self._lock if self.split_at == "input" else nullcontext()  # by the detector itself
        with resizing, torch.no_grad():
            return self._showing(views, amplitude).views_of(self.image(picture), picture.id, self.detector)

    def found(
        self, picture: DetectorPicture, views: Sequence[View], amplitude: ViewAmplitude
    ) -> list[Detections]:
        """Return what is found in views of an image, with categories for labels, as `passband detect` finds it.

        The detector is asked about one image at a time, and only for views of which it is not kept what was found.

        Raises:
            InputError: If it fails, or a label has no category and must have one.
        """
        with self._lock:
            keys = {view: (picture.key, str(view), "" if view == WHOLE else amplitude) for view in views}
            left = [view for view in views if keys[view] not in self._found]
            if left:
                showing, batch = self._showing(left, amplitude), BATCH.get(self.detector.device.type, 1)
                for view, raw in in_image(self.detector, self.image(picture), picture.id, showing, batch):
                    self._see(picture, view, raw)
                    self._found[keys[view]] = raw if self.labeling is None else self.labeling.read(raw)[0]
            answers = [self._found[key] for key in keys.values()]
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        return answers

    def _see(self, picture: DetectorPicture, view: View, raw: Detections) -> None:
        """Look whether labels seem to be read wrongly; a page is no audit, so that it goes on and says so."""
        if self._watch is None or picture.truth is None or view != WHOLE or self._doubts:
            return
        if self.labeling is not None:
            self.labeling.read(raw)  # what cannot be read at all is refused
        try:
            self._watch.see(picture.id, raw)
        except InputError as error:
            self._doubts.append(str(error))

    def _showing(self, views: Sequence[View], amplitude: ViewAmplitude) -> Showing:
        return Showing(tuple(views), Shown(amplitude, seed=self.seed), self.split_at)
