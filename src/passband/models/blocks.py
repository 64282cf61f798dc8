"""The few layers that all networks here are made of.

Every network has its first convolution in `stem` and its last layer in `classifier`; so the number of channels, width
and classes of a file of weights can be read off its shapes.
"""

from __future__ import annotations

from torch import nn


def convolution(
    in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, batch_norm: bool
) -> nn.Conv2d:
    """Return a convolution that keeps height and width (up to `stride`); with BatchNorm after it, it has no bias."""
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=not batch_norm
    )


def normalization(channels: int, batch_norm: bool) -> nn.Module:
    """Return BatchNorm where it is wanted, else nothing at all."""
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


def activated(channels: int, batch_norm: bool) -> nn.Sequential:
    """Return what follows a convolution: BatchNorm where it is wanted, and a ReLU."""
    return nn.Sequential(normalization(channels, batch_norm), nn.ReLU())


def hidden_layer(in_features: int, out_features: int, dropout: float) -> nn.Sequential:
    """Return a fully connected layer with ReLU and dropout (the paper's heuristic: 0.5 on these layers)."""
    return nn.Sequential(nn.Linear(in_features, out_features), nn.ReLU(), nn.Dropout(dropout))
