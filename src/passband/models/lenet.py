"""LeNet."""

from __future__ import annotations

from torch import Tensor, nn

from passband.models.blocks import activated, convolution, hidden_layer


class LeNet(nn.Module):
    """LeNet-5 with ReLUs and max pooling: two 5x5 convolutions and three fully connected layers.

    On 28x28 images the layers have LeNet-5's sizes (6 and 16 channels, 5x5 maps, 120 and 84 units). Larger images are
    brought to 5x5 maps by averaging before the fully connected layers.

    Args:
        num_classes: Number of outputs.
        in_channels: Channels of the images.
        batch_norm: BatchNorm after each convolution.
        dropout: Share of the fully connected layers' units to drop while training.
        width: Channels of the first convolution; all other layers keep their proportion to it.

    Source:
        LeCun et al. 1998; one of the architectures that section 5 of the paper compares.
    """

    def __init__(
        self, *, num_classes: int, in_channels: int, batch_norm: bool, dropout: float, width: int = 6
    ) -> None:
        super().__init__()
        second = 8 * width // 3
        self.stem = convolution(in_channels, width, 5, batch_norm=batch_norm)
        self.features = nn.Sequential(
            activated(width, batch_norm),
            nn.MaxPool2d(2),
            nn.Conv2d(width, second, 5, bias=not batch_norm),
            activated(second, batch_norm),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(5),
            nn.Flatten(),
            hidden_layer(25 * second, 20 * width, dropout),
            hidden_layer(20 * width, 14 * width, dropout),
        )
        self.classifier = nn.Linear(14 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.classifier(self.features(self.stem(images)))
