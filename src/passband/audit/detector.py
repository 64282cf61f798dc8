"""`audit_detector`: which frequencies a detector needs (section 7, Figures 8 and 9 of the paper)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch
from torch import nn

from passband.audit import detector_parts as parts
from passband.audit.detector_card import (
    DetectorCard,
    DetectorSettings,
    read_detector_card,
)
from passband.audit.detector_examples import DetectorPictures, Lookup, find_examples
from passband.audit.detector_gate import check_detector, check_measured
from passband.audit.detector_requirement import parse_detector_requirement
from passband.audit.gate import Checked, holding
from passband.audit.parts import manifest
from passband.audit.pictures import PICTURES
from passband.checks import check_at_least_one
from passband.choices import DETECTION, SplitAt, ViewAmplitude
from passband.detection.annotations import Annotations
from passband.detection.bootstrap import bootstrap
from passband.detection.categories import Labeling, map_labels, read_labels
from passband.detection.dataset import DetectionDataset
from passband.detection.detect import FOUND, Showing, alone, detect
from passband.detection.detector import Detector, DetectorEntry
from passband.detection.evaluation import evaluate
from passband.detection.evidence import LabelWatch, check_labels
from passband.detection.load import load_detector
from passband.detection.shown import Shown
from passband.detection.view import WHOLE, View, in_order
from passband.detection.views import choose_views, unchanged_images
from passband.display import Displayed
from passband.environment import versions
from passband.errors import InputError
from passband.files import digest, place_of, write_json
from passband.notices import Notice
from passband.rows import COLUMNS, OBJECT_COLUMNS, read_table, to_table
from passband.serial import read_tensors, write_tensors
from passband.types import Progress
from passband.user_modules import imported_code

RESAMPLES = 1000
ROUNDING = 1e-3
"""By how much scores may differ from call to call, as sums do on some devices; boxes, in pixels, by a hundred times as much."""

BATCH = {"cpu": 1, "cuda": 8, "mps": 4}
"""Views of one image that a detector is shown at a time, by device."""

ROWS, IMAGES, OBJECTS, ANNOTATIONS, DETECTIONS = (
    f"{name}.parquet" for name in ("rows", "images", "objects", "annotations", "detections")
)

IMAGE_COLUMNS = pl.Schema(
    {
        "image": pl.Int64(),
        "file_name": pl.String(),
        "height": pl.Int64(),
        "width": pl.Int64(),
        "objects": pl.Int64(),  # those that count, boxes around crowds aside
        "shown": pl.String(),
        "ap": pl.Float64(),  # of this image alone; empty where nothing is to be found
        "change": pl.Float64(),  # against the whole image
    }
)

OBJECT_RESULTS = pl.Schema(
    {
        "object": pl.Int64(),
        "image": pl.Int64(),
        "category": pl.Int64(),
        "size": pl.String(),
        "found": pl.Boolean(),  # whether a detection matches it at IoU 0.5
        "score": pl.Float64(),  # that detection's; empty if none
        "quality": pl.Float64(),  # at how many of the ten overlaps it is matched
        "category_name": pl.String(),
        "shown": pl.String(),
    }
)


class Detecting(NamedTuple):
    """What an audit shows a detector, and where it looks for what was found: the arguments of `passband.detection.detect.detect`.

    Attributes:
        labeling: How labels are read, which the first images tell to be wrong: see `passband.detection.evidence.LabelWatch`.
    """

    detector: Detector
    dataset: DetectionDataset
    showing: Showing
    folder: Path
    batch_size: int
    labeling: Labeling
    progress: Progress | None


@dataclass(frozen=True, eq=False)
class DetectorAudit(Displayed):
    """What an audit of a detector found.

    Attributes:
        card: Numbers with intervals, settings and manifest.
        rows: One row a measurement, with the columns `passband.rows.COLUMNS`.
        images: One row an image and view, with the columns `IMAGE_COLUMNS`.
        objects: One row an object and view, with the columns `OBJECT_RESULTS`.
        annotations: What is in the images.
        detections: What was found, in all views, with the columns `passband.detection.detect.FOUND`.
        pictures: The clearest losses and gains.
    """

    card: DetectorCard
    rows: pl.DataFrame
    images: pl.DataFrame
    objects: pl.DataFrame
    annotations: Annotations
    detections: pl.DataFrame
    pictures: DetectorPictures

    def __repr__(self) -> str:
        """Return which detector and images, and its mAP: all else would fill screens."""
        return f"DetectorAudit({self.card.line}, views {', '.join(self.card.settings.views)})"

    def save(self, folder: Path | str) -> None:
        """Write all of it into a folder, from which `load` reads it back.

        The card is `detection.json`; tables are `rows.parquet`, `images.parquet`, `objects.parquet`, `annotations.parquet` and
        `detections.parquet`; what the report shows beside them is `pictures.safetensors`.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / DETECTION, self.card.to_dict())
        self.rows.write_parquet(folder / ROWS)
        self.images.write_parquet(folder / IMAGES)
        self.objects.write_parquet(folder / OBJECTS)
        self.annotations.objects.write_parquet(folder / ANNOTATIONS)
        self.detections.write_parquet(folder / DETECTIONS)
        write_tensors(folder / PICTURES, self.pictures)

    @classmethod
    def load(cls, folder: Path | str) -> DetectorAudit:
        """Return what `save` wrote; neither detector nor images are needed.

        Raises:
            InputError: If a file is missing or damaged, or is of another audit.
        """
        folder = Path(folder)
        card = read_detector_card(folder)
        pictures = read_tensors(folder / PICTURES, DetectorPictures)
        if pictures.fingerprint != card.data.fingerprint:
            raise InputError(
                f"{folder / PICTURES} does not belong to the card beside it. Run `{card.made_by}` again."
            )
        images = read_table(folder / IMAGES, IMAGE_COLUMNS)
        return cls(
            card,
            read_table(folder / ROWS, COLUMNS),
            images,
            read_table(folder / OBJECTS, OBJECT_RESULTS),
            parts.annotations_again(card, images, read_table(folder / ANNOTATIONS, OBJECT_COLUMNS)),
            read_table(folder / DETECTIONS, FOUND),
            pictures,
        )

    def check(self, requirement: str) -> Checked:
        """Say whether a requirement such as `"map-lfc@128 >= 0.25"` is met: see `passband.audit.detector_requirement`.

        Raises:
            InputError: If it cannot be read, or asks for what was not measured.
        """
        return check_detector(parse_detector_requirement(requirement), self.card)


