"""What a detector is shown of an image: the whole, its LFC, its HFC, or the whole under a control for chance.

Images of many sizes need a word for how a radius is measured: `128` is 128 cycles per image on either axis, as the paper
has it, and another frequency in every size; `0.2px` is 0.2 cycles per pixel, the same in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from passband.checks import checked_radius, read_number, write_number
from passband.choices import ViewGeometry
from passband.errors import InputError, UnknownNameError

Kind = Literal["full", "lfc", "hfc", "control"]
"""The control is the whole image less noise that has the spectrum and the norm of its HFC: LFC and control are changed
equally much, at the same frequencies, and only the LFC loses what was there."""

KINDS: tuple[Kind, ...] = get_args(Kind)
PER_PIXEL = "px"
DIGITS = 3  # of a cut-off in cycles per pixel that follows from one in cycles per image


@dataclass(frozen=True)
class View:
    """What a detector is shown.

    Attributes:
        kind: See `Kind`.
        radius: The cut-off; None of the whole image.
        geometry: `"index"`: in cycles per image, on either axis; `"pixel"`: in cycles per pixel. None of the whole image.

    Raises:
        InputError: If the radius is impossible, or one is missing or too much.

    Example:
        >>> str(View("lfc", 128.0, "index")), str(View("hfc", 0.2, "pixel")), str(WHOLE)
        ('lfc:128', 'hfc:0.2px', 'full')
    """

    kind: Kind
    radius: float | None = None
    geometry: ViewGeometry | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.kind not in KINDS:
            raise UnknownNameError("view", self.kind, KINDS)
        whole = self.kind == "full"
        if whole != (self.radius is None) or whole != (self.geometry is None):
            raise InputError(
                f"the whole image has neither radius nor geometry, all other views have both; got {self!r}"
            )
        if self.radius is not None:
            object.__setattr__(self, "radius", checked_radius(self.radius))

    @property
    def cutoff(self) -> float | None:
        """What stands in the column `radius` of tables."""
        return self.radius

    @property
    def at(self) -> str:
        """The radius with its unit, as requirements write it; empty of the whole image."""
        if self.radius is None:
            return ""
        return write_number(self.radius) + (PER_PIXEL if self.geometry == "pixel" else "")

    def __str__(self) -> str:
        """Write it as `parse_view` reads it."""
        return self.kind if self.radius is None else f"{self.kind}:{self.at}"


WHOLE = View("full")


def parse_cutoff(text: str) -> tuple[float, ViewGeometry]:
    """Return radius and geometry of a cut-off such as `128` or `0.2px`.

    Raises:
        InputError: If it is not written so.

    Example:
        >>> parse_cutoff("128"), parse_cutoff("0.2px")
        ((128.0, 'index'), (0.2, 'pixel'))
    """
    match = re.fullmatch(rf"\s*([^\s]+?)({PER_PIXEL})?\s*", text)
    try:
        if match is None:
            raise ValueError(text)
        return checked_radius(read_number(match[1])), "pixel" if match[2] else "index"
    except ValueError as error:
        raise InputError(
            f"a cut-off is a radius in cycles per image, such as 128, or in cycles per pixel, such as 0.2px; got {text!r}"
        ) from error


def parse_view(text: str) -> View:
    """Return the view written as `full`, `lfc:128`, `hfc:0.2px` or `control:128`.

    Raises:
        InputError: If it is not written so.
        UnknownNameError: If there is no such view.
    """
    name, _, cutoff = text.strip().partition(":")
    kinds: dict[str, Kind] = {kind: kind for kind in KINDS}
    if name not in kinds:
        raise UnknownNameError("view", name, kinds)
    return View(kinds[name]) if name == "full" and not cutoff else View(kinds[name], *parse_cutoff(cutoff))


def all_views(
    radii: Sequence[float], cycles_per_pixel: Sequence[float], *, control: bool = True
) -> tuple[View, ...]:
    """Return the whole image, then every LFC, every HFC and every control, first in cycles per image.

    Raises:
        InputError: If a cut-off is impossible, or comes twice.

    Example:
        >>> " ".join(map(str, all_views([64, 128], [0.25])))
        'full lfc:64 lfc:128 lfc:0.25px hfc:64 hfc:128 hfc:0.25px control:64 control:128 control:0.25px'
    """
    cutoffs: list[tuple[float, ViewGeometry]] = [
        *((radius, "index") for radius in radii),
        *((radius, "pixel") for radius in cycles_per_pixel),
    ]
    kinds: tuple[Kind, ...] = ("lfc", "hfc", "control") if control else ("lfc", "hfc")
    found = (WHOLE, *(View(kind, *cutoff) for kind in kinds for cutoff in cutoffs))
    if len(set(found)) < len(found):
        raise InputError(
            f"each cut-off is measured once, got {', '.join(v.at for v in found if v.kind == 'lfc')}"
        )
    return found


def in_order(views: Iterable[View]) -> tuple[View, ...]:
    """Return views in the order of `all_views`: what is lost is lost of the first, the whole image.

    Raises:
        InputError: If the whole image is not among them, or no other view is, or one comes twice.
    """
    found = sorted(views, key=lambda view: (KINDS.index(view.kind), view.geometry or "", view.radius or 0))
    if WHOLE not in found or len(found) < 2 or len(set(found)) < len(found):
        said = ", ".join(map(str, found)) or "none"
        raise InputError(f"views are the whole image (full) and at least one other, each once; got {said}")
    return tuple(found)


def default_radii(shorter_side: float) -> tuple[float, ...]:
    """Return the three largest powers of two that are below half of an image's side: at most its Nyquist frequency.

    Example:
        >>> default_radii(480), default_radii(128), default_radii(3)
        ((32.0, 64.0, 128.0), (8.0, 16.0, 32.0), (1.0,))
    """
    powers = [2.0**power for power in range(16) if 2**power < shorter_side / 2]
    return tuple(powers[-3:])


def per_pixel(radii: Sequence[float], shorter_side: float) -> tuple[float, ...]:
    """Return cut-offs in cycles per image in cycles per pixel, for images of that shorter side.

    Example:
        >>> per_pixel([32, 128], 480)
        (0.0667, 0.267)
    """
    return tuple(float(f"{radius / shorter_side:.{DIGITS}g}") for radius in radii)
