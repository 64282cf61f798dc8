"""What is done to an image before it is looked at, and how it is cut: all that the page's controls decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, get_args

from passband.choices import Amplitude
from passband.errors import InputError, UnknownNameError
from passband.explorer.cut import Cut, CutKind

LONGEST = 40
"""Characters of a setting: no number is longer, and a fraction of a million digits would take its time."""


@dataclass(frozen=True)
class View:
    """What is looked at.

    Attributes:
        cut: How the image is cut in two.
        amplitude: What is done to either part before a model sees it: see `passband.rescale`.
        rho: By how much the kernels of the first model's first convolution are smoothed; 0 leaves them.
        normalize: Whether smoothed kernels are divided by 1 + 8 rho.
        epsilon: How far PGD may go, on the [0, 1] scale, each pixel; 0 leaves the image.
        steps: Steps of PGD.

    Raises:
        InputError: If a number is impossible.
    """

    cut: Cut = field(default_factory=Cut)
    amplitude: Amplitude = "max"
    rho: float = 0.0
    normalize: bool = False
    epsilon: float = 0.0
    steps: int = 10

    def __post_init__(self) -> None:
        """Refuse impossible settings, and those that would take forever."""
        for name, number, most in (("rho", self.rho, 2), ("epsilon", self.epsilon, 0.25)):
            if not 0 <= number <= most:
                raise InputError(f"{name} is between 0 and {most} here, got {number}")
        if not 1 <= self.steps <= 50:
            raise InputError(f"PGD takes 1 to 50 steps here, got {self.steps}")

    @classmethod
    def read(cls, query: Mapping[str, str], amplitude: Amplitude = "max") -> View:
        """Return what the query of an address asks for; what it leaves out is as by default.

        Args:
            query: `cut`, `width`, `amplitude`, `rho`, `normalize` (1), `epsilon` (`8/255` or a number), `steps`; more is ignored.
            amplitude: The policy by default.

        Raises:
            InputError: If a number is none, or impossible.
            UnknownNameError: If there is no such policy or cut.

        Example:
            >>> View.read({"cut": "rank", "epsilon": "2/255"}).cut.kind
            'rank'
        """
        return cls(
            Cut(one_of(query.get("cut", "radius"), "cut", CutKind), _whole(query, "width", 4)),
            one_of(query.get("amplitude", amplitude), "amplitude policy", Amplitude),
            read_number(query, "rho"),
            query.get("normalize") == "1",
            read_number(query, "epsilon"),
            _whole(query, "steps", 10),
        )


def read_number(query: Mapping[str, str], name: str) -> float:
    """Return a number of a query, written `0.03` or `8/255`; 0 where there is none.

    Raises:
        InputError: If it is written otherwise.
    """
    text = query.get(name, "0")
    try:
        if len(text) > LONGEST or "e" in text.lower():  # of 1e999999999 a fraction takes all memory
            raise ValueError
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise InputError(f"{name} is a number or a fraction such as 8/255, got {text[:LONGEST]!r}") from error


def one_of(text: str, what: str, known: Any) -> Any:
    """Return one of the words of a Literal.

    Raises:
        UnknownNameError: If it is none of them.
    """
    if text not in get_args(known):
        raise UnknownNameError(what, text[:LONGEST], get_args(known))
    return text


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"{name} is a whole number, got {text[:LONGEST]!r}")
    return int(text)
