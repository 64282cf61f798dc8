"""Rows that no run measured, for claims and figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import polars as pl

from passband.results.tables import RUN_COLUMNS

# A cell of a study's table: label, subset, component, radius. The metric is "accuracy", or "fit-accuracy" where the
# component is "fit".
Cell = tuple[str, str, str, float | None]


def cell(text: str) -> Cell:
    """Read `vanilla test`, `vanilla train hfc 4`, `lfc-4 fit`: a label, then what was measured of it."""
    words = text.split()
    radius = float(words.pop()) if words[-1].replace(".", "").isdigit() else None
    component = words.pop() if words[-1] in ("lfc", "hfc", "fit") else "full"
    subset = "train" if component == "fit" else words.pop()
    return " ".join(words), subset, component, radius


def rows_of(
    values: Mapping[str, float | Iterable[float]],
    *,
    count: int = 2400,
    seeds: int = 1,
    failed: bool = False,
    spread: float = 0.004,
) -> pl.DataFrame:
    """Return rows with these accuracies by cell: one is that of all of 4 epochs, several are one an epoch.

    With several seeds, values differ by `spread` from seed to seed.
    """
    records = []
    for text, value in values.items():
        label, subset, component, radius = cell(text)
        metric = "fit-accuracy" if component == "fit" else "accuracy"
        curve = list(value) if isinstance(value, Iterable) else [value] * 4
        for seed in range(seeds):
            for epoch, point in enumerate(curve, start=1):
                shift = spread * math.cos(2.5 * seed + len(records))
                records.append(
                    {
                        "label": label,
                        "chance": 0.1,
                        "failed": failed,
                        "run": f"{label}-{seed}",
                        "seed": seed,
                        "epoch": epoch,
                        "subset": subset,
                        "component": "full" if component == "fit" else component,
                        "radius": radius,
                        "metric": metric,
                        "value": min(max(point + (shift if seeds > 1 else 0), 0.0), 1.0),
                        "count": count,
                    }
                )
    return pl.DataFrame(records, schema=RUN_COLUMNS)
