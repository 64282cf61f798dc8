from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
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
    load_state(network(), read_weights(tmp_path / "w.safetensors"), match="order")  # the names tell
    save_file(named_otherwise(network().state_dict()), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="safetensors files are sorted by name. .* keeps the order of that"):
        load_state(network(), read_weights(tmp_path / "w.safetensors"), match="order")
    torch.save(load_file(tmp_path / "w.safetensors"), tmp_path / "sorted.pth")
    for match in ("name", "order"):
        with pytest.raises(InputError, match=r"^((?!--match-weights).)*$"):
            load_state(network(), read_weights(tmp_path / "sorted.pth"), match=match)
    torch.save(named_otherwise(network(hidden=5).state_dict()), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"has shape \(5, 1, 3, 3\) where the network's 0.weight has \(4, 1"):
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
    assert count_classes(nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), weights, "name") is None


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
        "noise": (folder / "noise.pth", "cannot be read as weights"),
        "empty": (folder / "empty.pt", "cannot be read as weights"),
        "pickled": (folder / "pickled.pth", "A whole network was saved .Sequential."),
        "number": (folder / "number.pth", "holds no state dict"),
        "list": (folder / "list.bin", "holds no state dict"),
        "onnx": (folder / "w.onnx", "must be a .safetensors file or one that torch.save"),
    }


@pytest.mark.parametrize("case", ["absent", "cut", "noise", "empty", "pickled", "number", "list", "onnx"])
def test_broken_files_are_refused(tmp_path, case):
    path, message = broken(tmp_path)[case]
    with pytest.raises(InputError, match=message):
        read_weights(path)


def fitted(path, state, match="name"):
    model = network()
    torch.save(state, path)
    return model, load_state(model, read_weights(path), match)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_take_the_type_of_the_network(tmp_path, dtype):
    source = network().to(dtype)
    model, notices = fitted(tmp_path / "w.pth", source.state_dict())
    assert notices == ()
    for name, value in source.state_dict().items():
        assert model.state_dict()[name].dtype in (torch.float32, torch.int64)
        torch.testing.assert_close(model.state_dict()[name], value.to(model.state_dict()[name].dtype))


def test_whole_numbers_are_no_weights(tmp_path):
    state = {k: (v * 100).to(torch.int8) if k == "3.weight" else v for k, v in network().state_dict().items()}
    with pytest.raises(
        InputError, match=r"of another kind 3.weight \(file torch.int8, model torch.float32\)"
    ):
        fitted(tmp_path / "w.pth", state)


def test_weights_that_nothing_trained_are_a_warning(tmp_path):
    zeros = {k: torch.zeros_like(v) for k, v in network().state_dict().items()}
    _, (notice,) = fitted(tmp_path / "zeros.pth", zeros)
    assert str(notice) == "Warning: every weight in zeros.pth is 0: no training has filled it"
    state = network().state_dict()
    state["1.running_mean"][0] = torch.nan
    _, (notice,) = fitted(tmp_path / "nan.pth", state)
    assert str(notice).startswith("Warning: nan.pth holds weights that are NaN or infinite")


def test_what_was_taken_and_left_out_is_said(tmp_path):
    state = {f"model.{k}": v for k, v in network().state_dict().items()}
    _, notices = fitted(
        tmp_path / "w.ckpt", {"state_dict": {**state, "loss.weight": torch.ones(3)}, "epoch": 1}
    )
    assert [str(each) for each in notices] == [
        "Note: of w.ckpt the weights under 'state_dict' were taken",
        "Warning: of w.ckpt the tensors were taken whose names begin with 'model.'; left out loss.weight",
    ]


def test_weights_that_do_not_fit_point_to_others_in_the_file(tmp_path):
    averages = {k: v for k, v in network().state_dict().items() if "running" not in k}
    with pytest.raises(
        InputError, match="missing 1.running_mean.*It also holds state_dict: see --weights-key"
    ):
        fitted(tmp_path / "w.pth", {"state_dict": network().state_dict(), "ema": averages})


@pytest.mark.parametrize("classes", [3, 7])
def test_a_hint_at_order_stands_where_it_would_help(tmp_path, classes):
    state = named_otherwise(network(classes=classes).state_dict())
    with pytest.raises(InputError, match="--match-weights order"):
        fitted(tmp_path / "w.pth", state)
    with pytest.raises(InputError, match=r"unexpected .* and 5 more\.$"):
        fitted(tmp_path / "w.pth", dict(sorted(state.items())))
