import json

import pytest
import torch

import passband as pb
from passband.kernels import smooth_kernel

SHORT = ("--radii", "4", "--no-report", "--json")


@pytest.fixture
def source(files):
    return ("resnet8", "--weights", str(files / "weights.safetensors"))


def test_a_smoothed_model_is_written_audited_and_smoothed_again(command, files, source, tmp_path):
    ran = command("smooth", *source, "--rho", "0.5", "--mean", "0.4", "--size", "16", "--out", "smooth")
    assert ran.code == 0
    assert {path.name for path in (tmp_path / "smooth").iterdir()} == {"config.json", "weights.safetensors"}
    assert "resnet8: stem, 4 filters of 3x3, smoothed by 0.5" in ran.out
    assert "Difference" in ran.out
    assert "constant image: 5 times as before" in ran.out
    assert ran.out.endswith("Model: smooth\n")
    audited = command("audit", "smooth", f"npz:{files}/data.npz", *SHORT)
    card = json.loads(audited.out)["card"]
    assert card["model"]["name"] == "resnet8, stem smoothed by 0.5"
    original = pb.load_model("resnet8", weights=files / "weights.safetensors", mean=[0.4], size=16)
    dataset = pb.load_dataset(f"npz:{files}/data.npz")
    right = pb.load_model(tmp_path / "smooth")(dataset.images / 255).argmax(1) == dataset.labels
    assert card["clean"]["accuracy"]["value"] == pytest.approx(right.float().mean().item())
    again = command("smooth", "smooth", "--rho", "1", "--normalize", "--layer", "features.1.branch.1")
    assert again.code == 0
    folder = "smoothed/resnet8-stem-smoothed-by-0.5-features.1.branch.1-smoothed-by-1-normalized"
    assert again.out.endswith(f"Model: {folder}\n")
    twice = pb.load_model(folder)
    weight = smooth_kernel(original.body.stem.weight, 0.5)
    assert torch.equal(twice.body.stem.weight, weight)


def test_json_tells_layer_gain_and_roughness(command, source):
    found = json.loads(command("smooth", *source, "--rho", "1", "--json", "--out", "a").out)
    assert (found["folder"], found["layer"], found["gain"], found["normalized"]) == ("a", "stem", 9, False)
    before, after = found["roughness"]["before"], found["roughness"]["after"]
    assert set(before) == {"difference", "high_frequency"}
    assert after["difference"] < before["difference"]
    normalized = json.loads(
        command("smooth", *source, "--rho", "1", "--normalize", "--json", "--out", "b").out
    )
    assert normalized["gain"] == 1
    assert normalized["roughness"]["after"] == pytest.approx(after)


def test_a_result_is_replaced_only_on_request(command, source, tmp_path):
    assert command("smooth", *source, "--rho", "1", "--out", "a").code == 0
    before = (tmp_path / "a" / "config.json").read_text()
    refused = command("smooth", *source, "--rho", "2", "--out", "a")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert (tmp_path / "a" / "config.json").read_text() == before
    assert command("smooth", *source, "--rho", "2", "--out", "a", "--overwrite").code == 0
    assert (tmp_path / "a" / "config.json").read_text() != before


def test_a_layer_of_1x1_kernels_comes_with_a_warning(command, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    ran = command("smooth", "python:net.py:net", "--rho", "1")
    assert "Warning: a 1x1 kernel has no neighbors, so it was scaled and not smoothed" in ran.out
