"""What a model answers to whole images, and to their LFC and HFC at each radius."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, get_args

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import ImageDataset
from passband.environment import choose_device
from passband.errors import InputError, UnknownNameError
from passband.frequency.fourier import corner_radius, split_many
from passband.frequency.rescale import rescale
from passband.models.pixels import PixelModel, answers, as_pixel_model, check_fits, evaluating
from passband.rows import ProbeRow, Row, to_table
from passband.stats import wilson_interval
from passband.types import Amplitude, Batch, Component, Labels, Progress


class Condition(NamedTuple):
    """What the model is shown: a component, and the radius unless it is the whole image."""

    component: Component
    radius: float | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """A model's answers under every condition, sample by sample.

    Attributes:
        conditions: What was shown; the first one is the whole image.
        samples: Positions in the data set, shaped (samples,).
        labels: The true classes, shaped (samples,).
        predictions: Classes, shaped (conditions, samples).
        confidence: The prediction's probability, shaped (conditions, samples).
        loss: Cross-entropy in nats, shaped (conditions, samples).
        amplitude: The policy applied to the components; whole images are shown as they are.
        seconds: Wall time.
    """

    conditions: tuple[Condition, ...]
    samples: Int64[Tensor, " samples"]
    labels: Labels
    predictions: Int64[Tensor, "conditions samples"]
    confidence: Float[Tensor, "conditions samples"]
    loss: Float[Tensor, "conditions samples"]
    amplitude: Amplitude
    seconds: float

    @property
    def correct(self) -> Bool[Tensor, "conditions samples"]:
        """Whether each prediction is the label."""
        return self.predictions == self.labels

    @property
    def agrees(self) -> Bool[Tensor, "conditions samples"]:
        """Whether each prediction is that of the whole image, right or wrong."""
        return self.predictions == self.predictions[0]

    def of(self, component: Component, radius: float | None = None) -> int:
        """Return the position of a condition."""
        return self.conditions.index(Condition(component, radius))

    def to_table(self) -> pl.DataFrame:
        """Return one row a sample and condition, with the columns `rows.SAMPLE_COLUMNS`."""
        count = len(self.samples)
        return pl.concat(
            pl.DataFrame(
                {
                    "sample": self.samples.numpy(),
                    "label": self.labels.numpy(),
                    "component": [condition.component] * count,
                    "radius": pl.Series([condition.radius] * count, dtype=pl.Float64),
                    "prediction": self.predictions[index].numpy(),
                    "confidence": self.confidence[index].numpy(),
                    "label_probability": self.loss[index].neg().exp().numpy(),
                }
            )
            for index, condition in enumerate(self.conditions)
        )


def evaluate_components(
    model: nn.Module,
    dataset: ImageDataset,
    radii: Sequence[float],
    *,
    amplitude: Amplitude = "max",
    components: Sequence[Component] = ("lfc", "hfc"),
    batch_size: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Measure a model on whole images and on their components at each radius.

    Args:
        model: A classifier of [0, 1] pixels.
        dataset: Labelled images, of the size and channels that the model takes.
        radii: Cut-offs in cycles per image, below the corner.
        amplitude: What is done to a component before the model sees it: see `passband.rescale`.
        components: Which components to show beside the whole image; with none of them no radius is needed.
        batch_size: Images at a time; it does not change the result. None chooses by size and device.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`.
        progress: Called along the way.

    Returns:
        A table of rows (`passband.rows.COLUMNS`) with the metrics `accuracy` (for each class too), `loss`,
        `confidence` and `agreement` with the prediction on the whole image.

    Raises:
        InputError: If a radius, component, policy or the model's output does not fit.
    """
    outcome = probe_components(
        model,
        dataset,
        radii,
        amplitude=amplitude,
        components=components,
        batch_size=batch_size,
        device=device,
        progress=progress,
    )
    return to_table(outcome_rows(outcome, dataset, run=as_pixel_model(model).name))


