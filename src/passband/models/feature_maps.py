"""Feature maps: which modules of a network return them, whichever way they are laid out, and which of these are its layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import Tensor, nn

from passband.errors import InputError
from passband.models.exported import ExportedModel
from passband.models.onnx import OnnxModel
from passband.models.pixels import PixelModel, evaluating, network_of
from passband.models.watching import Output, first_tensor, plain_name, watching
from passband.types import Batch

Layout = Literal["NCHW", "NHWC", "NLC", "LNC"]
"""Axes in order: images N, channels C, height H and width W, or tokens L, which are pixels row by row."""

LEAST = 4
"""Pixels along either side of a grid that has a spectrum to speak of."""

MOST_PREFIX = 8
"""Tokens in front of those of a grid, where a network does not say how many: a class, a distillation, registers."""

MOST_NAMED = 12
"""Modules that a message lists."""


@dataclass(frozen=True)
class Fold:
    """How what a module returns is read as maps (batch, channels, height, width).

    Attributes:
        layout: The order of its axes.
        grid: Height and width.
        prefix: How many tokens stand in front of those of the grid.
        ambiguous: Whether the last axes, or the two before the last, might be height and width alike.
    """

    layout: Layout
    grid: tuple[int, int]
    prefix: int = 0
    ambiguous: bool = False

    @property
    def is_large(self) -> bool:
        """Whether the grid has a spectrum to speak of."""
        return min(self.grid) >= LEAST

    def of(self, value: Any, images: int) -> Batch:
        """Return what a module returned for so many images as maps.

        Raises:
            InputError: If it is not what the module returned when it was tried.
        """
        tensor = first_tensor(value)
        if tensor is not None and tensor.ndim == (4 if "H" in self.layout else 3):
            if self.layout == "NHWC":
                tensor = tensor.permute(0, 3, 1, 2)
            elif self.layout != "NCHW":
                tokens = (tensor if self.layout == "NLC" else tensor.transpose(0, 1))[:, self.prefix :]
                if tokens.shape[1] == math.prod(self.grid):
                    tensor = tokens.transpose(1, 2).unflatten(2, self.grid)
            if (len(tensor), *tensor.shape[2:]) == (images, *self.grid):
                return tensor
        raise InputError(
            f"it returned {shape_of(value)} for {images} images, and for one image what is a map of "
            f"{self.grid[0]}x{self.grid[1]}: a layer's maps must have one size throughout"
        )


@dataclass(frozen=True)
class Layer:
    """A module that returns maps.

    Attributes:
        name: What it is called: the module's name, and `#2` and so on for further calls.
        module: The module's name among those of the network.
        fold: How maps are made of what it returns.
    """

    name: str
    module: str
    fold: Fold


def find_layers(model: PixelModel, image: Batch, patterns: Sequence[str] | None = None) -> list[Layer]:
    """Return layers of a network in the order in which they are done, as one image shows them.

    Args:
        model: On the device of the image.
        image: One image, [0, 1] pixels shaped (1, channels, height, width).
        patterns: Names of modules, in which `*`, `?` and `[...]` stand for parts of a name between two dots; a call that is not the
            first one is meant by all of its name or by the module's. None chooses: the outermost of those that an
            nn.Sequential or an nn.ModuleList holds, or, where none of them returns maps, the outermost modules that do.

    Raises:
        InputError: If layers cannot be seen, none has a map, or a pattern fits none that has.
    """
    network = network_of(model)
    _refuse_closed(network, model.name)
    called: dict[str, Output] = {}
    folds: dict[str, Fold | None] = {}
    prefix = _declared_prefix(network)
    size = (image.shape[-2], image.shape[-1])

    def note(output: Output) -> None:
        called[output.name] = output._replace(value=shape_of(output.value))  # and not what it holds
        tensor = first_tensor(output.value)
        folds[output.name] = None if tensor is None else find_fold(tensor, output.images, size, prefix)

    with evaluating(model), watching(network, output=note):
        model(image)
    found = [
        Layer(name, called[name].module, fold) for name, fold in folds.items() if fold and called[name].module
    ]
    layers = [layer for layer in found if layer.fold.is_large]
    if not layers:
        seen = [f"{name} {call.value}" for name, call in called.items() if call.module]
        raise InputError(
            f"no module of {model.name} returns feature maps of {LEAST}x{LEAST} pixels or more, as a tensor (batch, channels, "
            f"height, width), (batch, height, width, channels) or (batch, tokens, channels) of its images' proportions; "
            f"there are: {_short(seen) if seen else 'none'}"
        )
    if patterns is not None:
        return _matching(layers, patterns, called, model.name)
    for among in ([layer for layer in found if _is_held(network, layer.module)], found):
        chosen = [layer for layer in _outermost(among) if layer.fold.is_large]  # nothing inside a small one
        if chosen:
            return chosen
    return _outermost(layers)


def find_fold(tensor: Tensor, images: int, size: tuple[int, int], prefix: int | None = None) -> Fold | None:
    """Return how a tensor is read as maps of so many images of a size (height, width); None if it is none.

    Of four axes height and width are those which have the images' proportions, the last two where both readings have. Of three,
    tokens are the second axis, or the first where the second has the images. There may be tokens in front: as many as the
    network says (`prefix`), else the fewest that leave a grid of the images' proportions. Grids of 4x4 or more go before others.

    Example:
        >>> find_fold(torch.rand(1, 197, 8), 1, (224, 224))
        Fold(layout='NLC', grid=(14, 14), prefix=1, ambiguous=False)
    """
    shape = tuple(tensor.shape)
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return None
    for least in (LEAST, 1):
        fold = None
        if len(shape) == 4 and shape[0] == images:
            fold = _fold_of_pixels(shape, size, least)
        elif len(shape) == 3 and images in shape[:2]:
            fold = _fold_of_tokens("NLC" if shape[0] == images else "LNC", shape, size, prefix, least)
        if fold is not None:
            return fold
    return None


def shape_of(value: Any) -> str:
    """Return what a module returned in short, such as `(1, 197, 192)`."""
    tensor = first_tensor(value)
    return f"a {type(value).__name__}" if tensor is None else f"{tuple(tensor.shape)}"


def _fold_of_pixels(shape: tuple[int, ...], size: tuple[int, int], least: int) -> Fold | None:
    last, middle = (shape[2], shape[3]), (shape[1], shape[2])
    for fits in (_is_scaled, _is_about_scaled):
        as_last, as_middle = (min(grid) >= least and fits(grid, size) for grid in (last, middle))
        if as_last:
            return Fold("NCHW", last, ambiguous=as_middle)
        if as_middle:
            return Fold("NHWC", middle)
    return None


def _fold_of_tokens(
    layout: Literal["NLC", "LNC"],
    shape: tuple[int, ...],
    size: tuple[int, int],
    prefix: int | None,
    least: int,
) -> Fold | None:
    tokens = shape[1] if layout == "NLC" else shape[0]
    declared = () if prefix is None else (prefix,)
    for front in dict.fromkeys((*declared, *range(MOST_PREFIX + 1))):
        grid = _token_grid(tokens - front, size)
        if grid is not None and min(grid) >= least:
            return Fold(layout, grid, front)
    return None


def _is_scaled(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether a grid has an image's proportions, or is what a whole stride leaves of it."""
    return grid[0] * size[1] == grid[1] * size[0] or grid in _strided_grids(size)


