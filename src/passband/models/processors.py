"""What somebody else's preparation of pictures does, found by giving it pictures whose every pixel tells where it was.

Settings of such code have many names and exceptions; what it makes of a ramp and of flat colours has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from passband.errors import InputError
from passband.preparation import Fit

Process = Callable[[np.ndarray], Tensor]
"""Makes the input of a network, (channels, height, width), of one picture: bytes (height, width) or (height, width, 3)."""

SHAPE = (384, 512)  # wider than high, so that a crop and a squash differ
SIDE = 400


@dataclass(frozen=True)
class Measured:
    """What a preparation does.

    Attributes:
        mean: What it subtracts from each channel of [0, 1] pixels, in the picture's order of channels.
        std: What it divides them by.
        reverses_channels: Whether red comes last.
        size: Height and width of what it makes of a square picture; None if it does not resize.
        fit: As in `Preparation`.
        crop_fraction: As in `Preparation`.
        differs: How it differs from that; empty if it does not.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    reverses_channels: bool = False
    size: tuple[int, int] | None = None
    fit: Fit = "crop"
    crop_fraction: float = 1.0
    differs: str = ""


def measure(process: Process, channels: int) -> Measured:
    """Find what a preparation does.

    Args:
        process: The preparation.
        channels: 1 for gray pictures, 3 for colour.

    Raises:
        InputError: If it is no change of size and scale.
    """
    black, white, red = (
        _center(process(_flat(color, channels))) for color in ((0, 0, 0), (255, 255, 255), (255, 0, 0))
    )
    scale = white - black
    if (scale <= 0).any() or len(scale) != channels:
        raise InputError("pictures are not prepared by a mean and a standard deviation for each channel")
    mean, std = -black / scale, 1 / scale
    shares = ((red - black) / scale).round(decimals=1).tolist()
    reverses = channels == 3 and shares == [0, 0, 1]
    if channels == 3 and not reverses and shares != [1, 0, 0]:
        raise InputError("pictures are prepared by a mixture of their channels")
    if reverses:
        mean, std = mean.flip(0), std.flip(0)
    values = tuple(mean.tolist()), tuple(std.tolist()), reverses
    square = tuple(process(_flat((0, 0, 0), channels)).shape[1:])
    made = process(np.zeros((*SHAPE, 3), np.uint8) if channels == 3 else np.zeros(SHAPE, np.uint8))
    if square == (SIDE, SIDE) and tuple(made.shape[1:]) == SHAPE:
        return Measured(*values)
    height, width = square
    if tuple(made.shape[1:]) != square:
        return Measured(*values, (height, width), differs="keeps the aspect of pictures and cuts nothing off")
    rows, columns = (_resized(process, axis, channels) for axis in (0, 1))
    if (rows, columns) == (height, width):
        return Measured(*values, (height, width), "squash")
    if abs(rows * SHAPE[1] - columns * SHAPE[0]) <= max(SHAPE):  # one pixel of rounding
        share = max(height / rows, width / columns)
        differs = "pads pictures" if share > 1 else ""
        return Measured(*values, (height, width), "crop", min(share, 1.0), differs)
    return Measured(
        *values,
        (height, width),
        "squash",
        differs=f"squashes pictures to {rows}x{columns} and takes the middle of that",
    )


def _flat(color: tuple[int, int, int], channels: int) -> np.ndarray:
    picture = np.tile(np.array(color, np.uint8), (SIDE, SIDE, 1))
    return picture if channels == 3 else picture[..., 0]


def _center(made: Tensor) -> Tensor:
    _, height, width = made.shape
    return made[:, height // 2, width // 2].double()


def _resized(process: Process, axis: int, channels: int) -> int:
    """Return how many pixels a side of a picture has before the middle of it is taken."""
    length = SHAPE[axis]
    ramp = np.arange(length) * (255 / (length - 1))
    ramp = np.broadcast_to(ramp[:, None] if axis == 0 else ramp, SHAPE)
    # Noise before rounding, averaged over the other side: else steps of gray would hide parts of a pixel.
    noise = np.random.Generator(np.random.PCG64(0)).uniform(-0.5, 0.5, SHAPE)
    gray = (ramp + noise).round().clip(0, 255).astype(np.uint8)
    picture = np.repeat(gray[..., None], 3, axis=2) if channels == 3 else gray
    made = process(picture).double()
    low, high = (process(np.full_like(picture, value)).double() for value in (0, 255))
    shares = ((made - low) / (high - low)).nanmean(0).nanmean(1 - axis)  # what was padded is NaN
    inside = torch.arange(len(shares) // 4, len(shares) - len(shares) // 4)  # away from edges
    inside = inside[shares[inside].isfinite()]
    places = shares[inside] * (length - 1)  # where each pixel was in the picture
    steps = inside - inside.double().mean()
    slope = float((steps * places).sum() / steps.square().sum())
    return round(length / slope)
