"""A run in words: what `passband runs show` prints."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from passband.cli.console import age, size
from passband.results.described import changed_settings, describe_settings
from passband.results.summary import Summary

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 48  # characters of a curve
SHOWN = 20  # numbers of a measurement


def run_lines(summary: Summary) -> list[str]:
    """Return the lines of a result."""
    entry, about = summary.entry, summary.entry.description
    done, total = entry.epochs
    far = f" at epoch {done or '?'} of {total or '?'}" if entry.status == "interrupted" else ""
    return [
        f"{entry.kind or 'run'} {entry.id}: {entry.status}{far}{f' ({entry.why})' if entry.why else ''}",
        f"{entry.folder}, {size(entry.size)}, {age(time.time() - entry.changed)} old",
        *_settings(summary),
        *_data(about.get("data", {})),
        *_curves(summary),
        *_numbers(summary),
        *_environment(summary.environment),
        *_titled(
            "Measurements of it",
            [f"{m.id}  {m.status}  {describe_settings(m.kind, m.settings)}" for m in summary.measurements],
        ),
        *_titled(
            "Studies whose results rest on it", [" as ".join(filter(None, use)) for use in summary.studies]
        ),
        *_titled("Files", [_files(summary)]),
    ]


def run_plain(summary: Summary) -> dict[str, Any]:
    """Return what there is beside the entry, as JSON holds it."""
    found = asdict(summary)
    del found["entry"]
    for row in found["numbers"]:  # JSON has no other name for what is no number
        row |= {
            name: None for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)
        }
    return found | {
        "data": dict(summary.entry.description.get("data", {})),
        "measurements": [each.id for each in summary.measurements],
        "studies": [{"study": study, "label": label} for study, label in summary.studies],
    }


def _titled(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _settings(summary: Summary) -> list[str]:
    entry = summary.entry
    if not entry.settings:
        return []
    if entry.kind == "measurement":
        said = dict(entry.settings) | {"of the run": entry.description.get("run")}
        return _titled("Settings", _pairs(said))
    first = {
        name: entry.settings[name]
        for name in ("dataset", "scenes", "model", "seed", "epochs")
        if name in entry.settings
    }
    changed = changed_settings(entry.kind, entry.settings)
    return [
        *_titled("Settings", _pairs(first)),
        *_titled("Otherwise than by default", _pairs(changed)),
    ]


def _data(data: dict[str, Any]) -> list[str]:
    return _titled("Data", _pairs({name: value for name, value in data.items() if name != "notices"})) + [
        f"  {notice}" for notice in data.get("notices", ())
    ]


def _curves(summary: Summary) -> list[str]:
    lines = []
    for name, curve in summary.curves.items():
        values = [value for _, value in curve]
        first, last = curve[0], curve[-1]
        lines.append(
            f"{name:<15} {values[0]:8.4f} {draw(values)} {values[-1]:.4f}  (epochs {first[0]} to {last[0]})"
        )
    return _titled("Training", lines)


def draw(values: Sequence[float], width: int = WIDTH) -> str:
    """Return a curve as a line of blocks, from its least value to its greatest; of many values evenly spaced ones.

    Example:
        >>> draw([0, 1, 2, 3, 2.0]), draw([1, 1])
        ('▁▃▆█▆', '▁▁')
    """
    if len(values) > width:
        values = [values[round(index * (len(values) - 1) / (width - 1))] for index in range(width)]
    finite = [value for value in values if math.isfinite(value)]
    least, span = min(finite, default=0.0), max(finite, default=0.0) - min(finite, default=0.0)
    steps = len(BLOCKS) - 1
    return "".join(
        BLOCKS[round(steps * (value - least) / span) if span else 0] if math.isfinite(value) else " "
        for value in values
    )


def _numbers(summary: Summary) -> list[str]:
    if summary.entry.kind == "run":
        found = [row for row in summary.numbers if row["metric"] == "accuracy"]
    else:
        found = summary.numbers
    lines = [_number(row) for row in found[:SHOWN]]
    more = [f"and {len(found) - SHOWN:,} more in rows.parquet"] if len(found) > SHOWN else []
    return _titled("Numbers of the finished network", lines + more)


def _number(row: dict[str, Any]) -> str:
    from passband.stats import wilson_interval

    parts = [row["subset"], row["metric"], row["shown"] if row["shown"] != "full" else None]
    parts += [row["attack"] and f"under {row['attack']}", row["epsilon"] and f"epsilon {row['epsilon']:.4g}"]
    parts += [None if row["rho"] is None else f"rho {row['rho']:g}"]
    said = " ".join(part for part in parts if part)
    value, count = row["value"], row["count"]
    if row["metric"] != "accuracy" or not count:
        return f"{said}: {value:.4g}, of {count:,}"
    low, high = wilson_interval(round(value * count), count)
    return f"{said}: {100 * value:.1f}% [{100 * low:.1f}, {100 * high:.1f}] of {count:,} images"


def _environment(environment: dict[str, Any]) -> list[str]:
    flat = {name: value for name, value in environment.items() if not isinstance(value, dict)}
    versions = environment.get("versions", {})
    made = [", ".join(f"{name} {version}" for name, version in versions.items())] if versions else []
    return _titled("Made with", made + _pairs(flat))


def _pairs(values: dict[str, Any]) -> list[str]:
    return [f"{name}: {_said(value)}" for name, value in values.items() if value is not None]


def _said(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _files(summary: Summary) -> str:
    if summary.damage is not None:
        return f"damaged: {summary.damage}"
    if not summary.entry.description:
        return "no result yet"
    if "schema" not in summary.entry.description:
        return "all there; version 0.1 wrote no checksums to compare them with"
    return "whole: each is as it was written"
