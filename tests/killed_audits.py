"""Audits in small shards, of a network that counts what it is shown and can kill the process that asks it."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import torch

from helpers import Memory, noise
from passband.attacks import PGD
from passband.audit.classifier import Audit, audit
from passband.data.dataset import ImageDataset
from passband.engine import shards
from passband.engine.local import Local
from passband.engine.shards import side_by_side
from passband.instruments.phase_swap import PhaseSwap
from passband.instruments.rings import Rings
from passband.robustness.plan import AttackPlan

SHARDED = import_module("passband.instruments.sharded")  # its package has a function's name at the top
BATCH = 4
DATA = noise(samples=61, classes=3, size=(11, 9))  # 16 shards, the last of one image
PLAN = AttackPlan(PGD(steps=2), (1 / 255, 4 / 255), sanity_samples=8)
SETTINGS = {
    "radii": [2.0, 3.0],
    "attacks": [PLAN],
    "instruments": [PhaseSwap(), Rings(2)],
    "ceiling_samples": 30,
    "batch_size": BATCH,
    "device": "cpu",
}


class Counting(Memory):
    """Counts the images that it is shown, and kills its process once they are too many."""

    shown = 0
    most: int | None = None

    def forward(self, images):
        """Return one score a class."""
        Counting.shown += len(images)
        if Counting.most is not None and Counting.shown > Counting.most:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)


@contextmanager
def small_shards() -> Generator[None]:
    """Make shards of one batch each, and one group of them for each process, since processes take long to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SHARDED, "VALUES_IN_SHARD", 1)
        patch.setattr(SHARDED, "LEAST_BATCHES", 1)
        patch.setattr(shards, "GROUPS", 1)
        yield


def counted(folder: Path | None, *, model=None, data=DATA, **settings) -> tuple[Audit, int]:
    """Return an audit in small shards, and how many images were shown for it."""
    Counting.shown = 0
    with small_shards():
        found = audit(model or Counting(DATA), data, result_folder=folder, **(SETTINGS | settings))
    return found, Counting.shown


@dataclass(frozen=True)
class Loaded:
    """Loads network and data, as a process does that looks at shards.

    Attributes:
        marker: Where it is noted that a process was killed: the first one that loads them is, unless it is None.
        scale: What all weights are multiplied by.
    """

    marker: Path | None = None
    scale: float = 1.0

    def __call__(self) -> tuple[Counting, ImageDataset]:
        """Load them."""
        model = Counting(DATA)
        with torch.no_grad():
            model.weight.mul_(self.scale)
        if self.marker is not None and not self.marker.exists():
            self.marker.touch()
            Counting.most = 300
        return model, DATA


def audited_by(workers: int, folder: Path, load: Loaded | None = None, **settings) -> Audit:
    """Return an audit whose shards so many processes look at side by side."""
    with Local(workers) as engine:
        return counted(folder, ahead=side_by_side(engine, load=load), **settings)[0]


def audit_until_killed(folder: Path, images: int, settings: dict) -> None:
    """Audit until the network has been shown more than so many images."""
    Counting.most = images
    counted(folder, **settings)
