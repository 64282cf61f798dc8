from __future__ import annotations

import json

import pytest
import torch

from passband.errors import InputError
from passband.models.catalog import build_model
from passband.models.load import load_model
from passband.models.weights import save_weights
from passband.preparation import Preparation

ARGUMENTS = {
    "name": "resnet8",
    "num_classes": 3,
    "in_channels": 1,
    "batch_norm": True,
    "dropout": 0.5,
    "width": 4,
}
CLASSES = ["shirt", "coat", "bag"]


@pytest.fixture
def trained():
    return build_model(**ARGUMENTS, seed=7).eval()


@pytest.fixture
def run(tmp_path, trained):
    folder = tmp_path / "run"
    folder.mkdir()
    data = {"name": "x", "fingerprint": "0", "size": [28, 30], "channels": 1}
    record = {"kind": "run", "run": "1", "config": {}, "model": ARGUMENTS, "classes": CLASSES, "data": data}
    (folder / "config.json").write_text(json.dumps(record))
    save_weights(trained, folder / "weights.safetensors", {})
    return folder


def change(run, **values):
    path = run / "config.json"
    record = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in record.items() if v != "removed"}))


def test_a_run_comes_back_as_it_was_trained(run, trained):
    model = load_model(str(run))
    images = torch.rand(4, 1, 28, 30)
    assert not model.training
    assert (model.name, model.size, model.channels) == ("resnet8", (28, 30), 1)
    assert model.classes == ("shirt", "coat", "bag")
    with torch.no_grad():
        assert torch.equal(model(images), trained(images))


TORCH = {"size": [28, 30], "fit": "crop", "resize": "torch", "crop_fraction": 0.5}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"config": {"size": None}}, Preparation((28, 30), "squash")),  # whatever shape the pictures had
        ({"config": {"size": 28}}, Preparation((28, 28), "crop")),  # as runs before there was a preparation
        ({"config": {"size": [28, 30]}}, Preparation((28, 30), "squash")),
        ({"config": {"size": 28}, "preparation": TORCH}, Preparation((28, 30), "crop", "torch", 0.5)),
    ],
)
def test_a_run_says_how_its_pictures_were_prepared(run, values, expected):
    change(run, **values)
    assert load_model(str(run)).preparation == expected


def test_a_preparation_that_is_damaged_is_refused(run):
    change(run, preparation={"size": [28, 28], "resize": "guess"})
    with pytest.raises(InputError, match="resize"):
        load_model(str(run))


def test_outputs_of_a_run_can_be_picked_by_name(run, trained):
    model = load_model(str(run), class_indices="bag, Shirt")
    images = torch.rand(2, 1, 28, 30)
    assert model.classes == ("bag", "shirt")
    with torch.no_grad():
        assert torch.equal(model(images), trained(images)[:, [2, 0]])


def test_options_a_run_cannot_heed_are_refused(run):
    with pytest.raises(InputError, match="--num-classes cannot be used here: the run"):
        load_model(str(run), num_classes=3)
    with pytest.raises(InputError, match="--weights cannot be used here"):
        load_model(str(run), weights="w.pth")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "audit"}, "its config.json is of the kind 'audit'"),
        ({"classes": "removed"}, "config.json is damaged: it has no 'classes'"),
        ({"model": {**ARGUMENTS, "name": "resnet9"}}, "no model named 'resnet9'"),
        ({"model": {**ARGUMENTS, "depth": 9}}, "cannot be built: .*depth"),
        ({"model": {**ARGUMENTS, "width": 5}}, "does not fit the network: .*of another shape stem.weight"),
        ({"classes": ["one"]}, "resnet8 has 3 outputs but 1 names of classes"),
    ],
)
def test_damaged_runs_are_refused(run, values, message):
    change(run, **values)
    with pytest.raises(InputError, match=message):
        load_model(str(run))


def test_folders_that_are_no_runs_are_refused(tmp_path, run):
    with pytest.raises(InputError, match="is not the folder of a run: it has no config.json"):
        load_model(str(tmp_path))
    (run / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="no file of weights"):
        load_model(str(run))
    (run / "config.json").write_text("[]")
    with pytest.raises(InputError, match="of the kind None"):
        load_model(str(run))


def test_a_file_with_metadata_needs_no_further_options(tmp_path, trained):
    save_weights(
        trained, tmp_path / "w.safetensors", {"model": ARGUMENTS, "classes": CLASSES, "size": [28, 28]}
    )
    model = load_model("resnet8", weights=tmp_path / "w.safetensors")
    images = torch.rand(2, 1, 28, 28)
    assert (model.size, model.channels, model.classes) == ((28, 28), 1, tuple(CLASSES))
    with torch.no_grad():
        assert torch.equal(model(images), trained(images))


@pytest.mark.parametrize("name", ["lenet", "resnet14", "resnet18", "vgg11"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_shapes_tell_what_a_file_without_metadata_is_for(tmp_path, name, batch_norm):
    source = build_model(name, num_classes=4, in_channels=1, batch_norm=batch_norm, width=3, seed=1).eval()
    torch.save(source.state_dict(), tmp_path / "w.pth")
    model = load_model(name, weights=str(tmp_path / "w.pth"))
    images = torch.rand(2, 1, 32, 32)
    assert model.channels == 1
    with torch.no_grad():
        assert torch.equal(model(images), source(images))


@pytest.mark.parametrize("name", ["convnext", "vit"])
def test_shapes_tell_what_a_file_of_a_network_with_layer_norm_is_for(tmp_path, name):
    source = build_model(name, num_classes=4, in_channels=1, width=12, seed=1).eval()
    torch.save(source.state_dict(), tmp_path / "w.pth")
    model = load_model(name, weights=str(tmp_path / "w.pth"))
    images = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(model(images), source(images))


@pytest.mark.parametrize("start", ["module.", "model.net."])
def test_a_file_of_a_wrapped_network_needs_no_options(tmp_path, start):
    source = build_model("lenet", num_classes=4, in_channels=1, seed=1).eval()
    torch.save({f"{start}{k}": v for k, v in source.state_dict().items()}, tmp_path / "w.pth")
    images = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(load_model("lenet", weights=tmp_path / "w.pth")(images), source(images))


def test_a_file_under_other_names_needs_options_and_order(tmp_path):
    source = build_model("lenet", num_classes=4, in_channels=1, seed=1).eval()
    torch.save({f"m_{k}": v for k, v in source.state_dict().items()}, tmp_path / "w.pth")
    options = {"weights": tmp_path / "w.pth", "num_classes": 4, "in_channels": 1}
    with pytest.raises(InputError, match="--match-weights order"):
        load_model("lenet", **options)
    images = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(load_model("lenet", **options, match_weights="order")(images), source(images))


def test_weights_of_another_network_are_refused(tmp_path, trained):
    save_weights(trained, tmp_path / "w.safetensors", {"model": ARGUMENTS})
    with pytest.raises(InputError, match="holds the weights of 'resnet8', not of 'resnet14'"):
        load_model("resnet14", weights=tmp_path / "w.safetensors")
