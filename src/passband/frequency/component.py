"""What a model is shown of an image: the whole, its low or its high frequencies, its dominant or trailing singular values.

A component is a value: it can be taken of images, written as text and read back, compared and hashed. A new kind is a
class here and a line in `KINDS`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from passband.checks import checked_radius, read_number, write_number
from passband.errors import InputError, UnknownNameError
from passband.frequency.fourier import corner_radius, frequency_distance, split_many
from passband.frequency.svd import check_rank, split_by_rank
from passband.types import Images


class Component(ABC):
    """One part of an image.

    Attributes:
        kind: What stands before the colon of its text, and in the column `component` of tables.
        form: How it is written, for messages.
    """

    kind: ClassVar[str]
    form: ClassVar[str]

    @property
    def cutoff(self) -> float | None:
        """What stands in the column `radius` of tables: the outermost of its radii; None where it has none."""
        return max(self.radii, default=None)

    @property
    def radii(self) -> tuple[float, ...]:
        """The cut-offs at which images must be split to make it; none if it is made otherwise."""
        return ()

    @property
    def is_band(self) -> bool:
        """Whether it is a part of the frequencies, so that a perturbation can be held to it.

        What is made of LFCs and HFCs alone is: it is linear in the image, and taken twice it is what it was.
        """
        return len(self.radii) > 0

    def of(self, images: Images) -> Images:
        """Return this component of images, shaped like them, on their scale; neither clipped nor rescaled.

        Raises:
            InputError: As `passband.split`.
        """
        return next(take([self], images))

    @abstractmethod
    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return this component, given the LFC and the HFC of the images at each of `radii`."""

    def check(self, size: tuple[int, int]) -> None:
        """Refuse images of `size` (height, width) of which the component is nothing, or everything.

        Raises:
            InputError: If it is.
        """
        corner = corner_radius(*size)
        for radius in self.radii:
            if radius >= corner:
                raise InputError(
                    f"radius {radius:g} is not below the corner of the spectrum, which is at {corner:.1f} for images of "
                    f"{size[0]}x{size[1]} pixels: nothing lies beyond it, so that {str(self)!r} would be all of an image or "
                    "none of it. Choose a smaller radius."
                )

    @classmethod
    @abstractmethod
    def read(cls, text: str) -> Component:
        """Return the component whose text after the colon is this; anything else raises ValueError."""


@dataclass(frozen=True)
class Full(Component):
    """The whole image.

    Example:
        >>> str(Full())
        'full'
    """

    kind: ClassVar[str] = "full"
    form: ClassVar[str] = "full"

    def __str__(self) -> str:
        """Write it as `parse_component` reads it."""
        return self.kind

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return the images."""
        return images

    @classmethod
    def read(cls, text: str) -> Full:
        """Return it; there is nothing to read."""
        if text:
            raise ValueError(text)
        return cls()


@dataclass(frozen=True)
class _AtRadius(Component):
    """A component that one radius decides."""

    radius: float

    def __post_init__(self) -> None:
        """Refuse impossible radii, and make equal ones equal."""
        object.__setattr__(self, "radius", checked_radius(self.radius))

    def __str__(self) -> str:
        """Write it as `parse_component` reads it."""
        return f"{self.kind}:{write_number(self.radius)}"

    @property
    def radii(self) -> tuple[float, ...]:
        """Its radius."""
        return (self.radius,)

    @classmethod
    def read(cls, text: str) -> Component:
        """Read `8` or `4.5`."""
        return cls(read_number(text))


@dataclass(frozen=True)
class Low(_AtRadius):
    """The low-frequency component (LFC): all frequencies up to a radius and at it (section 3.1 of the paper).

    Args:
        radius: In cycles per image, 0 or positive.

    Raises:
        InputError: If the radius is negative or not finite.

    Example:
        >>> str(Low(8)), Low(8) == Low(8.0), Low(8) == High(8)
        ('lfc:8', True, False)
    """

    kind: ClassVar[str] = "lfc"
    form: ClassVar[str] = "lfc:RADIUS, such as lfc:8"

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return the LFC."""
        return splits[self.radius][0]


