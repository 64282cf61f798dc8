"""Where a measured curve reaches a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Crossing(NamedTuple):
    """Where it does.

    Attributes:
        place: Interpolated between two places that were measured; one of them where it is met exactly.
        first: Whether it is there at the first place already, so that where it was reached is not known.
    """

    place: float
    first: bool


def crossing(places: Sequence[float], values: Sequence[float], threshold: float) -> Crossing | None:
    """Return where values first reach a threshold on the way through the places; None where they never do.

    To find where they first fall to it, turn the signs of both.

    Args:
        places: In the order of the way, rising or falling.
        values: What was measured there.
        threshold: Reached by a value that is no smaller.

    Example:
        >>> crossing([4, 8], [0.2, 0.6], 0.4)
        Crossing(place=6.0, first=False)
        >>> crossing([4, 8], [0.2, 0.6], 0.7) is None
        True
    """
    for index, (place, value) in enumerate(zip(places, values, strict=True)):
        if value >= threshold:
            if index == 0:
                return Crossing(float(place), first=True)
            before, below = places[index - 1], values[index - 1]
            return Crossing(before + (place - before) * (threshold - below) / (value - below), first=False)
    return None
