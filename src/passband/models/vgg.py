"""VGG."""

from __future__ import annotations

from functools import partial
from typing import Literal

from torch import Tensor, nn

from passband.models.blocks import activated, convolution, hidden_layer

STAGES: dict[int, tuple[tuple[int, ...], ...]] = {
    11: ((1,), (2,), (4, 4), (8, 8), (8, 8)),
    16: ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8)),
}
"""Channels of each convolution as multiples of `width`, by stage; each stage ends in a 2x2 maximum."""


class VGG(nn.Module):
    """VGG with 11 or 16 layers (configurations A and D): 3x3 convolutions, then three fully connected layers.

    For images of any size the last maps are averaged to one value a channel, and the two hidden layers have 512 units,
    as is usual for small images; the original reads 7x7 maps into 4096 units. The original, with its weights, is
    `torchvision:vgg11` or `torchvision:vgg16`.

    Args:
        num_classes: Number of outputs.
        in_channels: Channels of the images.
        batch_norm: BatchNorm after each convolution.
        dropout: Share of the fully connected layers' units to drop while training (0.5 in the original).
        width: Channels of the first convolution; all other layers keep their proportion to it.
        depth: 11 or 16.

    Source:
        Simonyan and Zisserman 2015; one of the architectures that section 5 of the paper compares.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        batch_norm: bool,
        dropout: float,
        width: int = 64,
        depth: Literal[11, 16],
    ) -> None:
        super().__init__()
        self.stem = convolution(in_channels, width, batch_norm=batch_norm)
        layers: list[nn.Module] = [activated(width, batch_norm)]
        channels = width
        for stage, multiples in enumerate(STAGES[depth]):
            for multiple in multiples[1:] if stage == 0 else multiples:  # the very first one is the stem
                layers += [
                    convolution(channels, multiple * width, batch_norm=batch_norm),
                    activated(multiple * width, batch_norm),
                ]
                channels = multiple * width
            layers.append(
                nn.MaxPool2d(2, ceil_mode=True)
            )  # rounded up, or nothing would be left of 28 pixels
        self.features = nn.Sequential(
            *layers,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            hidden_layer(channels, channels, dropout),
            hidden_layer(channels, channels, dropout),
        )
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.classifier(self.features(self.stem(images)))


VGG11 = partial(VGG, depth=11)
VGG16 = partial(VGG, depth=16)
