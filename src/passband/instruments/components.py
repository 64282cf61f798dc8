"""What a model answers to whole images, and to components of them such as the LFC and the HFC at each radius."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, get_args

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from passband.data.batches import Samples, batches
from passband.data.dataset import ImageDataset, check_dataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import FULL, Component, check_components, lows_and_highs, take
from passband.frequency.fourier import corner_radius
from passband.frequency.rescale import rescale
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.instrument import Cost, Reading, Subject
from passband.instruments.sharded import Shard, Sharded
from passband.models.independence import check_independent, uses_batch_statistics
from passband.models.pixels import (
    PixelModel,
    check_fits,
    evaluating,
    unread_answers,
)
from passband.models.trial import tried
from passband.prediction import BrokenAnswers
from passband.rows import (
    ACCURACY,
    AGREEMENT,
    CONFIDENCE,
    LOSS,
    TOP5_ACCURACY,
    ComponentRow,
    component_columns,
    to_table,
)
from passband.stats import samples_for_width
from passband.types import Amplitude, Batch, Labels, Progress

FEW_CLASSES = 20
"""Up to so many classes, top-5 accuracy says little that accuracy does not."""


@dataclass(frozen=True, eq=False)
class Answers(Reading):
    """A model's answers to everything that it was shown, sample by sample.

    Attributes:
        subject: Who answered.
        shown: What it was shown; the first one is the whole image.
        samples: Positions in the data set, shaped (samples,).
        labels: The true classes, shaped (samples,).
        predictions: Classes, shaped (shown, samples).
        confidence: The prediction's probability, shaped (shown, samples).
        loss: Cross-entropy in nats, shaped (shown, samples).
        rank: How many classes have a logit no smaller than the label's, shaped (shown, samples): 1 where the label alone has
            the largest. A tie counts against the label, so that equal logits throughout earn nothing by the order of classes.
        amplitude: The policy applied to the components; whole images are shown as they are.
        seconds: Wall time, of all shards together where there are several.
    """

    subject: Subject
    shown: tuple[Component, ...]
    samples: Int64[Tensor, " samples"]
    labels: Labels
    predictions: Int64[Tensor, "shown samples"]
    confidence: Float[Tensor, "shown samples"]
    loss: Float[Tensor, "shown samples"]
    rank: Int64[Tensor, "shown samples"]
    amplitude: Amplitude
    seconds: float

    @property
    def correct(self) -> Bool[Tensor, "shown samples"]:
        """Whether each prediction is the label."""
        return self.predictions == self.labels

    @property
    def agrees(self) -> Bool[Tensor, "shown samples"]:
        """Whether each prediction is that of the whole image, right or wrong."""
        return self.predictions == self.predictions[0]

    @property
    def majority(self) -> float:
        """The accuracy of naming the most frequent class throughout."""
        return torch.bincount(self.labels).max().item() / len(self.labels)

    @property
    def top5(self) -> Bool[Tensor, "shown samples"] | None:
        """Whether each label is among the five most probable classes; None where there are not more than 20."""
        return self.rank <= 5 if len(self.subject.dataset.classes) > FEW_CLASSES else None

    def of(self, component: Component) -> int:
        """Return the position of a component among those shown."""
        return self.shown.index(component)

    def rows(self) -> Iterator[ComponentRow]:
        """Yield accuracy (with many classes top-5 too), agreement, confidence and loss, and accuracies for each class."""
        subject = self.subject
        metrics = {
            ACCURACY: self.correct,
            AGREEMENT: self.agrees,
            CONFIDENCE: self.confidence,
            LOSS: self.loss,
        } | ({} if self.top5 is None else {TOP5_ACCURACY: self.top5})
        for index, component in enumerate(self.shown):
            row = partial(
                ComponentRow,
                **subject.cells,
                component=component,
                amplitude=None if component == FULL else self.amplitude,
            )
            for metric, values in metrics.items():
                yield row(metric=metric, value=values[index].double().mean().item(), count=len(self.samples))
            for label, name in enumerate(subject.dataset.classes):
                correct = self.correct[index][self.labels == label]
                if len(correct):
                    value = correct.double().mean().item()
                    yield row(metric=ACCURACY, value=value, count=len(correct), class_name=name)

    def to_table(self) -> pl.DataFrame:
        """Return one row a sample and component, with the columns `rows.SAMPLE_COLUMNS`."""
        count = len(self.samples)
        tables = []
        for index, component in enumerate(self.shown):
            columns = component_columns(component)
            tables.append(
                pl.DataFrame(
                    {
                        "sample": self.samples.numpy(),
                        "label": self.labels.numpy(),
                        "component": [columns["component"]] * count,
                        "radius": pl.Series([columns["radius"]] * count, dtype=pl.Float64),
                        "shown": [columns["shown"]] * count,
                        "prediction": self.predictions[index].numpy(),
                        CONFIDENCE: self.confidence[index].numpy(),
                        "label_probability": self.loss[index].neg().exp().numpy(),
                        "rank": self.rank[index].numpy(),
                    }
                )
            )
        return pl.concat(tables)


def image_by_image(answers: Answers) -> Iterator[ComponentRow]:
    """Yield the rows of answers; those of accuracy on all classes say which images were answered right."""
    images = answers.subject.name_of(answers.samples)
    correct = dict(zip(map(str, answers.shown), answers.correct, strict=True))
    for row in answers.rows():
        if row.metric == ACCURACY and row.class_name is None:
            row = replace(row, each=correct[str(row.component)].float().numpy(), images=images)
        yield row


@dataclass(frozen=True, eq=False)
class SeenAnswers:
    """The answers to a shard: the attributes of `Answers` that have an entry a sample, and the wall time."""

    samples: Int64[Tensor, " samples"]
    labels: Labels
    predictions: Int64[Tensor, "shown samples"]
    confidence: Float[Tensor, "shown samples"]
    loss: Float[Tensor, "shown samples"]
    rank: Int64[Tensor, "shown samples"]
    seconds: float

    def columns(self) -> tuple[Any, ...]:
        """Return all of it, in this order."""
        return tuple(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True)
class ComponentAccuracy(Sharded[SeenAnswers, Answers]):
    """Accuracy on whole images and on components of them.

    A network with BatchNorm that uses the statistics of the batch answers in batches of exactly as many images as in its
    training (`Subject.training_batch`), in random order as there; the last batch is filled up with images that have been
    answered before.

    Attributes:
        components: What to show beside the whole image; None chooses LFCs and HFCs at about eight radii by the size.
        amplitude: What is done to a component before the model sees it: see `passband.rescale`.
        precision: Take a random sample, the smallest that makes the 95% interval of any accuracy narrower than this (its
            whole width), or all samples if there are not so many. None takes all of them, in their order.

    Raises:
        InputError: If `precision` is no width of an interval.
        UnknownNameError: If there is no such policy.

    Source:
        Wang et al. 2020, section 3.1.
    """

    components: tuple[Component, ...] | None = None
    amplitude: Amplitude = "max"
    precision: float | None = None

    seen = SeenAnswers
    name, summary, source, needs_gradient = INSTRUMENTS.lines["components"]

    def __post_init__(self) -> None:
        """Refuse impossible settings."""
        if self.amplitude not in get_args(Amplitude):
            raise UnknownNameError("amplitude policy", self.amplitude, get_args(Amplitude))
        if self.precision is not None and not 0 < self.precision < 1:
            raise InputError(f"precision is the width of an interval, between 0 and 1, got {self.precision}")

    def shown(self, size: tuple[int, int]) -> tuple[Component, ...]:
        """Return all that a model is shown of images of a size (height, width), the whole image first."""
        chosen = lows_and_highs(default_radii(size)) if self.components is None else self.components
        return (FULL, *(component for component in chosen if component != FULL))

    def resolved(self, size: tuple[int, int]) -> ComponentAccuracy:
        """Return it with all that it shows."""
        return replace(self, components=self.shown(size))

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that each sample is shown as everything it has."""
        return Cost(answers=self.enough(samples) * len(self.shown(size)))

    def enough(self, samples: int) -> int:
        """Return how many of so many samples are looked at."""
        return samples if self.precision is None else min(samples, samples_for_width(self.precision))

    def check(self, subject: Subject) -> None:
        """Refuse components that the images do not have, and images that the model does not take."""
        check_fits(subject.model, subject.dataset)
        check_components(self.shown(subject.dataset.size), subject.dataset.size)

    def visited(self, subject: Subject) -> Int64[Tensor, " visited"]:
        """Return the samples in the order in which they are shown, with those at the end that fill up the last batch of training."""
        total = self.enough(len(subject.samples))
        alone = self._training_batch(subject) is None
        order = subject.samples if alone and self.precision is None else subject.draw(None)
        filling = 0 if alone else -total % self.together(subject)
        return order[torch.arange(total + filling) % total]

    def together(self, subject: Subject) -> int:
        """Return the batch size, that of the training where a batch has an answer as a whole."""
        return self._training_batch(subject) or super().together(subject)

    def _training_batch(self, subject: Subject) -> int | None:
        return subject.training_batch if uses_batch_statistics(subject.model) else None

    def look(self, subject: Subject, shard: Shard) -> SeenAnswers:
        """Ask the model."""
        model, dataset, place = subject.model, subject.dataset, choose_device(subject.device)
        shown, visited = self.shown(dataset.size), shard.samples
        model.to(place)
        if subject.training_batch is None:
            check_independent(model, to_pixels(dataset.images[:1], place))
        start = time.perf_counter()
        columns: tuple[Tensor, ...] = ()  # on the device, which each copy from it would hold up
        broken, done = _broken(model, shown), 0
        with evaluating(model):
            for samples in batches(dataset, batch_size=self.together(subject), device=place, order=visited):
                found = show(model, samples, shown, self.amplitude, len(dataset.classes), broken=broken)
                parts = (samples.indices, samples.labels, *found)
                # Whatever a batch left behind would lie between the large tensors of the next ones, and break up the memory.
                columns = columns or tuple(part.new_empty((*part.shape[:-1], len(visited))) for part in parts)
                for column, part in zip(columns, parts, strict=True):
                    column[..., done : done + part.shape[-1]] = part
                done += len(samples.labels)
                if subject.progress:
                    subject.progress("components", done, len(visited))
        broken.refuse()
        seen = (column.to("cpu", copy=True) for column in columns)  # no longer tensors of the inference mode
        return SeenAnswers(*seen, time.perf_counter() - start)

    def join(self, subject: Subject, seen: Iterable[SeenAnswers]) -> Answers:
        """Return the answers to all samples, each once."""
        *columns, seconds = zip(*(each.columns() for each in seen), strict=True)
        total = self.enough(len(subject.samples))
        joined = (torch.cat(column, dim=-1)[..., :total] for column in columns)
        return Answers(subject, self.shown(subject.dataset.size), *joined, self.amplitude, math.fsum(seconds))


