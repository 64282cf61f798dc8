"""AlexNet for small images."""

from __future__ import annotations

from torch import Tensor, nn

from passband.models.blocks import activated, convolution, hidden_layer


class AlexNet(nn.Module):
    """AlexNet's five convolutions and three fully connected layers, with a first layer that fits small images.

    The original first layer (11x11, stride 4) leaves nothing of a 28x28 image; here it is 5x5 with stride 1, and the
    fully connected layers have 1024 units instead of 4096. Pooling overlaps, as in the original. Local response
    normalization is left out. The original, with its weights, is `torchvision:alexnet`.

    Args:
        num_classes: Number of outputs.
        in_channels: Channels of the images.
        batch_norm: BatchNorm after each convolution.
        dropout: Share of the fully connected layers' units to drop while training (0.5 in the original).
        width: Channels of the first convolution; all other layers keep their proportion to it.

    Source:
        Krizhevsky et al. 2012; one of the architectures that section 5 of the paper compares.
    """

    def __init__(
        self, *, num_classes: int, in_channels: int, batch_norm: bool, dropout: float, width: int = 64
    ) -> None:
        super().__init__()
        self.stem = convolution(in_channels, width, 5, batch_norm=batch_norm)
        self.features = nn.Sequential(
            activated(width, batch_norm),
            nn.MaxPool2d(3, stride=2, padding=1),
            convolution(width, 3 * width, 5, batch_norm=batch_norm),
            activated(3 * width, batch_norm),
            nn.MaxPool2d(3, stride=2, padding=1),
            convolution(3 * width, 6 * width, batch_norm=batch_norm),
            activated(6 * width, batch_norm),
            convolution(6 * width, 4 * width, batch_norm=batch_norm),
            activated(4 * width, batch_norm),
            convolution(4 * width, 4 * width, batch_norm=batch_norm),
            activated(4 * width, batch_norm),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            hidden_layer(64 * width, 16 * width, dropout),
            hidden_layer(16 * width, 16 * width, dropout),
        )
        self.classifier = nn.Linear(16 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.classifier(self.features(self.stem(images)))
