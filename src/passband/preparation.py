"""How a picture becomes a model's input: crop or squash, by which filter, from how large a part of it.

Which of these rules is used changes what a network answers, by some percent of accuracy: so the rule is data, travels with
models and data sets, and is named in every card. `passband.data.images` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from passband.checks import read_number, write_number
from passband.errors import InputError, UnknownNameError

Fit = Literal["crop", "squash"]
"""Whether the aspect is kept, and what stands out over the shorter side is cut off at both ends, or both sides are resized
to what is wanted."""

Resize = Literal[
    "pillow-lanczos",
    "pillow-bicubic",
    "pillow-bilinear",
    "pillow-hamming",
    "pillow-box",
    "pillow-nearest",
    "torch",
    "torch-bicubic",
    "torch-no-antialias",
    "torch-bicubic-no-antialias",
    "torch-nearest",
    "opencv-linear",
    "opencv-cubic",
    "opencv-area",
    "opencv-nearest",
    "opencv-lanczos",
]
"""A library and its filter. Pillow's widen with the reduction, which is antialiasing, as do `torch` (bilinear) and
`torch-bicubic`; OpenCV's do not, `opencv-area` excepted."""

Decoder = Literal["pillow"]


@dataclass(frozen=True)
class Preparation:
    """How pictures become the input of a model.

    Attributes:
        size: Height and width in pixels; None leaves pictures as they are.
        fit: `"crop"` resizes a picture so that it covers `size`, keeping its aspect, and takes the middle; `"squash"` resizes
            it to `size`, whatever that does to the aspect.
        resize: The filter; see `Resize`.
        crop_fraction: The middle part that is taken of the picture so covered, as a share of its sides: 0.875 resizes to 256
            for a crop of 224.
        decoder: Who turns files into pixels. Decoders of JPEG differ by some levels.

    Raises:
        InputError: If a number is impossible.
        UnknownNameError: If there is no such rule.

    Example:
        >>> print(Preparation((224, 224), resize="pillow-bicubic", crop_fraction=0.875))
        cropped to 224x224 (the middle 87.5%) by pillow-bicubic (antialiased), decoded by pillow
    """

    size: tuple[int, int] | None = None
    fit: Fit = "crop"
    resize: Resize = "pillow-lanczos"
    crop_fraction: float = 1.0
    decoder: Decoder = "pillow"

    def __post_init__(self) -> None:
        """Check what a user may have typed."""
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise InputError(
                f"size must be a number of pixels >= 1 or a pair (height, width), got {self.size!r}"
            )
        for kind, name, known in (("fit", self.fit, Fit), ("resize rule", self.resize, Resize)):
            if name not in get_args(known):
                raise UnknownNameError(kind, name, get_args(known))
        if not 0 < self.crop_fraction <= 1:
            raise InputError(
                f"the crop fraction must be above 0 and at most 1, as 0.875; got {self.crop_fraction}"
            )
        if self.fit == "squash" and self.crop_fraction != 1:
            raise InputError("a picture that is squashed is not cropped: its crop fraction is 1")

    def changed(
        self,
        *,
        size: int | tuple[int, int] | None = None,
        resize: Resize | None = None,
        crop_fraction: float | None = None,
    ) -> Preparation:
        """Return it with what a user asks for instead; None keeps what it says.

        Args:
            size: A number is a center square of that side; a pair (height, width) squashes.
            resize: The filter.
            crop_fraction: As the attribute; it makes a squashed picture a cropped one.

        Example:
            >>> Preparation().changed(size=32).fit, Preparation().changed(size=(32, 48)).fit
            ('crop', 'squash')
        """
        changed = self
        if size is not None:
            square = isinstance(size, int)
            pair = (size, size) if isinstance(size, int) else (size[0], size[1])
            changed = Preparation(
                pair, "crop" if square else "squash", self.resize, self.crop_fraction if square else 1.0
            )
        if crop_fraction is not None:
            changed = replace(changed, fit="crop", crop_fraction=crop_fraction)
        return changed if resize is None else replace(changed, resize=resize)

    def leaves(self, size: tuple[int, int]) -> bool:
        """Return whether a picture of a size (height, width) is left as it is."""
        return self.size is None or (self.size == size and self.crop_fraction == 1)

    @property
    def antialias(self) -> bool:
        """Whether the filter widens with the reduction, so that what lies beyond the new Nyquist frequency is removed."""
        if self.resize.endswith(("-nearest", "-no-antialias")):
            return False
        return not self.resize.startswith("opencv") or self.resize == "opencv-area"

    def __str__(self) -> str:
        """Return it in words."""
        if self.size is None:
            return "as stored"
        shape = f"{self.size[0]}x{self.size[1]}"
        part = "" if self.crop_fraction == 1 else f" (the middle {100 * self.crop_fraction:g}%)"
        filtered = f"{self.resize} ({'' if self.antialias else 'not '}antialiased)"
        done = "cropped" if self.fit == "crop" else "squashed"
        return f"{done} to {shape}{part} by {filtered}, decoded by {self.decoder}"