def evaluate_components(
    model: nn.Module,
    dataset: ImageDataset,
    radii: Sequence[float],
    *,
    amplitude: Amplitude = "max",
    components: Sequence[str] = ("lfc", "hfc"),
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
        `top5-accuracy` where there are more than 20 classes, `confidence` and `agreement` with the prediction on the whole image.

    Raises:
        InputError: If a radius, component, policy or the model's output does not fit, or the model's answer to an image
            depends on the images beside it.
    """
    check_dataset(dataset)
    if components and not radii:
        raise InputError("at least one radius is needed, got none")
    pixels = tried(model, dataset, choose_device(device))
    subject = Subject(pixels, dataset, pixels.name, batch_size=batch_size, device=device, progress=progress)
    instrument = ComponentAccuracy(lows_and_highs(radii, components), amplitude)
    return to_table(subject.read(instrument).rows())


def default_radii(size: tuple[int, int]) -> list[float]:
    """Return about eight radii from 1 to near the corner, scaled to the image's size.

    At 32x32 pixels they are 1, 2, 4, 6, 8, 12, 16, 20, among them those of the paper.

    Example:
        >>> default_radii((32, 32)), default_radii((224, 224))
        ([1, 2, 4, 6, 8, 12, 16, 20], [1, 7, 14, 28, 42, 56, 84, 112, 140])
    """
    corner = corner_radius(*size)
    scale = corner / corner_radius(32, 32)
    chosen = {1, *(round(radius * scale) for radius in (1, 2, 4, 6, 8, 12, 16, 20))}
    return sorted(radius for radius in chosen if 0 < radius < corner) or [0]


def show(
    model: PixelModel,
    samples: Samples,
    shown: Sequence[Component],
    amplitude: Amplitude,
    classes: int,
    *,
    broken: BrokenAnswers | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Show a model a batch as each of some components.

    Args:
        model: In the mode that is meant: see `evaluating`.
        samples: On the model's device.
        shown: What it is shown.
        amplitude: What is done to a component before: see `passband.rescale`.
        classes: The data set's number of classes.
        broken: Counts answers that are not finite along a measurement of many batches; None refuses them here.

    Returns:
        Predictions, their probabilities, losses and labels' ranks, each shaped (shown, samples).

    Raises:
        InputError: As `answers`.
    """
    parts = take(shown, samples.images)
    logits = torch.stack(
        [
            unread_answers(model, _view(component, part, samples.images, amplitude), classes)
            for component, part in zip(shown, parts, strict=True)
        ]
    )
    counted = _broken(model, shown) if broken is None else broken
    counted.count(logits)
    if broken is None:
        counted.refuse()
    log_probability = logits.float().log_softmax(dim=2)
    confidence, prediction = log_probability.max(dim=2)
    label = samples.labels.expand(len(shown), -1)[:, :, None]
    rank = (logits >= logits.gather(2, label)).sum(dim=2)
    return prediction, confidence.exp(), -log_probability.gather(2, label)[:, :, 0], rank


def _view(component: Component, part: Batch, images: Batch, amplitude: Amplitude) -> Batch:
    """Return what the model is shown."""
    return part if component == FULL else rescale(part, amplitude, original=images)


def _broken(model: PixelModel, shown: Sequence[Component]) -> BrokenAnswers:
    names = ["whole images" if each == FULL else f"images shown as {each}" for each in shown]
    return BrokenAnswers(model.name, names)
