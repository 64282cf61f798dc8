"""Tiny files in the layouts that the loaders read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Return a function from pixels (height, width[, channels]) to an encoded image."""

    def to_bytes(pixels: np.ndarray, kind: str = "PNG") -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        return file.getvalue()

    return to_bytes


@pytest.fixture(scope="session")
def photos() -> np.ndarray:
    """Twelve random color images, shaped (samples, height, width, channels)."""
    return np.random.Generator(np.random.PCG64(0)).integers(0, 256, (12, 10, 8, 3), np.uint8)


@pytest.fixture
def write_parquet(encode: Callable[..., bytes]) -> Callable[..., Path]:
    """Return a function that writes a file in the Hugging Face layout."""

    def write(
        path: Path,
        images: Sequence[np.ndarray | bytes],
        labels: Sequence[int | None],
        *,
        names: Sequence[str] | None = ("cat", "dog", "owl"),
        columns: tuple[str, str] = ("image", "label"),
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = [{"bytes": i if isinstance(i, bytes) else encode(i), "path": None} for i in images]
        kinds = {columns[0]: pl.Struct({"bytes": pl.Binary, "path": pl.String}), columns[1]: pl.Int64}
        table = pl.DataFrame({columns[0]: stored, columns[1]: list(labels)}, schema=kinds)
        features = {columns[1]: {"names": list(names or ()), "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else None
        table.write_parquet(path, metadata=metadata)
        return path

    return write
