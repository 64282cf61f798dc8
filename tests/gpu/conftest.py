"""Where these tests compute: on a GPU. PASSBAND_TEST_DEVICE=cpu runs them without one, to see that they are right."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

# Without it cuBLAS adds in an order of its own choice; it is read when the first matrices are multiplied.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.fixture
def device() -> torch.device:
    """Return the GPU; it skips where there is none."""
    chosen = torch.device(os.environ.get("PASSBAND_TEST_DEVICE", "cuda"))
    if chosen.type == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return chosen


@pytest.fixture
def full_precision() -> Iterator[None]:
    """Convolutions with all digits of float32: by default torch lets a GPU drop 13 of 23 bits (TF32)."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield


@pytest.fixture
def deterministic(full_precision: None) -> Iterator[None]:
    """The same sums in the same order each time; what cannot be is an error."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
