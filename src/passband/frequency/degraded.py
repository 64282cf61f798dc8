"""Degraded images as what a model is shown: `size:96`, `jpeg:22`, `blur:1.3`, `noise:0.05`.

They are written, read, compared and hashed as other components are, and are no band of frequencies.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from passband.checks import read_number, write_number
from passband.errors import InputError
from passband.frequency.component import Component
from passband.frequency.degradation import add_noise, compress, gaussian_blur, reduce_and_enlarge
from passband.types import Images


@dataclass(frozen=True)
class Degraded(Component):
    """The whole image, degraded.

    Attributes:
        strength: How much, in the unit of its kind.
        smaller_is_stronger: Whether less of that unit leaves less of the image.
    """

    strength: float
    smaller_is_stronger: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse impossible strengths, and make equal ones equal."""
        number = isinstance(self.strength, int | float) and not isinstance(self.strength, bool)
        if not number or not 0 < self.strength < math.inf:
            raise InputError(f"the number of {self.form} must be positive and finite, got {self.strength!r}")
        object.__setattr__(self, "strength", float(self.strength))

    def __str__(self) -> str:
        """Write it as `parse_component` reads it."""
        return f"{self.kind}:{write_number(self.strength)}"

    @classmethod
    def read(cls, text: str) -> Degraded:
        """Read `8` or `4.5`."""
        return cls(read_number(text))


@dataclass(frozen=True)
class Blurred(Degraded):
    """The image blurred by a Gaussian: see `gaussian_blur`.

    Args:
        strength: Its standard deviation in pixels.

    Raises:
        InputError: If that is not positive and finite.

    Example:
        >>> str(Blurred(1.3))
        'blur:1.3'
    """

    kind: ClassVar[str] = "blur"
    form: ClassVar[str] = "blur:SIGMA, such as blur:1.3"

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Blur the images."""
        return gaussian_blur(images, self.strength)

    def check(self, size: tuple[int, int]) -> None:
        """Refuse images of which nothing but the mean is left."""
        if self.strength > max(size):
            raise InputError(
                f"{str(self)!r} leaves nothing but the mean of images of {size[0]}x{size[1]} pixels. Choose a smaller sigma."
            )


@dataclass(frozen=True)
class _Whole(Degraded):
    """A strength that is a whole number, and leaves less of the image the smaller it is."""

    smaller_is_stronger: ClassVar[bool] = True
    most: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        """Refuse what is no whole number, or too large."""
        super().__post_init__()
        if self.strength % 1 or self.strength > self.most:
            upto = "" if self.most == math.inf else f" of at most {self.most}"
            raise InputError(
                f"the number of {self.form} must be a whole one{upto}, got {write_number(self.strength)}"
            )


@dataclass(frozen=True)
class Reduced(_Whole):
    """The image reduced to a lower resolution and enlarged again: see `reduce_and_enlarge`.

    Args:
        strength: Pixels of the shorter side at the lower resolution.

    Raises:
        InputError: If that is no whole number of at least 1.
    """

    kind: ClassVar[str] = "size"
    form: ClassVar[str] = "size:PIXELS, such as size:96"

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Reduce the images and enlarge them."""
        return reduce_and_enlarge(images, int(self.strength))

    def check(self, size: tuple[int, int]) -> None:
        """Refuse images that are no larger."""
        if self.strength >= min(size):
            raise InputError(
                f"images of {size[0]}x{size[1]} pixels are not reduced to {self.strength:g}, so that {str(self)!r} would be all "
                "of an image. Choose fewer pixels."
            )


@dataclass(frozen=True)
class Compressed(_Whole):
    """The image stored as a JPEG file: see `compress`.

    Args:
        strength: libjpeg's quality, a whole number from 1 to 100.

    Raises:
        InputError: If it is none.
    """

    kind: ClassVar[str] = "jpeg"
    form: ClassVar[str] = "jpeg:QUALITY, such as jpeg:22"
    most: ClassVar[float] = 100

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Compress the images."""
        return compress(images, int(self.strength))


@dataclass(frozen=True)
class Noisy(Degraded):
    """The image with Gaussian noise: see `add_noise`.

    Args:
        strength: Its standard deviation on the [0, 1] pixel scale.
        seed: Draws it.

    Raises:
        InputError: If the strength is not positive and finite.

    Example:
        >>> str(Noisy(0.05)), str(Noisy(0.05, seed=7))
        ('noise:0.05', 'noise:0.05@7')
    """

    seed: int = 0
    kind: ClassVar[str] = "noise"
    form: ClassVar[str] = "noise:DEVIATION or noise:DEVIATION@SEED, such as noise:0.05"

    def __str__(self) -> str:
        """Write it as `parse_component` reads it; seed 0 goes without saying."""
        return super().__str__() + (f"@{self.seed}" if self.seed else "")

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Add noise."""
        return add_noise(images, self.strength, self.seed)

    @classmethod
    def read(cls, text: str) -> Noisy:
        """Read `0.05` or `0.05@7`."""
        match = re.fullmatch(r"([^@]*)(?:@(-?\d+))?", text)
        if match is None:
            raise ValueError(text)
        return cls(read_number(match[1]), int(match[2] or 0))


DEGRADED: dict[str, type[Degraded]] = {kind.kind: kind for kind in (Reduced, Compressed, Blurred, Noisy)}
"""All kinds of degraded images by their names."""
