"""Where these tests compute: on a GPU. PASSBAND_TEST_DEVICE=cpu runs them without one, to see that they are right."""

from __future__ import annotations

import os

import pytest
import torch


@pytest.fixture
def device() -> torch.device:
    """Return the GPU; it skips where there is none."""
    chosen = torch.device(os.environ.get("PASSBAND_TEST_DEVICE", "cuda"))
    if chosen.type == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return chosen
