"""How the weights of a new network are drawn."""

from __future__ import annotations

import math

import torch
from torch import nn


def initialize_xavier(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw the weights of all convolutions and linear layers after Glorot and Bengio, in place.

    Weights are uniform with variance `2 / (fan_in + fan_out)` (gain 1, also before a ReLU: so the paper's code has
    it), biases are 0, BatchNorm starts with scale 1, offset 0 and fresh running statistics.

    Gain 1 is what keeps residual networks without BatchNorm stable: a ReLU halves the mean square of what a branch
    reads, so a branch of two convolutions adds at most half of what comes in, and 15 blocks multiply the mean square
    by `1.25 ** 15`, about 28. With the gain for ReLUs (He et al. 2015) each block would double it.

    Args:
        model: The network.
        generator: Where the numbers come from; None is the global generator.

    Source:
        Wang et al. 2020, section 4.2: "weights are initialized with Xavier initialization".
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def initialize_as_released(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw weights as the paper's released code does: Xavier, but uniform unit scaling for linear layers, in place.

    Uniform unit scaling is uniform with variance `1 / fan_in`: it keeps the mean square of what comes in.

    Args:
        model: The network.
        generator: Where the numbers come from; None is the global generator.

    Source:
        HaohanWang/HFC, `scripts/resnet.py`: `uniform_unit_scaling_initializer(factor=1.0)`.
    """
    initialize_xavier(model, generator)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            bound = math.sqrt(3 / module.in_features)
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)


def initialize_by_default(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw weights and biases as torch's layers do on their own (He et al. 2015, with a gain of 1/sqrt(3)), in place.

    Args:
        model: The network.
        generator: Where the numbers come from; None is the global generator.
    """
    source = torch.default_generator if generator is None else generator
    with torch.random.fork_rng(devices=[]):  # layers draw from nowhere but the global generator
        torch.set_rng_state(source.get_state())
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                module.reset_parameters()
        drawn = torch.get_rng_state()
    source.set_state(drawn)
