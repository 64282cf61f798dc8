"""The augmentation of the paper's released code: two empty pixels around an image, a random crop, a random flip."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor

from passband.types import ByteImages

PADDING = 2  # pixels on each side: HaohanWang/HFC, adversarial training


def crop_and_flip(
    images: ByteImages, corners: Int64[Tensor, "samples 2"], flipped: Bool[Tensor, " samples"]
) -> ByteImages:
    """Pad images with zeros, cut windows of the original size out of them, and mirror some.

    Args:
        images: A batch.
        corners: Row and column of each window in its padded image, 0 to `2 * PADDING`; `PADDING` is the image itself.
        flipped: Which windows to mirror, left to right.

    Returns:
        Images of the same shape.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (PADDING,) * 4)
    windows = padded.unfold(2, height, 1).unfold(
        3, width, 1
    )  # (samples, channels, row, column, height, width)
    each = torch.arange(len(images), device=images.device)
    crops = windows[each, :, corners[:, 0], corners[:, 1]]
    return torch.where(flipped[:, None, None, None], crops.flip(-1), crops)


def sample_crops(
    size: int, generator: torch.Generator
) -> tuple[Int64[Tensor, "samples 2"], Bool[Tensor, " samples"]]:
    """Draw what `crop_and_flip` needs for a batch: the corner of each window, and which of them to mirror.

    Args:
        size: Images in the batch.
        generator: On the CPU.
    """
    corners = torch.randint(0, 2 * PADDING + 1, (size, 2), generator=generator)
    return corners, torch.rand(size, generator=generator) < 0.5
