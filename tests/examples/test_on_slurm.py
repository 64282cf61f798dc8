"""The example of studies on the nodes of Slurm, with processes of this computer for nodes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "on_slurm.py"


@pytest.mark.slow
def test_the_example_runs_to_its_verdicts(tmp_path):
    pytest.importorskip("submitit", reason="submitit is not installed: pip install submitit")
    done = subprocess.run(
        [sys.executable, EXAMPLE, "batch-size", "--store", "s", "--cluster", "local"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    study, *claims = done.stdout.splitlines()
    assert study == "batch-size"
    assert claims
    assert all(line.startswith("  ") and ": " in line for line in claims)
    assert (tmp_path / "s/studies/batch-size-smoke-fashion-mnist/study.md").is_file()
