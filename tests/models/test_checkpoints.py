from __future__ import annotations

import argparse
import os
import pathlib
import zipfile
from collections import OrderedDict, defaultdict
from enum import Enum

import numpy as np
import pytest
import torch
from torch import nn

from passband.errors import InputError
from passband.models.checkpoints import choose_state, read_checkpoint
from passband.models.weights import read_weights


class Phase(Enum):
    FIT = "fit"


class Settings(dict):
    pass


class Executed:
    """Would write a file if a reader did what its pickle says."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return exec, (f"open({self.path!r}, 'w').close()",)


def state(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {"fc.weight": torch.full((2, 3), value), "fc.bias": torch.zeros(2)}


def read(path, content, key=None, **how):
    torch.save(content, path, **how)
    return read_weights(path, key)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt", ".pkl", ".tar", ".pth.tar", ".best", ""])
@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_what_torch_saves_is_read_whatever_it_is_called(tmp_path, suffix, new):
    content = {"state_dict": state(), "args": argparse.Namespace(rate=0.1), "epoch": 3}
    weights = read(tmp_path / f"w{suffix}", content, _use_new_zipfile_serialization=new)
    assert torch.equal(weights.state["fc.weight"], state()["fc.weight"])


@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(rate=0.1, where=pathlib.Path("out")),
        np.float64(95.1),
        np.arange(3),
        {"best": np.int64(3), "history": [np.float32(1)]},
        OrderedDict(a=1),
        defaultdict(list, loss=[1.0]),
        pathlib.PurePosixPath("runs"),
        Phase.FIT,
        Settings(rate=0.1),
        torch.optim.SGD(nn.Linear(2, 2).parameters(), 0.1).state_dict(),
        torch.get_rng_state(),
        nn.CrossEntropyLoss(),
        np.random.default_rng(0).bit_generator.state,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_training_keeps_beside_weights_does_not_matter(tmp_path, beside):
    weights = read(
        tmp_path / "w.pth", {"model": state(), "beside": beside, "rng_state": torch.get_rng_state()}
    )
    assert list(weights.state) == ["fc.weight", "fc.bias"]
    assert [str(each) for each in weights.notices] == ["Note: of w.pth the weights under 'model' were taken"]


def test_nothing_is_executed(tmp_path):
    torch.save({"net": state(), "beside": Executed(tmp_path / "executed")}, tmp_path / "w.pth")
    torch.load(tmp_path / "w.pth", weights_only=False)
    assert (tmp_path / "executed").is_file()  # so the file would do it
    os.remove(tmp_path / "executed")
    allowed = torch.serialization.get_safe_globals()
    assert list(read_weights(tmp_path / "w.pth").state) == ["fc.weight", "fc.bias"]
    assert not (tmp_path / "executed").exists()
    assert torch.serialization.get_safe_globals() == allowed


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        ({"state_dict": state(1), "other": state(2)}, "state_dict"),
        ({"model_state_dict": state(1), "discriminator": state(2)}, "model_state_dict"),
        ({"net": state(1), "acc": 95.2}, "net"),
        ({"weights": state(1)}, "weights"),
        ({"student": state(1), "epoch": 1}, "student"),
        ({"model": {"state_dict": state(1)}, "epoch": 1}, "model.state_dict"),
        ({"checkpoint": {"model": state(1), "teacher": state(2)}}, "checkpoint.model"),
        ({"ema": state(1), "epoch": 1}, "ema"),
        ({"ema": {"module": state(1), "decay": 0.99}, "model": state(2)}, "ema.module"),
        ({"model": state(2), "model_ema": state(1)}, "model_ema"),
        ({"state_dict": state(2), "state_dict_ema": state(1)}, "state_dict_ema"),
        (
            {"state_dict": state(2), "ema_state_dict": state(1), "best_acc1": torch.tensor(9.0)},
            "ema_state_dict",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_weights_of_the_network_are_found(tmp_path, content, taken):
    weights = read(tmp_path / "w.pth", content)
    assert torch.equal(weights.state["fc.weight"], state(1)["fc.weight"])
    assert f"the weights under '{taken}' were taken" in weights.notices[0].message
    again = read(tmp_path / "w.pth", content, key=taken)
    assert torch.equal(again.state["fc.weight"], state(1)["fc.weight"])
    assert again.notices == ()


def test_an_average_that_differs_is_a_warning_and_one_that_does_not_is_none(tmp_path):
    (notice,) = read(tmp_path / "w.pth", {"state_dict": state(0), "state_dict_ema": state(1)}).notices
    assert notice.warning
    assert (
        "'state_dict_ema' were taken, an average (EMA) of those under 'state_dict', which differ"
        in notice.message
    )
    assert "--weights-key state_dict takes those" in notice.message
    (notice,) = read(tmp_path / "w.pth", {"state_dict": state(1), "state_dict_ema": state(1)}).notices
    assert (
        str(notice)
        == "Note: of w.pth the weights under 'state_dict_ema' were taken; it also holds state_dict"
    )
    wrapped = {"n_averaged": torch.tensor(3), **{f"module.{name}": value for name, value in state(1).items()}}
    (notice,) = read(tmp_path / "w.pth", {"model": state(1), "model_ema": wrapped}).notices
    assert not notice.warning
    last = read(tmp_path / "w.pth", {"state_dict": state(0), "state_dict_ema": state(1)}, key="state_dict")
    assert torch.equal(last.state["fc.weight"], state(0)["fc.weight"])


def test_a_plain_state_dict_needs_no_notice(tmp_path):
    assert read(tmp_path / "w.pth", state()).notices == ()
    mixed = read(tmp_path / "w.pth", {**state(), "epoch": 3})
    assert (list(mixed.state), mixed.notices) == (["fc.weight", "fc.bias"], ())


def test_a_key_may_be_what_names_begin_with(tmp_path):
    content = {
        "state_dict": {f"{who}.{name}": v for who in ("a", "b") for name, v in state(len(who)).items()}
    }
    assert list(read(tmp_path / "w.pth", content, key="state_dict.b").state) == ["fc.weight", "fc.bias"]
    with pytest.raises(InputError, match="holds no weights under 'state_dict.c'"):
        read(tmp_path / "w.pth", content, key="state_dict.c")
    with pytest.raises(InputError, match="holds no weights under 'epoch'"):
        read(tmp_path / "w.pth", {"model": state(), "epoch": 3}, key="epoch")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"generator": state(1), "critic": state(2)},
            "several sets of weights: generator, critic. Choose one with",
        ),
        ({"epoch": 3}, "holds no state dict .*, but a dict of epoch"),
        ({"optimizer": {"state": {0: state()}}}, "holds no state dict .*, but a dict of optimizer"),
        ([torch.zeros(2)], "holds no state dict .*, but a list"),
        (
            nn.Linear(2, 2),
            "A whole network was saved .Linear., which only its code can read: .*python:FILE.py",
        ),
        ({"model": nn.Linear(2, 2), "epoch": 1}, "A whole network was saved .Linear."),
    ],
)
def test_files_without_plain_weights_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path / "w.pth", content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"noise" * 50, "must be a .safetensors file or one that torch.save"),
        (b"", "must be a .safetensors file or one that torch.save"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_checkpoint(tmp_path / "w.pth")


def test_a_torchscript_program_is_named_as_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:  # as torch.jit.save lays it out
        archive.writestr("w/constants.pkl", b"")
        archive.writestr("w/data.pkl", b"")
    with pytest.raises(InputError, match="is a TorchScript program: load it in a function"):
        read_checkpoint(tmp_path / "w.pt")


def test_choosing_needs_no_file():
    assert choose_state({"net": state()}, pathlib.Path("w.pth")).state.keys() == state().keys()
