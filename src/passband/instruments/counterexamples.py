"""Corollary 1: what a model's answers to low-frequency components say about its robustness.

Where a model answers differently to an image and to its LFC, it cannot be both accurate and robust on that image
against perturbations as large as the distance between the two. No gradient is needed, and no attack is run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.frequency.fourier import corner_radius, low_pass
from passband.frequency.rescale import rescale
from passband.instruments.instrument import Cost, Instrument, Reading, Subject
from passband.models.independence import check_independent
from passband.models.pixels import (
    PixelModel,
    answers,
    check_fits,
    evaluating,
)
from passband.models.trial import tried
from passband.rows import ACCURACY_CEILING, RobustnessRow
from passband.types import Batch, Labels, Norm, Progress

NORMS: tuple[Norm, ...] = ("l2", "linf")

LOOKED_AT = 0.65
"""The share of an image's LFCs that is shown, about: those that lie farther away than one that was found are not."""


@dataclass(frozen=True, eq=False)
class Counterexamples:
    """For each sample, the nearest of its LFCs that changes a correct prediction.

    Attributes:
        samples: Positions in the data set, shaped (samples,).
        correct: Whether the model is right on the whole image.
        distance: For `"l2"` and `"linf"`, the distance to the nearest such LFC on the [0, 1] pixel scale, shaped
            (samples,); infinite where no LFC changes the prediction, or it was wrong to begin with.
        radius: For either norm, the radius of that LFC; NaN where there is none.
        radii: How many radii were tried.
    """

    samples: Int64[Tensor, " samples"]
    correct: Bool[Tensor, " samples"]
    distance: dict[str, Float[Tensor, " samples"]]
    radius: dict[str, Float[Tensor, " samples"]]
    radii: int


@dataclass(frozen=True, eq=False)
class FoundCeiling(Reading):
    """Corollary 1's bound on a network's robust accuracy.

    Attributes:
        subject: The network.
        counterexamples: What the bound follows from.
    """

    subject: Subject
    counterexamples: Counterexamples

    def rows(self) -> Iterator[RobustnessRow]:
        """Yield the highest accuracy that is possible, by norm and epsilon."""
        found = self.counterexamples
        for norm in NORMS:
            for epsilon, value in ceiling_curve(found, norm):
                yield RobustnessRow(
                    run=self.subject.run,
                    seed=self.subject.run_seed,
                    subset=self.subject.dataset.subset,
                    norm=norm,
                    epsilon=epsilon,
                    metric=ACCURACY_CEILING,
                    value=value,
                    count=len(found.samples),
                )


@dataclass(frozen=True)
class RobustnessCeiling(Instrument[FoundCeiling]):
    """The highest robust accuracy that a network's answers to low-frequency components leave possible.

    Attributes:
        samples: How many samples to look at, the first ones; None takes all. It is slow on large images, with one radius
            a pixel.

    Raises:
        InputError: If there are less than one.

    Source:
        Wang et al. 2020, Corollary 1.
    """

    samples: int | None = None

    name: ClassVar[str] = "ceiling"
    summary: ClassVar[str] = (
        "the highest robust accuracy that Corollary 1 leaves possible, without any attack"
    )
    source: ClassVar[str] = "Corollary 1, section 3.2"

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        if self.samples is not None and self.samples < 1:
            raise InputError(f"the ceiling needs at least 1 sample, got {self.samples}")

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that of each sample about two in three of its LFCs are shown."""
        radii = math.ceil(corner_radius(*size))
        return Cost(answers=min(samples, self.samples or samples) * (1 + LOOKED_AT * radii))

    def check(self, subject: Subject) -> None:
        """Refuse images that the model does not take."""
        check_fits(subject.model, subject.dataset)

    def measure(self, subject: Subject) -> FoundCeiling:
        """Look for each sample's nearest LFC that changes its prediction."""
        self.check(subject)
        found = find_counterexamples(
            subject.model,
            subject.dataset,
            order=subject.samples[: self.samples],
            batch_size=subject.batch_size,
            device=subject.device,
            progress=subject.progress,
        )
        return FoundCeiling(subject, found)


def ceiling_curve(found: Counterexamples, norm: Norm) -> list[tuple[float, float]]:
    """Return epsilons with the highest accuracy at each: in steps of 1/255 for Linf, of a 64th of the farthest for L2."""
    distance = found.distance[norm]
    finite = distance[distance.isfinite()]
    largest = finite.max().item() if len(finite) else 1.0
    step = 1 / 255 if norm == "linf" else largest / 64
    epsilons = [step * k for k in range(int(largest / step) + 2)]
    values = robust_accuracy_ceiling(found.correct, distance, epsilons).tolist()
    return list(zip(epsilons, values, strict=True))


