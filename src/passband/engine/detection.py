"""Detectors in a study: one that is trained or published, and the audit of one, each planned as runs are."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from passband.audit.detector import DetectorAudit, audit_detector
from passband.choices import ViewAmplitude
from passband.data.source_names import without_place
from passband.detection.load import load_detector
from passband.detection.retinanet import build_retinanet
from passband.detection.runs import detector_id, find_detector, holds_detector, read_detector, write_published
from passband.detection.sources import open_detection_data
from passband.detection.training import DetectorEpoch, load_training_scenes, train_detector
from passband.detection.training_config import DetectorConfig, PublishedDetector
from passband.engine.detector import run_detector
from passband.engine.events import EpochDone, Tell, advancing, keep_quiet, noting
from passband.engine.planned import Planned
from passband.environment import choose_device, describe_environment, limited_threads
from passband.errors import InputError
from passband.files import digest, remove_unfinished
from passband.results.lock import locked
from passband.results.places import Store
from passband.results.store import holds_measurement, write_measurement
from passband.train.config import SCHEMA

STEP = 12.0
"""Time of a step of the small RetinaNet with a scene of 128x128 pixels, over that of one of resnet8 with an image of 32x32."""

LOOK = 4.0
"""Time of its answer to one, likewise."""


@dataclass(frozen=True)
class DetectionMeasurement:
    """The audit of a detector, as a study asks for it.

    Attributes:
        data: Annotated images: `phantom:...`, or `coco:FOLDER`, as `passband.open_detection_data` takes them.
        radii: Cut-offs in cycles per image.
        limit: Use only the first images, this many.
        amplitude: What is done to views.
        resamples: How often images are drawn anew.
    """

    data: str
    radii: tuple[float, ...]
    limit: int | None = None
    amplitude: ViewAmplitude = "picture"
    resamples: int = 1000

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {"instrument": "detection"} | asdict(self)


@dataclass(frozen=True)
class PlannedDetector(Planned):
    """A detector and its place in the store.

    Attributes:
        config: How it is trained, or which published one it is.
        images: How many training scenes there are; none for a published one.
    """

    config: DetectorConfig | PublishedDetector
    images: int

    @property
    def done(self) -> bool:
        """Whether the store holds it whole, finished or failed."""
        return holds_detector(self.folder, self.id) is not None

    @property
    def passes(self) -> float:
        """Images of 32x32 that could be sent forward and back in the time."""
        return STEP * self.images * self.config.epochs if isinstance(self.config, DetectorConfig) else 0.0

    def do(self, *, device: str, threads: int, tell: Tell = keep_quiet) -> Path:
        """Train it, or look whether it is there."""
        if isinstance(self.config, DetectorConfig):
            return run_detector(
                self.config,
                self.folder,
                device=device,
                threads=threads,
                on_epoch=partial(_tell_of, tell, self),
                on_note=noting(tell),
            )
        detector = load_detector(self.config.source, device=device)
        names = (detector.label_names or {}).values()
        write_published(
            self.folder,
            name=self.id,
            source=self.config.source,
            weights=detector.entry.weights_hash,
            classes=list(names),
        )
        return self.folder

    def failure(self) -> str | None:
        """Return why its training ended before its last epoch, or None if it did not."""
        description = find_detector(self.folder)
        return None if description is None or description["status"] != "failed" else description["message"]


@dataclass(frozen=True)
class PlannedDetection(Planned):
    """The audit of a detector and its place in the store.

    Attributes:
        measurement: What is measured.
        run: Of which detector.
        images: How many images are looked at.
        fingerprint: Identifies these images and what is in them.
    """

    measurement: DetectionMeasurement
    run: PlannedDetector
    images: int
    fingerprint: str

    @property
    def needs(self) -> PlannedDetector:
        """The detector."""
        return self.run

    @property
    def done(self) -> bool:
        """Whether the store holds the audit whole, of the weights that the detector has there."""
        description = holds_detector(self.run.folder, self.run.id)
        return description is not None and holds_measurement(
            self.folder, self.id, description["weights_hash"]
        )

    @property
    def passes(self) -> float:
        """Images of 32x32 that could be sent forward and back in the time."""
        return LOOK * self.images * (1 + 3 * len(self.measurement.radii))

    def do(self, *, device: str, threads: int, tell: Tell = keep_quiet) -> Path:
        """Audit it; the folder of the measurement is that of an audit too."""
        with limited_threads(threads):
            return self._audit(device, tell)

    def _audit(self, device: str, tell: Tell) -> Path:
        asked, description = self.measurement, read_detector(self.run.folder)
        with locked(self.folder, on_note=noting(tell)):
            if holds_measurement(self.folder, self.id, description["weights_hash"]):
                return self.folder
            dataset = open_detection_data(asked.data, limit=asked.limit)
            if dataset.fingerprint() != self.fingerprint:
                raise InputError(f"the images of {asked.data} changed while the study ran: start it again")
            detector = load_detector(self.run.folder, device=device)
            if detector.entry.weights_hash != description["weights_hash"]:
                raise InputError(
                    f"the weights of {detector.entry.source} are others than {self.run.folder} is about: remove that folder, and start "
                    "the study again"
                )
            found = audit_detector(
                detector,
                dataset,
                radii=asked.radii,
                cycles_per_pixel=(),
                amplitude=asked.amplitude,
                resamples=asked.resamples,
                seed=self.run.config.seed,
                result_folder=self.folder,
                progress=advancing(tell),
            )
            environment = describe_environment(choose_device(device))
            write_measurement(
                self.folder,
                name=self.id,
                run=description,
                weights=description["weights_hash"],
                settings=asked.to_dict(),
                test_fingerprint=found.card.data.fingerprint,
                rows=self._rows(found),
                environment=environment | {"seconds": found.card.manifest.seconds},
                beside=found.save,
            )
            remove_unfinished(self.folder)
        return self.folder

    def _rows(self, found: DetectorAudit) -> pl.DataFrame:
        """Return the rows under the name and the seed of the detector's run."""
        return found.rows.with_columns(
            run=pl.lit(self.run.id), seed=pl.lit(self.run.config.seed, dtype=pl.Int64)
        )


