import json
import shutil
from pathlib import Path

import pytest

RECORDED = Path(__file__).parents[1] / "recorded" / "version-0.1"
RESULTS = {
    "audit": ("audit", "--radii", "2", "5", "--ceiling-samples", "4"),
    "attack": ("attack", "--attack", "fgsm", "--epsilon", "8/255", "--no-sanity", "--save"),
    "spectrum": ("spectrum",),
}
PAGES = {"audit": "report.html", "attack": "attack.html", "spectrum": "spectrum.html"}


@pytest.fixture
def result(command, files, tmp_path):
    """Return a function that makes a folder of a kind."""

    def make(kind: str, *options: str) -> Path:
        name, *others = RESULTS[kind]
        model = () if kind == "spectrum" else ("resnet8", "--weights", files / "weights.safetensors")
        ran = command(name, *model[:1], f"npz:{files}/data.npz", *model[1:], *others, "--out", kind, *options)
        assert ran.code == 0, ran.err
        return tmp_path / kind

    return make


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder; of PDFs, which are not the same twice, that they are PDFs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()[: 5 if path.suffix == ".pdf" else None]
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", RESULTS)
def test_a_page_is_made_again_byte_for_byte_without_model_or_data(command, result, tmp_path, kind):
    folder = result(kind)
    before = contents(folder)
    shutil.rmtree(folder / "figures")
    (folder / PAGES[kind]).unlink()
    (folder / "mine.txt").write_text("stays")
    ran = command("report", kind)
    assert ran.code == 0, ran.err
    assert f"Report: {kind}/{PAGES[kind]}" in ran.out
    assert contents(folder) == before | {"mine.txt": b"stays"}


def test_a_report_that_was_left_out_can_be_made_elsewhere(command, result, tmp_path):
    folder = result("audit", "--no-report")
    before = contents(folder)
    ran = command("report", "audit", "--out", "page", "--json")
    assert json.loads(ran.out) == {"reports": ["page/report.html"]}
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"report.html", "figures"}
    assert contents(folder) == before
    assert command("report", "audit", "--out", "page").code == 2
    assert command("report", "audit", "--out", "page", "--overwrite").code == 0


@pytest.mark.parametrize("kind", ["audit", "attack"])
def test_a_folder_of_version_0_1_says_to_run_the_command_again(command, kind):
    ran = command("report", RECORDED / kind)
    assert ran.code == 2
    assert "pictures.safetensors is missing: version 0.1 wrote none" in ran.err
    assert f"run `passband {kind}` again" in ran.err


def test_damaged_and_missing_files_are_named_and_nothing_changes(command, result, tmp_path):
    folder = result("audit", "--no-report")
    whole = {
        name: (folder / name).read_bytes() for name in ("card.json", "rows.parquet", "pictures.safetensors")
    }
    for name, content in whole.items():
        (folder / name).write_bytes(content[: len(content) // 2])
        ran = command("report", "audit")
        assert ran.code == 2
        assert f"{name} cannot be read as" in ran.err
        assert not (folder / "report.html").exists()
        (folder / name).write_bytes(content)
    (folder / "samples.parquet").unlink()
    ran = command("report", "audit")
    assert ran.code == 2
    assert "no file audit/samples.parquet" in ran.err


def test_what_is_no_result_is_refused(command, tmp_path):
    (tmp_path / "empty").mkdir()
    ran = command("report", "empty")
    assert ran.code == 2
    assert "empty has none of card.json, attack.json, detection.json, spectrum.json" in ran.err
    ran = command("report", "nowhere")
    assert ran.code == 2
    assert "no folder nowhere" in ran.err


def test_several_pages_are_made_at_once(command, result, tmp_path):
    for kind in ("audit", "attack"):
        result(kind)
        (tmp_path / kind / PAGES[kind]).unlink()
    ran = command("report", "audit", "attack")
    assert ran.code == 0, ran.err
    assert all((tmp_path / kind / PAGES[kind]).is_file() for kind in ("audit", "attack"))
    assert command("report", "audit", "attack", "--out", "page").code == 2


def test_no_page_is_made_if_one_folder_is_none(command, result, tmp_path):
    result("audit")
    page = tmp_path / "audit" / PAGES["audit"]
    page.write_text("old")
    (tmp_path / "empty").mkdir()
    ran = command("report", "audit", "empty")
    assert (ran.code, page.read_text()) == (2, "old")


def test_the_folder_of_a_study_is_told_how_its_page_is_made(command, tmp_path):
    (tmp_path / "studied").mkdir()
    (tmp_path / "studied" / "study.md").write_text("# x")
    ran = command("report", "studied")
    assert ran.code == 2
    assert "passband study run" in ran.err
