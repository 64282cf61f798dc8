"""The examples in Python run as they stand, each in a folder of its own, and say what they are there to say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "audit": ("LeNet on fashion-mnist", r"(?m)^ok     lfc@8 >= 0\.6: ", "audits/lenet/report.html"),
    "attack": (
        "PGD-10 leaves",
        r"PGD-10 on lfc:8 at 0\.031: 9\d\.\d% of the energy",
        "attacks/lenet/attack.html",
    ),
    "compare_quantized": (
        "Beside float32 (paired on 1000 samples)",
        "3 bits answers",
        "comparison/comparison.html",
    ),
    "detector": ("DetectionDataset(", r"map-lfc@8 >= 0\.1 at 95%", "detections/bright/detection.html"),
    "one_image": ("LFC flips at radius", "whole image: ", None),
}


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs_cell_by_cell(name, tmp_path):
    pytest.importorskip("vl_convert")
    file = EXAMPLES / f"{name}.py"
    assert len(re.findall(r"^# %% ", file.read_text(), re.MULTILINE)) >= 4
    ran = subprocess.run([sys.executable, file], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    *said, page = SAYS[name]
    for each in said:
        assert each in ran.stdout or re.search(each, ran.stdout), ran.stdout
    assert page is None or (tmp_path / page).is_file()
