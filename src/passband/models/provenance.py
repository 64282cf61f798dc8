"""Where a network comes from, and what was done to it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Origin:
    """How a network was loaded, in plain data, so that it can be loaded again.

    Attributes:
        source: What `load_model` was asked for.
        arguments: Those of its arguments that decide the network: `weights`, `weights_key`, `num_classes`, `in_channels`,
            `match_weights` and `output_name`; None where nothing was said.
        network: What `build_model` builds it from; None if it is not one of passband's own networks.
        weights_hash: The hash that its weights had before they were changed; None if they were not.
    """

    source: str
    arguments: Mapping[str, Any]
    network: Mapping[str, Any] | None = None
    weights_hash: str | None = None


@dataclass(frozen=True)
class Smoothing:
    """That the kernels of one layer were smoothed by Eq. 3.

    Attributes:
        layer: The layer's name in its network.
        rho: The strength.
        normalize: Whether the result was divided by 1 + 8 rho.

    Example:
        >>> print(Smoothing("stem", 0.5))
        stem smoothed by 0.5
    """

    layer: str
    rho: float
    normalize: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.layer} smoothed by {self.rho:g}{' (normalized)' if self.normalize else ''}"
