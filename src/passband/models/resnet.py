"""Residual networks: ResNet-18 as the paper names it, and the network of the paper's released code."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from passband.models.blocks import activated, convolution, normalization


class ResNet18(nn.Module):
    """ResNet-18 for small images: a 3x3 first layer without pooling, four stages of two blocks, one linear layer.

    Args:
        num_classes: Number of outputs.
        in_channels: Channels of the images.
        batch_norm: BatchNorm after each convolution; without it the convolutions have biases.
        dropout: Share of the pooled features to drop before the linear layer, while training.
        width: Channels of the first stage; the others have 2, 4 and 8 times as many.

    Source:
        He et al. 2016a, section 4.2, and section 4.2 of the paper: "We use ResNet-18 for CIFAR10".
    """

    def __init__(
        self, *, num_classes: int, in_channels: int, batch_norm: bool, dropout: float, width: int = 64
    ) -> None:
        super().__init__()
        self.stem = convolution(in_channels, width, batch_norm=batch_norm)
        blocks: list[nn.Module] = [activated(width, batch_norm)]
        channels = width
        for stage in range(4):
            for block in range(2):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(channels, width * 2**stage, stride, batch_norm))
                channels = width * 2**stage
        self.features = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.classifier(self.features(self.stem(images)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int, batch_norm: bool) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            convolution(in_channels, channels, stride=stride, batch_norm=batch_norm),
            activated(channels, batch_norm),
            convolution(channels, channels, batch_norm=batch_norm),
            normalization(channels, batch_norm),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                convolution(in_channels, channels, 1, stride=stride, batch_norm=batch_norm),
                normalization(channels, batch_norm),
            )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (batch, channels, height / stride, width / stride)."""
        return F.relu(self.branch(maps) + self.shortcut(maps))


class PreActivationResNet(nn.Module):
    """The residual network of the paper's released code: 6n + 2 layers, activation before each convolution.

    Three stages of n blocks, with `width`, 2 and 4 times as many channels; where a stage begins, the shortcut is
    averaged over 2x2 pixels and padded with empty channels on both sides, so that shortcuts have no weights. It differs
    from the code in two points: convolutions without BatchNorm have a bias (there they have none), and odd heights and
    widths are rounded up.

    Args:
        num_classes: Number of outputs.
        in_channels: Channels of the images.
        batch_norm: BatchNorm before each activation; without it the convolutions have biases.
        dropout: Share of the pooled features to drop before the linear layer, while training.
        width: Channels of the first stage.
        blocks: Blocks in each stage, n: 1 makes 8 layers; 5 makes 32, the network of the released code.

    Source:
        He et al. 2016b; the released code of the paper (HaohanWang/HFC, `scripts/resnet.py`), where n is 5.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        batch_norm: bool,
        dropout: float,
        width: int = 16,
        blocks: int,
    ) -> None:
        super().__init__()
        self.stem = convolution(in_channels, width, batch_norm=batch_norm)
        layers: list[nn.Module] = [activated(width, batch_norm)]
        for stage in range(3):
            for block in range(blocks):
                channels = width * 2**stage
                if stage > 0 and block == 0:
                    layers.append(PreActivationBlock(channels // 2, channels, batch_norm))
                else:  # what the stem gives is already activated
                    already = stage == 0 and block == 0
                    layers.append(PreActivationBlock(channels, channels, batch_norm, activate=not already))
        self.features = nn.Sequential(
            *layers,
            activated(4 * width, batch_norm),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.classifier(self.features(self.stem(images)))


class PreActivationBlock(nn.Module):
    """Activation and 3x3 convolution, twice, beside a shortcut without weights.

    Args:
        in_channels: Channels that come in.
        channels: Channels that go out: as many, or twice as many at half the height and width.
        batch_norm: BatchNorm before each activation.
        activate: Off for the very first block of a network, whose input is activated already.
    """

    def __init__(self, in_channels: int, channels: int, batch_norm: bool, *, activate: bool = True) -> None:
        super().__init__()
        self.added = channels - in_channels
        self.branch = nn.Sequential(
            activated(in_channels, batch_norm) if activate else nn.Identity(),
            convolution(in_channels, channels, stride=2 if self.added else 1, batch_norm=batch_norm),
            activated(channels, batch_norm),
            convolution(channels, channels, batch_norm=batch_norm),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (batch, channels, height, width), or half that height and width, rounded up."""
        shortcut = maps
        if self.added:
            shortcut = F.avg_pool2d(maps, 2, ceil_mode=True)  # a window over the edge averages what is inside
            before = self.added // 2
            shortcut = F.pad(shortcut, (0, 0, 0, 0, before, self.added - before))
        return self.branch(maps) + shortcut


RESNET8 = partial(PreActivationResNet, blocks=1)
RESNET14 = partial(PreActivationResNet, blocks=2)
RESNET20 = partial(PreActivationResNet, blocks=3)
RESNET32 = partial(PreActivationResNet, blocks=5)
