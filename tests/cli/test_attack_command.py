import json
import sys

import numpy as np
import polars as pl
import pytest
import torch

import passband as pb
from passband.rows import ATTACK_COLUMNS

MODEL = ("resnet8", "--weights", "{files}/weights.safetensors")
WRITTEN = {"attack.json", "pictures.safetensors", "rows.parquet", "samples.parquet"}


@pytest.fixture
def attacked(command, files):
    """Return a function that attacks the small model; a few steps and no sanity report keep it quick."""

    def call(*arguments: str, quick: bool = True):
        line = ("attack", MODEL[0], "npz:{files}/data.npz", *MODEL[1:], *arguments)
        line += () if "--steps" in arguments else ("--steps", "2")
        line += ("--no-sanity",) if quick else ()
        return command(*(part.format(files=files) for part in line))

    return call


def test_an_attack_writes_numbers_samples_report_and_figures_and_prints_a_table(attacked, tmp_path):
    ran = attacked(
        "--attack", "fgsm", "pgd", "--epsilon", "0.09", "4/255", "--sanity-samples", "5", quick=False
    )
    assert ran.code == 0, ran.err
    folder = tmp_path / "attacks" / "resnet8-on-data"
    assert {path.name for path in folder.iterdir()} == {*WRITTEN, "attack.html", "figures"}
    assert {"robust-accuracy-linf.png", "robust-accuracy-linf.svg", "pgd-by-class.svg"} <= {
        path.name for path in (folder / "figures").iterdir()
    }
    card = json.loads((folder / "attack.json").read_text())
    assert [attack["label"] for attack in card["robustness"]] == ["FGSM", "PGD-2"]
    assert all(attack["epsilons"] == [4 / 255, 0.09] for attack in card["robustness"])
    lines = ran.out.splitlines()
    for attack in card["robustness"]:
        for point, written in zip(attack["points"], ("4/255", "0.09"), strict=True):
            value = f"{100 * point['accuracy']['value']:.1f} ["
            assert any(attack["label"] in line and f" {written} " in line and value in line for line in lines)
    assert f"Clean accuracy {100 * card['clean']['accuracy']['value']:.1f} [" in ran.out
    assert ran.out.count("Sanity of") + ran.out.count("Warning (") >= 2
    assert f"Report: {folder.relative_to(tmp_path)}/attack.html" in ran.out


def test_without_a_name_it_is_pgd(attacked, tmp_path):
    attacked("--epsilon", "8/255", "--no-report", "--out", "a")
    (attack,) = json.loads((tmp_path / "a" / "attack.json").read_text())["robustness"]
    assert attack["label"] == "PGD-2"
    assert attack["epsilons"] == [8 / 255]


