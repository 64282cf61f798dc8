"""All attacks by their names."""

from __future__ import annotations

from passband.attacks.attack import FGSM, PGD, Attack
from passband.attacks.library import AutoAttack
from passband.errors import UnknownNameError

ATTACKS: dict[str, type[Attack]] = {kind.name: kind for kind in (FGSM, PGD, AutoAttack)}
"""One line an attack."""


def find_attack(name: str) -> type[Attack]:
    """Return the class of an attack.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    if name not in ATTACKS:
        raise UnknownNameError("attack", str(name), ATTACKS)
    return ATTACKS[name]
