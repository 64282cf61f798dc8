"""Images that several processes show a detector side by side, before an audit measures what was found in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from passband.audit.detector import Detecting
from passband.detection.categories import Labeling
from passband.detection.dataset import DetectionDataset
from passband.detection.detect import Found, Showing, detect
from passband.detection.detector import Detector
from passband.detection.evidence import LabelWatch
from passband.engine.engine import Engine
from passband.engine.events import Advance, Event, Tell, advancing, keep_quiet
from passband.engine.execute import execute
from passband.engine.planned import Planned
from passband.engine.shards import GROUPS, refuse_failed
from passband.environment import limited_threads
from passband.errors import InputError

LoadDetector = Callable[[str], tuple[Detector, DetectionDataset]]
"""Loads, on a device, a detector and images in another process; picklable."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PlannedImages(Planned):
    """Consecutive images that a detector is to be shown; what it finds in them goes to the folder.

    Attributes:
        load: Loads detector and images.
        entry: Which detector that is.
        fingerprint: Of what is in the images.
        showing: What it is shown.
        batch_size: Views of an image at a time.
        labeling: How its labels are read.
        images: The positions of the images.
    """

    load: LoadDetector
    entry: str
    fingerprint: str
    showing: Showing
    batch_size: int
    labeling: Labeling
    images: range

    @property
    def done(self) -> bool:
        """Whether what was found in all of them is there."""
        return not Found(self.folder).missing(self.images)

    @property
    def passes(self) -> float:
        """How many views there are."""
        return len(self.images) * len(self.showing.views)

    def do(self, *, device: str, threads: int, tell: Tell = keep_quiet) -> Path:
        """Show them.

        Raises:
            InputError: If detector or images are no longer those of the audit, or as `detect` and `LabelWatch`.
        """
        with limited_threads(threads):
            detector, dataset = self.load(device)
            if (repr(detector.entry), dataset.annotations.fingerprint) != (self.entry, self.fingerprint):
                raise InputError(
                    "the detector or what is in the images has changed since the audit began: start again"
                )
            detect(
                detector,
                dataset,
                self.showing,
                self.folder,
                batch_size=self.batch_size,
                images=self.images,
                on_image=LabelWatch(self.labeling, dataset.annotations).see,
                progress=advancing(tell),
            )
        return self.folder


def detect_side_by_side(
    engine: Engine, load: LoadDetector, *, device: str = "auto", threads: int = 1
) -> Callable[[Detecting], None]:
    """Return what `passband.audit_detector` takes as `ahead`, so that several processes show images to the detector.

    Args:
        engine: Where they are, and how many at a time.
        load: Loads, on a device, detector and images there.
        device: See `passband.environment.choose_device`; several GPUs are taken by turns.
        threads: How many threads each of them has.
    """

    def ahead(asked: Detecting) -> None:
        planned = plan_images(asked, load, groups=GROUPS * engine.at_once)
        total, done = sum(len(each.images) for each in planned), dict[str, int]()

        def told(one: Planned, event: Event) -> None:
            if isinstance(event, Advance) and asked.progress is not None:
                done[one.id] = event.done
                asked.progress("images", sum(done.values()), total)

        execute(planned, engine=engine, device=device, threads=threads, on_event=told, on_ended=refuse_failed)

    return ahead


def plan_images(asked: Detecting, load: LoadDetector, *, groups: int) -> list[PlannedImages]:
    """Return so many groups, about, of the images of which the folder does not hold what was found."""
    left = Found(asked.folder).missing(range(len(asked.dataset)))
    most = -(-sum(map(len, left)) // groups)
    return [
        PlannedImages(
            id=f"images {images.start} to {images.stop - 1}",
            folder=asked.folder,
            load=load,
            entry=repr(asked.detector.entry),
            fingerprint=asked.dataset.annotations.fingerprint,
            showing=asked.showing,
            batch_size=asked.batch_size,
            labeling=asked.labeling,
            images=images,
        )
        for images in _cut(left, most)
    ]


def _cut(runs: Sequence[range], most: int) -> Iterator[range]:
    """Yield runs of at most so many images."""
    for run in runs:
        for start in range(run.start, run.stop, max(most, 1)):
            yield range(start, min(start + most, run.stop))
