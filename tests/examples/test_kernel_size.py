"""The example of a study of one's own, as its docstring says it is run."""

import json
from pathlib import Path

from passband.cli.main import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "kernel_size.py"


def test_the_example_runs_to_its_figure_and_its_verdicts(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    line = [f"{EXAMPLE}:study", "--store", "s", "--device", "cpu"]
    assert run(["study", "show", *line, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["label"] for one in shown["runs"]] == ["3x3", "5x5", "7x7"]
    assert all(one["seconds"] > 0 for one in shown["runs"])
    assert run(["study", "run", *line, "--workers", "2", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["folder"] == "s/studies/kernel-size-smoke-fashion-mnist"
    assert all(claim["estimate"] is not None for claim in result["claims"])
    text = Path(result["folder"], "study.md").read_text()
    assert "Ours, not the paper's: larger kernels leave a network more accurate on the LFC" in text
    assert Path(result["folder"], "figure.png").stat().st_size > 10_000
