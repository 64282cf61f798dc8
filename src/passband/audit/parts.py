"""The parts of a card, each computed from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from passband.audit.card import (
    Area,
    Baselines,
    Ceiling,
    CeilingPoint,
    ClassEntry,
    CurvePoint,
    DataEntry,
    Excess,
    FlipCount,
    FlipCounts,
    Manifest,
    ModelEntry,
    Part,
    Share,
    TracesEntry,
    WholeAnswers,
    is_at_chance,
)
from passband.data.dataset import ImageDataset
from passband.environment import choose_device, describe_environment
from passband.frequency.component import High, Low
from passband.frequency.traces import Traces
from passband.instruments.components import Answers
from passband.instruments.counterexamples import Counterexamples, ceiling_curve
from passband.invocation import command_line
from passband.models.class_mapping import match_classes
from passband.models.fingerprint import count_parameters
from passband.models.pixels import PixelModel
from passband.notices import Notice
from passband.serial import from_plain
from passband.stats import each_confidence, student_interval, wilson_interval
from passband.types import Labels

GRAY_SAMPLES = 64  # that are looked at: sets of gray pictures are gray from the first


def share(correct: Bool[Tensor, " samples"]) -> Share:
    """Return how many samples are correct, as a share with its 95% Wilson interval."""
    successes, total = int(correct.sum()), len(correct)
    return Share(successes / total, *wilson_interval(successes, total), total)


def model_entry(model: PixelModel, dataset: ImageDataset, run: str) -> ModelEntry:
    """Return what a card says of the model; `run` is the hash of its weights."""
    return ModelEntry(
        name=model.name,
        source=model.source,
        weights_hash=run,
        parameters=count_parameters(model),
        outputs=len(dataset.classes),
        class_outputs=None if model.outputs is None else tuple(model.outputs.tolist()),
    )


def data_entry(dataset: ImageDataset, evaluated: int) -> DataEntry:
    """Return what a card says of the data, of which so many samples were `evaluated`."""
    return DataEntry(
        name=dataset.name,
        source=dataset.source,
        subset=dataset.subset,
        fingerprint=dataset.fingerprint,
        samples=len(dataset),
        evaluated=evaluated,
        classes=tuple(dataset.classes),
        height=dataset.size[0],
        width=dataset.size[1],
        channels=dataset.channels,
        preparation=dataset.preparation,
    )


def notices(
    model: PixelModel, dataset: ImageDataset, accuracy: Share, guessing: Baselines
) -> tuple[Notice, ...]:
    """Return what is to be known of the numbers: of the model, of the data, and of how they fit.

    Args:
        model: The model.
        dataset: The data.
        accuracy: On whole images.
        guessing: What needs no image, of the same images.
    """
    settled = model.names is not None and match_classes(model.names, dataset.classes).whole
    of_data = [notice for notice in dataset.notices if not (settled and notice.about == "order")]
    return (*model.notices, *of_data, *_of_fit(dataset, accuracy, guessing))


def _of_fit(dataset: ImageDataset, accuracy: Share, guessing: Baselines) -> Iterator[Notice]:
    if dataset.channels == 3 and _are_gray(dataset.images[:GRAY_SAMPLES]):
        yield Notice(
            "fit", "the pictures are gray, and shown to the model as red, green and blue alike", warning=False
        )
    if is_at_chance(accuracy, guessing):
        yield Notice(
            "fit",
            f"the accuracy, {accuracy.value:.1%} [{accuracy.low:.1%}, {accuracy.high:.1%}] of {accuracy.count} images, is not "
            f"above the {guessing.majority:.1%} of naming the most frequent class throughout. Does the model fit the data? Classes in "
            "another order (--class-indices), another mean and std (--mean, --std), another size or other weights all look so.",
        )


def _are_gray(images: Tensor) -> bool:
    return bool((images == images[:, :1]).all())


def manifest(seconds: float, device: str, images: int | None = None) -> Manifest:
    """Return how long it took, and now and here; `images` is how many the model was shown."""
    return Manifest(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        images_per_second=None if images is None else images / seconds,
        command=command_line(),
        environment=describe_environment(choose_device(device)),
    )


def baselines(labels: Labels, dataset: ImageDataset) -> Baselines:
    """Return the accuracy that needs no image: that of naming the most frequent of `labels` throughout."""
    counts = torch.bincount(labels, minlength=len(dataset.classes))
    return Baselines(majority=counts.max().item() / len(labels))


PARTS: dict[Part, type[Low | High]] = {"lfc": Low, "hfc": High}
"""The components that a card's curves are of."""


def answers(given: Answers) -> WholeAnswers:
    """Return what the model makes of whole images."""
    return WholeAnswers(
        accuracy=share(given.correct[0]),
        loss=given.loss[0].double().mean().item(),
        confidence=given.confidence[0].double().mean().item(),
        top5=None if given.top5 is None else share(given.top5[0]),
    )


