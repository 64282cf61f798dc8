"""The ways in which the explorer cuts an image in two, and the places where each of them can cut."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from passband.checks import check_at_least_one
from passband.errors import InputError
from passband.frequency.component import Component, Dominant, High, Low, Only, Trailing, Without, take
from passband.frequency.fourier import corner_radius
from passband.frequency.spectrum import energy_within, power_spectrum
from passband.frequency.svd import factorize
from passband.instruments.components import default_radii
from passband.types import Images

CutKind = Literal["radius", "ring", "rank"]

EVERY, BEYOND = 24, 40
"""Up to the first, every whole number is a place; beyond it there are at most about as many as the second says."""

WIDEST = 64
"""Of a ring, in cycles per image."""


@dataclass(frozen=True)
class Cut:
    """A way of cutting an image into a first part and a second one.

    Attributes:
        kind: `"radius"` gives the LFC and the HFC; `"ring"` gives a ring of frequencies with the image's mean, and the image
            without that ring; `"rank"` gives what the largest singular values make, and what the others do.
        width: Of a ring, in cycles per image.

    Raises:
        InputError: If the width is impossible.

    Example:
        >>> " ".join(map(str, Cut("ring", 4).pair(8)))
        'only:4-8 without:4-8'
    """

    kind: CutKind = "radius"
    width: int = 4

    def __post_init__(self) -> None:
        """Refuse impossible settings."""
        check_at_least_one("width", self.width)
        if self.width > WIDEST:
            raise InputError(f"a ring is at most {WIDEST} cycles per image wide, got {self.width}")

    def places(self, size: tuple[int, int]) -> tuple[float, ...]:
        """Return where images of a size (height, width) can be cut, the smallest first: radii, outer radii, or ranks.

        Raises:
            InputError: If they cannot be cut at all.
        """
        corner = corner_radius(*size)
        if self.kind == "rank":
            places = _thinned(1, min(size) - 1)
        elif self.kind == "ring":
            places = _thinned(1, math.ceil(corner))
        else:
            places = sorted({*_thinned(0, math.ceil(corner) - 1), *default_radii(size)}) if corner > 0 else []
        if not places:
            raise InputError(
                f"an image of {size[0]}x{size[1]} pixels has nothing to be cut apart; choose one of at least 2x2"
            )
        return tuple(map(float, places))

    def pair(self, place: float) -> tuple[Component, Component]:
        """Return what the two parts are at a place."""
        if self.kind == "rank":
            return Dominant(int(place)), Trailing(int(place))
        if self.kind == "ring":
            inner = max(place - self.width, 0)
            return Only(inner, place), Without(inner, place)
        return Low(place), High(place)

    def parts(self, image: Images, places: Sequence[float]) -> Iterator[tuple[Images, Images]]:
        """Yield the two parts of an image at each place, neither clipped nor rescaled; they are the components of `pair`."""
        if self.kind == "rank":  # decomposed once, and not anew for each part
            factors = factorize(image)
            for place in places:
                dominant = factors.dominant(int(place))
                yield dominant, image - dominant
            return
        parts = take([component for place in places for component in self.pair(place)], image)
        yield from zip(parts, parts, strict=True)

    def energy(self, image: Images, places: Sequence[float]) -> Float[Tensor, " places"]:
        """Return the share of the image's energy that the first part holds at each place.

        The mean is left out; by rank it cannot be, since it is no singular value.
        """
        if self.kind == "rank":
            left_out = factorize(image[None]).trailing_energy()[0]
            if left_out[0] == 0:  # a black image
                return torch.ones(len(places))
            return (1 - left_out[[int(place) for place in places]] / left_out[0]).float()
        power = power_spectrum(image)
        within = energy_within(power, places)
        if self.kind == "radius":
            return within
        return (within - energy_within(power, [max(place - self.width, 0) for place in places])).float()


def _thinned(first: int, last: int) -> list[int]:
    """Return whole numbers from the first to the last: all of them up to `EVERY`, then some, the last among them.

    Example:
        >>> len(_thinned(0, 22)), len(_thinned(0, 158)), _thinned(0, 158)[23:27], _thinned(0, 158)[-2:]
        (23, 59, [23, 24, 28, 32], [156, 158])
    """
    step = max(1, math.ceil((last - EVERY) / BEYOND))
    chosen = [*range(first, min(EVERY, last) + 1), *range(max(EVERY, first) + step, last + 1, step)]
    return chosen if not chosen or chosen[-1] == last else [*chosen, last]
