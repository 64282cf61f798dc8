"""How images are given to a network, and what it returns is read as logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from passband.errors import InputError
from passband.models.pieces import in_pieces
from passband.prediction import as_float
from passband.types import Batch, Logits

Values = Literal["logits", "probabilities", "sigmoids"]
"""What a network's outputs are: logits; probabilities that sum to 1; or a probability each, on its own."""


@dataclass(frozen=True)
class Reading:
    """How a network is asked. `passband.models.trial` finds it out; without it a network returns plain logits.

    Attributes:
        entry: Key, attribute or position of the logits in what it returns; None where it returns nothing else.
        outputs: How many numbers it returns an image; None takes them as they come, shaped (batch, outputs).
        values: What they are.
        dtype: What it computes in, where it does not take float32 images.
        batch: How many images it takes at once; None for any number.
    """

    entry: str | int | None = None
    outputs: int | None = None
    values: Values = "logits"
    dtype: torch.dtype | None = None
    batch: int | None = None

    def ask(self, network: nn.Module, pixels: Batch, who: str) -> Logits:
        """Return a network's logits.

        Args:
            network: Takes normalized images.
            pixels: These images.
            who: What the network is called, for errors.

        Returns:
            One logit a class, in float32, or wider where the network's outputs are. A single output is the second of two classes, the first of which is 0.

        Raises:
            InputError: If it returns something else than it should.
        """
        pixels = pixels if self.dtype is None else pixels.to(self.dtype)
        if self.batch is None:
            return self._logits(network(pixels), len(pixels), who)
        return in_pieces(
            lambda piece: self._logits(network(piece), len(piece), who), pixels, self.batch, self.batch
        )

    def rows(self, output: Any, images: int, who: str) -> Tensor:
        """Return the numbers that a network returned, shaped (images, outputs).

        Raises:
            InputError: If they are no such numbers.
        """
        found = output if self.entry is None else entry_of(output, self.entry)
        if not isinstance(found, Tensor) or not found.is_floating_point():
            got = (
                f"one of {found.dtype} (are these classes, and no logits?)"
                if isinstance(found, Tensor)
                else f"a {type(found).__name__}"
            )
            raise InputError(f"{who} must return a tensor of logits, got {got}. {ADVICE}")
        count = self.outputs
        if count is None:
            fits = found.ndim == 2 and len(found) == images
        else:  # an axis of 1 may be there or not: a squeezed batch of one image has lost its first
            fits = _long_axes(found.shape) == _long_axes((images, count))
        if not fits:
            raise InputError(
                f"{who} must return logits shaped ({images}, {'classes' if count is None else count}) for {images} images; "
                f"got {tuple(found.shape)}. {ADVICE}"
            )
        return found if count is None else found.reshape(images, count)

    def _logits(self, output: Any, images: int, who: str) -> Logits:
        rows = self.rows(output, images, who)
        limits = torch.finfo(rows.dtype)
        least = HALF_LEAST if rows.dtype == torch.float16 else limits.tiny
        rows = as_float(rows)
        if self.values == "probabilities":
            rows = rows.clamp_min(least).log()
        elif self.values == "sigmoids":
            rows = rows.clamp(least, 1 - limits.eps / 2)
            rows = rows.log() - (-rows).log1p()
        return torch.cat([torch.zeros_like(rows), rows], dim=1) if self.outputs == 1 else rows


HALF_LEAST = 2.0**-24
"""The smallest float16 above 0; that of the others has fewer digits, and is not needed."""

ADVICE = "Wrap it in a function that returns the logits, and load that with python:FILE.py:FUNCTION."


def entry_of(output: Any, entry: str | int) -> Any:
    """Return one of several things that a network returned, by key, attribute or position."""
    if isinstance(entry, int) or isinstance(output, Mapping):
        return output[entry]
    return getattr(output, entry)


def find_entry(output: Any, who: str) -> tuple[str | int | None, str | None]:
    """Return where the logits are in what a network returned, and a sentence on what was left, if anything was.

    Raises:
        InputError: If it cannot be told.
    """
    if isinstance(output, Tensor):
        return None, None
    if isinstance(output, Mapping):
        tensors = [key for key, value in output.items() if isinstance(value, Tensor)]
        key = "logits" if "logits" in tensors else tensors[0] if len(tensors) == 1 else None
        if key is None:
            raise InputError(
                f"{who} must return a tensor of logits, got a {type(output).__name__} of {', '.join(map(repr, output)) or 'nothing'}"
                f": which of them are the logits? {ADVICE}"
            )
        return key, f"{who} returns a {type(output).__name__}, whose {key!r} was taken" + _rest(output, key)
    if isinstance(
        getattr(output, "logits", None), Tensor
    ):  # transformers' outputs, torchvision's named tuples
        return "logits", f"{who} returns a {type(output).__name__}, whose 'logits' were taken"
    if isinstance(output, list | tuple) and output and isinstance(output[0], Tensor):
        shapes = ", ".join(
            str(tuple(each.shape)) if isinstance(each, Tensor) else type(each).__name__ for each in output
        )
        return 0, f"{who} returns a {type(output).__name__} ({shapes} for a batch), whose first was taken"
    raise InputError(f"{who} must return a tensor of logits, got a {type(output).__name__}. {ADVICE}")


def _rest(output: Mapping, key: Any) -> str:
    others = [repr(each) for each in output if each != key]
    return f" and {', '.join(others)} left" if others else ""


def _long_axes(shape: tuple[int, ...]) -> list[int]:
    return [side for side in shape if side != 1]
