"""`make gpu` says what it needs where there is no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def test_without_a_gpu_it_says_so_and_measures_nothing(tmp_path):
    page = tmp_path / "gpu.md"
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPT), "--out", str(page)]
    done = subprocess.run(command, env=hidden, capture_output=True, text=True)
    assert done.returncode == 2
    assert "make gpu needs a CUDA device" in done.stderr
    assert "--dry" in done.stderr
    assert not page.exists()