def robust_accuracy_ceiling(
    correct: Bool[Tensor, " samples"],
    distance: Float[Tensor, " samples"],
    epsilons: Sequence[float],
) -> Float[Tensor, " epsilons"]:
    """Return the highest robust accuracy that Corollary 1 leaves possible at each epsilon.

    Args:
        correct: Whether the model is right on each image.
        distance: Distance from each image to an image that changes its prediction; infinite where none is known.
        epsilons: Bounds on the perturbation, in the same norm and on the same scale as `distance`.

    Returns:
        Fractions in [0, 1]: an upper bound on robust accuracy, which a real attack may push far lower. It is the
        clean accuracy at epsilon 0 and never rises with epsilon.

    Example:
        >>> correct, distance = torch.tensor([True, True, False]), torch.tensor([0.1, 0.5, torch.inf])
        >>> robust_accuracy_ceiling(correct, distance, [0, 0.1, 0.5]).tolist()
        [0.6666666865348816, 0.3333333432674408, 0.0]

    Source:
        Wang et al. 2020, Corollary 1: not robust as soon as epsilon >= d(x, x_l).
    """
    return torch.stack([(correct & (distance > epsilon)).float().mean() for epsilon in epsilons])


def find_counterexamples(
    model: nn.Module,
    dataset: ImageDataset,
    *,
    order: Int64[Tensor, " samples"] | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Counterexamples:
    """Find, for each correctly classified sample, its nearest LFC that changes the prediction.

    Every LFC at a whole radius from 0 to the corner is considered, clipped to [0, 1], since a counterexample must
    be an image. Where the nearest is found, those that lie farther away are not shown to the model.

    Args:
        model: A classifier of [0, 1] pixels.
        dataset: Labelled images of the size that the model takes.
        order: Positions of the samples to look at; None takes all.
        batch_size: Images at a time; it does not change the result. None chooses by size and device.
        device: See `passband.environment.choose_device`.
        progress: Called along the way.

    Raises:
        InputError: If model and data do not fit together, an answer is not finite, or depends on the images beside it.
    """
    place = choose_device(device)
    pixels = tried(model, dataset, place)
    # Below the corner: from there on the LFC is the image itself.
    radii = range(math.ceil(corner_radius(*dataset.size)))
    size = choose_batch_size(batch_size, dataset, place)
    total = len(dataset) if order is None else len(order)
    parts: list[tuple[Tensor, ...]] = []
    done = 0
    check_independent(pixels, to_pixels(dataset.images[:1], place))
    with evaluating(pixels):
        for samples in batches(dataset, batch_size=size, device=place, order=order):
            whole = answers(pixels, samples.images, len(dataset.classes), "whole images")
            correct = whole.argmax(dim=1) == samples.labels
            distance = torch.full((len(NORMS), len(correct)), math.inf, device=place)
            radius = torch.full_like(distance, math.nan)
            if correct.any():
                found = _nearest(
                    pixels, samples.images[correct], samples.labels[correct], radii, whole.shape[1]
                )
                distance[:, correct], radius[:, correct] = found
            parts.append(tuple(t.cpu() for t in (samples.indices, correct, distance, radius)))
            done += len(correct)
            if progress:
                progress("counterexamples", done, total)
    indices, correct, distance, radius = (torch.cat(column, dim=-1) for column in zip(*parts, strict=True))
    return Counterexamples(
        samples=indices,
        correct=correct,
        distance=dict(zip(NORMS, distance, strict=True)),
        radius=dict(zip(NORMS, radius, strict=True)),
        radii=len(radii),
    )


def _nearest(
    model: PixelModel, images: Batch, labels: Labels, radii: range, classes: int
) -> tuple[Tensor, Tensor]:
    """Return distance and radius of the nearest LFC that changes each prediction, shaped (norms, samples)."""
    distances = torch.stack([_distances(images, radius) for radius in radii])  # (radii, norms, samples)
    best = torch.full_like(distances[0], math.inf)
    at = torch.full_like(best, math.nan)
    for radius in reversed(radii):  # mostly from near to far, so that most samples are done early
        active = (distances[radius] < best).any(dim=0)
        if not active.any():
            continue
        low = rescale(low_pass(images[active], radius), "clip")
        changed = torch.zeros_like(active)
        logits = answers(model, low, classes, f"LFCs at radius {radius}")
        changed[active] = logits.argmax(dim=1) != labels[active]
        nearer = changed & (distances[radius] < best)
        best = torch.where(nearer, distances[radius], best)
        at = torch.where(nearer, float(radius), at)
    return best, at


def _distances(images: Batch, radius: float) -> Float[Tensor, "norms samples"]:
    """Return the L2 and the Linf distance from each image to its LFC, clipped to [0, 1]."""
    difference = (images - rescale(low_pass(images, radius), "clip")).flatten(1)
    return torch.stack([difference.norm(dim=1), difference.abs().amax(dim=1)])
