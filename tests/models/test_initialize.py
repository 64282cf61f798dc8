from __future__ import annotations

import pytest
import torch
from torch import nn

from passband.models.blocks import Patches
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


def test_layers_are_drawn_as_torch_draws_them():
    layers = nn.ModuleList(
        [nn.Conv2d(3, 8, 5, stride=2), nn.Linear(7, 9), nn.Conv2d(8, 6, 1), nn.Conv2d(4, 4, 1, stride=2)]
    )
    initialize_xavier(layers, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    for layer in layers:
        expected = nn.init.xavier_uniform_(torch.empty_like(layer.weight), generator=generator)
        assert torch.equal(layer.weight, expected)


def test_fan_out_counts_the_outputs_that_a_number_goes_into():
    patches, channelwise = Patches(20, 60, 4), nn.Conv2d(300, 300, 7, groups=300)
    grouped = nn.Conv2d(64, 192, 3, groups=4)
    initialize_xavier(nn.ModuleList([patches, channelwise, grouped]), torch.Generator().manual_seed(0))
    assert patches.weight.var().item() == pytest.approx(2 / (20 * 16 + 60), rel=0.05)
    assert channelwise.weight.var().item() == pytest.approx(1 / 49, rel=0.05)
    assert grouped.weight.var().item() == pytest.approx(2 / (9 * 16 + 9 * 48), rel=0.05)


@pytest.mark.parametrize("initialize", [initialize_xavier, initialize_as_released])
def test_patches_have_the_biases_of_torch(initialize):
    patches = Patches(3, 3000, 2)
    initialize(nn.Sequential(patches), torch.Generator().manual_seed(0))
    assert patches.bias.abs().max().item() == pytest.approx(12**-0.5, rel=0.01)
    assert patches.bias.var().item() == pytest.approx(1 / 36, rel=0.05)


@pytest.mark.parametrize("initialize", [initialize_xavier, initialize_as_released])
def test_queries_keys_and_values_are_three_linear_layers(initialize):
    attention = nn.MultiheadAttention(96, 4)
    nn.init.constant_(attention.in_proj_bias, 1)
    initialize(nn.Sequential(attention), torch.Generator().manual_seed(0))
    for part in (*attention.in_proj_weight.chunk(3), attention.out_proj.weight):
        assert part.var().item() == pytest.approx(1 / 96, rel=0.05)
        assert part.abs().max() <= (3 / 96) ** 0.5
    assert not attention.in_proj_bias.any()
    assert not attention.out_proj.bias.any()


def test_attention_has_the_default_of_torch_too():
    torch.manual_seed(3)
    attention = nn.MultiheadAttention(96, 4)
    nn.init.constant_(attention.in_proj_weight, 0)
    initialize_by_default(nn.Sequential(attention), torch.Generator().manual_seed(3))
    assert attention.in_proj_weight.var().item() == pytest.approx(2 / (96 + 3 * 96), rel=0.05)
    assert attention.out_proj.weight.var().item() == pytest.approx(1 / (3 * 96), rel=0.05)
    assert not attention.in_proj_bias.any()
    assert not attention.out_proj.bias.any()


@pytest.mark.parametrize("initialize", [initialize_xavier, initialize_as_released, initialize_by_default])
def test_layer_norm_starts_afresh(initialize):
    norm = nn.LayerNorm(3)
    nn.init.constant_(norm.weight, 5)
    nn.init.constant_(norm.bias, 5)
    initialize(nn.Sequential(norm))
    assert (norm.weight.tolist(), norm.bias.tolist()) == ([1, 1, 1], [0, 0, 0])


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
