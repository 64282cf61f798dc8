"""ConvNeXt for small images."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.convnext import CNBlock, LayerNorm2d

from passband.models.blocks import Patches

LAYER_SCALE = 0.1
"""What each branch is multiplied with at first, as Touvron et al. 2021 (CaiT) have it for networks of up to 18 layers; the much
deeper original has 1e-6, and learns more slowly here."""


class ConvNeXt(nn.Module):
    """ConvNeXt for small images: patches of 2x2 pixels, three stages of two blocks, one linear layer.

    A block is torchvision's: a 7x7 convolution of each channel on its own, LayerNorm, and a hidden layer with four times
    as many units as there are channels. The original has patches of 4x4 pixels and four stages, which leave one pixel
    of 32x32; for such images three stages are usual, as in ResNets, and smaller patches. The original, with its
    weights, is `torchvision:convnext_tiny`.

    Args:
        num_classes: Number of outputs.
        in_channels: Channels of the images.
        dropout: Share of the pooled features to drop before the linear layer, while training.
        width: Channels of the first stage; the others have 2 and 4 times as many.

    Source:
        Liu et al. 2022 ("A ConvNet for the 2020s"); no network of the paper.
    """

    def __init__(self, *, num_classes: int, in_channels: int, dropout: float, width: int = 32) -> None:
        super().__init__()
        self.stem = Patches(in_channels, width, 2)
        layers: list[nn.Module] = [LayerNorm2d(width, eps=1e-6)]
        channels = width
        for stage in range(3):
            if stage > 0:
                layers += [LayerNorm2d(channels, eps=1e-6), Patches(channels, 2 * channels, 2)]
                channels *= 2
            layers += [CNBlock(channels, LAYER_SCALE, stochastic_depth_prob=0.0) for _ in range(2)]
        self.features = nn.Sequential(
            *layers,
            nn.AdaptiveAvgPool2d(1),
            LayerNorm2d(channels, eps=1e-6),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.classifier(self.features(self.stem(images)))