def probe_components(
    model: nn.Module,
    dataset: ImageDataset,
    radii: Sequence[float],
    *,
    amplitude: Amplitude = "max",
    components: Sequence[Component] = ("lfc", "hfc"),
    precision: float | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Outcome:
    """Return a model's answers to each sample; arguments as for `evaluate_components`.

    Args:
        precision: Visit the samples in random order, and stop as soon as the 95% interval of every accuracy is
            narrower than this (its whole width). None visits all of them.
        seed: Draws that order.

    Raises:
        InputError: As `evaluate_components`.
    """
    pixels = as_pixel_model(model)
    check_fits(pixels, dataset)
    if components:
        check_radii(radii, dataset.size)
    for component in components:
        if component not in ("lfc", "hfc"):
            raise UnknownNameError("component", component, ("lfc", "hfc"))
    if amplitude not in get_args(Amplitude):
        raise UnknownNameError("amplitude policy", amplitude, get_args(Amplitude))
    if precision is not None and not 0 < precision < 1:
        raise InputError(f"precision is the width of an interval, between 0 and 1, got {precision}")

    place = choose_device(device)
    conditions = (Condition("full"), *(Condition(c, r) for c in components for r in radii))
    order = None
    if precision is not None:
        order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
    size = choose_batch_size(batch_size, dataset, place)

    start = time.perf_counter()
    parts: list[tuple[Tensor, ...]] = []
    correct = torch.zeros(len(conditions), dtype=torch.int64)
    done = 0
    pixels.to(place)
    with evaluating(pixels):
        for samples in batches(dataset, batch_size=size, device=place, order=order):
            found = [
                _answer(pixels, shown, samples.labels, len(dataset.classes), condition)
                for condition, shown in zip(
                    conditions, _shown(samples.images, radii, components, amplitude), strict=True
                )
            ]
            predictions, confidence, loss = (torch.stack(column).cpu() for column in zip(*found, strict=True))
            labels = samples.labels.cpu()
            parts.append((samples.indices.cpu(), labels, predictions, confidence, loss))
            correct += (predictions == labels).sum(dim=1)
            done += len(labels)
            if progress:
                progress("components", done, len(dataset))
            if precision is not None and _widest(correct, done) < precision:
                break
    indices, labels, predictions, confidence, loss = (
        torch.cat(column, dim=-1) for column in zip(*parts, strict=True)
    )
    seconds = time.perf_counter() - start
    return Outcome(conditions, indices, labels, predictions, confidence, loss, amplitude, seconds)


def outcome_rows(
    outcome: Outcome, dataset: ImageDataset, *, run: str, seed: int | None = None
) -> Iterator[Row]:
    """Yield the measurements that an outcome holds: for all samples, and accuracies for each class."""
    metrics = {
        "accuracy": outcome.correct,
        "agreement": outcome.agrees,
        "confidence": outcome.confidence,
        "loss": outcome.loss,
    }
    for index, (component, radius) in enumerate(outcome.conditions):
        row = partial(
            ProbeRow,
            run=run,
            seed=seed,
            subset=dataset.subset,
            component=component,
            radius=radius,
            amplitude=None if component == "full" else outcome.amplitude,
        )
        for metric, values in metrics.items():
            yield row(metric=metric, value=values[index].double().mean().item(), count=len(outcome.samples))
        for label, name in enumerate(dataset.classes):
            correct = outcome.correct[index][outcome.labels == label]
            if len(correct):
                value = correct.double().mean().item()
                yield row(metric="accuracy", value=value, count=len(correct), class_name=name)


def check_radii(radii: Sequence[float], size: tuple[int, int]) -> None:
    """Refuse radii that leave nothing to compare.

    Raises:
        InputError: If there are none, one comes twice, or one is negative, NaN, or not below the corner.
    """
    if not radii:
        raise InputError("at least one radius is needed, got none")
    if len(set(radii)) < len(radii):
        raise InputError(f"each radius is measured once, got {', '.join(f'{r:g}' for r in radii)}")
    corner = corner_radius(*size)
    for radius in radii:
        if not radius >= 0:
            raise InputError(f"radius must be >= 0, got {radius}")
        if radius >= corner:
            raise InputError(
                f"radius {radius:g} is not below the corner of the spectrum, which is at {corner:.1f} for images of "
                f"{size[0]}x{size[1]} pixels: the LFC would be the whole image and the HFC nothing. Choose a smaller radius."
            )


def _shown(
    images: Batch, radii: Sequence[float], components: Sequence[Component], amplitude: Amplitude
) -> Iterator[Batch]:
    """Yield what the model is shown, in the order of the conditions."""
    yield images
    if not components:
        return
    low, high = split_many(images, radii)
    for component in components:
        for part in low if component == "lfc" else high:
            yield rescale(part, amplitude, original=images)


def _answer(
    model: PixelModel, images: Batch, labels: Labels, classes: int, condition: Condition
) -> tuple[Tensor, Tensor, Tensor]:
    """Return prediction, its probability, and the loss, of each image."""
    component, radius = condition
    shown = "whole images" if radius is None else f"{component.upper()}s at radius {radius:g}"
    logits = answers(model, images, classes, shown)
    log_probability = logits.float().log_softmax(dim=1)
    confidence, prediction = log_probability.max(dim=1)
    return prediction, confidence.exp(), -log_probability.gather(1, labels[:, None])[:, 0]


def _widest(correct: Int64[Tensor, " conditions"], total: int) -> float:
    intervals = (wilson_interval(c, total) for c in correct.tolist())
    return max((high - low for low, high in intervals), default=math.inf)
