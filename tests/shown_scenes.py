"""Loads a detector of blobs and scenes, in whatever process, and can kill the process once."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from blobs import Blobs
from passband.audit.detector import DetectorAudit, audit_detector
from passband.detection.detector import DetectorEntry
from passband.detection.folder import open_folder
from passband.engine import scenes
from passband.engine.local import Local
from passband.engine.scenes import detect_side_by_side

SETTINGS = {"radii": [4], "cycles_per_pixel": [], "resamples": 20}


class Mortal(Blobs):
    """Kills its process at an image."""

    def __init__(self, dies_at: int | None) -> None:
        super().__init__()
        self.dies_at = dies_at

    def detect(self, images):
        """Return the regions of each image."""
        if self.dies_at is not None and self.seen >= self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(images)


@dataclass(frozen=True)
class Scenes:
    """Loads both.

    Attributes:
        images: The folder of the images.
        annotations: Their file.
        marker: Where it is noted that a process was killed: the first one that loads them is, unless it is None.
        name: What the detector is called.
    """

    images: Path
    annotations: Path
    marker: Path | None = None
    name: str = "blobs"

    def __call__(self, device: str):
        """Load them."""
        dies = self.marker is not None and not self.marker.exists()
        if dies:
            self.marker.touch()
        detector = Mortal(10 if dies else None)
        detector.entry = DetectorEntry(self.name, "tests", "0" * 16, None)
        return detector, open_folder(self.images, self.annotations)


def audited_by(workers: int, load: Scenes, folder: Path, **settings) -> tuple[DetectorAudit, Blobs]:
    """Return an audit for which so many processes show the images, and the detector of this one."""
    detector = Blobs()
    with pytest.MonkeyPatch.context() as patch, Local(workers) as engine:
        patch.setattr(scenes, "GROUPS", 1)  # processes take long to start
        found = audit_detector(
            detector,
            open_folder(load.images, load.annotations),
            result_folder=folder,
            ahead=detect_side_by_side(engine, load, device="cpu"),
            **SETTINGS | settings,
        )
    return found, detector
