"""Time and memory of COCO's numbers and their intervals, at the scale of COCO's validation images.

    OMP_NUM_THREADS=1 RAYON_NUM_THREADS=1 python benchmarks/detection_bootstrap.py

Objects and detections are made up: as many as COCO has, categories as uneven, detections that are the surer the nearer they
lie to their object, and more of nothing. Beside it stands what evaluating every resample anew would take: one evaluation by
hotcoco of as many boxes, times the resamples.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from passband.detection.annotations import Annotations, Picture
from passband.detection.bootstrap import bootstrap
from passband.detection.evaluation import evaluate
from passband.detection.per_image import found_objects, image_precision
from passband.optional import require
from passband.rows import DETECTION_COLUMNS, OBJECT_COLUMNS

CATEGORIES = 80
OBJECTS = 7.3  # in an image of COCO
DETECTIONS = 19


def made_up(images: int, seed: int = 0) -> tuple[Annotations, pl.DataFrame]:
    """Return objects in images, and what a detector might find."""
    generator = np.random.default_rng(seed)
    shares = np.arange(1, CATEGORIES + 1) ** -0.7
    shares /= shares.sum()
    image = np.repeat(np.arange(1, images + 1), generator.poisson(OBJECTS, images))
    category = generator.choice(CATEGORIES, len(image), p=shares) + 1
    sides = np.exp(generator.normal(4, 1, (len(image), 2))).clip(2, 600)
    boxes = np.column_stack(
        [generator.uniform(0, 640, len(image)), generator.uniform(0, 480, len(image)), sides]
    )
    area = sides.prod(axis=1) * generator.uniform(0.4, 0.9, len(image))
    crowd = generator.random(len(image)) < 0.01
    annotations = Annotations(
        name="made up",
        source="memory",
        pictures=tuple(Picture(each, f"{each}.jpg", 480, 640) for each in range(1, images + 1)),
        categories={each: str(each) for each in range(1, CATEGORIES + 1)},
        objects=pl.DataFrame(
            [np.arange(1, len(image) + 1), image, category, *boxes.T, area, crowd], schema=OBJECT_COLUMNS
        ),
    )
    near = np.flatnonzero(generator.random(len(image)) < 0.85)
    quality = generator.beta(2, 1.2, len(near))
    shift = (1 - quality)[:, None] * 0.35 * generator.normal(size=(len(near), 4))
    moved = boxes[near]
    moved[:, :2] += shift[:, :2] * moved[:, 2:]
    moved[:, 2:] *= np.exp(shift[:, 2:])
    others = DETECTIONS * images - len(near)
    places = [generator.uniform(0, 640, others), generator.uniform(0, 480, others)]
    nothing = np.column_stack([*places, np.exp(generator.normal(4, 1, (others, 2)))])
    score = np.concatenate(
        [0.6 * quality + 0.3 * generator.random(len(near)), 0.6 * generator.beta(1, 4, others)]
    )
    detections = pl.DataFrame(
        [
            np.concatenate([image[near], generator.integers(1, images + 1, others)]),
            np.concatenate([category[near], generator.choice(CATEGORIES, others, p=shares) + 1]),
            *np.concatenate([moved, nothing]).T,
            score,
        ],
        schema=DETECTION_COLUMNS,
    )
    return annotations, detections


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    annotations, detections = made_up(asked.images)
    hotcoco = require("hotcoco", extra="detection", purpose="measuring detections")
    print(
        f"{asked.images:,} images, {len(annotations.objects):,} objects, {len(detections):,} detections, {CATEGORIES} categories, "
        f"{asked.resamples:,} resamples; {platform.processor() or platform.machine()}, numpy {np.__version__}, "
        f"hotcoco {hotcoco.__version__}; "
        f"processor time, the least and the greatest of {asked.repetitions}, and the peak of memory so far\n\n"
        "| step | s | MB |\n|---|--:|--:|"
    )
    timed = Stopwatch(asked.repetitions)
    once = timed("hotcoco, once", lambda: by_library(hotcoco, annotations, detections))
    print(f"| hotcoco, once a resample | {once * asked.resamples:.0f} | |")
    timed("evaluate", lambda: evaluate(annotations, detections))
    evaluation = timed.result
    timed("image_precision", lambda: image_precision(evaluation.matches))
    timed("found_objects", lambda: found_objects(evaluation.matches))
    timed(
        "bootstrap of all numbers and categories",
        lambda: bootstrap([evaluation.matches], resamples=asked.resamples),
    )
    low, high = timed.result.interval(0, "map")
    print(f"\nmAP {evaluation.numbers['map']:.4f}, interval {low:.4f} to {high:.4f}")


class Stopwatch:
    """Times steps, and prints a row of each."""

    def __init__(self, repetitions: int) -> None:
        self.repetitions = repetitions
        self.result: Any = None

    def __call__(self, name: str, step: Callable[[], Any]) -> float:
        """Return the least seconds that a step takes, and keep its result."""
        seconds = []
        for _ in range(self.repetitions):
            start = time.process_time()
            self.result = step()
            seconds.append(time.process_time() - start)
        print(f"| {name} | {min(seconds):.2f} to {max(seconds):.2f} | {peak():.0f} |", flush=True)
        return min(seconds)


def by_library(hotcoco: Any, annotations: Annotations, detections: pl.DataFrame) -> Any:
    """Return what hotcoco alone makes of the same boxes."""
    objects = annotations.objects
    truth = hotcoco.COCO.from_arrays(
        [
            {"id": each.id, "width": each.width, "height": each.height, "file_name": ""}
            for each in annotations.pictures
        ],
        [{"id": each, "name": name} for each, name in annotations.categories.items()],
        objects["image"].to_numpy(),
        objects["category"].to_numpy(),
        objects.select("x", "y", "width", "height").to_numpy(),
        area=objects["area"].to_numpy(),
        iscrowd=objects["crowd"].cast(pl.Int64).to_numpy(),
    )
    found = detections.select("image", "x", "y", "width", "height", "score", "category").cast(pl.Float64)
    measured = hotcoco.COCOeval(truth, truth.load_res(found.to_numpy()), "bbox")
    measured.evaluate()
    measured.accumulate()
    return measured


def peak() -> float:
    """Return the greatest memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