def _tell_of(tell: Tell, planned: PlannedDetector, report: DetectorEpoch) -> None:
    assert isinstance(planned.config, DetectorConfig)
    speed = planned.images / report.seconds
    tell(EpochDone(report.epoch, planned.config.epochs, report.loss, None, report.seconds, speed))


def plan_detectors(
    configs: Iterable[DetectorConfig | PublishedDetector], store: Path
) -> list[PlannedDetector]:
    """Return detectors as planned, in their order; equal ones are planned once. Training scenes are made for it, each once.

    Raises:
        InputError: If scenes cannot be made.
    """
    by_id: dict[str, PlannedDetector] = {}
    planned, scenes = [], {}
    for config in configs:
        fingerprint, images = "", 0
        if isinstance(config, DetectorConfig):
            key = (config.scenes, config.limit)
            if key not in scenes:
                made = load_training_scenes(config)
                scenes[key] = made.fingerprint(), len(made)
            fingerprint, images = scenes[key]
        name = detector_id(config, fingerprint)
        by_id.setdefault(name, PlannedDetector(name, Store(store).runs / name, config, images))
        planned.append(by_id[name])
    return planned


Fingerprints = dict[tuple[str, int | None], tuple[str, int]]
"""By data and limit: the fingerprint of images, for which each is decoded, and how many there are."""


def plan_detection(
    measurement: DetectionMeasurement, run: PlannedDetector, store: Path, known: Fingerprints
) -> PlannedDetection:
    """Return the audit of a detector as planned; its id follows from its settings, its images and the detector's id.

    Args:
        measurement: What is measured.
        run: Of which detector.
        store: The folder of all results.
        known: Images that were looked at before, which are not looked at again; takes these.

    Raises:
        InputError: If the images cannot be read.
    """
    key = (measurement.data, measurement.limit)
    if key not in known:
        dataset = open_detection_data(measurement.data, limit=measurement.limit)
        known[key] = dataset.fingerprint(), len(dataset)
    fingerprint, images = known[key]
    counted = measurement.to_dict() | {"data": without_place(measurement.data)}
    settings = json.dumps([SCHEMA, counted], sort_keys=True)
    name = digest(run.id.encode(), settings.encode(), fingerprint.encode())[:12]
    return PlannedDetection(name, Store(store).measurements / name, measurement, run, images, fingerprint)


def detection_seconds(
    planned: PlannedDetector | PlannedDetection, device: str, timed: dict[tuple, float]
) -> float:
    """Return the seconds that training a detector, or auditing one, will take here, from a few real steps.

    A detector that somebody else has trained is taken to be a hundred times as slow as ours: it is not loaded for this.

    Args:
        planned: The detector, or the audit.
        device: Where it would compute.
        timed: What was timed before, which is not timed again.
    """
    training = isinstance(planned, PlannedDetector)
    config = planned.config if training else planned.run.config
    known = config if isinstance(config, DetectorConfig) else DetectorConfig()
    key = (training, known.width, known.scenes.partition(":")[0])
    if key not in timed:
        timed[key] = _time_step(known, device) if training else _time_look(known, device)
    if training:
        return timed[key] * planned.images * (config.epochs if isinstance(config, DetectorConfig) else 0)
    slower = 1 if isinstance(config, DetectorConfig) else 100
    return slower * timed[key] * planned.images * (1 + 3 * len(planned.measurement.radii))


def _time_step(config: DetectorConfig, device: str) -> float:
    """Return the seconds that a step with a scene takes; the fastest of a few counts."""
    reports: list[DetectorEpoch] = []
    few = replace(config, scenes="phantom", limit=2 * config.batch_size, epochs=2)
    train_detector(few, on_epoch=reports.append, device=device)
    return min(report.seconds for report in reports) / (2 * config.batch_size)


def _time_look(config: DetectorConfig, device: str) -> float:
    """Return the seconds that showing a detector one scene takes."""
    dataset = open_detection_data("phantom", limit=4)
    network = build_retinanet(len(dataset.annotations.categories), width=config.width)
    detector = load_detector(network.to(choose_device(device)))
    taken = []
    for index in range(len(dataset)):
        start = time.perf_counter()
        detector.detect([dataset.image(index)])
        taken.append(time.perf_counter() - start)
    return min(taken)
