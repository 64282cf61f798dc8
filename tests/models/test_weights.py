from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from passband.errors import InputError
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash
from passband.models.weights import count_classes, load_state, read_weights, save_weights


def network(classes: int = 3, hidden: int = 4) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, hidden, 3), nn.BatchNorm2d(hidden), nn.Flatten(), nn.Linear(hidden, classes)
    )


def named_otherwise(state):
    return {f"net.{name.replace('.', '_')}": value for name, value in state.items()}


def test_saved_weights_and_metadata_come_back_equal(tmp_path):
    model = build_model("resnet8", batch_norm=True, seed=3).to(memory_format=torch.channels_last)
    metadata = {"model": {"name": "resnet8"}, "classes": ["a", "b"], "size": [28, 32]}
    save_weights(model, tmp_path / "w.safetensors", metadata)
    weights = read_weights(tmp_path / "w.safetensors")
    assert weights.metadata == metadata
    other = build_model("resnet8", batch_norm=True, seed=4)
    load_state(other, weights)
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    assert weights_hash(other) == weights_hash(model)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_pickled_state_dicts_are_read(tmp_path, suffix, wrapper):
    state = network().state_dict()
    torch.save(state if wrapper is None else {wrapper: state, "epoch": 3}, tmp_path / f"w{suffix}")
    model = network()
    load_state(model, read_weights(tmp_path / f"w{suffix}"))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), state.values(), strict=True))


def test_files_without_counters_of_batches_are_whole(tmp_path):
    state = {k: v for k, v in network().state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "old.pth")
    load_state(network(), read_weights(tmp_path / "old.pth"))
    torch.save(named_otherwise(state), tmp_path / "older.pth")
    load_state(network(), read_weights(tmp_path / "older.pth"), match="order")


def test_misfit_names_the_first_few_and_suggests_matching_by_order(tmp_path):
    source = network()
    torch.save(named_otherwise(source.state_dict()), tmp_path / "w.pth")
    weights = read_weights(tmp_path / "w.pth")
    model = network()
    with pytest.raises(
        InputError, match=r"missing 0.weight, 0.bias, 1.weight and 5 more; unexpected net.0_weight"
    ) as e:
        load_state(model, weights)
    assert "--match-weights order" in str(e.value)
    load_state(model, weights, match="order")
    assert weights_hash(model) != weights_hash(network())
    images = torch.rand(2, 1, 3, 3)
    assert torch.equal(model.eval()(images), source.eval()(images))


def test_another_shape_is_named(tmp_path):
    save_weights(network(classes=5), tmp_path / "w.safetensors", {})
    with pytest.raises(InputError, match=r"of another shape 3.weight \(file \(5, 4\), model \(3, 4\)\)") as e:
        load_state(network(), read_weights(tmp_path / "w.safetensors"))
    assert "--match-weights" not in str(e.value)


def test_order_is_refused_where_it_means_nothing(tmp_path):
    save_weights(network(), tmp_path / "w.safetensors", {})
    with pytest.raises(InputError, match="safetensors files sort their tensors"):
        load_state(network(), read_weights(tmp_path / "w.safetensors"), match="order")
    torch.save(network(hidden=5).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        InputError, match=r"0.weight has shape \(5, 1, 3, 3\) where the network's 0.weight has \(4, 1"
    ):
        load_state(network(), read_weights(tmp_path / "w.pth"), match="order")
    torch.save(nn.Conv2d(1, 4, 3).state_dict(), tmp_path / "short.pth")
    with pytest.raises(InputError, match="it holds 2 tensors and the network 8"):
        load_state(network(), read_weights(tmp_path / "short.pth"), match="order")


def test_number_of_classes_is_told_by_the_last_layer_alone(tmp_path):
    torch.save(network(classes=5).state_dict(), tmp_path / "w.pth")
    weights = read_weights(tmp_path / "w.pth")
    assert count_classes(network(classes=3), weights, "name") == 5
    assert count_classes(network(classes=3), weights, "order") == 5
    assert count_classes(network(classes=5), weights, "name") is None
    assert count_classes(network(hidden=6), weights, "name") is None
    assert count_classes(nn.Linear(2, 2), weights, "name") is None


def broken(folder: Path) -> dict[str, tuple[Path, str]]:
    save_weights(network(), folder / "whole.safetensors", {})
    (folder / "cut.safetensors").write_bytes((folder / "whole.safetensors").read_bytes()[:-8])
    (folder / "noise.pth").write_bytes(b"noise" * 50)
    (folder / "empty.pt").write_bytes(b"")
    torch.save(network(), folder / "pickled.pth")
    torch.save({"epoch": 3}, folder / "number.pth")
    torch.save([torch.zeros(2)], folder / "list.bin")
    (folder / "w.onnx").write_bytes(b"")
    return {
        "absent": (folder / "absent.pth", "no file of weights"),
        "cut": (folder / "cut.safetensors", "is not a whole safetensors file"),
        "noise": (folder / "noise.pth", "cannot be read as a state dict"),
        "empty": (folder / "empty.pt", "cannot be read as a state dict"),
        "pickled": (folder / "pickled.pth", "holds more than tensors"),
        "number": (folder / "number.pth", "holds no state dict"),
        "list": (folder / "list.bin", "holds no state dict"),
        "onnx": (folder / "w.onnx", "weights must be a .safetensors file or a state dict"),
    }


@pytest.mark.parametrize("case", ["absent", "cut", "noise", "empty", "pickled", "number", "list", "onnx"])
def test_broken_files_are_refused(tmp_path, case):
    path, message = broken(tmp_path)[case]
    with pytest.raises(InputError, match=message):
        read_weights(path)
