"""The settings of a training run as they are written and read, which needs no torch; `RunConfig` says which go together."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import get_args

from passband.checks import check_at_least_one, check_dropout
from passband.choices import Amplitude, Precision, Schedule
from passband.errors import InputError, UnknownNameError
from passband.models.networks import INITIALIZATIONS, PYTHON, XAVIER, check_options, list_models
from passband.train.optimizers import OPTIMIZERS

SCHEMA = 2
"""Raised when a change of passband's code makes equal settings give other rows or other weights: all ids change with it.

1 is version 0.1, whose ids knew nothing of it.
"""

ADVERSARY_STEPS = 10
"""Steps of the PGD that makes adversarial examples while a network is trained: as many as the paper's released code has."""


@dataclass(frozen=True)
class RunSettings:
    """What is said of a training run.

    But for network and epochs (ResNet-18 and 100 there) the defaults are the paper's vanilla setting (section 4.2).

    Attributes:
        dataset: The source of the data set, as `load_dataset` takes it.
        size: What images are resized to, in pixels: one number, or (height, width); None leaves them as they are.
        limit: How many training images to use, from the first on; None uses all.
        model: The name of a network, or `python:path/to/file.py:function` for one of your own, as `build_model` takes it.
        width: Channels of the network's first stage; None is the architecture's own.
        batch_norm: Whether the network has BatchNorm, which `vit` and `convnext` cannot.
        batch_statistics: BatchNorm uses the current batch's statistics at test too, as in the paper's released code.
        fixed_affine: BatchNorm's scale is 1 and its offset 0, and neither is trained.
        dropout: Share of units to drop while training, in [0, 1); 0.5 in the paper's test of it.
        mixup: Alpha of mixup; None is without. The paper has 0.5.
        adversarial: Train on adversarial examples, made by this `Adversary`; None is without. The paper has epsilon 8/255.
        optimizer: The name of an optimizer, one of `passband.train.optimizers.OPTIMIZERS`.
        learning_rate: The optimizer's rate, the greatest of the run; None is its rate in `OPTIMIZERS`.
        schedule: `constant` (the paper), or `cosine`: the rate rises over the first twentieth of the steps, then falls to 0.
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
        compile: Whether the network is compiled with torch.compile, which changes rounding only; None is as
            `passband.train.placement` decides from the device and the length of the run.

    Raises:
        InputError: If a value is impossible, or the network cannot have BatchNorm or that width.
        UnknownNameError: If there is no such optimizer, policy or precision.
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
    adversarial: object = None  # an Adversary: RunConfig, which has it, needs torch
    optimizer: str = "adam"
    learning_rate: float | None = None
    schedule: Schedule = "constant"
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
    compile: bool | None = None

    @property
    def has_own_model(self) -> bool:
        """Whether the user's code makes the network."""
        return self.model.startswith(PYTHON)

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not self.dataset:
            raise InputError("dataset must name a source of data, got an empty text")
        for kind, name, known in (
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("amplitude policy", self.amplitude, get_args(Amplitude)),
            ("precision", self.precision, get_args(Precision)),
            ("schedule", self.schedule, get_args(Schedule)),
            ("model", self.model, [*list_models(), self.model] if self.has_own_model else list_models()),
            ("initialization", self.initialization or XAVIER, INITIALIZATIONS),
        ):
            if name not in known:
                raise UnknownNameError(kind, name, known)
        for side in self.size if isinstance(self.size, tuple) else (self.size,):
            check_at_least_one("size", side)
        for name in ("limit", "width", "batch_size", "epochs"):
            check_at_least_one(name, getattr(self, name))
        if not self.has_own_model:
            check_options(self.model, batch_norm=self.batch_norm, width=self.width)
        rate = self.learning_rate
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            raise InputError(f"learning_rate must be positive, such as 1e-4, got {rate}")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise InputError(f"weight_decay must be 0 or positive, got {self.weight_decay}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed must be between 0 and 2**63 - 1, got {self.seed}")
        if self.compile is not None and not isinstance(self.compile, bool):
            raise InputError(f"compile must be true, false or None, got {self.compile!r}")
        check_dropout(self.dropout)
        if self.mixup is not None and not (self.mixup > 0 and math.isfinite(self.mixup)):
            raise InputError(
                f"mixup is the alpha of its weights' distribution and must be positive, got {self.mixup}"
            )