@dataclass(frozen=True)
class High(_AtRadius):
    """The high-frequency component (HFC): all frequencies beyond a radius; arguments as for `Low`."""

    kind: ClassVar[str] = "hfc"
    form: ClassVar[str] = "hfc:RADIUS, such as hfc:8"

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return the HFC."""
        return splits[self.radius][1]


@dataclass(frozen=True)
class _BetweenRadii(Component):
    """A component that the frequencies beyond an inner radius decide, up to an outer one and at it."""

    inner: float
    outer: float

    def __post_init__(self) -> None:
        """Refuse impossible radii, and make equal ones equal."""
        for name in ("inner", "outer"):
            object.__setattr__(self, name, checked_radius(getattr(self, name)))
        if not self.inner < self.outer:
            raise InputError(f"the outer radius of a ring must be larger than its inner one, got {self}")

    def __str__(self) -> str:
        """Write it as `parse_component` reads it."""
        return f"{self.kind}:{write_number(self.inner)}-{write_number(self.outer)}"

    @property
    def radii(self) -> tuple[float, ...]:
        """Both radii."""
        return self.inner, self.outer

    def check(self, size: tuple[int, int]) -> None:
        """Refuse images of `size` (height, width) that have no frequency between the radii; the outer may be beyond all.

        Raises:
            InputError: If they have none.
        """
        distance = frequency_distance(*size)
        if not ((distance > self.inner) & (distance <= self.outer)).any():
            raise InputError(
                f"no frequency of images of {size[0]}x{size[1]} pixels lies in the ring of {str(self)!r}, so that it would be "
                f"all of an image or none of it; their corner is at {corner_radius(*size):.1f}. Choose another ring."
            )

    @classmethod
    def read(cls, text: str) -> Component:
        """Read `4-8`."""
        match = re.fullmatch("(.*[^e])-(.*)", text)  # no exponent's minus
        if match is None:
            raise ValueError(text)
        return cls(read_number(match[1]), read_number(match[2]))


@dataclass(frozen=True)
class Ring(_BetweenRadii):
    """All frequencies beyond an inner radius, up to an outer one and at it: the outer LFC without the inner one.

    Args:
        inner: In cycles per image, 0 or positive.
        outer: Larger than `inner`.

    Raises:
        InputError: If a radius is negative or not finite, or nothing lies between the two.

    Example:
        >>> str(Ring(4, 8)), parse_component("ring:4-8").cutoff
        ('ring:4-8', 8.0)
    """

    kind: ClassVar[str] = "ring"
    form: ClassVar[str] = "ring:INNER-OUTER, such as ring:4-8"

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return what the outer LFC has and the inner one has not."""
        return splits[self.outer][0] - splits[self.inner][0]


@dataclass(frozen=True)
class Only(_BetweenRadii):
    """A ring and the image's mean, which a ring by itself has not: an image on its own scale; arguments as for `Ring`.

    Example:
        >>> str(Only(4, 8)), parse_component("only:4-8") == Only(4.0, 8.0)
        ('only:4-8', True)
    """

    kind: ClassVar[str] = "only"
    form: ClassVar[str] = "only:INNER-OUTER, such as only:4-8"

    @property
    def radii(self) -> tuple[float, ...]:
        """Both radii, and that of the mean."""
        return 0.0, self.inner, self.outer

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return what the outer LFC has and the inner one has not, and the mean."""
        return splits[self.outer][0] - splits[self.inner][0] + splits[0.0][0]


@dataclass(frozen=True)
class Without(_BetweenRadii):
    """The image without a ring, its mean included: the inner LFC and the outer HFC; arguments as for `Ring`.

    Example:
        >>> str(Without(4, 8)), parse_component("without:4-8") == Without(4.0, 8.0)
        ('without:4-8', True)
    """

    kind: ClassVar[str] = "without"
    form: ClassVar[str] = "without:INNER-OUTER, such as without:4-8"

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return what lies within the inner radius and what lies beyond the outer one."""
        return splits[self.inner][0] + splits[self.outer][1]


@dataclass(frozen=True)
class _AtRank(Component):
    """A component that one rank decides; it is made without radii, and no part of the frequencies."""

    rank: int

    def __post_init__(self) -> None:
        """Refuse ranks at which nothing is dominant."""
        check_rank(self.rank, least=1)

    def __str__(self) -> str:
        """Write it as `parse_component` reads it."""
        return f"{self.kind}:{self.rank}"

    def check(self, size: tuple[int, int]) -> None:
        """Refuse images with no more singular values than are dominant."""
        if self.rank >= min(size):
            raise InputError(
                f"{str(self)!r} would be all of an image or none of it: images of {size[0]}x{size[1]} pixels have "
                f"{min(size)} singular values. Choose a smaller rank."
            )

    @classmethod
    def read(cls, text: str) -> Component:
        """Read `6`."""
        return cls(int(text))


