"""How a picture becomes a model's input: crop or squash, by which filter, from how large a part of it.

Which of these rules is used changes what a network answers, by some percent of accuracy: so the rule is data, travels with
models and data sets, and is named in every card. `passband.data.images` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

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
