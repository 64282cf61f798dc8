"""A training run as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from passband.data.source_names import without_place
from passband.errors import InputError, UnknownNameError
from passband.files import digest
from passband.frequency.component import FULL, Component, parse_component
from passband.models.blocks import check_batch_norm
from passband.models.catalog import refuse_options
from passband.models.networks import PYTHON, XAVIER
from passband.models.user_code import describe_code, find_code, name_of
from passband.train.adversarial import Adversary
from passband.train.optimizers import OPTIMIZERS
from passband.train.settings import SCHEMA, RunSettings
from passband.user_modules import split_place

ATTACK_OPTIONS = ("attack_steps", "attack_step_size", "attack_random_start")
"""What commands, and version 0.1 in configs, say beside `adversarial`, which is epsilon there."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(RunSettings):
    """Everything that decides what a training run gives, besides the data's content: `RunSettings` that go together.

    Attributes:
        adversarial: Train on adversarial examples, made by this `Adversary`; None is without. The paper has epsilon 8/255.

    Raises:
        InputError: If a value is impossible, or does not go with another one.
        UnknownNameError: If there is no such model, optimizer, initialization, component, policy or precision.
    """

    adversarial: Adversary | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        super().__post_init__()
        check_batch_norm(
            self.batch_norm, batch_statistics=self.batch_statistics, fixed_affine=self.fixed_affine
        )
        if self.has_own_model:
            split_place(self.model.removeprefix(PYTHON), kind="a Python model", prefix=PYTHON)
            refuse_options(self.model, vars(self))
        self._check_heuristics()

    def _check_heuristics(self) -> None:
        if self.adversarial is not None and not isinstance(self.adversarial, Adversary):
            raise InputError(
                f"adversarial is what the network is attacked with, such as Adversary(8 / 255), got {self.adversarial!r}"
            )
        if self.mixup is not None and self.adversarial is not None:
            raise InputError(
                "mixup and adversarial training do not go together: a blend has no one label to attack"
            )
        shown = self.trained_component
        if shown != FULL and self.adversarial is not None and self.amplitude not in ("clip", "minmax"):
            raise InputError(
                f"adversarial examples have pixels in [0, 1], and a component rescaled by {self.amplitude!r} has not. "
                "Choose the amplitude 'clip' or 'minmax'."
            )

    @property
    def rate(self) -> float:
        """The learning rate, the optimizer's own where none was given."""
        return OPTIMIZERS[self.optimizer].learning_rate if self.learning_rate is None else self.learning_rate

    @property
    def trained_component(self) -> Component:
        """What the network is shown while it trains."""
        return FULL if self.component is None else parse_component(self.component)

    @property
    def passes(self) -> int:
        """How often an image goes forward and back in an epoch: once to learn of it, and once a step of the attack on it."""
        return 1 if self.adversarial is None else 1 + self.adversarial.attack.steps

    def resolved(self) -> RunConfig:
        """Return the same run with its defaults spelled out and unused settings reset: equal runs become equal."""
        own = RunConfig(self.dataset)
        changes: dict[str, Any] = {"learning_rate": self.rate}
        if self.adversarial is not None:
            changes["adversarial"] = self.adversarial.resolved()
        if not self.has_own_model:
            changes["initialization"] = self.initialization or XAVIER
        shown = self.trained_component
        changes["component"] = None if shown == FULL else str(shown)
        if shown == FULL:
            changes["amplitude"] = own.amplitude
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them; `from_dict` reads them back."""
        settings = asdict(self)
        if self.adversarial is not None:
            settings["adversarial"] = self.adversarial.to_dict()
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
        known = {field.name: field for field in fields(cls)}
        values = _with_adversary(settings)
        for name, value in values.items():
            if name not in known:
                raise UnknownNameError("setting", name, known)
            if isinstance(known[name].default, bool) and not isinstance(value, bool):
                raise InputError(f"the setting {name} must be true or false, got {value!r}")
        if isinstance(values.get("size"), list):
            values["size"] = tuple(values["size"])
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"a run's settings are not whole or have a wrong type: {error}") from error


def _with_adversary(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with adversarial training as one value: version 0.1, and the options of a command, say it in four.

    Raises:
        UnknownNameError: As `Adversary.from_dict`.
        InputError: As `Adversary.from_dict`.
    """
    values = dict(settings)
    options = {name: values.pop(name) for name in ATTACK_OPTIONS if name in values}
    said = values.get("adversarial")
    if isinstance(said, Mapping):
        values["adversarial"] = Adversary.from_dict(said)
    elif said is None or isinstance(said, float):
        values["adversarial"] = Adversary.of_options(said, **options)
    return values


def check_data(config: RunConfig, *, samples: int, size: tuple[int, int], devices: int = 1) -> None:
    """Refuse what the data make impossible, before any training.

    Args:
        config: The settings.
        samples: Number of training images.
        size: Their height and width in pixels.
        devices: How many share a batch.

    Raises:
        InputError: If a batch is larger than the data, or cannot be shared by the devices, or the component's radius is
            not below the corner.
    """
    if config.batch_size > samples:
        raise InputError(
            f"batch_size must be at most the number of training images, {samples}, got {config.batch_size}"
        )
    if config.batch_size < devices:
        raise InputError(
            f"batch_size must be at least the number of devices, {devices}, got {config.batch_size}"
        )
    last = samples % config.batch_size
    if 0 < last < devices:
        raise InputError(
            f"the last batch of an epoch has {last} image{'s' * (last > 1)}, too few for {devices} devices. Choose "
            f"another batch_size than {config.batch_size}."
        )
    config.trained_component.check(size)


def model_arguments(config: RunConfig, *, num_classes: int, in_channels: int) -> dict[str, Any]:
    """Return what `build_model` takes, as `config.json` and files of weights hold it: the way to the weights aside.

    Raises:
        InputError: If the user's code makes the network, and cannot be imported.
    """
    if config.has_own_model:
        return {**describe_code(config.model), "num_classes": num_classes, "in_channels": in_channels}
    return {
        "name": config.model,
        "num_classes": num_classes,
        "in_channels": in_channels,
        "batch_norm": config.batch_norm,
        "batch_statistics": config.batch_statistics,
        "fixed_affine": config.fixed_affine,
        "dropout": config.dropout,
        "width": config.width,
    }


def run_id(config: RunConfig, fingerprint: str, probe: Mapping[str, Any] | None = None) -> str:
    """Return the name of a run: 12 hexadecimal digits that follow from its settings, its data, its probe and `SCHEMA`.

    Args:
        config: The settings; those that make no difference do not count, nor does `compile`, which changes rounding only. Of
            a network of the user's own, the source of its module counts, and not where that lies, nor where data do.
        fingerprint: Identifies the data that are read, training and test images.
        probe: What is measured along the run, as JSON holds it; None is nothing.
    """
    settings, code = config.resolved().to_dict(), []
    settings["dataset"] = without_place(config.dataset)
    settings["compile"] = False  # in ids since it was counted, and was so in nearly all of them
    if config.schedule == RunConfig.schedule:  # ids are older than schedules
        del settings["schedule"]
    if config.has_own_model:
        settings["model"], code = name_of(config.model.removeprefix(PYTHON)), [find_code(config.model)]
    everything = json.dumps([SCHEMA, settings, probe, *code], sort_keys=True)
    return digest(everything.encode(), fingerprint.encode())[:12]
