"""An attack is an object that can be run: the interface of all attacks, and gradient ascent as two of them.

All of an attack but the model, the images and epsilon is in its fields, so that it can be written down, compared and
hashed. A new one is a class here or in a module of its own, and a line in `ATTACKS` of `passband.attacks.catalog`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple, get_args

import torch
from torch import nn

from passband.attacks.ball import Bound, check_band
from passband.attacks.catalog import ATTACKS, EVERY_NORM, RESTARTS, STEPS, check_ascent
from passband.attacks.gradient import REACH, attacking, check_attacked, fgsm, loss_gradient, pgd
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import Component, parse_component
from passband.randomness import generator_for
from passband.types import Batch, Labels, Norm

SETTINGS_0_1 = {"steps": 20, "step_share": None, "restarts": 1, "random_start": True, "band": None}
"""Settings that version 0.1 wrote for every attack, those that it did not use at these values."""


class Effort(NamedTuple):
    """What an attack asks of a model for one image that withstands it, about.

    Attributes:
        gradients: Passes forward and back.
        answers: Passes forward only.
    """

    gradients: float
    answers: float = 0


class Attack(ABC):
    """How a model is attacked; a subclass is a frozen dataclass, and its fields are the settings.

    Attributes:
        name: What commands, cards and catalogs call it.
        norms: The norms that it knows.
        needs_gradient: Whether it cannot attack a black box.
        least_classes: How many classes a model must have at least.
    """

    name: ClassVar[str]
    norms: ClassVar[tuple[Norm, ...]] = EVERY_NORM
    needs_gradient: ClassVar[bool] = True
    least_classes: ClassVar[int] = 2

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # for type checkers: subclasses are dataclasses

    @property
    @abstractmethod
    def norm(self) -> Norm:
        """How a perturbation is measured: its largest pixel (`"linf"`), or its length over all pixels (`"l2"`)."""

    @property
    @abstractmethod
    def band(self) -> Component | None:
        """The frequencies that the perturbation may have; None is all of them."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A short text for tables; attacks of one norm with the same label are the same."""

    @property
    @abstractmethod
    def effort(self) -> Effort:
        """What it takes to attack one image, about."""

    @property
    def ascent(self) -> PGD | None:
        """The steps of gradient ascent that it is; None for an attack that is called with whole batches."""
        return None

    @property
    def iterated(self) -> PGD:
        """The PGD that stands in for it where steps are counted, or a larger epsilon must break more."""
        return PGD(self.norm, band=self.band)

    @abstractmethod
    def run(self, model: nn.Module, images: Batch, labels: Labels, epsilon: Bound, *, seed: int = 0) -> Batch:
        """Return adversarial images in [0, 1], shaped like `images`, none further than epsilon from them.

        Args:
            model: Takes [0, 1] pixels and returns logits; it is left as it was.
            images: Pixels in [0, 1]; they are attacked as one batch.
            labels: The true classes.
            epsilon: The bound on the change, on the [0, 1] scale: one number, or one for each image.
            seed: Decides all that is drawn.

        Raises:
            InputError: If model, images, labels, epsilon and settings do not fit together.
            MissingDependencyError: If it needs a library that is not installed.
        """

    def check(self, model: nn.Module, images: Batch, labels: Labels) -> None:
        """Refuse what `run` would refuse of a model and of images like these, before the work that precedes it.

        Raises:
            InputError: As `run`.
            MissingDependencyError: As `run`.
        """
        check_attacked(images, labels, self.norm)
        check_band(self.band, (images.shape[-2], images.shape[-1]))
        with attacking(model):
            if self.needs_gradient:
                logits, _ = loss_gradient(model, images, labels)
            else:
                with torch.no_grad():
                    logits = model(images)
        if logits.shape[1] < self.least_classes:
            raise InputError(
                f"{self.label} needs a model of at least {self.least_classes} classes, got {logits.shape[1]}"
            )

    def resolved(self) -> Attack:
        """Return the same attack with its defaults spelled out: equal attacks become equal."""
        return self

    def unconfined(self) -> Attack:
        """Return the same attack with all frequencies open to it."""
        return self if self.band is None else replace(self, band=None)

    def to_dict(self) -> dict[str, Any]:
        """Return name and settings as JSON holds them; `from_dict` reads them back."""
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        band = settings.get("band")
        return {"name": self.name} | settings | {"band": None if band is None else str(band)}

    @staticmethod
    def from_dict(settings: Mapping[str, Any]) -> Attack:
        """Return the attack that `to_dict` wrote, now or in version 0.1; one without a name is PGD, as it was there.

        Raises:
            UnknownNameError: If there is no such attack, or no such setting of it.
            InputError: If a value has the wrong type or is impossible.

        Example:
            >>> Attack.from_dict({"name": "fgsm", "norm": "linf", "steps": 20, "band": "low:8"}).label
            'FGSM on lfc:8'
        """
        return ATTACKS.find(settings.get("name", PGD.name)).of_settings(settings)

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Attack:
        """Return the attack of this class with these settings, a band as text; for errors see `from_dict`."""
        own = {each.name: each.init for each in fields(cls)}
        values = {name: value for name, value in settings.items() if name != "name"}
        if isinstance(values.get("band"), str):
            values["band"] = parse_component(values["band"])
        chosen = {}
        for name, value in values.items():
            if own.get(name):
                chosen[name] = value
                continue
            if name not in (*own, *SETTINGS_0_1):
                raise UnknownNameError("setting of an attack", name, own)
            fixed = getattr(cls, name) if name in own else SETTINGS_0_1[name]
            if value != fixed:
                but = "" if fixed is None else f" but {fixed}"
                raise InputError(
                    f"{cls.__name__} takes no {name}{but}, got {str(value)!r}. Choose PGD, which does."
                )
        return cls(**chosen)


@dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient ascent (Madry et al. 2018): many small steps, each brought back into the ball.

    Attributes:
        norm: How a perturbation is measured: its largest pixel (`"linf"`), or its length over all pixels (`"l2"`).
        steps: Number of steps.
        step_share: Length of a step as a share of epsilon; None is `2.5 / steps`.
        restarts: How often to start anew on images whose prediction has not changed.
        random_start: Whether to start anywhere in the ball, and not at the image.
        band: The frequencies that the perturbation may have, such as `Low(8)`; None is all of them.

    Raises:
        InputError: If a value is impossible, or does not go with another one.
        UnknownNameError: If there is no such norm.

    Example:
        >>> PGD(steps=40, band=parse_component("lfc:8")).label
        'PGD-40 on lfc:8'
    """

    name, norms = ATTACKS.lines["pgd"]

    norm: Norm = "linf"
    steps: int = STEPS
    step_share: float | None = None
    restarts: int = RESTARTS
    random_start: bool = True
    band: Component | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_norm(self.norm)
        check_band(self.band)
        check_ascent(self.steps, self.step_share, self.restarts, self.random_start)

    @property
    def label(self) -> str:
        """`PGD-20`, and what is not as usual."""
        text = f"PGD-{self.steps}"
        if self.share != REACH / self.steps:
            text += f", step {self.share:g}"
        if self.restarts > 1:
            text += f", {self.restarts} starts"
        if not self.random_start:
            text += ", from the image"
        return text + on_band(self.band)

    @property
    def share(self) -> float:
        """Length of a step as a share of epsilon."""
        return REACH / self.steps if self.step_share is None else self.step_share

    @property
    def effort(self) -> Effort:
        """One gradient a step, in every start."""
        return Effort(self.steps * self.restarts)

    @property
    def ascent(self) -> PGD:
        """Itself."""
        return self

    @property
    def iterated(self) -> PGD:
        """Itself."""
        return self

    def run(
        self,
        model: nn.Module,
        images: Batch,
        labels: Labels,
        epsilon: Bound,
        *,
        seed: int = 0,
        generator: torch.Generator | None = None,
        trusted: bool = False,
    ) -> Batch:
        """Return adversarial images: see `Attack.run` and `passband.pgd`.

        Args:
            model: See `Attack.run`.
            images: See `Attack.run`.
            labels: See `Attack.run`.
            epsilon: See `Attack.run`.
            seed: See `Attack.run`.
            generator: Draws the starts in place of one that follows from `seed`, on the device of the images.
            trusted: See `passband.pgd`.
        """
        return pgd(
            model,
            images,
            labels,
            epsilon,
            norm=self.norm,
            steps=self.steps,
            step_size=self.share * epsilon,
            restarts=self.restarts,
            random_start=self.random_start,
            band=self.band,
            generator=generator or generator_for(seed, "attack", device=images.device),
            trusted=trusted,
        )

    def resolved(self) -> PGD:
        """Return the same attack with the length of a step spelled out."""
        return replace(self, step_share=self.share)


@dataclass(frozen=True)
class FGSM(Attack):
    """One step of length epsilon along the sign of the gradient (Goodfellow et al. 2015), in linf.

    Attributes:
        band: The frequencies that the perturbation may have, such as `Low(8)`; None is all of them.

    Raises:
        InputError: If a perturbation cannot be held to the band.

    Example:
        >>> FGSM().ascent
        PGD(norm='linf', steps=1, step_share=1.0, restarts=1, random_start=False, band=None)
    """

    name, norms = ATTACKS.lines["fgsm"]

    norm: Norm = field(default="linf", init=False)
    band: Component | None = None

    def __post_init__(self) -> None:
        """Refuse what is no band."""
        check_band(self.band)

    @property
    def label(self) -> str:
        """`FGSM`, and its band."""
        return f"FGSM{on_band(self.band)}"

    @property
    def effort(self) -> Effort:
        """One gradient."""
        return Effort(1)

    @property
    def ascent(self) -> PGD:
        """One step from the image."""
        return PGD(self.norm, steps=1, step_share=1.0, random_start=False, band=self.band)

    def run(self, model: nn.Module, images: Batch, labels: Labels, epsilon: Bound, *, seed: int = 0) -> Batch:
        """Return adversarial images: see `Attack.run`. Nothing is drawn."""
        return fgsm(model, images, labels, epsilon, band=self.band)


def check_norm(norm: str) -> None:
    """Refuse a norm that is none.

    Raises:
        UnknownNameError: If it is none.
    """
    if norm not in get_args(Norm):
        raise UnknownNameError("norm", str(norm), get_args(Norm))


def on_band(band: Component | None) -> str:
    """Return how a label says the band."""
    return "" if band is None else f" on {band}"
