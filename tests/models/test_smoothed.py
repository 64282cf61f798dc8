from __future__ import annotations

import json
import shutil

import pytest
import torch
import torchvision
from torch import nn

from passband.errors import InputError
from passband.kernels import smooth_kernel
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model
from passband.models.pixels import PixelModel
from passband.models.provenance import Smoothing
from passband.models.smoothed import save_smoothed
from passband.models.weights import save_weights
from passband.preparation import Preparation
from passband.robustness.smoothing import smoothed

ARGUMENTS = {"name": "resnet8", "num_classes": 3, "in_channels": 1, "batch_norm": True, "width": 4}
CODE = """
import torch
from torch import nn

def network():
    torch.manual_seed(SEED)
    norm = torch.nn.utils.parametrizations.weight_norm
    return nn.Sequential(norm(nn.Conv2d(3, 4, 3)), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.LazyLinear(5))

def ready():
    model = network()
    model(torch.zeros(1, 3, 12, 12))
    return model
"""


@pytest.fixture
def own(tmp_path):
    about = {"model": ARGUMENTS, "classes": ["shirt", "coat", "bag"], "size": [16, 20]}
    save_weights(build_model(**ARGUMENTS, seed=7), tmp_path / "w.safetensors", about)
    return load_model("resnet8", weights=tmp_path / "w.safetensors", mean=[0.3], std=[0.7])


@pytest.fixture
def code(tmp_path):
    (tmp_path / "code.py").write_text(CODE.replace("SEED", "1"))
    return tmp_path / "code.py"


def test_a_smoothed_model_keeps_how_pictures_are_prepared(tmp_path, own):
    own.preparation = Preparation((16, 20), "crop", "torch")
    save_smoothed(smoothed(own, 0.5), tmp_path / "out")
    assert load_model(tmp_path / "out").preparation == own.preparation
    change(tmp_path / "out", preparation="removed")  # as folders before there was one
    assert load_model(tmp_path / "out").preparation == Preparation((16, 20), "squash")


def test_a_folder_of_earlier_options_loads(tmp_path, code):
    model = load_model(f"python:{code}:ready", size=12)
    save_smoothed(smoothed(model, 0.5, layer="0"), tmp_path / "out")
    base = json.loads((tmp_path / "out" / "config.json").read_text())["base"]
    assert base["arguments"].keys() >= {"weights_key", "output_name"}
    for name in ("weights_key", "output_name"):
        del base["arguments"][name]
    change(tmp_path / "out", base=base)
    assert load_model(tmp_path / "out").smoothing == (Smoothing("0", 0.5),)


def logits(model, size=(16, 20), channels=1):
    with torch.no_grad():
        return model(torch.rand(4, channels, *size, generator=torch.Generator().manual_seed(0)))


