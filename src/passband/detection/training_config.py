"""What a detector is, as data: one that is trained here, or one that somebody else has trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, fields
from typing import Any

from passband.checks import check_at_least_one
from passband.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class DetectorConfig:
    """Everything that decides what training a detector gives.

    Attributes:
        scenes: The source of the scenes, as `load_scenes` takes it.
        limit: How many training scenes to use, from the first on; None uses as many as the source says, or else `COUNTS`.
        width: Channels of the network's first stage, a multiple of 8.
        epochs: Passes over them.
        batch_size: Scenes in a step.
        learning_rate: AdamW's, at its highest: it rises over the first steps, and falls to 0 along half a cosine.
        weight_decay: AdamW's.
        seed: Decides the first weights and the order of scenes, not the scenes.

    Raises:
        InputError: If a value is impossible.
    """

    scenes: str = "phantom"
    _: KW_ONLY
    limit: int | None = None
    width: int = 16
    epochs: int = 9
    batch_size: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("limit", "width", "epochs", "batch_size"):
            check_at_least_one(name, getattr(self, name))
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise InputError(f"learning_rate must be positive, such as 2e-3, got {self.learning_rate}")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise InputError(f"weight_decay must be 0 or positive, got {self.weight_decay}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed must be between 0 and 2**63 - 1, got {self.seed}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them; `from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> DetectorConfig:
        """Return the configuration that `to_dict` wrote.

        Raises:
            UnknownNameError: If `settings` has a key that is no setting.
            InputError: If a value has the wrong type or is impossible.
        """
        known = {field.name for field in fields(cls)}
        for name in settings:
            if name not in known:
                raise UnknownNameError("setting", name, known)
        try:
            return cls(**settings)
        except TypeError as error:
            raise InputError(f"a detector's settings have a wrong type: {error}") from error

    def resolved(self) -> DetectorConfig:
        """Return the same settings: none is chosen by another one."""
        return self


@dataclass(frozen=True)
class PublishedDetector:
    """A detector that somebody else has trained.

    Attributes:
        source: As `passband.detection.load.load_detector` takes it.
    """

    source: str

    @property
    def seed(self) -> int:
        """The seed that rows have: there is one such detector, whatever it was drawn with."""
        return 0

    def resolved(self) -> PublishedDetector:
        """Return the same."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)
