"""How the weights of a new network are drawn."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from passband.models.blocks import Patches


def initialize_xavier(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw the weights of all convolutions and linear layers after Glorot and Bengio, in place.

    Weights are uniform with variance `2 / (fan_in + fan_out)` (gain 1, also before a ReLU: so the paper's code has
    it), biases are 0, BatchNorm and LayerNorm start with scale 1 and offset 0, BatchNorm with fresh running statistics.

    `fan_in` is how many numbers an output is made of, `fan_out` how many outputs a number goes into. So a convolution of
    patches, which do not overlap, is drawn as the linear layer that it is, one of each channel on its own as one channel,
    and an attention's queries, keys and values as three linear layers. What scales the branches of a ConvNeXt stays.

    Only biases of patches are not 0 but uniform within `1 / sqrt(fan_in)`, as torch has them. In a ConvNeXt LayerNorm follows
    them, whose slope is a thousand where all channels are 0, as a black patch would make them: the first gradient on
    pictures with a black background would be so large that SGD does not recover from it.

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
            _draw(module.weight, 2 / _fans(module), generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
                if isinstance(module, Patches):
                    _draw(module.bias, 1 / (3 * module.weight[0].numel()), generator)
        elif isinstance(module, nn.MultiheadAttention):  # its output is a linear layer of its own
            _draw(module.in_proj_weight, 1 / module.embed_dim, generator)
            nn.init.zeros_(module.in_proj_bias)
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
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
            _draw(module.weight, 1 / module.in_features, generator)


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
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.LayerNorm):
                module.reset_parameters()
        for module in model.modules():
            if isinstance(module, nn.MultiheadAttention):  # after its linear layer, whose bias it sets to 0
                module._reset_parameters()
        drawn = torch.get_rng_state()
    source.set_state(drawn)


def _draw(weight: Tensor, variance: float, generator: torch.Generator | None) -> None:
    """Fill a weight with numbers that are uniform around 0."""
    bound = math.sqrt(3 * variance)
    nn.init.uniform_(weight, -bound, bound, generator=generator)


def _fans(layer: nn.Conv2d | nn.Linear) -> int:
    """Return how many numbers an output of a layer is made of, and how many outputs a number goes into, together."""
    fan_in = layer.weight[0].numel()
    if isinstance(layer, nn.Linear):
        return fan_in + layer.out_features
    overlapping = layer.stride != layer.kernel_size
    fan_out = layer.out_channels // layer.groups * (math.prod(layer.kernel_size) if overlapping else 1)
    return fan_in + fan_out
