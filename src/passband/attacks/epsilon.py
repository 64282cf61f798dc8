"""Epsilon: how far an attack may go, checked and written."""

from __future__ import annotations

import math
from collections.abc import Sequence

from passband.choices import Norm
from passband.errors import InputError


def check_epsilon(epsilon: float, norm: Norm, values: int) -> None:
    """Refuse a bound that is none, or that shows a wrong unit.

    Args:
        epsilon: The bound on the [0, 1] pixel scale.
        norm: What it bounds.
        values: Pixels times channels of an image.

    Raises:
        InputError: If it is negative, not finite, or above the distance between the farthest two images: 1 in linf,
            the square root of `values` in l2.
    """
    if not (epsilon >= 0 and math.isfinite(epsilon)):
        raise InputError(f"epsilon must be 0 or positive, got {epsilon}")
    farthest = 1.0 if norm == "linf" else math.sqrt(values)
    if epsilon > farthest * (1 + 1e-6):  # the bound itself may have been rounded
        raise InputError(
            f"epsilon must be at most {farthest:g} in {norm}, which is as far as two images can be apart, got "
            f"{epsilon:g}. Pixels are on the [0, 1] scale: write 8/255, not 8."
        )


def check_epsilons(epsilons: Sequence[float], norm: Norm) -> None:
    """Refuse bounds of one attack that cannot be, whatever the images are.

    Raises:
        InputError: If one is not positive, comes twice, or is above the farthest distance in linf; in l2 that depends on
            the images.
    """
    ordered = sorted(epsilons)
    if not all(epsilon > 0 for epsilon in ordered):
        raise InputError(f"epsilon must be positive, got {ordered[0]:g}")
    if len(set(ordered)) < len(ordered):
        raise InputError(f"each epsilon is used once, got {', '.join(map(write_epsilon, ordered))}")
    if ordered and norm == "linf":
        check_epsilon(ordered[-1], norm, values=1)


def write_epsilon(epsilon: float) -> str:
    """Return an epsilon as people write it: a short decimal, a whole number of 255ths, or four digits.

    Example:
        >>> write_epsilon(8 / 255), write_epsilon(0.03), write_epsilon(0.5), write_epsilon(0.0123456)
        ('8/255', '0.03', '0.5', '0.01235')
    """
    steps = 255 * epsilon
    if abs(epsilon - round(epsilon, 2)) > 1e-9 and abs(steps - round(steps)) < 1e-6:
        return f"{round(steps)}/255"
    return f"{epsilon:.4g}"
