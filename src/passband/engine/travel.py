"""Data sets on their way to the nodes of a cluster: as arrays, which all processes of a node read in the same memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from passband.data.dataset import ImageDataset
from passband.data.stream import StreamedImages
from passband.engine.run import Datasets
from passband.types import Subset

Packed = Mapping[Subset, Mapping[str, Any]]
"""The fields of each subset's data set, with arrays for tensors."""


def pack(datasets: Datasets) -> Packed | None:
    """Return data sets so that their arrays need not be copied to be read; None if not all are in memory."""
    if any(isinstance(each.images, StreamedImages) for each in datasets.values()):
        return None
    return {
        subset: {each.name: _as_array(getattr(dataset, each.name)) for each in fields(dataset)}
        for subset, dataset in datasets.items()
    }


def unpack(packed: Packed) -> Datasets:
    """Return the data sets that were packed. Their tensors must not be written to."""
    return {
        subset: ImageDataset(**{name: _as_tensor(value) for name, value in values.items()})
        for subset, values in packed.items()
    }


def _as_array(value: Any) -> Any:
    return value.contiguous().numpy() if isinstance(value, torch.Tensor) else value


def _as_tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    with warnings.catch_warnings():  # nobody writes to images and labels
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(value)