def curves(given: Answers, radii: Sequence[float], within: Sequence[float]) -> tuple[CurvePoint, ...]:
    """Return what the model makes of each component at each radius; the LFC holds `within` of the energy there."""
    return tuple(
        _curve_point(given, component, radius, energy if component == "lfc" else 1 - energy)
        for component in ("lfc", "hfc")
        for radius, energy in zip(radii, within, strict=True)
    )


def _curve_point(given: Answers, component: Part, radius: float, energy: float) -> CurvePoint:
    index = given.of(PARTS[component](radius))
    return CurvePoint(
        component=component,
        radius=radius,
        accuracy=share(given.correct[index]),
        agreement=share(given.agrees[index]),
        loss=given.loss[index].double().mean().item(),
        confidence=given.confidence[index].double().mean().item(),
        energy=energy,
    )


def classes(given: Answers, radii: Sequence[float], dataset: ImageDataset) -> tuple[ClassEntry, ...]:
    """Return each class's accuracies; classes without a sample are left out."""
    found = []
    for label, name in enumerate(dataset.classes):
        correct = given.correct[:, given.labels == label]
        if correct.shape[1]:
            lfc, hfc = (
                tuple(share(correct[given.of(PARTS[component](radius))]) for radius in radii)
                for component in ("lfc", "hfc")
            )
            found.append(ClassEntry(name, correct.shape[1], share(correct[0]), lfc, hfc))
    return tuple(found)


def areas(points: Sequence[CurvePoint]) -> Area:
    """Return the mean accuracy on either component over the measured range of radii."""
    return Area(lfc=area(*_accuracies(points, "lfc")), hfc=area(*_accuracies(points, "hfc")))


def area(radii: Sequence[float], accuracies: Sequence[float]) -> float:
    """Return the mean accuracy over the measured range of radii, by trapezoids; with one radius, that accuracy."""
    if len(radii) == 1:
        return accuracies[0]
    x, y = torch.tensor(radii, dtype=torch.float64), torch.tensor(accuracies, dtype=torch.float64)
    return (torch.trapezoid(y, x) / (x[-1] - x[0])).item()


def flips(
    found: Bool[Tensor, "radii samples"],
    by_chance: Float[Tensor, "radii samples"],
    radii: Sequence[float],
    eligible: int,
) -> FlipCounts:
    """Return how many images flip (Figure 2), how many would by chance, and whether that explains them.

    Args:
        found: Whether each image flips at each radius.
        by_chance: What is to be expected of that: see `passband.instruments.flips.flips_by_chance`.
        radii: Cut-offs.
        eligible: How many images are right as a whole.
    """
    beyond = found.double() - by_chance
    counts = zip(radii, found.sum(dim=1).tolist(), by_chance.sum(dim=1).tolist(), beyond, strict=True)
    return FlipCounts(
        pairs=int(found.sum()),
        samples=int(found.any(dim=0).sum()),
        eligible=eligible,
        by_radius=tuple(
            FlipCount(
                radius, count, count / eligible if eligible else 0.0, expected, _excess(more, len(radii))
            )
            for radius, count, expected, more in counts
        ),
        beyond=_excess(beyond.mean(dim=0)),
    )


def _excess(beyond: Float[Tensor, " samples"], intervals: int = 1) -> Excess | None:
    """Return the mean of numbers with an interval, so wide that all `intervals` hold at once; None of a single number."""
    if len(beyond) < 2:
        return None
    mean, error = beyond.mean().item(), beyond.std().item() / len(beyond) ** 0.5
    return Excess(mean, *student_interval(mean, error, len(beyond) - 1, each_confidence(intervals)))


def ceiling(found: Counterexamples) -> Ceiling:
    """Return Corollary 1's bound by epsilon: in steps of 1/255 for Linf, of a 64th of the largest distance for L2."""
    finite = {norm: distance[distance.isfinite()] for norm, distance in found.distance.items()}
    medians = {norm: near.median().item() if len(near) else None for norm, near in finite.items()}
    return Ceiling(
        samples=len(found.samples),
        correct=int(found.correct.sum()),
        clean=found.correct.double().mean().item(),
        radii=found.radii,
        l2=tuple(CeilingPoint(*point) for point in ceiling_curve(found, "l2")),
        median_l2=medians["l2"],
        fooled=len(finite["l2"]),  # the same samples in either norm
        linf=tuple(CeilingPoint(*point) for point in ceiling_curve(found, "linf")),
        median_linf=medians["linf"],
        search=found.search,
        shown=found.shown,
    )


def traces_entry(traces: Traces) -> TracesEntry:
    """Return what a card says of traces of processing in the images."""
    return from_plain(TracesEntry, traces.to_dict(), "the traces")


def _accuracies(points: Sequence[CurvePoint], component: Part) -> tuple[list[float], list[float]]:
    """Return radii and accuracies of one component."""
    those = [point for point in points if point.component == component]
    return [point.radius for point in those], [point.accuracy.value for point in those]
