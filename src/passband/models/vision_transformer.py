"""A vision transformer for small images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from passband.models.blocks import Patches

PATCH = 4
"""Pixels along a side of a patch: 8x8 of them on 32x32 pixels; the 16 of ImageNet's transformers would leave 2x2."""

BLOCKS = 6
HEADS = 4

TEMPERATURE = 10_000.0
"""The longest wave of a position's encoding is so many times the shortest."""


class VisionTransformer(nn.Module):
    """A plain vision transformer: patches of 4x4 pixels, six blocks of attention, the mean over all positions.

    Positions are encoded by fixed sines and cosines of row and column, which are computed for the grid at hand, so that
    images can have any size; there is no class token. Each block is `nn.TransformerEncoderLayer` with LayerNorm first:
    four heads, and a hidden layer with four times as many units as there are channels. Its cost grows with the fourth
    power of an image's side: attention compares all pairs of patches.

    Args:
        num_classes: Number of outputs.
        in_channels: Channels of the images.
        dropout: Share to drop, while training, of the attention's weights, the hidden units and what each branch adds.
        width: Channels of every position, a multiple of 4: four heads share them, and so do sine and cosine of row and
            column.

    Source:
        Dosovitskiy et al. 2021, as Beyer et al. 2022 simplify it ("Better plain ViT baselines for ImageNet-1k"); no
        network of the paper.
    """

    def __init__(self, *, num_classes: int, in_channels: int, dropout: float, width: int = 64) -> None:
        super().__init__()
        self.stem = Patches(in_channels, width, PATCH)
        blocks = (
            nn.TransformerEncoderLayer(
                width,
                HEADS,
                dim_feedforward=4 * width,
                dropout=dropout,
                activation="gelu",
                layer_norm_eps=1e-6,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(BLOCKS)
        )
        self.features = nn.Sequential(*blocks, nn.LayerNorm(width, eps=1e-6))
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        maps = self.stem(images)
        positions = encode_positions(*maps.shape[-2:], maps.shape[1]).to(maps.device, self.stem.weight.dtype)
        tokens = maps.flatten(2).transpose(1, 2) + positions  # (batch, rows * columns, width)
        return self.classifier(self.features(tokens).mean(1))


def encode_positions(rows: int, columns: int, width: int) -> Float[Tensor, "positions {width}"]:
    """Return what is added to the patches of a grid, row by row, so that a transformer can tell where each is.

    A quarter of the channels each are sines of the column, cosines of it, sines of the row, and cosines of it, counted
    from 0, at angular frequencies that fall geometrically from 1 to 1/10,000.

    Args:
        rows: Of the grid.
        columns: Of the grid.
        width: Channels, a multiple of 4.

    Returns:
        The encoding (rows * columns, width), in [-1, 1].

    Example:
        >>> encode_positions(1, 2, 4)
        tensor([[0.0000, 1.0000, 0.0000, 1.0000],
                [0.8415, 0.5403, 0.0000, 1.0000]])

    Source:
        Beyer et al. 2022 (google-research/big_vision, `posemb_sincos_2d`).
    """
    frequencies = TEMPERATURE ** -torch.linspace(0, 1, width // 4)
    row, column = torch.arange(rows), torch.arange(columns)
    down = (row[:, None] * frequencies).repeat_interleave(columns, 0)
    across = (column[:, None] * frequencies).repeat(rows, 1)
    return torch.cat([across.sin(), across.cos(), down.sin(), down.cos()], 1)