def test_settings_reach_the_attack_and_are_recorded(attacked, tmp_path):
    ran = attacked(
        "--epsilon", "0.5", "1", "--norm", "l2", "--steps", "3", "--step-share", "1/2", "--restarts", "2",
        "--band", "lfc:4", "--seed", "3", "--batch-size", "7", "--limit", "12", "--no-report", "--out", "a",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    card = json.loads((tmp_path / "a" / "attack.json").read_text())
    (attack,) = card["robustness"]
    assert attack["attack"] == {
        "name": "pgd",
        "norm": "l2",
        "steps": 3,
        "step_share": 0.5,
        "restarts": 2,
        "random_start": True,
        "band": "lfc:4",
    }
    assert card["settings"]["seed"] == 3
    assert card["data"]["evaluated"] == 12
    assert "0.5 L2" in ran.out


def test_json_is_the_card_and_nothing_else(attacked):
    ran = attacked("--epsilon", "0.1", "--json", "--no-report", "--no-random-start", "--out", "a")
    found = json.loads(ran.out)
    assert (found["kind"], found["folder"]) == ("attack", "a")
    assert found["robustness"][0]["attack"]["random_start"] is False


def test_samples_and_rows_agree_with_the_card(attacked, tmp_path):
    attacked("--epsilon", "0.02", "0.05", "--no-report", "--out", "a")
    card = json.loads((tmp_path / "a" / "attack.json").read_text())
    samples, rows = (pl.read_parquet(tmp_path / "a" / f"{name}.parquet") for name in ("samples", "rows"))
    assert samples.columns == list(ATTACK_COLUMNS)
    for point in card["robustness"][0]["points"]:
        at = samples.filter(pl.col("epsilon") == point["epsilon"])
        assert at["robust"].mean() == pytest.approx(point["accuracy"]["value"])
        row = rows.filter(
            pl.col("epsilon") == point["epsilon"],
            pl.col("metric") == "robust-accuracy",
            pl.col("class").is_null(),
        )
        assert row["value"].item() == pytest.approx(point["accuracy"]["value"])


def test_saved_images_are_adversarial_for_the_model_that_was_attacked(command, files, tmp_path):
    (tmp_path / "linear.py").write_text(
        "import torch\n"
        "def make():\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 3))\n"
    )
    source = f"python:{tmp_path}/linear.py:make"
    command(
        "attack", source, f"npz:{files}/data.npz", "--size", "16", "--epsilon", "0.02",
        "--save", "--no-report", "--no-sanity", "--out", "a",
    )  # fmt: skip
    card = json.loads((tmp_path / "a" / "attack.json").read_text())
    with np.load(tmp_path / "a" / "adversarial.npz") as saved, torch.no_grad():
        answers = pb.load_model(source, size=16)(torch.from_numpy(saved["images"])).argmax(dim=1).numpy()
        right = (answers == saved["labels"]).mean()
    assert right == pytest.approx(card["robustness"][0]["points"][0]["accuracy"]["value"])
    assert right < card["clean"]["accuracy"]["value"]


def test_a_result_is_replaced_only_on_request(attacked, tmp_path):
    assert attacked("--epsilon", "0.1", "--no-report", "--out", "a").code == 0
    before = (tmp_path / "a" / "attack.json").read_text()
    assert attacked("--epsilon", "0.2", "--no-report", "--out", "a").code == 2
    assert (tmp_path / "a" / "attack.json").read_text() == before
    assert attacked("--epsilon", "0.2", "--no-report", "--out", "a", "--overwrite").code == 0


def test_a_black_box_is_refused_before_any_work(command, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    weights = np.zeros((768, 3), np.float32)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Flatten", ["images"], ["flat"]),
            onnx.helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        ],
        "linear",
        [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ("batch", 3, 16, 16))],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ("batch", 3))],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "linear.onnx")
    images = np.zeros((6, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "six.npz", images=images, labels=np.arange(6) % 3)
    ran = command("attack", "onnx:linear.onnx", "npz:six.npz", "--epsilon", "0.1")
    assert ran.code == 2
    assert "gradient" in ran.err
    assert "Attacking" not in ran.err
    assert not (tmp_path / "attacks").exists()


def test_a_missing_library_is_named_with_its_extra(command, files, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    np.savez(files / "four.npz", images=np.zeros((4, 16, 16, 3), np.uint8), labels=np.arange(4))
    (files / "four.py").write_text(
        "import torch\n"
        "def linear(): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 4))\n"
    )
    ran = command(
        "attack", f"python:{files}/four.py:linear", f"npz:{files}/four.npz",
        "--size", "16", "--attack", "autoattack", "--epsilon", "0.1",
    )  # fmt: skip
    assert ran.code == 2
    assert 'pip install "passband[attacks]"' in ran.err


def test_several_processes_find_what_one_finds_and_leave_nothing(attacked, tmp_path, monkeypatch):
    monkeypatch.setattr("passband.engine.shards.GROUPS", 1)
    for out, workers in (("a", "1"), ("b", "2")):
        ran = attacked("--epsilon", "4/255", "--save", "--no-report", "--out", out, "--workers", workers)
        assert ran.code == 0, ran.err
    for name in ("rows", "samples"):
        one, two = (pl.read_parquet(tmp_path / out / f"{name}.parquet") for out in "ab")
        assert one.equals(two), name
    one, two = (np.load(tmp_path / out / "adversarial.npz") for out in "ab")
    assert np.array_equal(one["images"], two["images"])
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