def audit_detector(
    detector: Detector | nn.Module,
    dataset: DetectionDataset,
    *,
    radii: Sequence[float] | None = None,
    cycles_per_pixel: Sequence[float] | None = None,
    views: Sequence[View] | None = None,
    amplitude: ViewAmplitude = "picture",
    split_at: SplitAt = "original",
    label_ids: str | Path | None = None,
    require: Sequence[str] = (),
    resamples: int = RESAMPLES,
    batch_size: int | None = None,
    seed: int = 0,
    result_folder: Path | None = None,
    progress: Progress | None = None,
    ahead: Callable[[Detecting], None] | None = None,
) -> DetectorAudit:
    """Measure which spatial frequencies a detector needs.

    Args:
        detector: `passband.load_detector` returns one; or a module that takes a list of [0, 1] images and returns a list of
            dicts with boxes, scores and labels, as torchvision's detectors do.
        dataset: Annotated images: `passband.open_detection_data` returns them.
        radii: Cut-offs in cycles per image, the paper's reading; by default see `passband.detection.views.choose_views`.
        cycles_per_pixel: Cut-offs in cycles per pixel, likewise.
        views: What is shown, the whole image among it, in place of these.
        amplitude: What is done to all views but the whole image: see `passband.detection.shown.Shown`. By default they are held to
            [0, 1], an HFC on middle gray, and rounded to 256 levels where the original is split: pictures, which any detector takes.
        split_at: Whether the original image is split, or what the network's own resize makes of it.
        label_ids: How labels become ids of categories: see `passband.detection.categories`.
        require: Requirements that `check` will be asked about, such as `["map-lfc@48 >= 0.25"]`: their cut-offs are measured too,
            unless `views` are given; then one on another view is refused before the work.
        resamples: How often images are drawn anew for intervals.
        batch_size: Views of one image that are shown at a time; by default 1 on a CPU, else 8.
        seed: Draws images anew, and the control's noise.
        result_folder: Where the result will be saved: what was found is kept beside it while it is measured, and goes on from
            there after an interrupt. None keeps it only as long as this runs.
        progress: Called along the way.
        ahead: Called before the detector is shown anything, with all that it is to be shown, of which it may put in place what is
            found: `passband.engine.scenes.detect_side_by_side` has several processes do so. It changes no number.

    Raises:
        InputError: If detector, images, settings and requirements do not fit together.
        MissingDependencyError: If hotcoco is not installed.
    """
    began = time.perf_counter()
    check_at_least_one("batch_size", batch_size)
    check_at_least_one("resamples", resamples)  # now, not after hours
    requirements = [parse_detector_requirement(text) for text in require]
    if views is None:
        wanted = [requirement.view for requirement in requirements]
        views = choose_views(dataset, radii=radii, cycles_per_pixel=cycles_per_pixel, wanted=wanted)
    views = in_order(views)
    for requirement in requirements:
        check_measured(requirement, tuple(map(str, views)))
    detector = load_detector(detector)
    showing = Showing(views, Shown(amplitude, seed=seed), split_at)
    fingerprint = dataset.fingerprint(progress)
    labeling = read_labels(label_ids, dataset.annotations, detector.label_names)
    watch = LabelWatch(labeling, dataset.annotations)
    views_at_once = batch_size or BATCH.get(detector.device.type, 1)
    identity = (
        repr(versions()),
        repr(sorted(imported_code().items())),
        repr(detector.entry),
        detector.device.type,
        fingerprint,
        repr(showing),
    )
    with _kept(result_folder, *identity) as place:
        if ahead is not None:
            with alone(place):
                ahead(Detecting(detector, dataset, showing, place, views_at_once, labeling, progress))
        found = detect(
            detector,
            dataset,
            showing,
            place,
            batch_size=views_at_once,
            on_image=watch.see,
            progress=progress,
        )
        check_labels(found.of(WHOLE), dataset.annotations, labeling)
        audited = conclude(
            detector.entry,
            dataset.annotations,
            {view: partial(found.of, view) for view in views},
            labeling,
            DetectorSettings(tuple(map(str, views)), amplitude, split_at, labeling.said, resamples, seed),
            fingerprint=fingerprint,
            notices=(*detector.notices, *_unsteady(detector, dataset)),
            lookup=Lookup(dataset, showing.how),
            began=began,
            device=str(detector.device),
            progress=progress,
        )
    return holding(audited, require)


