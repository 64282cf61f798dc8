"""What strided operations throw away: the same convolution or pooling with stride 1, of which each so-manieth pixel is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from passband.models.watching import Operation, first_tensor

CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
MAXIMUM = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
MEAN = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")

STRIDED: dict[str, tuple[Callable[..., Tensor], tuple[str, ...]]] = {
    "conv2d": (F.conv2d, CONVOLUTION),
    "max_pool2d": (F.max_pool2d, MAXIMUM),
    "max_pool2d_with_indices": (F.max_pool2d, MAXIMUM),
    "avg_pool2d": (F.avg_pool2d, MEAN),
}
"""Operations by the names that torch calls them, with their arguments in order."""

OTHERS = ("adaptive_avg_pool2d", "adaptive_max_pool2d", "interpolate", "lp_pool2d", "fractional_max_pool2d")
"""Operations that may make a grid coarser too, by no stride that could be 1."""

VALUES_AT_ONCE = 2**22
"""Values of a dense map that are there at a time."""


@dataclass(frozen=True, eq=False)
class Downsampling:
    """An operation with a stride, and what it was given.

    Attributes:
        kind: A key of `STRIDED`.
        arguments: By their names; `input` is shaped (batch, channels, height, width).
        stride: Down and across.
        grid: Height and width of what it returned.
    """

    kind: str
    arguments: dict[str, Any]
    stride: tuple[int, int]
    grid: tuple[int, int]

    def dense(self, at: int) -> Iterator[Tensor]:
        """Yield what it returns of one of its inputs with stride 1, some channels at a time.

        Padding is the same, so that each so-manieth row and column, from the first on, is what it returned with its stride: all
        of it, but for windows of a pooling with `ceil_mode` that reach over the edge, which there are none of with stride 1.
        What is there is cut to the size of the grid times the stride.
        """
        image = self.arguments["input"][at : at + 1]
        parts = self._convolutions(image) if self.kind == "conv2d" else self._poolings(image)
        height, width = (step * side for step, side in zip(self.stride, self.grid, strict=True))
        for part in parts:
            yield part[0, :, :height, :width]

    def _convolutions(self, image: Tensor) -> Iterator[Tensor]:
        weight, bias = self.arguments["weight"], self.arguments.get("bias")
        groups = self.arguments.get("groups", 1)
        alone = 1 if groups == 1 else len(weight) // groups  # filters that share their inputs with no others
        step = alone * max(1, VALUES_AT_ONCE // (image[0, 0].numel() * alone))
        for start in range(0, len(weight), step):
            filters = weight[start : start + step]
            first, some = (0, 1) if groups == 1 else (start // alone, len(filters) // alone)
            yield F.conv2d(
                image.narrow(1, first * weight.shape[1], some * weight.shape[1]),
                filters,
                None if bias is None else bias[start : start + step],
                1,
                self.arguments.get("padding", 0),
                self.arguments.get("dilation", 1),
                some,
            )

    def _poolings(self, image: Tensor) -> Iterator[Tensor]:
        function, _ = STRIDED[self.kind]
        others = {name: value for name, value in self.arguments.items() if name != "input"}
        others |= {"stride": 1} | ({} if function is F.avg_pool2d else {"return_indices": False})
        for piece in image.split(max(1, VALUES_AT_ONCE // image[0, 0].numel()), dim=1):
            yield function(piece, **others)


def read_downsampling(operation: Operation) -> Downsampling | None:
    """Return the operation as a downsampling; None if it has no stride above 1."""
    _, names = STRIDED[operation.kind]
    positional, named = operation.arguments
    arguments = dict(zip(names, positional, strict=False)) | named
    stride = arguments.get("stride") or (1 if operation.kind == "conv2d" else arguments["kernel_size"])
    down, across = _pair(stride)
    value = first_tensor(operation.value)
    if max(down, across) == 1 or value is None:
        return None
    return Downsampling(operation.kind, arguments, (down, across), (value.shape[-2], value.shape[-1]))


def is_coarser(operation: Operation, least: int) -> bool:
    """Return whether an operation returned a grid of fewer rows or columns than it was given, each at least so many."""
    positional, named = operation.arguments
    before, after = (positional or tuple(named.values()))[0], first_tensor(operation.value)
    if not isinstance(before, Tensor) or after is None or not before.ndim == after.ndim == 4:
        return False
    sides = zip(after.shape[-2:], before.shape[-2:], strict=True)
    return min(after.shape[-2:]) >= least and any(now < then for now, then in sides)


def _pair(value: Any) -> tuple[int, int]:
    both = tuple(value) if isinstance(value, tuple | list) else (value,)
    return int(both[0]), int(both[-1])
