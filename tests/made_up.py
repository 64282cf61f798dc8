"""Rows that no run measured, for claims and figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl

from passband.detection.view import parse_view
from passband.frequency.component import FULL, High, Low, parse_component
from passband.results.tables import RUN_COLUMNS
from passband.rows import GAIN, GRADIENT_BEYOND, LOSE, OF_DETECTIONS, OF_KERNELS, component_columns

DETECTED = (*OF_DETECTIONS, GAIN, LOSE)
OF_SPLITS = ("svd-flips", "svd-flips-beyond-chance", "svd-kept-accuracy", "flips-beyond-chance")
MEASURED = (*OF_KERNELS, *OF_SPLITS, GRADIENT_BEYOND, "counterexamples", "counterexamples-right", *DETECTED)


def cell(text: str) -> dict[str, Any]:
    """Read a label, then what was measured of it, as the columns of a study's rows.

    - `vanilla test`, `vanilla train hfc 4`: accuracy; `lfc-4 fit`: that on what is trained on
    - `natural robust PGD-20 8/255`: accuracy under an attack at an epsilon; `... rho 1 normalized`: of smoothed kernels
    - `natural roughness rho 0`, `natural counterexamples 4`: of a network's kernels, and of its LFCs
    - `shape map-lost lfc:25.6`: of what a detector finds in a view
    - `vanilla svd-flips random`, `mixup train flips-beyond-chance hfc`: of a way of splitting, the mean over radii
    - `vanilla gradient-energy-beyond 8`: of its gradient
    """
    words = text.split()
    if "robust" in words:
        at = words.index("robust")
        attack, epsilon, *rest = words[at + 1 :]
        return {
            "label": " ".join(words[:at]),
            "subset": "test",
            "metric": "robust-accuracy",
            "attack": attack,
            "norm": "linf",
            "epsilon": float(Fraction(epsilon)),
            "rho": float(rest[1]) if rest else None,
            "normalized": "normalized" in rest if rest else None,
        }
    for metric in MEASURED:
        if metric in words:
            found = {"label": " ".join(words[: words.index(metric)]), "metric": metric}
            if metric in DETECTED:
                return found | {"subset": "test", **component_columns(parse_view(words[-1]))}
            if "rho" in words:
                return found | {"rho": float(words[-1]), "normalized": False}
            if metric in OF_SPLITS:
                label, train, _ = found["label"].partition(" train")
                shown = {"component": words[-1], "shown": words[-1]}
                return found | {"label": label, "subset": "train" if train else "test"} | shown
            kind = High if metric == GRADIENT_BEYOND else Low
            return found | {"subset": "test", **component_columns(kind(float(words[-1])))}
    fitted = words[-1] == "fit"
    shown = FULL
    if words[-2] in ("lfc", "hfc"):
        radius, kind = words.pop(), words.pop()
        shown = parse_component(f"{kind}:{radius}")
    elif fitted:
        words.pop()
    return {
        "subset": "train" if fitted else words.pop(),
        "label": " ".join(words),
        **component_columns(shown),
        "metric": "fit-accuracy" if fitted else "accuracy",
    }


def rows_of(
    values: Mapping[str, float | Iterable[float]],
    *,
    count: int = 2400,
    seeds: int = 1,
    failed: bool = False,
    spread: float = 0.004,
    chance: float | None = 0.1,
) -> pl.DataFrame:
    """Return rows with these values by cell: one is that of all of 4 epochs, several are one an epoch.

    What is measured of finished networks has no epoch. Estimates have a standard error of 0.5 / sqrt(count).

    With several seeds, values differ by `spread` from seed to seed.
    """
    records = []
    for text, value in values.items():
        found = cell(text)
        finished = found["metric"] in ("robust-accuracy", *MEASURED)
        curve = list(value) if isinstance(value, Iterable) else [value] * (1 if finished else 4)
        for seed in range(seeds):
            for epoch, point in enumerate(curve, start=1):
                shift = spread * math.cos(2.5 * seed + len(records)) if seeds > 1 else 0.0
                estimate = found["metric"] in (*OF_KERNELS, *OF_DETECTIONS, *OF_SPLITS, GRADIENT_BEYOND)
                row = found | {
                    "chance": chance,
                    "failed": failed,
                    "run": f"{found['label']}-{seed}",
                    "seed": seed,
                    "epoch": None if finished else epoch,
                    "value": point + shift if estimate else min(max(point + shift, 0.0), 1.0),
                    "count": count,
                }
                records.append(row | {"error": 0.5 / math.sqrt(count) if estimate else None})
    return pl.DataFrame(records, schema=RUN_COLUMNS)


def answered(
    cells: Mapping[str, Sequence[Sequence[Sequence[float]]]], *, images: Sequence[str | None]
) -> pl.DataFrame:
    """Return rows of which each image's number is known.

    Args:
        cells: By cell, as `cell` reads it, what became of each image: by seed, by epoch, by image.
        images: Which images each seed was shown.
    """
    records = [
        cell(text)
        | {
            "failed": False,
            "chance": 0.1,
            "run": f"{text}-{seed}",
            "seed": seed,
            "epoch": epoch,
            "value": float(np.mean(each)),
            "count": len(each),
            "each": list(each),
            "images": images[seed],
        }
        for text, of_seeds in cells.items()
        for seed, of_epochs in enumerate(of_seeds)
        for epoch, each in enumerate(of_epochs, start=1)
    ]
    return pl.DataFrame(records, schema=RUN_COLUMNS)
