from __future__ import annotations

import copy

import pytest
import torch

from helpers import bright_sides
from passband.errors import InputError
from passband.models.catalog import build_model
from passband.train import learner as learner_module
from passband.train.config import RunConfig
from passband.train.learner import Learner, start_fabric
from passband.train.loop import fit
from passband.train.optimizers import OPTIMIZERS

CONFIG = RunConfig("sides", batch_size=20, learning_rate=1e-3, epochs=2)


def learner(seed: int = 0, **values) -> Learner:
    network = build_model("resnet8", width=4, num_classes=3, batch_norm=True, seed=seed)
    return Learner(start_fabric("cpu"), network, RunConfig("sides", **values), bright_sides(40, size=16))


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_a_state_that_is_loaded_goes_on_as_the_one_that_was_saved(optimizer):
    data = bright_sides(40, size=16)
    settings = {"optimizer": optimizer, "batch_size": 20, "epochs": 2}
    first, second = learner(**settings), learner(seed=9, **settings)
    fit(first, data, RunConfig("sides", **{**settings, "epochs": 1}))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for each in (first, second):
        fit(each, data, RunConfig("sides", **settings), done=1)
    states = [each.network.state_dict() for each in (first, second)]
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def test_the_network_is_trained_in_place_and_named_as_before():
    network = build_model("lenet", num_classes=3, seed=0)
    names = list(network.state_dict())
    made = Learner(start_fabric("cpu"), network, CONFIG, bright_sides(40))
    before = network.get_parameter("stem.weight").clone()
    fit(made, bright_sides(40), CONFIG)
    assert list(made.state_dict()["network"]) == names
    assert not torch.equal(network.get_parameter("stem.weight"), before)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "quantum"}, "device must be 'auto', 'cpu'"),
        ({"device": "cpu", "devices": 0}, "devices must be at least 1, got 0"),
        ({"device": "cpu", "precision": "16-mixed"}, "precision '16-mixed' needs a GPU"),
    ],
)
def test_devices_that_cannot_be_had_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        start_fabric(**arguments)


def test_one_device_cannot_be_two(monkeypatch):
    monkeypatch.setattr(learner_module, "choose_device", lambda name: torch.device(name))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="the device 'cuda:0' is one, and 2 were asked for"):
        start_fabric("cuda:0", devices=2)
    with pytest.raises(InputError, match="this machine has 1 CUDA devices, and 2 were asked for"):
        start_fabric("cuda", devices=2)


def test_a_cluster_that_this_process_runs_in_does_not_count(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    fabric = start_fabric("cpu")
    assert (fabric.world_size, fabric.global_rank) == (1, 0)
