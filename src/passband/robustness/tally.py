"""The tally of an attack: what became of each sample at each epsilon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from passband.attacks.ball import Ball
from passband.data.dataset import ImageDataset, to_pixels
from passband.robustness.perturbation import perturbation_spectra
from passband.robustness.search import Attempts
from passband.types import Norm


@dataclass(frozen=True, eq=False)
class Sums:
    """What the perturbations of some samples add up to at each epsilon, in float64.

    Attributes:
        shares: Of energy at each whole radius.
        power: Power spectra, with the zero frequency at [0, 0].
        changed: How many samples were changed.
    """

    shares: Float64[Tensor, "epsilons n_radii"]
    power: Float64[Tensor, "epsilons height width"]
    changed: Float64[Tensor, " epsilons"]

    def __add__(self, other: Sums) -> Sums:
        """Return what both add up to."""
        return Sums(self.shares + other.shares, self.power + other.power, self.changed + other.changed)

    def radial(self) -> Float[Tensor, "epsilons n_radii"]:
        """Return the share of energy at each whole radius, mean over the samples that were changed."""
        return (self.shares / self.changed.clamp(min=1)[:, None]).float()

    def mean_power(self, attacked: int) -> Float[Tensor, "epsilons height width"]:
        """Return the mean power spectrum over so many samples, with the zero frequency in the middle."""
        return torch.fft.fftshift(self.power / max(attacked, 1), dim=(-2, -1)).float()


class Tally:
    """What became of each sample at each epsilon; until attempts are added, nothing has happened to it.

    Args:
        norm: How perturbations are measured.
        epsilons: Ascending bounds on the [0, 1] pixel scale.
        dataset: Where the samples are from.
        samples: Their positions.
        clean: The model's answers to the originals.
        keep_images: Whether to keep what each sample was left with.

    Attributes:
        labels: The true classes, shaped (samples,).
        correct: Whether the model is right on the original, shaped (samples,).
        epsilons: Ascending bounds.
        predictions: Shaped (epsilons, samples).
        distance: Shaped (epsilons, samples).
        astray: Where a gradient led nowhere, shaped (epsilons, samples).
        images: Shaped (epsilons, samples, channels, height, width), or None.
    """

    def __init__(
        self,
        norm: Norm,
        epsilons: Sequence[float],
        dataset: ImageDataset,
        samples: Int64[Tensor, " samples"],
        clean: Int64[Tensor, " samples"],
        *,
        keep_images: bool,
    ) -> None:
        self.norm = norm
        self.epsilons = tuple(epsilons)
        self.labels = dataset.labels[samples]
        self.correct = clean == self.labels
        self.predictions = clean.repeat(len(epsilons), 1)
        self.distance = torch.zeros(len(epsilons), len(samples))
        self.astray = torch.zeros_like(self.predictions, dtype=torch.bool)
        self.images = None
        if keep_images:
            self.images = to_pixels(dataset.images[samples]).repeat(len(epsilons), 1, 1, 1, 1)
        shares, power = perturbation_spectra(torch.zeros(1, *dataset.images.shape[1:]))
        # In float64, so that the order in which samples are done does not show.
        self._shares = torch.zeros(len(epsilons), shares.shape[1], dtype=torch.float64)
        self._power = torch.zeros(len(epsilons), *power.shape[1:], dtype=torch.float64)
        self._changed = torch.zeros(len(epsilons), dtype=torch.float64)

    def add(self, attempts: Attempts) -> None:
        """Count in samples that an attack is done with, each at one epsilon.

        Raises:
            RuntimeError: If an image has left its ball or [0, 1].
        """
        rows, levels, images, adversarial, predictions, astray = (part.cpu() for part in attempts)
        radius = torch.tensor(self.epsilons)[levels][:, None, None, None]
        distance = Ball(radius, self.norm).verify(images, adversarial)
        self.predictions[levels, rows] = predictions
        self.distance[levels, rows] = distance
        self.astray[levels, rows] = astray
        if self.images is not None:
            self.images[levels, rows] = adversarial
        shares, power = perturbation_spectra(adversarial - images)
        self._shares.index_add_(0, levels, shares.double())
        self._power.index_add_(0, levels, power.double())
        self._changed.index_add_(0, levels, shares.sum(dim=1).round().double())

    @property
    def robust(self) -> Bool[Tensor, "epsilons samples"]:
        """Whether the model is right on what each sample was left with."""
        return self.predictions == self.labels

    def sums(self) -> Sums:
        """Return what the perturbations at each epsilon add up to."""
        return Sums(self._shares, self._power, self._changed)
