"""All attacks, one line each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, get_args

from passband.catalog import Catalog
from passband.choices import Norm
from passband.errors import InputError

if TYPE_CHECKING:
    from passband.attacks.attack import Attack

EVERY_NORM: tuple[Norm, ...] = get_args(Norm)

STEPS, RESTARTS = 20, 1
"""Of PGD, unless others are asked for."""

SANITY_SAMPLES = 100
"""How many samples the checks of an attack rest on, unless as many others are asked for."""


class Line(NamedTuple):
    """What is said of an attack: its name, and the norms that it knows."""

    name: str
    norms: tuple[Norm, ...] = EVERY_NORM


ATTACKS: Catalog[Line, type[Attack]] = Catalog(
    "attack",
    {
        "passband.attacks.attack:FGSM": Line("fgsm", ("linf",)),
        "passband.attacks.attack:PGD": Line("pgd"),
        "passband.attacks.library:AutoAttack": Line("autoattack"),
    },
)


def named_measure(name: str, norm: Norm) -> str:
    """Return what requirements and comparisons call an attack on all frequencies: `pgd`, `pgd-l2`."""
    return name if norm == "linf" else f"{name}-{norm}"


def check_ascent(steps: int, step_share: float | None, restarts: int, random_start: bool) -> None:
    """Refuse settings of gradient ascent that cannot be, or do not go together: those of `PGD`, which describes them.

    Raises:
        InputError: If they are refused.
    """
    for what, value in (("steps", steps), ("restarts", restarts)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{what} must be a whole number of at least 1, got {value!r}")
    is_number = isinstance(step_share, int | float) and not isinstance(step_share, bool)
    if step_share is not None and not (is_number and 0 < step_share < math.inf):
        raise InputError(f"step_share is a share of epsilon and must be positive, got {step_share!r}")
    if not isinstance(random_start, bool):
        raise InputError(f"random_start must be true or false, got {random_start!r}")
    if restarts > 1 and not random_start:
        raise InputError(
            f"{restarts} restarts without a random start are one and the same: choose one of the two"
        )
