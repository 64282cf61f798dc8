from __future__ import annotations

import pytest
import torch
from torch import nn

from passband.models.catalog import build_model
from passband.models.initialize import (
    initialize_as_released,
    initialize_by_default,
    initialize_xavier,
)
from passband.models.networks import INITIALIZATIONS


def test_variance_is_two_over_fan_in_plus_fan_out():
    convolution, linear = nn.Conv2d(20, 60, 3), nn.Linear(300, 100)
    initialize_xavier(nn.ModuleList([convolution, linear]), torch.Generator().manual_seed(0))
    assert convolution.weight.var().item() == pytest.approx(2 / (9 * 20 + 9 * 60), rel=0.05)
    assert linear.weight.var().item() == pytest.approx(2 / 400, rel=0.05)
    assert convolution.weight.abs().max() <= (6 / (9 * 20 + 9 * 60)) ** 0.5  # uniform
    assert not convolution.bias.any()
    assert not linear.bias.any()


def test_batch_norm_starts_afresh():
    norm = nn.BatchNorm2d(3)
    norm(torch.rand(4, 3, 5, 5) + 7)
    nn.init.constant_(norm.weight, 5)
    initialize_xavier(nn.Sequential(norm, nn.Conv2d(3, 3, 1, bias=False)))
    assert norm.weight.tolist() == [1, 1, 1]
    assert norm.running_mean.tolist() == [0, 0, 0]
    assert norm.num_batches_tracked == 0


def test_the_released_code_scales_linear_layers_by_their_inputs():
    convolution, linear = nn.Conv2d(20, 60, 3), nn.Linear(300, 100)
    initialize_as_released(nn.ModuleList([convolution, linear]), torch.Generator().manual_seed(0))
    assert convolution.weight.var().item() == pytest.approx(2 / (9 * 20 + 9 * 60), rel=0.05)
    assert linear.weight.var().item() == pytest.approx(1 / 300, rel=0.05)
    assert linear.weight.abs().max() <= (3 / 300) ** 0.5  # uniform
    assert not linear.bias.any()


def test_the_default_is_that_of_torch():
    torch.manual_seed(3)
    expected = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Linear(5, 6)])
    model = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Linear(5, 6)])
    before = torch.get_rng_state()
    initialize_by_default(model, torch.Generator().manual_seed(3))
    for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_generator_the_default_draws_from_the_global_one():
    model = nn.Linear(3, 3)
    initialize_by_default(model)
    first = model.weight.clone()
    initialize_by_default(model)
    assert not torch.equal(model.weight, first)


@pytest.mark.parametrize("name", sorted(INITIALIZATIONS))
def test_the_seed_decides_every_initialization(name):
    first, again, other = (
        build_model("lenet", initialization=name, seed=seed).get_parameter("classifier.weight")
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_initializations_differ():
    weights = {
        build_model("lenet", initialization=name, seed=1).get_parameter("classifier.weight").std().item()
        for name in INITIALIZATIONS
    }
    assert len(weights) == 3
