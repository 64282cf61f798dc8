"""How often intervals of COCO's numbers hold what they should: 95 of 100, if they were perfect.

    OMP_NUM_THREADS=1 python benchmarks/detection_coverage.py [--draws 100]

Of 1,500 made-up images with 80 categories as uneven as COCO's, some are drawn, none twice; what should be held is the number of all
1,500. Two views are measured: one with all detections, one with a seventh of them left out and scores that are noisier.
"""

from __future__ import annotations

import argparse

import numpy as np
import polars as pl
from detection_bootstrap import made_up

from passband.detection.bootstrap import draw_images
from passband.detection.evaluation import evaluate
from passband.detection.matches import NUMBERS
from passband.detection.weighting import weighted_numbers

IMAGES, RESAMPLES, SIZES = 1_500, 200, (50, 300)
SHOWN = [NUMBERS.index(name) for name in ("map", "map50", "ar100")]


def worse(detections: pl.DataFrame) -> pl.DataFrame:
    """Return detections of a second view."""
    generator = np.random.default_rng(1)
    kept = detections.filter(pl.Series(generator.random(len(detections)) < 0.85))
    return kept.with_columns(score=0.8 * pl.col("score") + 0.2 * pl.Series(generator.random(len(kept))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100)
    draws = parser.parse_args().draws
    annotations, detections = made_up(IMAGES)
    views = [evaluate(annotations, each).matches for each in (detections, worse(detections))]
    everything = np.ones((IMAGES, 1), dtype=np.int16)
    truth = [weighted_numbers(each, everything)[SHOWN, 0] for each in views]
    generator = np.random.default_rng(0)
    print(
        f"{draws} draws, {RESAMPLES} resamples each: how often mAP, mAP@50 and AR of all {IMAGES} images are held"
    )
    for size in SIZES:
        held: dict[str, list[np.ndarray]] = {}
        for draw in range(draws):
            chosen = generator.choice(IMAGES, size, replace=False)
            weights = np.zeros((IMAGES, RESAMPLES + 1), dtype=np.int16)
            weights[chosen, 0] = 1
            weights[chosen, 1:] = draw_images(size, RESAMPLES, draw)
            one, two = (weighted_numbers(each, weights)[SHOWN] for each in views)
            for name, numbers, right in (
                ("a view", one, truth[0]),
                ("difference", two - one, truth[1] - truth[0]),
            ):
                value, drawn = numbers[:, 0], numbers[:, 1:]
                low, high = np.nanquantile(drawn, [0.025, 0.975], axis=1)
                held.setdefault(f"{name}, percentiles", []).append((low <= right) & (right <= high))
                reflected = (2 * value - high <= right) & (right <= 2 * value - low)
                held.setdefault(f"{name}, reflected", []).append(reflected)
        for name, hits in held.items():
            print(
                f"{size:4} images, {name:24} {'  '.join(f'{share:.2f}' for share in np.mean(hits, axis=0))}"
            )


if __name__ == "__main__":
    main()