@dataclass(frozen=True)
class Dominant(_AtRank):
    """What the largest singular values of each channel make: see `passband.split_by_rank` (section 8 of the paper).

    Args:
        rank: How many of them, at least 1.

    Raises:
        InputError: If it is no such number.

    Example:
        >>> str(Dominant(6)), parse_component("trailing:6")
        ('rank:6', Trailing(rank=6))
    """

    kind: ClassVar[str] = "rank"
    form: ClassVar[str] = "rank:NUMBER, such as rank:6"

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return the dominant part."""
        return split_by_rank(images, self.rank)[0]


@dataclass(frozen=True)
class Trailing(_AtRank):
    """What all other singular values make; arguments as for `Dominant`."""

    kind: ClassVar[str] = "trailing"
    form: ClassVar[str] = "trailing:NUMBER, such as trailing:6"

    def make(self, images: Images, splits: Mapping[float, tuple[Images, Images]]) -> Images:
        """Return the trailing part."""
        return split_by_rank(images, self.rank)[1]


FULL = Full()

KINDS: dict[str, type[Component]] = {
    kind.kind: kind for kind in (Full, Low, High, Ring, Only, Without, Dominant, Trailing)
}
"""All kinds of components by their names, degraded images (`frequency/degraded.py`) aside; one line a kind."""

ALIASES = {"low": "lfc", "high": "hfc"}
"""What version 0.1 called the bands of attacks."""


def parse_component(text: str) -> Component:
    """Return the component written as `full`, `lfc:8`, `hfc:4.5`, `ring:4-8`, `only:4-8`, `without:4-8`, `rank:6` or `trailing:6`, or as
    `blur:1.3`, degraded.

    Raises:
        InputError: If the text is not written so, or a radius or rank is impossible.
        UnknownNameError: If there is no such kind.

    Example:
        >>> parse_component("hfc:4.5")
        High(radius=4.5)
    """
    from passband.frequency.degraded import DEGRADED  # which builds on this module

    kinds = KINDS | DEGRADED
    name, _, rest = text.strip().partition(":")
    kind = kinds.get(ALIASES.get(name, name))
    if kind is None:
        raise UnknownNameError("component", name, kinds)
    try:
        return kind.read(rest)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"a component of this kind is written {kind.form}, got {text!r}") from error


def take(components: Sequence[Component], images: Images) -> Iterator[Images]:
    """Yield several components of the same images, in their order, with one forward transform for all of them.

    Raises:
        InputError: As `passband.split`.
    """
    radii = sorted({radius for component in components for radius in component.radii})
    splits: dict[float, tuple[Images, Images]] = {}
    if radii:
        low, high = split_many(images, radii)
        splits = {radius: (low[index], high[index]) for index, radius in enumerate(radii)}
    for component in components:
        yield component.make(images, splits)


def check_components(components: Sequence[Component], size: tuple[int, int]) -> None:
    """Refuse components that leave nothing to compare.

    Args:
        components: What is to be shown.
        size: Height and width of the images in pixels.

    Raises:
        InputError: If one comes twice, or does not fit the images.
    """
    if len(set(components)) < len(components):
        raise InputError(f"each component is measured once, got {', '.join(map(str, components))}")
    for component in components:
        component.check(size)


def lows_and_highs(radii: Sequence[float], kinds: Sequence[str] = ("lfc", "hfc")) -> tuple[Component, ...]:
    """Return the LFC at every radius, then the HFC at every radius.

    Raises:
        UnknownNameError: If a kind is neither.

    Example:
        >>> " ".join(map(str, lows_and_highs([4, 8])))
        'lfc:4 lfc:8 hfc:4 hfc:8'
    """
    known: dict[str, type[_AtRadius]] = {"lfc": Low, "hfc": High}
    for kind in kinds:
        if kind not in known:
            raise UnknownNameError("component", kind, known)
    return tuple(known[kind](radius) for kind in kinds for radius in radii)
