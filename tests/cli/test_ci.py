"""Requirements as machines read them: exit codes, JUnit XML, GitHub's annotations, and what the guide says of them."""

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from passband.audit.gate import Checked
from passband.audit.requirement import parse_requirement
from passband.cli.ci import write_junit

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "ci.md"


@pytest.fixture
def audit(files, command):
    def call(*options):
        return command(
            "audit", "resnet8", f"npz:{files}/data.npz", "--weights", f"{files}/weights.safetensors", "--radii", "4",
            "--ceiling-samples", "0", "--no-report", "--device", "cpu", "--overwrite", *options,
        )  # fmt: skip

    return call


def cases(path: Path) -> dict[str, str | None]:
    """Return by the name of each testcase what its failure says."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites"
    found = {case.attrib["name"]: case.find("failure") for case in root.iter("testcase")}
    assert root.attrib["tests"] == str(len(found))
    assert root.attrib["failures"] == str(sum(failure is not None for failure in found.values()))
    return {name: None if failure is None else failure.attrib["message"] for name, failure in found.items()}


def test_one_testcase_a_requirement_with_the_measured_value(audit, tmp_path):
    ran = audit("--require", "clean >= 0", "--require", "lfc@4 > 0.99", "--junit", "found.xml", "--out", "a")
    assert ran.code == 1
    found = cases(tmp_path / "found.xml")
    assert list(found) == ["clean >= 0", "lfc@4 > 0.99"]
    assert found["clean >= 0"] is None
    failure = found["lfc@4 > 0.99"]
    assert failure is not None
    assert re.search(
        r"^lfc@4 > 0.99: 0\.\d{4} \[0\.\d{4}, 0\.\d{4}\] of 30 samples; the model is not measurably better than ",
        failure,
    )
    assert failure in ran.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--junit", "found.xml"], "--junit holds what became of requirements, and there is none"),
        (["--junit", ".", "--require", "clean >= 0"], "is a folder. Give --junit a file"),
        (["--junit", "none/found.xml", "--require", "clean >= 0"], "cannot write to none"),
        (["--junit", "found.xml", "--require", "clean => 0"], "MEASURE RELATION NUMBER"),
        (
            ["--junit", "found.xml", "--require", "clean-drop <= 0"],
            "hold it against them with passband compare",
        ),
        (["--junit", "found.xml", "--require", "clean >= -1"], "MEASURE RELATION NUMBER"),
    ],
)
def test_what_is_refused_writes_nothing(audit, tmp_path, options, message):
    ran = audit(*options)
    assert ran.code == 2
    assert message in ran.err
    assert list(tmp_path.iterdir()) == []


def test_whatever_is_in_a_name_the_file_is_well_formed(tmp_path):
    odd = "a<b>&\"'\x00\x1b[31m]]> ünï \ud800 \n数据"
    checked = [
        Checked(parse_requirement("clean >= 0.5"), False, 0.1, odd),
        Checked(parse_requirement("loss < 9"), True, 1, odd),
    ]
    write_junit(tmp_path / "odd.xml", odd, checked)
    root = ElementTree.parse(tmp_path / "odd.xml").getroot()
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.attrib["name"] == "a<b>&\"'\ufffd\ufffd[31m]]> ünï \ufffd \n数据"
    assert [path.name for path in tmp_path.iterdir()] == ["odd.xml"]


def test_github_gets_an_annotation_of_each_requirement_that_is_not_met(audit, monkeypatch):
    asked = ("--require", "clean >= 0", "--require", "lfc@4 > 0.99", "--out", "a")
    assert "::error" not in audit(*asked).out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ran = audit(*asked)
    (line,) = [line for line in ran.out.splitlines() if line.startswith("::error")]
    assert re.match(r"::error title=\S+ on data%3A lfc@4 > 0.99::not met: 0\.\d+ \[", line)
    ran = audit(*asked, "--json")
    assert json.loads(ran.out)["requirements"][1]["met"] is False
    assert "::error title=" in ran.err


@pytest.fixture
def two(audit, files):
    """Return two audits, of a network and of one that gives the classes in another order."""
    assert audit("--out", "a").code == 0
    assert audit("--out", "b", "--class-indices", "1,2,0").code == 0
    return "a", "b"


def test_drops_are_the_first_audit_minus_the_second(two, command, tmp_path):
    shown = json.loads(command("compare", *two, "--json").out)
    clean = next(each for each in shown["differences"] if each["measure"] == "clean")
    drop = clean["first"] - clean["second"]
    asked = [
        f"clean-drop <= {drop + 0.001:.6f}",
        f"clean-drop >= {drop - 0.001:.6f}",
        f"lfc@4-drop > {0.9}",
        "hfc@4-drop < 1",
    ]
    ran = command(
        "compare", *two, "--junit", "drops.xml", *(part for text in asked for part in ("--require", text))
    )
    assert ran.code == 1
    assert [name for name, failure in cases(tmp_path / "drops.xml").items() if failure] == [
        "lfc@4-drop > 0.9"
    ]
    assert f"{drop:+.4f} [{-clean['high']:+.4f}, {-clean['low']:+.4f}]" in ran.out
    assert command("compare", *two, "--require", asked[0]).code == 0
    assert (
        command("compare", "a", "a", "--require", "clean-drop <= 0", "--require", "clean-drop >= -0.01").code
        == 0
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clean <= 0.01", "is about what is lost, such as 'clean-drop <= 0.01'"),
        ("lfc@6-drop <= 0.01", "is about what is not compared; compared are clean, loss"),
        ("pgd@8/255-drop <= 0.01", "is about what is not compared"),
        ("ceiling-l2@1-drop <= 0.01", "is about what is not compared"),
        ("claen-drop <= 0.01", "Did you mean 'clean'"),
        ("lfc-drop <= 0.01", "lfc needs a radius"),
        ("critical95-drop <= 1", "needs critical95, which one of the two audits does not have"),
    ],
)
def test_a_drop_that_cannot_be_compared_is_refused(two, command, tmp_path, text, message):
    ran = command("compare", *two, "--require", text, "--junit", "drops.xml")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert not (tmp_path / "drops.xml").exists()


@pytest.mark.slow
def test_the_commands_of_the_guide_work(command, tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) == 5
    for line in lines:
        ran = command(*shlex.split(line.removeprefix("passband ")))
        assert ran.code == 0, ran.err
    assert list(cases(tmp_path / "passband.xml")) == ["clean >= 0.05", "lfc@8 >= 0.05"]
    assert list(cases(tmp_path / "drops.xml")) == ["clean-drop <= 0.5", "lfc@8-drop <= 0.5"]
