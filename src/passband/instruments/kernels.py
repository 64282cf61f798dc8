"""Figure 7 in numbers: how rough the kernels of a network's first layer are, as they were trained and smoothed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.instrument import Cost, Instrument, Reading, Subject, as_floats
from passband.kernels import roughness, smooth_kernel
from passband.robustness.smoothing import find_convolution
from passband.rows import KERNEL_HIGH_FREQUENCY, REMOVED, ROUGHNESS, KernelRow
from passband.stats import jackknife_error

MEASURES = {
    ROUGHNESS: "Mean squared difference of neighboring weights over their mean square",
    KERNEL_HIGH_FREQUENCY: "Share of the kernels' energy beyond half the Nyquist frequency",
}
"""Both are of one layer, its kernels together, and do not depend on their scale: normalized smoothing has the same."""


@dataclass(frozen=True, eq=False)
class FoundRoughness(Reading):
    """The first layer's kernels.

    Attributes:
        subject: The network.
        weight: Of its first convolution.
        rhos: Strengths of smoothing.
    """

    subject: Subject
    weight: Float[Tensor, "filters channels height width"]
    rhos: tuple[float, ...]

    def rows(self) -> Iterator[KernelRow]:
        """Yield what `measures` returns, with its standard errors; a layer of one filter has none."""
        weight = self.weight
        for rho in self.rhos:
            values = measures(weight, rho)
            errors = jackknife_errors(partial(measures, rho=rho), weight) if len(weight) > 1 else {}
            for metric, value in values.items():
                yield KernelRow(
                    run=self.subject.run,
                    seed=self.subject.run_seed,
                    subset=None,
                    metric=metric,
                    value=value,
                    error=errors.get(metric),
                    count=len(weight),
                    rho=rho,
                    normalized=False,
                )


@dataclass(frozen=True)
class KernelRoughness(Instrument[FoundRoughness]):
    """How rough the first layer's kernels are, as they were trained and smoothed.

    Attributes:
        rhos: Strengths of smoothing; 0 is the kernels as they were trained.
    """

    rhos: tuple[float, ...] = (0.0,)

    name, summary, source, needs_gradient = INSTRUMENTS.lines["kernels"]

    def __post_init__(self) -> None:
        """Make equal settings equal."""
        object.__setattr__(self, "rhos", as_floats(self.rhos))

    def __str__(self) -> str:
        """Say what is measured."""
        return f"roughness of the first kernels at rho {', '.join(f'{rho:g}' for rho in self.rhos)}"

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that no image is shown."""
        return Cost()

    def measure(self, subject: Subject) -> FoundRoughness:
        """Look at the weights; no image is shown."""
        _, convolution = find_convolution(subject.model)
        return FoundRoughness(subject, convolution.weight.detach(), self.rhos)


def measures(weight: Float[Tensor, "filters channels height width"], rho: float) -> dict[str, float]:
    """Return how rough a layer's kernels are once they are smoothed, and how much of that smoothing has removed.

    The latter is a number of its own since it is surer than the two that it is the difference of: both are of the same
    kernels.
    """
    before, after = (roughness(kernels) for kernels in (weight, smooth_kernel(weight, rho)))
    values = dict(zip(MEASURES, after, strict=True))
    if rho > 0:
        removed = zip(MEASURES, before, after, strict=True)
        values |= {f"{name}{REMOVED}": rough - smooth for name, rough, smooth in removed}
    return values


def jackknife_errors(
    measure: Callable[[Tensor], Mapping[str, float]], weight: Float[Tensor, "filters channels height width"]
) -> dict[str, float]:
    """Return the standard errors of numbers of a layer over its filters, of which there must be two or more."""
    without = [measure(torch.cat([weight[:i], weight[i + 1 :]])) for i in range(len(weight))]
    return {name: jackknife_error([numbers[name] for numbers in without]) for name in without[0]}
