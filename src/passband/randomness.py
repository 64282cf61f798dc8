"""Random numbers that follow from the run's seed and what they are for.

Every epoch draws from generators of its own. So a checkpoint at the end of an epoch needs no state of a generator to be
complete: seed and epoch are that state, for one process as for several.
"""

from __future__ import annotations

import torch

from passband.files import digest


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return the seed for one purpose: between 0 and 2**60, different for any other purpose or seed.

    Args:
        seed: The run's seed.
        *purpose: What is drawn, and where: `"order", epoch`.

    Example:
        >>> derive_seed(0, "order", 1) == derive_seed(0, "order", 1)
        True
        >>> derive_seed(0, "order", 1) == derive_seed(0, "order", 2)
        False
    """
    return int(digest(repr((seed, *purpose)).encode())[:15], 16)


def generator_for(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator for one purpose; arguments as for `derive_seed`."""
    return torch.Generator(device).manual_seed(derive_seed(seed, *purpose))