def change(folder, **values):
    record = json.loads((folder / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps({k: v for k, v in record.items() if v != "removed"}))


def test_an_own_network_comes_back_from_its_folder_alone(tmp_path, own):
    model = smoothed(own, 0.5)
    save_smoothed(model, tmp_path / "out")
    (tmp_path / "w.safetensors").unlink()
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    again = load_model(tmp_path / "elsewhere")
    assert torch.equal(logits(again), logits(model))
    assert not torch.equal(logits(again), logits(own))
    assert (again.name, again.size, again.channels) == ("resnet8, stem smoothed by 0.5", (16, 20), 1)
    assert (again.classes, again.training) == (("shirt", "coat", "bag"), False)
    assert again.smoothing == (Smoothing("stem", 0.5),)
    record = json.loads((tmp_path / "elsewhere" / "config.json").read_text())
    assert record["kind"] == "smoothed"
    assert record["base"]["source"] == "resnet8"
    assert record["base"]["weights_hash"] == weights_hash(own)
    assert record["weights_hash"] == weights_hash(model)


def test_chosen_outputs_survive_and_can_be_chosen_again(tmp_path, own):
    chosen = load_model("resnet8", weights=tmp_path / "w.safetensors", class_indices="bag,shirt")
    save_smoothed(smoothed(chosen, 1), tmp_path / "out")
    again = load_model(tmp_path / "out")
    assert again.classes == ("bag", "shirt")
    last = load_model(tmp_path / "out", class_indices="shirt,bag")
    assert last.classes == ("shirt", "bag")
    assert torch.equal(logits(last), logits(again)[:, [1, 0]])
    whole = load_model("resnet8", weights=tmp_path / "w.safetensors")
    assert torch.equal(logits(again), logits(smoothed(whole, 1))[:, [2, 0]])


def test_smoothing_what_was_smoothed(tmp_path, own):
    save_smoothed(smoothed(own, 0.5), tmp_path / "once")
    twice = smoothed(load_model(tmp_path / "once"), 1, normalize=True)
    save_smoothed(twice, tmp_path / "twice")
    shutil.rmtree(tmp_path / "once")
    again = load_model(tmp_path / "twice")
    assert again.name == "resnet8, stem smoothed by 0.5, stem smoothed by 1 (normalized)"
    weight = smooth_kernel(smooth_kernel(own.body.stem.weight, 0.5), 1, normalize=True)
    assert torch.equal(again.body.stem.weight, weight)
    assert again.origin.weights_hash == weights_hash(own)


def test_another_network_is_loaded_again_and_gets_its_smoothed_layers(tmp_path, code, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = load_model("python:code.py:ready", size=12, mean=[0.1, 0.2, 0.3], class_indices="4,0,1")
    once = smoothed(model, 0.5)
    save_smoothed(once, tmp_path / "once")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    again = load_model(tmp_path / "once")
    assert again.name == "code:ready, 0 smoothed by 0.5"
    assert torch.equal(logits(again, (12, 12), 3), logits(once, (12, 12), 3))
    twice = smoothed(again, 1, layer="2")
    save_smoothed(twice, tmp_path / "twice")
    shutil.rmtree(tmp_path / "once")
    last = load_model(tmp_path / "twice")
    assert torch.equal(logits(last, (12, 12), 3), logits(twice, (12, 12), 3))
    assert [step.layer for step in last.smoothing] == ["0", "2"]
    assert (last.size, last.outputs.tolist()) == ((12, 12), [4, 0, 1])


def test_a_network_of_torchvision_with_a_file(tmp_path):
    torch.save(torchvision.models.squeezenet1_1(num_classes=6).state_dict(), tmp_path / "w.pth")
    model = smoothed(load_model("torchvision:squeezenet1_1", weights=tmp_path / "w.pth", size=40), 0.25)
    save_smoothed(model, tmp_path / "out")
    again = load_model(tmp_path / "out")
    assert again.name == "squeezenet1_1, features.0 smoothed by 0.25"
    assert torch.equal(logits(again, (40, 40), 3), logits(model, (40, 40), 3))
    assert torch.equal(again.std, model.std)
    assert (tmp_path / "out" / "weights.safetensors").stat().st_size < 10_000  # one layer, not the network
    torch.save(torchvision.models.squeezenet1_1(num_classes=6).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        InputError, match="torchvision:squeezenet1_1 has other weights than when .*Smooth it again"
    ):
        load_model(tmp_path / "out")
    (tmp_path / "w.pth").unlink()
    with pytest.raises(
        InputError, match="out needs the model that was smoothed, torchvision:.*: no file of weights"
    ):
        load_model(tmp_path / "out")


def test_synonyms_of_published_classes_survive(tmp_path, monkeypatch):
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model("resnet10t.c3_in1k").state_dict(), tmp_path / "w.pth")
    options = {"weights": tmp_path / "w.pth", "size": 64, "class_indices": "tench,English springer,church"}
    save_smoothed(smoothed(load_model("timm:resnet10t.c3_in1k", **options), 0.5), tmp_path / "out")
    assert load_model(tmp_path / "out").classes == ("tench", "English springer", "church")
    assert load_model(tmp_path / "out", class_indices="n03028079,Tinca tinca").classes == ("church", "tench")


def test_code_that_has_changed_is_noticed(tmp_path, code):
    save_smoothed(smoothed(load_model(f"python:{code}:ready", size=12), 0.5), tmp_path / "out")
    code.write_text(CODE.replace("SEED", "2"))
    with pytest.raises(InputError, match="code.py:ready has other weights than when .*at random, keep"):
        load_model(tmp_path / "out")


def test_what_nothing_can_load_again_is_not_written(tmp_path, own):
    with pytest.raises(InputError, match="resnet8 is not smoothed"):
        save_smoothed(own, tmp_path / "out")
    model = PixelModel(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), name="mine")
    with pytest.raises(InputError, match="mine, 0 smoothed by 0.5 cannot be written.*load_model"):
        save_smoothed(smoothed(model, 0.5), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_a_smoothed_model_cannot_heed_are_refused(tmp_path, own):
    save_smoothed(smoothed(own, 0.5), tmp_path / "out")
    with pytest.raises(InputError, match="--weights cannot be used here: .*out says how its model is loaded"):
        load_model(tmp_path / "out", weights="w.pth")
    assert load_model(tmp_path / "out", mean=[0.0], size=32).size == (32, 32)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"base": "removed"}, "config.json is damaged .KeyError: 'base'"),
        ({"smoothing": ["stem"]}, "config.json is damaged"),
        ({"size": [16]}, "config.json is damaged"),
        ({"mean": None}, "config.json is damaged"),
        ({"outputs": [0, 9]}, "has 3 outputs, and is to keep those numbered .0, 9."),
        ({"classes": ["one"]}, "has 3 outputs but 1 names of classes"),
        ({"weights_hash": "removed"}, "is damaged: its weights are not those"),
        ({"weights_hash": "0"}, "is damaged: its weights are not those that its config.json is about"),
        ({"kind": "audit"}, "of the kind 'audit'"),
    ],
)
def test_damaged_folders_are_refused(tmp_path, own, values, message):
    save_smoothed(smoothed(own, 0.5), tmp_path / "out")
    change(tmp_path / "out", **values)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "out")


def test_folders_with_files_missing_or_broken_are_refused(tmp_path, own, code):
    save_smoothed(smoothed(own, 0.5), tmp_path / "out")
    (tmp_path / "out" / "weights.safetensors").write_bytes(b"noise")
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        load_model(tmp_path / "out")
    (tmp_path / "out" / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="no file of weights"):
        load_model(tmp_path / "out")
    (tmp_path / "out" / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        load_model(tmp_path / "out")
    save_smoothed(smoothed(load_model(f"python:{code}:ready", size=12), 0.5), tmp_path / "code")
    change(tmp_path / "code", smoothing=[{"layer": "2", "rho": 1.0, "normalize": False}])
    with pytest.raises(InputError, match="is damaged: it must hold the weights of 2"):
        load_model(tmp_path / "code")
