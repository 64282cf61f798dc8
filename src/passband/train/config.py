"""A training run as data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from passband.errors import InputError, UnknownNameError
from passband.files import digest
from passband.models.catalog import check_at_least_one, check_dropout, list_models
from passband.train.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a training run gives, besides the data's content.

    The defaults from `batch_norm` to `seed` are the paper's vanilla setting (section 4.2), except for the epochs: 100
    there.

    Attributes:
        dataset: The source of the data set, as `load_dataset` takes it.
        size: What images are resized to, in pixels: one number, or (height, width); None leaves them as they are.
        limit: How many training images to use, from the first on; None uses all.
        model: The name of a network, as `build_model` takes it.
        width: Channels of the network's first stage; None is the architecture's own.
        batch_norm: Whether the network has BatchNorm.
        dropout: Share of units to drop while training, in [0, 1).
        optimizer: The name of an optimizer, one of `passband.train.optimizers.OPTIMIZERS`.
        learning_rate: The optimizer's rate, constant over the run.
        batch_size: Images in a step.
        epochs: Passes over the training images.
        weight_decay: The optimizer's L2 penalty.
        seed: Decides the first weights, the order of images and what dropout drops.

    Raises:
        InputError: If a value is impossible.
        UnknownNameError: If there is no such model or optimizer.
    """

    dataset: str
    size: int | tuple[int, int] | None = None
    limit: int | None = None
    model: str = "resnet8"
    width: int | None = None
    batch_norm: bool = False
    dropout: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-4
    batch_size: int = 100
    epochs: int = 5
    weight_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not self.dataset:
            raise InputError("dataset must name a source of data, got an empty text")
        if self.model not in list_models():
            raise UnknownNameError("model", self.model, list_models())
        if self.optimizer not in OPTIMIZERS:
            raise UnknownNameError("optimizer", self.optimizer, OPTIMIZERS)
        for side in self.size if isinstance(self.size, tuple) else (self.size,):
            check_at_least_one("size", side)
        for name in ("limit", "width", "batch_size", "epochs"):
            check_at_least_one(name, getattr(self, name))
        check_dropout(self.dropout)
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise InputError(f"learning_rate must be positive, such as 1e-4, got {self.learning_rate}")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise InputError(f"weight_decay must be 0 or positive, got {self.weight_decay}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed must be between 0 and 2**63 - 1, got {self.seed}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them; `from_dict` reads them back."""
        settings = asdict(self)
        if isinstance(self.size, tuple):
            settings["size"] = list(self.size)
        return settings

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> RunConfig:
        """Return the configuration that `to_dict` wrote.

        Raises:
            UnknownNameError: If `settings` has a key that is no setting.
            InputError: If `dataset` is missing, or a value has the wrong type or is impossible.
        """
        known = {field.name for field in fields(cls)}
        for name in settings:
            if name not in known:
                raise UnknownNameError("setting", name, known)
        values = dict(settings)
        if isinstance(values.get("size"), list):
            values["size"] = tuple(values["size"])
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"a run's settings are not whole or have a wrong type: {error}") from error


def model_arguments(config: RunConfig, *, num_classes: int, in_channels: int) -> dict[str, Any]:
    """Return what `build_model` takes, seed aside, as `config.json` and files of weights hold it."""
    return {
        "name": config.model,
        "num_classes": num_classes,
        "in_channels": in_channels,
        "batch_norm": config.batch_norm,
        "dropout": config.dropout,
        "width": config.width,
    }


def run_id(config: RunConfig, fingerprint: str) -> str:
    """Return the name of a run: 12 hexadecimal digits that follow from its settings and its data.

    Args:
        config: The settings.
        fingerprint: `ImageDataset.fingerprint` of the training data.
    """
    settings = json.dumps(config.to_dict(), sort_keys=True)
    return digest(settings.encode(), fingerprint.encode())[:12]