def audit_results(
    results: Mapping[View, pl.DataFrame],
    annotations: Annotations,
    *,
    source: str,
    dataset: DetectionDataset | None = None,
    label_ids: str | Path | None = None,
    notices: Sequence[Notice] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
) -> DetectorAudit:
    """Measure what any detector found in views of images, from its result files.

    Args:
        results: What was found in each view, with the columns `passband.rows.DETECTION_COLUMNS`; the whole image must be among them.
        annotations: What is in the images.
        source: Where the results come from, such as their folder, whose name is the detector's.
        dataset: The images, for the pictures of a report; None shows none.
        label_ids: How categories of the results become ids of categories: see `passband.detection.categories.read_labels`.
        notices: What is to be known of the files.
        resamples: As for `audit_detector`.
        seed: Likewise.
        progress: Likewise.

    Raises:
        InputError: If the results of the whole images, or of any view of them, are missing.
        MissingDependencyError: If hotcoco is not installed.
    """
    if WHOLE not in results or len(results) < 2:
        raise InputError(
            "results are those of whole images and of at least one view of them, in files called full.json, lfc-128.json, "
            f"hfc-0.2px.json; got {', '.join(map(str, results)) or 'none'}"
        )
    began = time.perf_counter()
    views = in_order(results)
    labeling = read_labels(label_ids, annotations)
    check_labels(results[WHOLE], annotations, labeling)
    hashes = [digest(results[view].hash_rows(seed=0).to_numpy().tobytes()) for view in views]
    return conclude(
        DetectorEntry(
            Path(source).resolve().name or source, source, digest(*(each.encode() for each in hashes))
        ),
        annotations,
        {view: partial(results.__getitem__, view) for view in views},
        labeling,
        DetectorSettings(tuple(map(str, views)), None, None, labeling.said, resamples, seed),
        fingerprint=annotations.fingerprint if dataset is None else dataset.fingerprint(progress),
        notices=notices,
        lookup=None if dataset is None else Lookup(dataset, Shown(seed=seed)),
        began=began,
        device="cpu",
        progress=progress,
    )


