"""Corollary 1: what a model's answers to low-frequency components say about its robustness.

Where a model answers differently to an image and to its LFC, it cannot be both accurate and robust on that image
against perturbations as large as the distance between the two. No gradient is needed, and no attack is run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import ImageDataset
from passband.environment import choose_device
from passband.frequency.fourier import corner_radius, low_pass
from passband.frequency.rescale import rescale
from passband.models.pixels import PixelModel, as_pixel_model, evaluating
from passband.types import Batch, Labels, Progress

NORMS = ("l2", "linf")


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
    """
    pixels, place = as_pixel_model(model), choose_device(device)
    # Below the corner: from there on the LFC is the image itself.
    radii = range(math.ceil(corner_radius(*dataset.size)))
    size = choose_batch_size(batch_size, dataset, place)
    total = len(dataset) if order is None else len(order)
    parts: list[tuple[Tensor, ...]] = []
    done = 0
    pixels.to(place)
    with evaluating(pixels):
        for samples in batches(dataset, batch_size=size, device=place, order=order):
            correct = pixels(samples.images).argmax(dim=1) == samples.labels
            distance = torch.full((len(NORMS), len(correct)), math.inf, device=place)
            radius = torch.full_like(distance, math.nan)
            if correct.any():
                found = _nearest(pixels, samples.images[correct], samples.labels[correct], radii)
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


def _nearest(model: PixelModel, images: Batch, labels: Labels, radii: range) -> tuple[Tensor, Tensor]:
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
        changed[active] = model(low).argmax(dim=1) != labels[active]
        nearer = changed & (distances[radius] < best)
        best = torch.where(nearer, distances[radius], best)
        at = torch.where(nearer, float(radius), at)
    return best, at


def _distances(images: Batch, radius: float) -> Float[Tensor, "norms samples"]:
    """Return the L2 and the Linf distance from each image to its LFC, clipped to [0, 1]."""
    difference = (images - rescale(low_pass(images, radius), "clip")).flatten(1)
    return torch.stack([difference.norm(dim=1), difference.abs().amax(dim=1)])
