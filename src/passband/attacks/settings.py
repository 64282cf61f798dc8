"""An attack as data: all of it but the model, the images and epsilon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from passband.errors import InputError, UnknownNameError
from passband.frequency.fourier import corner_radius, high_pass, low_pass
from passband.types import Images, Norm

REACH = 2.5  # steps times their length, in epsilons, where no length is given (Madry et al. 2018)

AttackName = Literal["fgsm", "pgd", "autoattack"]
BandKind = Literal["low", "high"]


@dataclass(frozen=True)
class Band:
    """The frequencies that a perturbation may have: those of the LFC or of the HFC.

    Attributes:
        kind: `"low"` or `"high"`.
        radius: The cut-off in cycles per image. A frequency *at* the radius is low.

    Raises:
        InputError: If the radius is negative or not finite.
        UnknownNameError: If there is no such kind.

    Example:
        >>> str(Band("low", 8)), Band.parse("high:4.5")
        ('low:8', Band(kind='high', radius=4.5))
    """

    kind: BandKind
    radius: float

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.kind not in get_args(BandKind):
            raise UnknownNameError("band", str(self.kind), get_args(BandKind))
        if not _is_number(self.radius) or not (self.radius >= 0 and math.isfinite(self.radius)):
            raise InputError(f"the radius of a band must be 0 or positive, got {self.radius!r}")
        object.__setattr__(self, "radius", float(self.radius))

    def __str__(self) -> str:
        """Write the band as `parse` reads it."""
        return f"{self.kind}:{str(self.radius).removesuffix('.0')}"

    @classmethod
    def parse(cls, text: str) -> Band:
        """Return the band written as `low:8` or `high:8`.

        Raises:
            InputError: If the text is not written so.
        """
        kind, _, number = text.partition(":")
        try:
            radius = float(number)
        except ValueError:
            radius = math.nan
        if kind not in get_args(BandKind) or not (radius >= 0 and math.isfinite(radius)):
            raise InputError(f"a band is written low:RADIUS or high:RADIUS, such as low:8, got {text!r}")
        return cls("low" if kind == "low" else "high", radius)

    def check(self, size: tuple[int, int]) -> None:
        """Refuse images on which the band is everything or nothing.

        Args:
            size: Height and width of the images in pixels.

        Raises:
            InputError: If the radius is not below the corner of their spectrum.
        """
        corner = corner_radius(*size)
        if self.radius >= corner:
            left = "every perturbation" if self.kind == "low" else "no perturbation"
            raise InputError(
                f"the radius of band {str(self)!r} is not below the corner of the spectrum, which is at {corner:.1f} "
                f"for images of {size[0]}x{size[1]} pixels: it would allow {left}. Choose a smaller radius."
            )

    def project(self, change: Images) -> Images:
        """Return what a perturbation has in the band: its LFC or its HFC."""
        return low_pass(change, self.radius) if self.kind == "low" else high_pass(change, self.radius)


@dataclass(frozen=True)
class Attack:
    """How a model is attacked.

    Attributes:
        name: `"fgsm"` (one step along the sign of the gradient), `"pgd"` (projected gradient ascent) or
            `"autoattack"` (the standard ensemble of Croce and Hein 2020).
        norm: How a perturbation is measured: its largest pixel (`"linf"`), or its length over all pixels (`"l2"`).
        steps: Steps of PGD.
        step_share: Length of a step of PGD, as a share of epsilon; None is `2.5 / steps`.
        restarts: How often PGD starts anew on images that it has not changed the prediction of.
        random_start: Whether PGD starts anywhere in the ball, and not at the image.
        band: The frequencies that the perturbation of FGSM or PGD may have; None is all of them.

    Raises:
        InputError: If a value is impossible, or does not go with another one.
        UnknownNameError: If there is no such attack or norm.

    Example:
        >>> Attack("pgd", steps=40, band=Band("low", 8)).label
        'PGD-40 on low:8'
    """

    name: AttackName = "pgd"
    norm: Norm = "linf"
    steps: int = 20
    step_share: float | None = None
    restarts: int = 1
    random_start: bool = True
    band: Band | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.name not in get_args(AttackName):
            raise UnknownNameError("attack", str(self.name), get_args(AttackName))
        if self.norm not in get_args(Norm):
            raise UnknownNameError("norm", str(self.norm), get_args(Norm))
        for what in ("steps", "restarts"):
            value = getattr(self, what)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{what} must be a whole number of at least 1, got {value!r}")
        share = self.step_share
        if share is not None and (not _is_number(share) or not (share > 0 and math.isfinite(share))):
            raise InputError(f"step_share is a share of epsilon and must be positive, got {share!r}")
        if not isinstance(self.random_start, bool):
            raise InputError(f"random_start must be true or false, got {self.random_start!r}")
        if self.band is not None and not isinstance(self.band, Band):
            raise InputError(f"band must be a Band, such as Band.parse('low:8'), got {self.band!r}")
        self._check_together()

    def _check_together(self) -> None:
        if self.name == "fgsm" and self.norm != "linf":
            raise InputError(
                f"FGSM is an attack in linf, got the norm {self.norm!r}. Choose PGD with one step of share 1."
            )
        if self.name == "autoattack" and self.band is not None:
            raise InputError(
                f"AutoAttack cannot be held to the band {str(self.band)!r}. Choose PGD, or leave out the band."
            )
        if self.name == "pgd" and self.restarts > 1 and not self.random_start:
            raise InputError(
                f"{self.restarts} restarts without a random start are one and the same: choose one of the two"
            )

    @property
    def label(self) -> str:
        """A short text for tables; attacks of one norm with the same label are the same."""
        if self.name == "autoattack":
            return "AutoAttack"
        text = "FGSM"
        if self.name == "pgd":
            text = f"PGD-{self.steps}"
            if self.step_share not in (None, REACH / self.steps):
                text += f", step {self.step_share:g}"
            if self.restarts > 1:
                text += f", {self.restarts} starts"
            if not self.random_start:
                text += ", from the image"
        return text if self.band is None else f"{text} on {self.band}"

    def resolved(self) -> Attack:
        """Return the same attack with its defaults spelled out and unused settings reset: equal attacks become equal."""
        if self.name == "pgd":
            return replace(self, step_share=self.step_share or REACH / self.steps)
        return Attack(self.name, self.norm, band=self.band)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them; `from_dict` reads them back."""
        return asdict(self) | {"band": None if self.band is None else str(self.band)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Attack:
        """Return the attack that `to_dict` wrote.

        Raises:
            UnknownNameError: If `settings` has a key that is no setting.
            InputError: If a value has the wrong type or is impossible.
        """
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                raise UnknownNameError("setting of an attack", name, known)
        values = dict(settings)
        if isinstance(values.get("band"), str):
            values["band"] = Band.parse(values["band"])
        return cls(**values)


def check_epsilon(epsilon: float, norm: Norm, values: int) -> None:
    """Refuse a bound that is none, or that shows a wrong unit.

    Args:
        epsilon: The bound on the [0, 1] pixel scale.
        norm: What it bounds.
        values: Pixels times channels of an image.

    Raises:
        InputError: If it is negative, not finite, or above the distance between the farthest two images: 1 in linf,
            the square root of `values` in l2.
    """
    if not (epsilon >= 0 and math.isfinite(epsilon)):
        raise InputError(f"epsilon must be 0 or positive, got {epsilon}")
    farthest = 1.0 if norm == "linf" else math.sqrt(values)
    if epsilon > farthest * (1 + 1e-6):  # the bound itself may have been rounded
        raise InputError(
            f"epsilon must be at most {farthest:g} in {norm}, which is as far as two images can be apart, got "
            f"{epsilon:g}. Pixels are on the [0, 1] scale: write 8/255, not 8."
        )


def bound(epsilon: float) -> str:
    """Return an epsilon as people write it: a short decimal, a whole number of 255ths, or four digits.

    Example:
        >>> bound(8 / 255), bound(0.03), bound(0.5), bound(0.0123456)
        ('8/255', '0.03', '0.5', '0.01235')
    """
    steps = 255 * epsilon
    if abs(epsilon - round(epsilon, 2)) > 1e-9 and abs(steps - round(steps)) < 1e-6:
        return f"{round(steps)}/255"
    return f"{epsilon:.4g}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