def _is_about_scaled(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether a grid has an image's proportions up to a pixel, as what has lost some at its edges."""
    (height, width), (rows, columns) = size, grid
    return height * (columns - 1) < width * (rows + 1) and width * (rows - 1) < height * (columns + 1)


def _strided_grids(size: tuple[int, int]) -> set[tuple[int, int]]:
    """Return what whole strides leave of an image, rounded down or up."""
    strides = range(1, min(size) + 1)
    down = {(size[0] // stride, size[1] // stride) for stride in strides}
    return down | {(-(-size[0] // stride), -(-size[1] // stride)) for stride in strides}


def _token_grid(tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Return the grid of so many tokens that has an image's proportions, the one of a whole stride where there is one."""
    common = math.gcd(*size)
    rows, columns = size[0] // common, size[1] // common
    times = math.isqrt(max(tokens, 0) // (rows * columns))
    proportional = (rows * times, columns * times)
    for grid in (proportional, *sorted(_strided_grids(size))):
        if math.prod(grid) == tokens > 0:
            return grid
    return None


def _declared_prefix(network: nn.Module) -> int | None:
    """Return how many tokens a network, as timm's, says that it puts in front of those of the grid; None if it does not."""
    said = (getattr(module, "num_prefix_tokens", None) for module in network.modules())
    return next((number for number in said if isinstance(number, int)), None)


def _refuse_closed(network: nn.Module, called: str) -> None:
    kinds = {
        OnnxModel: "an ONNX file",
        ExportedModel: "an exported program",
        torch.jit.ScriptModule: "a TorchScript program",
    }
    for kind, what in kinds.items():
        if isinstance(network, kind):
            raise InputError(
                f"{called} is {what}, whose layers can no longer be seen one by one. Look at the network that it was made from."
            )
    for module in network.modules():
        if isinstance(module, nn.DataParallel) and len(module.device_ids) > 1:
            raise InputError(
                f"a part of {called} is an nn.DataParallel, which spreads a batch over devices, so that what its layers return "
                "comes in no order. Use the module inside it."
            )


def _is_held(network: nn.Module, module: str) -> bool:
    """Return whether a module is one of those that a container holds in a row."""
    parent = module.rpartition(".")[0]
    inside = {plain_name(name): each for name, each in network.named_modules()}
    return isinstance(inside[parent], nn.Sequential | nn.ModuleList)


def _outermost(layers: Iterable[Layer]) -> list[Layer]:
    """Return those which are inside none of the others."""
    layers = list(layers)
    names = {layer.module for layer in layers}

    def is_inside(module: str) -> bool:
        parts = module.split(".")
        return any(".".join(parts[:count]) in names for count in range(1, len(parts)))

    return [layer for layer in layers if not is_inside(layer.module)]


def _matching(
    layers: Sequence[Layer], patterns: Sequence[str], called: Mapping[str, Output], who: str
) -> list[Layer]:
    chosen = set()
    for pattern in patterns:
        found = {layer.name for layer in layers if _fits(pattern, layer.name, layer.module)}
        if not found:
            without = [
                f"{name} returns {call.value}"
                for name, call in called.items()
                if _fits(pattern, name, call.module)
            ]
            why = (
                f"{_short(without)}, which is no map of {LEAST}x{LEAST} pixels or more"
                if without
                else "no module that is called has such a name"
            )
            raise InputError(
                f"{pattern!r} names no layer of {who} with feature maps: {why}. There are: "
                f"{_short([layer.name for layer in layers])}"
            )
        chosen |= found
    return [layer for layer in layers if layer.name in chosen]


def _fits(pattern: str, name: str, module: str) -> bool:
    """Return whether a pattern fits a call's name, or its module's, part by part.

    Example:
        >>> [_fits("blocks.*", name, name) for name in ("blocks.0", "blocks.0.mlp")]
        [True, False]
    """
    parts = pattern.split(".")
    return any(
        len(parts) == len(own) and all(map(fnmatchcase, own, parts))
        for own in (name.split("."), module.split("."))
    )


def _short(names: Sequence[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
