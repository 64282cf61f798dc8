from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from passband.models.catalog import build_model
from passband.models.initialize import initialize_xavier
from passband.models.resnet import PreActivationBlock, PreActivationResNet


def as_released(images: Tensor, convolutions: list[tuple[Tensor, Tensor]], blocks: int) -> Tensor:
    """The network of the paper's released code, up to the pooled features, written out step by step."""
    rest = iter(convolutions)

    def convolve(maps, stride=1):
        weight, bias = next(rest)
        return F.conv2d(maps, weight, bias, stride=stride, padding=1)

    maps = F.relu(convolve(images))
    for stage in range(3):
        for block in range(blocks):
            first = stage == 0 and block == 0
            shrinks = stage > 0 and block == 0
            branch = convolve(maps if first else F.relu(maps), stride=2 if shrinks else 1)
            branch = convolve(F.relu(branch))
            if shrinks:
                empty = torch.zeros_like(F.avg_pool2d(maps, 2)[:, : maps.shape[1] // 2])
                maps = torch.cat([empty, F.avg_pool2d(maps, 2), empty], dim=1)
            maps = maps + branch
    return F.relu(maps).mean((2, 3))


@pytest.mark.parametrize(("name", "blocks"), [("resnet8", 1), ("resnet14", 2), ("resnet32", 5)])
def test_pre_activation_network_is_that_of_the_released_code(name, blocks):
    model = build_model(name, seed=0).double().eval()
    convolutions = [
        (module.weight, module.bias) for module in model.modules() if isinstance(module, torch.nn.Conv2d)
    ]
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    expected = model.get_submodule("classifier")(as_released(images, convolutions, blocks))
    torch.testing.assert_close(model(images), expected)


def test_shortcut_of_an_odd_map_averages_what_is_there():
    block = PreActivationBlock(2, 4, batch_norm=False)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    out = block(torch.ones(1, 2, 5, 7))
    assert out.shape == (1, 4, 3, 4)
    assert out[0, :, 0, 0].tolist() == [0, 1, 1, 0]
    assert out[0, 1].unique().tolist() == [1]  # at the edge too


@pytest.mark.parametrize("blocks", [1, 5])
def test_activations_do_not_explode_without_batch_norm(blocks):
    model = PreActivationResNet(num_classes=10, in_channels=3, batch_norm=False, dropout=0.0, blocks=blocks)
    initialize_xavier(model, torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(torch.rand(16, 3, 32, 32))
    assert 0.01 < logits.std() < 3
