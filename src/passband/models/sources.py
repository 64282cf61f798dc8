"""What is asked of a source of models, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from passband.errors import InputError
from passband.models.class_indices import Names
from passband.models.matching import Match
from passband.models.provenance import Origin, Smoothing
from passband.models.weights import Weights, read_weights
from passband.notices import Notice
from passband.preparation import Preparation
from passband.serial import from_plain


class Said:
    """What the user says beside naming a source: attributes that are None where nothing was said."""

    def refuse(self, *names: str, because: str) -> None:
        """Refuse options that a source cannot heed.

        Raises:
            InputError: If one of `names` was given.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} cannot be used here: {because}")


@dataclass(frozen=True)
class Options(Said):
    """What the user says about the network, beside naming it; None where nothing was said."""

    weights: Path | None = None
    num_classes: int | None = None
    in_channels: int | None = None
    match: Match = "name"
    weights_key: str | None = None
    output_name: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what was said as the arguments of `load_model`, as JSON holds them."""
        return {
            "weights": None if self.weights is None else str(self.weights),
            "num_classes": self.num_classes,
            "in_channels": self.in_channels,
            "match_weights": self.match,
            "weights_key": self.weights_key,
            "output_name": self.output_name,
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Options:
        """Return options from what `to_dict` returned, now or before it knew all of them."""
        weights, match = said["weights"], said["match_weights"]
        return cls(
            None if weights is None else Path(weights),
            said["num_classes"],
            said["in_channels"],
            match,
            said.get("weights_key"),
            said.get("output_name"),
        )

    def read_weights(self) -> Weights:
        """Read the file of weights that was given.

        Raises:
            InputError: If it cannot be read, or has no weights under the key that was given.
        """
        assert self.weights is not None
        return read_weights(self.weights, self.weights_key)


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
        normalization: Whether its source knows its mean and std, or nobody but the user does, or the body takes [0, 1] pixels
            and normalizes them itself, so that none can be given.
        channels: Channels of its images; None if nothing is known.
        outputs: Indices of those of its outputs that are kept, in their order; None for all.
        names: What these outputs are called, where known.
        network: What `build_model` builds it from, if it is one of passband's own networks.
        origin: How it was loaded, if not by what the user asked for now.
        smoothing: What was done to its kernels since.
        preparation: How pictures become its input, where its source says so.
        notices: What whoever reads numbers of it must know.
    """

    body: nn.Module
    name: str
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    size: tuple[int, int] | None = None
    fixed_size: bool = False
    normalization: Literal["known", "unknown", "inside"] = "known"
    channels: int | None = None
    outputs: Sequence[int] | None = None
    names: Names | None = None
    network: Mapping[str, Any] | None = None
    origin: Origin | None = None
    smoothing: tuple[Smoothing, ...] = ()
    preparation: Preparation | None = None
    notices: tuple[Notice, ...] = ()


def normalized_by(mean: Sequence[float] | None, std: Sequence[float] | None) -> Notice:
    """Say which normalization a network gets of which nobody but the user knows what it expects."""
    if mean is None and std is None:
        used = (
            "no normalization: it sees pixels in [0, 1]; what else it expects is given with --mean and --std"
        )
    else:
        used = f"normalization by mean {_listed(mean or [0])} and std {_listed(std or [1])}, as given"
    return Notice("model", used, warning=False)


def read_preparation(plain: Any, path: Path) -> Preparation | None:
    """Return the preparation that a file of passband says, if it says one.

    Raises:
        InputError: If it is not as written.
    """
    return None if plain is None else from_plain(Preparation, plain, str(path))


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
