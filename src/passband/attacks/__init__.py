"""Adversarial examples: images that a model gets wrong, within a bound around images that it gets right.

Pixels are on the [0, 1] scale, and so is epsilon. The model is seen in evaluation mode, and left as it was: mode,
weights, gradients and running statistics. As in `passband` itself, a name is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from passband.attacks.attack import FGSM as FGSM
    from passband.attacks.attack import PGD as PGD
    from passband.attacks.attack import Attack as Attack
    from passband.attacks.gradient import fgsm as fgsm
    from passband.attacks.gradient import pgd as pgd
    from passband.attacks.library import AutoAttack as AutoAttack
    from passband.attacks.library import autoattack as autoattack

_HOMES = {
    "attack": ("FGSM", "PGD", "Attack"),
    "gradient": ("fgsm", "pgd"),
    "library": ("AutoAttack", "autoattack"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
