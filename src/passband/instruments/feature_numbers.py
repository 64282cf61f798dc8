"""Numbers of feature maps, image by image, taken while a network is asked, so that no map is kept."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from passband.brief import Brief
from passband.errors import InputError
from passband.frequency.nyquist import aliasing_energy, relative_frequencies, ring_amplitudes
from passband.models.downsampling import OTHERS, Downsampling, is_coarser, read_downsampling
from passband.models.feature_maps import LEAST, Layer
from passband.models.watching import Operation, Output

ROUNDING_STEPS = 4
"""Amplitudes of up to so many times the relative step of the maps' numbers, of their root mean square, are rounding."""


@dataclass(frozen=True, eq=False)
class LayerSpectrum(Brief):
    """What a layer's maps hold.

    Attributes:
        name: The layer.
        grid: Height and width of its maps.
        mean_square: Of all numbers of each image's maps.
        amplitude: Mean amplitude of each image's maps in each ring: see `passband.frequency.nyquist.ring_amplitudes`.
        step: The relative step of the maps' numbers: 1.2e-7 of float32.
    """

    name: str
    grid: tuple[int, int]
    mean_square: Float64[Tensor, " samples"]
    amplitude: Float64[Tensor, "samples rings"]
    step: float

    def relative(self) -> dict[int, tuple[float, float | None]]:
        """Return by radius the log of the mean amplitude less that at one cycle an image, and its standard error over images.

        Rings without any amplitude but rounding are left out; all, where the first one is such.
        """
        mean, count = self.amplitude.mean(dim=0), len(self.amplitude)
        measured = mean > ROUNDING_STEPS * self.step * self.mean_square.mean().sqrt()
        if not measured[0]:
            return {}
        found = {}
        for ring in measured.nonzero()[:, 0].tolist():
            # Of the log of a ratio of means, by linearization.
            each = self.amplitude[:, ring] / mean[ring] - self.amplitude[:, 0] / mean[0]
            error = each.std().item() / math.sqrt(count) if count > 1 else None
            found[ring + 1] = (math.log(mean[ring].item()) - math.log(mean[0].item()), error)
        return found


@dataclass(frozen=True, eq=False)
class Aliasing(Brief):
    """What an operation with a stride aliases.

    Attributes:
        name: The operation.
        shares: Of each image whose dense maps hold any energy but their means, the share of it beyond the grid that is left.
    """

    name: str
    shares: Float64[Tensor, " samples"]


class Numbers:
    """Collects what a network's layers and its operations with a stride say, batch by batch.

    A network may be given a batch in pieces, the last of them filled up: pieces come in order, and what is beyond the batch is
    dropped.

    Args:
        layers: Whose maps are looked at.

    Attributes:
        left_out: What could not be measured, in words.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.left_out: dict[str, None] = {}  # in order, each once
        self._operations: dict[str, None] = {}
        self._layers = {layer.name: layer for layer in layers}
        self._piece: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
        self._found: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
        self._steps: dict[tuple[str, str], float] = {}

    def of_output(self, output: Output) -> None:
        """Take what a module returned; most are none of the layers."""
        layer = self._layers.get(output.name)
        if layer is None:
            return
        try:
            maps = layer.fold.of(output.value, output.images)
        except InputError as error:
            raise InputError(f"layer {layer.name}: {error}") from error
        squares = torch.stack([image.float().square().mean() for image in maps])
        self._keep("layer", layer.name, maps, torch.cat([squares[:, None], ring_amplitudes(maps)], dim=1))

    def of_operation(self, operation: Operation) -> None:
        """Take what an operation was given, and make of it what it gives with stride 1."""
        if operation.kind in OTHERS:
            if is_coarser(operation, LEAST):
                self._leave_out(
                    f"{operation.name} makes a grid coarser by no stride, so that what aliases is not known"
                )
            return
        downsampling = read_downsampling(operation)
        if downsampling is None or min(downsampling.grid) < LEAST:
            return
        given = downsampling.arguments["input"]
        if given.ndim != 4 or len(given) != operation.images:
            self._leave_out(f"{operation.name} is given something else than a map an image")
            return
        self._operations[operation.name] = None
        numbers = torch.stack([_aliasing(downsampling, at) for at in range(len(given))])
        self._keep("operation", operation.name, given, numbers)

    def end_batch(self, images: int) -> None:
        """Note that a batch of so many images is over.

        Raises:
            InputError: If something was not called for each of them, or holds NaN or infinity.
        """
        for kind, name in dict.fromkeys((*self._found, *self._piece)):
            numbers = torch.cat(self._piece[kind, name] or [torch.empty(0)])
            if len(numbers) < images:
                raise InputError(
                    f"{kind} {name} is not called for all images: a network must treat all alike"
                )
            if not numbers.isfinite().all():
                raise InputError(
                    f"the maps of {kind} {name} hold NaN or infinity, or numbers whose squares are too large"
                )
            self._found[kind, name].append(numbers[:images])
        self._piece.clear()

    def spectra(self) -> tuple[LayerSpectrum, ...]:
        """Return what the layers hold, in the order in which they are done; what is missing is noted in `left_out`."""
        return tuple(self._spectrum(layer) for layer in self._layers.values())

    def aliasing(self) -> tuple[Aliasing, ...]:
        """Return what aliases at each operation, likewise."""
        found = []
        for name in self._operations:
            aliased, energy, square = torch.cat(self._found["operation", name]).unbind(dim=1)
            measured = energy > (ROUNDING_STEPS * self._steps["operation", name]) ** 2 * square
            if measured.any():
                found.append(Aliasing(name, aliased[measured] / energy[measured]))
            else:
                self._leave_out(f"maps before {name} hold nothing but their means")
        return tuple(found)

    def _spectrum(self, layer: Layer) -> LayerSpectrum:
        numbers, step = torch.cat(self._found["layer", layer.name]), self._steps["layer", layer.name]
        spectrum = LayerSpectrum(layer.name, layer.fold.grid, numbers[:, 0], numbers[:, 1:], step)
        missing = len(relative_frequencies(*layer.fold.grid)) - len(spectrum.relative())
        if missing:
            self._leave_out(f"{missing} rings of {layer.name} hold nothing but rounding")
        if layer.fold.ambiguous:
            self._leave_out(f"of {layer.name} the last two axes were taken for height and width")
        return spectrum

    def _leave_out(self, what: str) -> None:
        self.left_out[what] = None

    def _keep(self, kind: str, name: str, maps: Tensor, numbers: Tensor) -> None:
        self._piece[kind, name].append(numbers.cpu().double())
        self._steps[kind, name] = torch.finfo(maps.dtype).eps


def _aliasing(downsampling: Downsampling, at: int) -> Tensor:
    """Return of one image what aliases, the energy beside the means, and all of it."""
    parts = [
        torch.stack([*aliasing_energy(maps, downsampling.stride), maps.float().square().sum()])
        for maps in downsampling.dense(at)
    ]
    return torch.stack(parts).sum(dim=0)
