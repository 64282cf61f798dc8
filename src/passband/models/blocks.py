"""The few layers that all networks here are made of.

Every network has its first convolution in `stem` and its last layer in `classifier`; so the number of channels, width
and classes of a file of weights can be read off its shapes.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from passband.errors import InputError


def convolution(
    in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, batch_norm: bool
) -> nn.Conv2d:
    """Return a convolution that keeps height and width (up to `stride`); with BatchNorm after it, it has no bias."""
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=not batch_norm
    )


class Patches(nn.Conv2d):
    """A convolution of patches: squares side by side, each of which becomes one pixel.

    Height and width are rounded up. What is missing from the last patches, at the bottom and on the right, is 0: without
    that, a size that is no multiple of a patch's would lose pixels at the edge.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        side: Of a patch, in pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, side: int) -> None:
        super().__init__(in_channels, out_channels, side, stride=side)

    def forward(self, input: Tensor) -> Tensor:
        """Return maps (batch, out_channels, height / side, width / side)."""
        (height, width), (down, across) = input.shape[-2:], self.stride
        return super().forward(F.pad(input, (0, -width % across, 0, -height % down)))


def normalization(channels: int, batch_norm: bool) -> nn.Module:
    """Return BatchNorm where it is wanted, else nothing at all."""
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


def activated(channels: int, batch_norm: bool) -> nn.Sequential:
    """Return what follows a convolution: BatchNorm where it is wanted, and a ReLU."""
    return nn.Sequential(normalization(channels, batch_norm), nn.ReLU())


def hidden_layer(in_features: int, out_features: int, dropout: float) -> nn.Sequential:
    """Return a fully connected layer with ReLU and dropout (the paper's heuristic: 0.5 on these layers)."""
    return nn.Sequential(nn.Linear(in_features, out_features), nn.ReLU(), nn.Dropout(dropout))


def set_batch_norm(model: nn.Module, *, batch_statistics: bool = False, fixed_affine: bool = False) -> None:
    """Make a network's BatchNorm differ from the usual one, in place.

    Args:
        model: A network with BatchNorm.
        batch_statistics: Normalize with the statistics of the current batch at test too, as the paper's released
            code does. An answer then depends on the other images of its batch, and components are normalized anew.
        fixed_affine: Keep scale 1 and offset 0, as the paper's text can be read (section 5.1), and train neither.
    """
    for module in model.modules():
        if not isinstance(module, nn.BatchNorm2d):
            continue
        if batch_statistics:
            module.track_running_stats = False
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                module.register_buffer(name, None)
        if fixed_affine:
            module.affine = False
            for name in ("weight", "bias"):
                module.register_parameter(name, None)


def check_batch_norm(batch_norm: bool, *, batch_statistics: bool, fixed_affine: bool) -> None:
    """Refuse a special BatchNorm where there is none.

    Raises:
        InputError: If a network without BatchNorm is asked for one of its options.
    """
    for name, asked in (("batch_statistics", batch_statistics), ("fixed_affine", fixed_affine)):
        if asked and not batch_norm:
            raise InputError(
                f"{name} says how BatchNorm works, and the network has none. Switch BatchNorm on "
                f"(batch_norm=True, --batch-norm), or leave {name} out."
            )