def conclude(
    entry: DetectorEntry,
    annotations: Annotations,
    raw: Mapping[View, Callable[[], pl.DataFrame]],
    labeling: Labeling,
    settings: DetectorSettings,
    *,
    fingerprint: str,
    notices: Sequence[Notice] = (),
    lookup: Lookup | None,
    began: float,
    device: str,
    progress: Progress | None = None,
) -> DetectorAudit:
    """Measure what was found in each view, the whole image's first, and say how sure it is.

    Args:
        raw: What was found, with labels as they came.
        labeling: How these become ids of categories.
    """
    seen, tables, unread = [], [], ()
    for view, table in raw.items():
        found, about = map_labels(table(), labeling)
        unread = unread or about
        seen.append(parts.see(view, evaluate(annotations, found), len(found)))
        tables.append(found.select(pl.lit(str(view)).alias("shown"), pl.all()))
        if progress is not None:
            progress("views measured", len(seen), len(raw))
    if not seen[0].evaluation.numbers:
        raise InputError(
            f"{annotations.source} has no objects to be found in these images: all are boxes around crowds"
        )
    drawn = bootstrap(
        [each.evaluation.matches for each in seen], resamples=settings.resamples, seed=settings.seed
    )
    looked = settings.split_at == "original"
    entries = tuple(
        parts.view_entry(
            each, seen[0], place, drawn, unchanged_images(each.view, annotations) if looked else None
        )
        for place, each in enumerate(seen)
    )
    categories = parts.category_entries(seen, annotations, drawn)
    chance = parts.chance_entries(seen, settings.seed)
    card = DetectorCard(
        model=entry,
        data=parts.scenes_entry(annotations, fingerprint),
        settings=settings,
        notices=(
            *annotations.notices,
            *notices,
            *labeling.notices,
            *unread,
            *parts.notices_of_fit(seen[0].evaluation.numbers),
            *parts.notices_of_views(entries, len(annotations.pictures)),
        ),
        views=entries,
        categories=categories,
        chance=chance,
        manifest=manifest(time.perf_counter() - began, device),
    )
    rows = parts.detection_rows(
        entries,
        categories,
        chance,
        {str(view): view for view in raw},
        run=entry.weights_hash,
        images=len(annotations.pictures),
        split_at=settings.split_at,
        amplitude=settings.amplitude,
    )
    detections = pl.concat(tables)
    return DetectorAudit(
        card,
        to_table(rows),
        parts.images_table(seen, annotations),
        parts.objects_table(seen, annotations),
        annotations,
        detections,
        find_examples(seen, annotations, detections, lookup, fingerprint),
    )


def _unsteady(detector: Detector, dataset: DetectionDataset) -> tuple[Notice, ...]:
    """Say if a detector finds something else in the same image the second time."""
    image = dataset.image(0).to(detector.device)
    once, again = (detector.detect([image])[0] for _ in range(2))
    if (
        torch.equal(once.labels, again.labels)
        and torch.allclose(once.scores, again.scores, atol=ROUNDING)
        and torch.allclose(once.boxes, again.boxes, atol=100 * ROUNDING)
    ):
        return ()
    return (
        Notice(
            "model",
            "the detector finds something else in the same image the second time: what differs between views may be chance",
        ),
    )


@contextmanager
def _kept(result_folder: Path | None, *identity: str) -> Generator[Path]:
    """Yield the folder in which what was found is kept: beside the result, where it stays, or a temporary one."""
    if result_folder is not None:
        yield place_of(result_folder, *identity)
        return
    with tempfile.TemporaryDirectory(prefix="passband-") as folder:
        yield Path(folder)
