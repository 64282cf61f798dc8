"""What TensorBoard itself reads of its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard itself shows of a run."""
    shown = EventAccumulator(str(folder))
    shown.Reload()
    return {tag: [(e.step, e.value) for e in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}


def as_shown(curves):
    """Return curves as TensorBoard keeps them: by name, as float32."""
    shown: dict[str, list[tuple[int, float]]] = {}
    for epoch, values in curves.items():
        for name, value in values.items():
            shown.setdefault(name, []).append((epoch, float(np.float32(value))))
    return shown
