"""A training run as data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from passband.errors import InputError, UnknownNameError
from passband.files import digest
from passband.frequency.component import FULL, Component, parse_component
from passband.models.blocks import check_batch_norm
from passband.models.catalog import (
    XAVIER,
    check_at_least_one,
    check_dropout,
    list_models,
    refuse_options,
)
from passband.models.initialize import INITIALIZATIONS
from passband.models.user_code import PYTHON, describe_code, find_code, name_of
from passband.train.adversarial import Adversary
from passband.train.optimizers import OPTIMIZERS
from passband.types import Amplitude
from passband.user_modules import split_place

ATTACK_OPTIONS = ("attack_steps", "attack_step_size", "attack_random_start")
"""What commands, and version 0.1 in configs, say beside `adversarial`, which is epsilon there."""

SCHEMA = 2
"""Raised when a change of passband's code makes equal settings give other rows or other weights: all ids change with it.

1 is version 0.1, whose ids knew nothing of it.
"""

Precision = Literal["32", "bf16-mixed", "16-mixed"]
"""What the network computes in: float32, or bfloat16 or float16 where that is safe, with float32 weights."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a training run gives, besides the data's content.

    But for network and epochs (ResNet-18 and 100 there) the defaults are the paper's vanilla setting (section 4.2).

    Attributes:
        dataset: The source of the data set, as `load_dataset` takes it.
        size: What images are resized to, in pixels: one number, or (height, width); None leaves them as they are.
        limit: How many training images to use, from the first on; None uses all.
        model: The name of a network, or `python:path/to/file.py:function` for one of your own, as `build_model` takes it.
        width: Channels of the network's first stage; None is the architecture's own.
        batch_norm: Whether the network has BatchNorm.
        batch_statistics: BatchNorm uses the current batch's statistics at test too, as in the paper's released code.
        fixed_affine: BatchNorm's scale is 1 and its offset 0, and neither is trained.
        dropout: Share of units to drop while training, in [0, 1); 0.5 in the paper's test of it.
        mixup: Alpha of mixup; None is without. The paper has 0.5.
        adversarial: Train on adversarial examples, made by this `Adversary`; None is without. The paper has epsilon 8/255.
        optimizer: The name of an optimizer, one of `passband.train.optimizers.OPTIMIZERS`.
        learning_rate: The optimizer's rate, constant over the run; None is its rate in `OPTIMIZERS`.
        batch_size: Images in a step, over all devices together.
        epochs: Passes over the training images.
        initialization: `xavier` (the paper), `code` (its released code) or `default` (torch's own); None is Xavier, and
            for a network of your own what its function draws.
        shuffle_labels: Permute the training labels, so that there is nothing to learn but the images.
        component: Train on a component, such as the LFC or the HFC at a radius, `lfc:8` or `hfc:8`; None is whole images.
        amplitude: What is done to that component before the network sees it: see `passband.rescale`.
        weight_decay: The optimizer's L2 penalty.
        augment: Pad 2 pixels, crop and flip at random, as the released code does in adversarial training.
        seed: Decides the first weights, the shuffled labels, the order of images and all else that is drawn.
        precision: What the network computes in: `32`, `bf16-mixed` or `16-mixed`.
        compile: Compile the network with torch.compile: slow to start, faster on a GPU.

    Raises:
        InputError: If a value is impossible, or does not go with another one.
        UnknownNameError: If there is no such model, optimizer, initialization, component, policy or precision.
    """

    dataset: str
    _: KW_ONLY
    size: int | tuple[int, int] | None = None
    limit: int | None = None
    model: str = "resnet8"
    width: int | None = None
    batch_norm: bool = False
    batch_statistics: bool = False
    fixed_affine: bool = False
    dropout: float = 0.0
    mixup: float | None = None
    adversarial: Adversary | None = None
    optimizer: str = "adam"
    learning_rate: float | None = None
    batch_size: int = 100
    epochs: int = 5
    initialization: str | None = None
    shuffle_labels: bool = False
    component: str | None = None
    amplitude: Amplitude = "max"
    weight_decay: float = 0.0
    augment: bool = False
    seed: int = 0
    precision: Precision = "32"
    compile: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not self.dataset:
            raise InputError("dataset must name a source of data, got an empty text")
        for kind, name, known in (
            ("model", self.model, [*list_models(), self.model] if self.has_own_model else list_models()),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("initialization", self.initialization or XAVIER, INITIALIZATIONS),
            ("amplitude policy", self.amplitude, get_args(Amplitude)),
            ("precision", self.precision, get_args(Precision)),
        ):
            if name not in known:
                raise UnknownNameError(kind, name, known)
        for side in self.size if isinstance(self.size, tuple) else (self.size,):
            check_at_least_one("size", side)
        for name in ("limit", "width", "batch_size", "epochs"):
            check_at_least_one(name, getattr(self, name))
        rate = self.learning_rate
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            raise InputError(f"learning_rate must be positive, such as 1e-4, got {rate}")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise InputError(f"weight_decay must be 0 or positive, got {self.weight_decay}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed must be between 0 and 2**63 - 1, got {self.seed}")
        check_dropout(self.dropout)
        check_batch_norm(
            self.batch_norm, batch_statistics=self.batch_statistics, fixed_affine=self.fixed_affine
        )
        if self.has_own_model:
            split_place(self.model.removeprefix(PYTHON), kind="a Python model", prefix=PYTHON)
            refuse_options(self.model, vars(self))
        self._check_heuristics()

    def _check_heuristics(self) -> None:
        if self.mixup is not None and not (self.mixup > 0 and math.isfinite(self.mixup)):
            raise InputError(
                f"mixup is the alpha of its weights' distribution and must be positive, got {self.mixup}"
            )
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
    def has_own_model(self) -> bool:
        """Whether the user's code makes the network."""
        return self.model.startswith(PYTHON)

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
        config: The settings; those that make no difference do not count. Of a network of the user's own, the source of
            its module counts, and not where that lies.
        fingerprint: Identifies the data that are read, training and test images.
        probe: What is measured along the run, as JSON holds it; None is nothing.
    """
    settings, code = config.resolved().to_dict(), []
    if config.has_own_model:
        settings["model"], code = name_of(config.model.removeprefix(PYTHON)), [find_code(config.model)]
    everything = json.dumps([SCHEMA, settings, probe, *code], sort_keys=True)
    return digest(everything.encode(), fingerprint.encode())[:12]
