"""Single values checked, read and written, which commands do before anything that takes seconds to import."""

from __future__ import annotations

import math
import re

from passband.errors import InputError


def check_at_least_one(what: str, value: int | None) -> None:
    """Refuse what is not a count; None stands for a default.

    Raises:
        InputError: If `value` is not a whole number, or below 1.
    """
    if value is not None and (not isinstance(value, int) or value < 1):
        raise InputError(f"{what} must be a whole number of at least 1, got {value!r}")


def check_dropout(dropout: float) -> None:
    """Refuse a share of units that is not in [0, 1).

    Raises:
        InputError: If it is not.
    """
    if not 0 <= dropout < 1:
        raise InputError(f"dropout must be in [0, 1), the share of units to drop, got {dropout}")


def check_rho(rho: float) -> None:
    """Refuse a strength of smoothing that is negative or not finite.

    Raises:
        InputError: If it is.
    """
    if not 0 <= rho < math.inf:
        raise InputError(f"rho must be 0 or positive, and finite, got {rho}")


def check_workers(workers: int) -> None:
    """Refuse less than one worker.

    Raises:
        InputError: If there is none.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")


def check_device_name(name: str) -> None:
    """Refuse the name of a device that none has.

    Raises:
        InputError: If it is none; whether this machine has such a device, `passband.environment` knows.
    """
    if re.fullmatch(r"auto|(cpu|cuda|mps)(:\d{1,2})?", name) is None:
        raise InputError(f"device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {name!r}")


def checked_radius(radius: float) -> float:
    """Return a radius as a float.

    Raises:
        InputError: If it is no number, negative or not finite.
    """
    is_number = isinstance(radius, int | float) and not isinstance(radius, bool)
    if not is_number or not 0 <= radius < math.inf:
        raise InputError(f"the radius of a component must be 0 or positive, got {radius!r}")
    return float(radius) + 0.0  # not -0.0, which would be written "-0"


def read_number(text: str) -> float:
    """Return the number that a text writes; a text that writes none, or one that is not finite, raises ValueError."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def write_number(value: float) -> str:
    """Write a number so that reading it gives the same one, whole ones without a point."""
    return repr(value).removesuffix(".0")


def duration(seconds: float) -> str:
    """Return a time as precisely as an estimate is worth.

    Example:
        >>> duration(8.2), duration(133), duration(6600)
        ('8 s', '2 min 15 s', '1 h 50 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 600:
        minutes, rest = divmod(5 * round(seconds / 5), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
