"""Showing a detector every view of every image: what it finds is on the disk every few seconds, and goes on from there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import polars as pl
import torch
from filelock import FileLock, Timeout

from passband.choices import SplitAt
from passband.detection.dataset import DetectionDataset
from passband.detection.detector import Detector, Image
from passband.detection.objects import Detections, detections_table
from passband.detection.shown import Shown
from passband.detection.view import WHOLE, View
from passband.errors import InputError
from passband.files import digest, write_file
from passband.memory import give_back
from passband.rows import DETECTION_COLUMNS
from passband.types import Progress

SECONDS = 10.0
"""Between two writes: what a process that is killed loses."""

LARGE = 2**24
"""Bytes that the views of an image take, from which on they are given back after it."""

FOUND = pl.Schema({"shown": pl.String(), **DETECTION_COLUMNS})
"""The columns of what was found, in all views; before labels are read as categories, the detector's own stand for these."""


@dataclass(frozen=True)
class Showing:
    """What a detector is shown, and how.

    Attributes:
        views: Those of each image, the whole among them.
        how: How they are made.
        split_at: Whether the original image is split, or what the network's own resize makes of it.
    """

    views: tuple[View, ...]
    how: Shown
    split_at: SplitAt = "original"

    def views_of(self, image: Image, name: int, detector: Detector) -> list[Image]:
        """Return the views of an image as the detector is given them."""
        if self.split_at == "original":
            return self.how.make(image, self.views, name)
        return self.how.unrounded().make(detector.to_input(image), self.views, name)


@dataclass(frozen=True)
class Found:
    """What was found, on the disk.

    Attributes:
        folder: Where its parts are.
    """

    folder: Path

    def parts(self) -> list[Path]:
        """Return the files in the order of the images; their names say of which ones, and what the content must hash to."""
        return sorted(self.folder.glob("images-*.parquet"))

    def missing(self, images: range) -> list[range]:
        """Return of which images it does not hold what was found, as runs of consecutive ones; files that are damaged are removed."""
        left, start = [], images.start
        for part in self.parts():
            if (bounds := _bounds(part)) is None:
                part.unlink()
            elif bounds.stop > start and bounds.start < images.stop:
                left.append(range(start, bounds.start))
                start = bounds.stop
        left.append(range(start, images.stop))
        return [run for run in left if len(run)]

    def of(self, view: View) -> pl.DataFrame:
        """Return what was found in a view, with the columns `passband.rows.DETECTION_COLUMNS`."""
        tables = [pl.DataFrame(schema=DETECTION_COLUMNS)]
        for part in self.parts():
            shown = pl.read_parquet(part).filter(pl.col("shown") == str(view))
            tables.append(shown.select(list(DETECTION_COLUMNS)))
        return pl.concat(tables)


def detect(
    detector: Detector,
    dataset: DetectionDataset,
    showing: Showing,
    folder: Path,
    *,
    batch_size: int,
    images: range | None = None,
    on_image: Callable[[int, Detections], None] = lambda name, found: None,
    progress: Progress | None = None,
) -> Found:
    """Show a detector all views of those images of which `folder` does not hold what was found.

    Memory does not grow with the number of images.

    Args:
        detector: The detector.
        dataset: The images.
        showing: What it is shown of them.
        folder: Takes the parts; made if it is not there.
        batch_size: Views of an image that it is given at a time.
        images: Positions of the images, where other processes look at the others; None is all.
        on_image: Is handed an image's id and what was found in the whole of it.
        progress: Called along the way.

    Raises:
        InputError: If an image cannot be read, the detector fails on one, or another process is at it.
    """
    with alone(folder, images):
        found, wanted = Found(folder), range(len(dataset)) if images is None else images
        left = found.missing(wanted)
        done = len(wanted) - sum(map(len, left))
        for run in left:
            kept: list[pl.DataFrame] = []
            start, last = run.start, time.monotonic()
            for index in run:
                name = dataset.annotations.pictures[index].id
                each = in_image(detector, dataset.image(index), name, showing, batch_size)
                on_image(name, next(what for view, what in each if view == WHOLE))
                kept += [_table(view, name, what) for view, what in each]
                done += 1
                if progress is not None:
                    progress("images", done, len(wanted))
                if dataset.image_bytes(index) * len(showing.views) > LARGE:
                    give_back()
                if time.monotonic() - last > SECONDS or index + 1 == run.stop:
                    _write(folder, start, index + 1, kept)
                    kept, start, last = [], index + 1, time.monotonic()
    return found


@contextmanager
def alone(folder: Path, images: range | None = None) -> Generator[None]:
    """Keep other processes from measuring the same; what is at some of the images keeps off those only.

    Raises:
        InputError: If another process is at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = ".lock" if images is None else f".lock-{images.start:09}-{images.stop:09}"
    lock = FileLock(folder / name)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"another process measures the same: {folder} is in use. Wait for it.") from error
    try:
        yield
    finally:
        lock.release()


def in_image(
    detector: Detector, image: Image, name: int, showing: Showing, batch_size: int
) -> list[tuple[View, Detections]]:
    """Return what a detector finds in each view of an image, with its own labels.

    Args:
        detector: The detector.
        image: Pixels in [0, 1].
        name: The image's id, by which a control is drawn.
        showing: The views, and how they are shown.
        batch_size: Views that it is given at a time.

    Raises:
        InputError: If the detector fails on one.
    """
    image = image.to(detector.device)
    size = (image.shape[-2], image.shape[-1])
    with torch.no_grad():
        shown = showing.views_of(image, name, detector)
    found: list[Detections] = []
    for batch in _batches(shown, batch_size):
        if showing.split_at == "original":
            found += detector.detect(batch)
        else:
            found += detector.detect_inputs(batch, [size] * len(batch))
    return list(zip(showing.views, found, strict=True))


def _batches(images: Sequence[Image], size: int) -> Iterator[list[Image]]:
    for start in range(0, len(images), size):
        yield list(images[start : start + size])


def _table(view: View, name: int, found: Detections) -> pl.DataFrame:
    return detections_table([(name, found)]).select(pl.lit(str(view)).alias("shown"), pl.all())


def _write(folder: Path, start: int, stop: int, kept: Sequence[pl.DataFrame]) -> None:
    pl.concat([pl.DataFrame(schema=FOUND), *kept]).write_parquet(buffer := BytesIO())
    content = buffer.getbuffer()
    write_file(folder / f"images-{start:09}-{stop:09}-{digest(content)}.parquet", content)


def _bounds(part: Path) -> range | None:
    """Return of which images a file holds what was found; None if it is damaged."""
    named = re.fullmatch(r"images-(\d+)-(\d+)-(\w+)", part.stem)
    if named is None or digest(part.read_bytes()) != named[3]:
        return None
    return range(int(named[1]), int(named[2]))
