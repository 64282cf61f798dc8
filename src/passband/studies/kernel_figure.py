"""Figure 7 as data: the kernels of first layers, as they were trained and smoothed. `report.kernels` draws it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from passband.kernels import GRID, frequency_response, roughness, smooth_kernel
from passband.models.load import load_model
from passband.robustness.smoothing import find_convolution

KERNEL_TABLE = pl.Schema(
    {
        "panel": pl.String(),
        "part": pl.String(),  # "weight"; "response", the mean gain; "roughness"; "high-frequency"
        "filter": pl.Int64(),
        "channel": pl.Int64(),
        "row": pl.Int64(),  # of a weight; of a response, cycles per `GRID` pixels downwards
        "column": pl.Int64(),  # the same to the right
        "value": pl.Float64(),
    }
)


@dataclass(frozen=True)
class KernelPanel:
    """The first layer of one run, smoothed with a strength of `rho`; 0 leaves it as it was trained."""

    title: str
    label: str
    rho: float = 0.0


@dataclass(frozen=True)
class KernelFigure:
    """Panels in rows."""

    rows: tuple[tuple[KernelPanel, ...], ...]

    @property
    def panels(self) -> tuple[KernelPanel, ...]:
        """All of them, row by row."""
        return tuple(panel for row in self.rows for panel in row)

    @property
    def labels(self) -> set[str]:
        """The runs that it shows."""
        return {panel.label for panel in self.panels}


def kernel_table(figure: KernelFigure, runs: Mapping[str, Path]) -> pl.DataFrame:
    """Return the weights of each panel, their frequency response and their roughness, with columns `KERNEL_TABLE`.

    Args:
        figure: The figure.
        runs: The folder of one finished run by label; panels of runs that are not here are left out.
    """
    rows = [
        {"panel": panel.title, **row}
        for panel in figure.panels
        if panel.label in runs
        for row in _numbers(smooth_kernel(first_kernels(runs[panel.label]), panel.rho))
    ]
    return pl.DataFrame(rows, schema=KERNEL_TABLE)


def first_kernels(folder: Path) -> Float[Tensor, "filters channels height width"]:
    """Return the weights of the first convolution of a run."""
    return find_convolution(load_model(folder))[1].weight.detach()


def _numbers(weight: Float[Tensor, "filters channels height width"]) -> Iterator[dict[str, Any]]:
    for place in torch.cartesian_prod(*(torch.arange(side) for side in weight.shape)).tolist():
        names = ("filter", "channel", "row", "column")
        yield {"part": "weight", **dict(zip(names, place, strict=True)), "value": weight[tuple(place)].item()}
    response = frequency_response(weight)
    for row, gains in enumerate(response.tolist()):
        for column, gain in enumerate(gains):
            place = {"row": row - GRID // 2, "column": column - GRID // 2}
            yield {"part": "response", **place, "value": gain}
    found = roughness(weight)
    yield {"part": "roughness", "value": found.difference}
    yield {"part": "high-frequency", "value": found.high_frequency}
