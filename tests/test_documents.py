"""What the documents promise: commands that parse, code that runs, links that lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from passband.audit.classifier import Audit
from passband.cli.app import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def blocks(document: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(document.read_text()) if kind == language]


def commands() -> list[str]:
    found = []
    for document in DOCUMENTS:
        for text in blocks(document, "sh"):
            lines = text.replace("\\\n", " ").splitlines()
            found += [line for line in lines if line.startswith("passband ")]
    return found


@pytest.mark.parametrize("line", commands())
def test_commands_have_the_options_that_documents_give_them(line):
    words = shlex.split(re.sub(r'"\$\([^"]*\)"', "FILE", line), comments=True)
    app.parse_args(words[1:], exit_on_error=False, print_error=False)


def test_there_are_commands_to_look_at():
    assert len(commands()) >= 6


def test_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (mathematics,) = [text for text in blocks(ROOT / "README.md", "python") if "torch.rand" in text]
    names: dict = {}
    exec(mathematics, names)
    assert names["low"].shape == (16, 3, 32, 32)
    assert names["network"](names["images"]).shape == (16, 8, 30, 30)


@pytest.mark.slow
def test_the_story_of_a_deployment_runs(tmp_path):
    """Command by command, as the guide has them, in a folder of their own."""
    pytest.importorskip("onnxscript")
    guide = ROOT / "docs" / "guides" / "deployment.md"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    here = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    lines = [line for text in blocks(guide, "sh") for line in text.splitlines()]
    assert len(lines) >= 7
    for line in lines:
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=here, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    export, int8 = (Audit.load(tmp_path / "deploy" / f"audit-{name}").card for name in ("float32", "int8"))
    network = Audit.load(tmp_path / "deploy" / "audit").card
    assert [p.accuracy for p in export.curves] == [p.accuracy for p in network.curves]
    assert abs(int8.clean.accuracy.value - network.clean.accuracy.value) < 0.03
    gate = ("compare", "deploy/audit", "deploy/audit-int8", "--require", "lfc@2-drop <= 0.05")
    assert subprocess.run(["passband", *gate], cwd=tmp_path, env=here).returncode == 1


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    broken = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert broken == []
