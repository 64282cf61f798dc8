from __future__ import annotations

import pytest
import torch
from torch import nn

from passband.models.initialize import initialize_xavier


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
