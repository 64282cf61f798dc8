"""What is asked of a source of models, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from passband.errors import InputError
from passband.models.outputs import Names
from passband.models.weights import Match


@dataclass(frozen=True)
class Options:
    """What the user says about the network, beside naming it; None where nothing was said."""

    weights: Path | None = None
    num_classes: int | None = None
    in_channels: int | None = None
    match: Match = "name"

    def refuse(self, *names: str, because: str) -> None:
        """Refuse options that a source cannot heed.

        Raises:
            InputError: If one of `names` was given.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} cannot be used here: {because}")


@dataclass(frozen=True, eq=False)
class Found:
    """A network, and what its source knows about it.

    Attributes:
        body: The network; it takes normalized images.
        name: What it is called in tables and reports.
        mean: What it expects to be subtracted from [0, 1] pixels; None for 0.
        std: What it expects them to be divided by; None for 1.
        size: Height and width of its images; None if any will do, or nothing is known.
        fixed_size: Whether it cannot work at another size.
        channels: Channels of its images; None if nothing is known.
        names: What its outputs are called, where known.
    """

    body: nn.Module
    name: str
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    size: tuple[int, int] | None = None
    fixed_size: bool = False
    channels: int | None = None
    names: Names | None = None
