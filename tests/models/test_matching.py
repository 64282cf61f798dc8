from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from passband.errors import InputError
from passband.models.matching import Pairing, counted, pair_by_name, pair_by_order


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.fc = nn.Linear(4, 4, bias=False)


class Holds(nn.Module):
    """A network that has its body under a name that wrappers use as well."""

    def __init__(self, name):
        super().__init__()
        self.add_module(name, Net())
        self.head = nn.Linear(4, 2)


def start(text, state):
    return {text + name: value for name, value in state.items()}


def pair(network, given, way=pair_by_name):
    found = way(counted(network.state_dict()), counted(given))
    assert isinstance(found, Pairing), found
    return found


def check(network, source, given):
    """Every tensor that the network gets is that of `source`, which has the network's own names."""
    found = pair(network, given)
    own = counted(source.state_dict())
    assert found.state.keys() == own.keys()
    assert all(found.state[name] is given[theirs] for name, theirs in zip(own, counted(given), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "module.",
        "_orig_mod.",
        "_orig_mod.module.",
        "module._orig_mod.",
        "model.",
        "model.module.",
        "a.b.",
    ],
)
def test_names_of_wrapped_networks_are_those_of_the_network(text):
    check(Net(), Net(), start(text, Net().state_dict()))


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, lambda net: torch.compile(net, backend="eager"), AveragedModel]
)
def test_wrapped_networks_take_files_of_plain_ones_and_their_own(wrap):
    plain, wrapped = Net(), wrap(Net())
    for network, given in ((plain, wrapped), (wrapped, plain), (wrapped, wrapped), (plain, plain)):
        check(network, network, given.state_dict())


def test_a_part_of_a_network_may_be_wrapped():
    source = Net()
    source.features = nn.DataParallel(source.features)
    assert "features.module.0.weight" in source.state_dict()
    check(Net(), Net(), source.state_dict())


@pytest.mark.parametrize("name", ["module", "model", "_orig_mod"])
@pytest.mark.parametrize("text", ["", "module.", "model.", "_orig_mod."])
def test_a_network_may_have_such_a_name_itself(name, text):
    check(Holds(name), Holds(name), start(text, Holds(name).state_dict()))


def test_a_network_may_hold_the_one_that_was_saved():
    network = nn.ModuleDict({"model": Net()})
    check(network, network, Net().state_dict())


def test_what_a_training_class_has_beside_its_network_is_left_out():
    given = {**start("model.", Net().state_dict()), "loss.weight": torch.ones(4)}
    found = pair(Net(), given)
    assert (found.start, found.left_out) == ("model.", ("loss.weight",))
    assert found.state["fc.weight"] is given["model.fc.weight"]


def test_several_such_networks_are_refused():
    given = {**start("model.", Net().state_dict()), **start("ema_model.", Net().state_dict())}
    with pytest.raises(
        InputError, match="whose names begin with ema_model., model.: choose with --weights-key"
    ):
        pair_by_name(counted(Net().state_dict()), counted(given))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {k: v for k, v in state.items() if k != "fc.weight"},
        lambda state: {**state, "more.weight": torch.zeros(2)},
        lambda state: start("model.", {**state, "more.weight": torch.zeros(2)}),
        lambda state: {("model." + k if k.startswith("features") else k): v for k, v in state.items()},
        lambda state: {**state, **start("module.", state)},  # two for each name
        lambda state: {k.replace(".", "_"): v for k, v in state.items()},
        lambda state: {},
    ],
)
def test_names_that_do_not_fit_are_no_pairs(change):
    assert pair_by_name(counted(Net().state_dict()), counted(change(Net().state_dict()))) is None


def test_counters_do_not_count():
    counters = {
        "total_ops": torch.zeros(1),
        "features.0.total_params": torch.zeros(1),
        "n_averaged": torch.tensor(3),
    }
    check(Net(), Net(), counted({**Net().state_dict(), **counters}))


def renamed(state):
    return {
        f"layer_{20 - i}.{name.rpartition('.')[2]}": value for i, (name, value) in enumerate(state.items())
    }


def test_order_pairs_by_position():
    given = counted(renamed(Net().state_dict()))
    found = pair(Net(), given, pair_by_order)
    assert all(a is b for a, b in zip(found.state.values(), given.values(), strict=True))


def without_biases():
    return nn.Sequential(*(nn.Conv2d(4, 4, 3, bias=False) for _ in range(12)))


@pytest.mark.parametrize(
    ("network", "given", "why"),
    [
        # what safetensors make of a file: BatchNorm's bias before its weight, layer 10 before layer 2
        (
            Net().features,
            dict(sorted(start("m", Net().features.state_dict()).items())),
            "m0.bias would become 0.weight",
        ),
        (
            without_biases(),
            dict(sorted(start("m_", without_biases().state_dict()).items())),
            "sorted by the alphabet",
        ),
        (Net(), start("m_", nn.Linear(2, 2).state_dict()), "holds 2 tensors and the network 7"),
        (
            nn.Linear(2, 3),
            {"a.weight": torch.zeros(3, 2, 1, 1), "a.bias": torch.zeros(3)},
            r"shape \(3, 2, 1, 1\) where",
        ),
    ],
)
def test_order_that_says_nothing_is_refused(network, given, why):
    found = pair_by_order(counted(network.state_dict()), counted(given))
    assert isinstance(found, str)
    assert re.search(why, found)


def test_a_sorted_file_whose_tensors_all_differ_cannot_be_mistaken():
    network = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 4, bias=False))
    pair(network, {"a.weight": torch.zeros(3, 2), "b.weight": torch.zeros(4, 3)}, pair_by_order)
