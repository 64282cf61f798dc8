"""Fourier basis images (Yin et al. 2019): waves of one frequency, of length 1."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from passband.checks import check_at_least_one
from passband.errors import InputError


@dataclass(frozen=True, order=True)
class Wave:
    """The real wave of one frequency, brightest at the first pixel.

    It is what a row says was shown: see `passband.rows.Shown`. A wave and its negative are the same wave.

    Attributes:
        down: Cycles per image from top to bottom.
        across: Cycles per image from left to right.

    Example:
        >>> str(Wave(3, -5)), Wave.read("wave:3,-5") == Wave(3, -5), Wave(3, -4).cutoff
        ('wave:3,-5', True, 5.0)
    """

    down: int
    across: int
    kind: ClassVar[str] = "wave"

    def __str__(self) -> str:
        """Write it as `read` reads it."""
        return f"{self.kind}:{self.down},{self.across}"

    @property
    def cutoff(self) -> float:
        """Its radius in cycles per image."""
        return math.sqrt(self.down**2 + self.across**2)

    @classmethod
    def read(cls, text: str) -> Wave:
        """Return the wave that is written so.

        Raises:
            InputError: If none is.
        """
        match = re.fullmatch(rf"{cls.kind}:(-?\d+),(-?\d+)", text)
        if match is None:
            raise InputError(f"a wave is written wave:DOWN,ACROSS, such as wave:3,-5, got {text!r}")
        return cls(int(match[1]), int(match[2]))

    def image(self, height: int, width: int) -> Float64[Tensor, "height width"]:
        """Return it as an image of one channel, whose squares sum to 1.

        Source:
            Yin et al. 2019, section 3, U_ij: real, of norm 1, and with no Fourier coefficients but the one at (i, j) and its
            mirror image. That leaves the phase open; a cosine is there at every frequency.
        """
        rows, columns = (
            2 * math.pi / side * (cycles * torch.arange(side, dtype=torch.float64)).remainder(side)
            for cycles, side in ((self.down, height), (self.across, width))
        )
        wave = torch.cos(rows[:, None] + columns)
        return wave / wave.norm()

    def mirrored(self, height: int, width: int) -> Wave:
        """Return its negative, which is the same wave, as images of a size write it: from -side // 2 on."""
        return Wave(_centered(-self.down, height), _centered(-self.across, width))


def wave_grid(height: int, width: int, size: int | None = None) -> tuple[Wave, ...]:
    """Return waves that are spread over all frequencies of images of a size, row by row.

    Args:
        height: Of the images, in pixels.
        width: Likewise.
        size: How many frequencies to take along either side, an odd number: evenly spread over those below half a cycle per
            pixel, the zero frequency in the middle. A side that has no more has all of them. None takes all.

    Raises:
        InputError: If `size` is not an odd number.

    Example:
        >>> [wave.across for wave in wave_grid(1, 32, 5)], [wave.across for wave in wave_grid(1, 4)]
        ([-15, -8, 0, 8, 15], [-2, -1, 0, 1])
    """
    check_at_least_one("size", size)
    if size is not None and size % 2 == 0:
        raise InputError(
            f"size must be odd, so that the zero frequency is in the middle, got {size}. Choose {size - 1} or {size + 1}, "
            "or None for all frequencies."
        )
    down, across = (_frequencies(side, size) for side in (height, width))
    return tuple(Wave(u, v) for u in down for v in across)


def _frequencies(side: int, size: int | None) -> list[int]:
    if size is None or size >= side:
        return list(range(-(side // 2), (side + 1) // 2))
    last, steps = (side - 1) // 2, size // 2
    half = [round(step * last / steps) for step in range(1, steps + 1)]
    return [-frequency for frequency in reversed(half)] + [0, *half]


def _centered(frequency: int, side: int) -> int:
    return (frequency + side // 2) % side - side // 2