AS_STORED = Preparation()


@dataclass(frozen=True)
class Change:
    """What of a preparation is done otherwise, to the same size.

    Attributes:
        resize: The filter; None keeps it.
        crop: How large a part is taken, as `Preparation.crop_fraction`; or `"squash"`, which takes all of it whatever that does
            to the aspect. None keeps what is taken.

    Raises:
        InputError: If nothing is done otherwise, or a number is impossible.
        UnknownNameError: If there is no such filter.

    Example:
        >>> print(Change.read("opencv-linear@squash").of(Preparation((224, 224), crop_fraction=0.875)))
        squashed to 224x224 by opencv-linear (not antialiased), decoded by pillow
        >>> str(Change("torch")), str(Change(crop=0.875))
        ('torch', '@0.875')
    """

    resize: Resize | None = None
    crop: float | Literal["squash"] | None = None

    def __post_init__(self) -> None:
        """Check what a user may have typed, and make equal ones equal."""
        if self.resize is None and self.crop is None:
            raise InputError(f"nothing is done otherwise: {self._form()}")
        if self.crop is not None and self.crop != "squash":
            object.__setattr__(self, "crop", float(self.crop))
        self.of(Preparation((1, 1)))

    @classmethod
    def read(cls, text: str) -> Change:
        """Return what is written `FILTER`, `FILTER@FRACTION`, `FILTER@squash`, `@FRACTION` or `@squash`.

        Raises:
            InputError: If nothing is written so.
            UnknownNameError: If there is no such filter.
        """
        rule, at, part = text.strip().partition("@")
        try:
            crop = (part if part == "squash" else read_number(part)) if at else None
        except ValueError as error:
            raise InputError(f"{cls._form()}; got {text!r}") from error
        if rule and rule not in get_args(Resize):
            raise UnknownNameError("resize rule", rule, get_args(Resize))
        return cls(rule or None, crop)  # ty: ignore[invalid-argument-type]

    @classmethod
    def between(cls, how: Preparation, other: Preparation) -> Change:
        """Return what makes the first the second; the filter is named also where it is the same."""
        same = (how.fit, how.crop_fraction) == (other.fit, other.crop_fraction)
        return cls(other.resize, None if same else "squash" if other.fit == "squash" else other.crop_fraction)

    def of(self, how: Preparation) -> Preparation:
        """Return a preparation with this done otherwise."""
        if self.resize is not None:
            how = replace(how, resize=self.resize)
        if self.crop is None:
            return how
        if self.crop == "squash":
            return replace(how, fit="squash", crop_fraction=1.0)
        return replace(how, fit="crop", crop_fraction=float(self.crop))

    def __str__(self) -> str:
        """Write it as `read` reads it."""
        if self.crop is None:
            return f"{self.resize}"
        part = self.crop if self.crop == "squash" else write_number(float(self.crop))
        return f"{self.resize or ''}@{part}"

    @staticmethod
    def _form() -> str:
        return "another way of preparing pictures is written as opencv-linear, opencv-linear@0.875, @0.875 or @squash"
