"""Corollary 1: what a model's answers to low-frequency components say about its robustness.

Where a model answers differently to an image and to its LFC, it cannot be both accurate and robust on that image
against perturbations as large as the distance between the two. No gradient is needed, and no attack is run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from passband.brief import Brief
from passband.choices import Search
from passband.data.batches import SMALLEST_BATCH, batches, choose_batch_size
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.frequency.component import Low, check_components
from passband.frequency.fourier import corner_radius, low_pass
from passband.frequency.rescale import rescale
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.instrument import Cost, Reading, Subject, as_floats
from passband.instruments.sharded import Shard, Sharded
from passband.memory import kept
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

LOOKED_AT = 0.8
"""The share of the radii at which an image's LFC is shown, about (benchmarks/ceiling.py): those that lie farther away than one
that was found are not."""
BOUNDED_SAMPLES = 100
"""How many samples the bounded search looks at where nothing is said."""

LEAST_TOGETHER = 2 * SMALLEST_BATCH
"""Images at a time, at least: fewer and fewer of them are shown as counterexamples are found."""


@dataclass(frozen=True, eq=False)
class Counterexamples(Brief):
    """For each sample, the nearest of its LFCs that changes a correct prediction, among those that a search considers.

    Each was really shown to the model and changes its answer, so that either search gives an upper bound on robust accuracy.
    That of the bounded one is never below that of the exact one, since it considers fewer LFCs of the same image.

    Attributes:
        samples: Positions in the data set, shaped (samples,).
        correct: Whether the model is right on the whole image.
        distance: For `"l2"` and `"linf"`, the distance to the nearest such LFC on the [0, 1] pixel scale, shaped
            (samples,); infinite where no LFC changes the prediction, or it was wrong to begin with.
        radius: For either norm, the radius of that LFC; NaN where there is none.
        radii: How many radii were tried on each image; by the bounded search, how many before it halves.
        search: Which search it was.
        shown: How many LFCs were shown to the model, of all samples together; None where a saved audit does not say.
    """

    samples: Int64[Tensor, " samples"]
    correct: Bool[Tensor, " samples"]
    distance: dict[str, Float[Tensor, " samples"]]
    radius: dict[str, Float[Tensor, " samples"]]
    radii: int
    search: Search = "exact"
    shown: int | None = None


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
                    **self.subject.cells,
                    norm=norm,
                    epsilon=epsilon,
                    metric=ACCURACY_CEILING,
                    value=value,
                    count=len(found.samples),
                )


@dataclass(frozen=True)
class RobustnessCeiling(Sharded[Counterexamples, FoundCeiling]):
    """The highest robust accuracy that a network's answers to low-frequency components leave possible.

    Attributes:
        samples: How many samples to look at, drawn by the subject's seed where it has more; None takes all.
        radii: Where the bounded search looks first; None is the exact search, which is slow on large images, with one
            radius a pixel. See `find_counterexamples`.

    Raises:
        InputError: If there are less than one sample, or no radii.

    Source:
        Wang et al. 2020, Corollary 1.
    """

    samples: int | None = None
    radii: tuple[float, ...] | None = None

    seen = Counterexamples
    name, summary, source, needs_gradient = INSTRUMENTS.lines["ceiling"]

    def __post_init__(self) -> None:
        """Refuse impossible numbers, and make equal settings equal."""
        object.__setattr__(self, "radii", as_floats(self.radii))
        if self.samples is not None and self.samples < 1:
            raise InputError(f"the ceiling needs at least 1 sample, got {self.samples}")
        if self.radii is not None and not self.radii:
            raise InputError("at least one radius is needed, got none")

    @property
    def stage(self) -> str:
        """What its progress is called."""
        return "counterexamples"

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that of each sample the whole image is shown, and about four in five of the LFCs at the radii."""
        every = range(math.ceil(corner_radius(*size)))
        radii = every if self.radii is None else whole_radii(self.radii)
        halvings = math.ceil(
            math.log2(max((high - low for low, high in pairwise([*radii, len(every)])), default=1))
        )
        return Cost(answers=min(samples, self.samples or samples) * (1 + LOOKED_AT * len(radii) + halvings))

    def check(self, subject: Subject) -> None:
        """Refuse images that the model does not take, and radii that they do not have."""
        check_fits(subject.model, subject.dataset)
        if self.radii is not None:
            check_components([Low(float(radius)) for radius in self.radii], subject.dataset.size)

    def visited(self, subject: Subject) -> Int64[Tensor, " visited"]:
        """Return all samples, or those that are drawn."""
        few = self.samples is not None and self.samples < len(subject.samples)
        return subject.draw(self.samples) if few else subject.samples

    def together(self, subject: Subject) -> int:
        """Return how many images are looked at together."""
        return _batch_size(subject.batch_size, subject.dataset, choose_device(subject.device))

    def look(self, subject: Subject, shard: Shard) -> Counterexamples:
        """Look for each sample's nearest LFC that changes its prediction."""
        return find_counterexamples(
            subject.model,
            subject.dataset,
            order=shard.samples,
            radii=self.radii,
            batch_size=subject.batch_size,
            device=subject.device,
            progress=subject.progress,
        )

    def join(self, subject: Subject, seen: Iterable[Counterexamples]) -> FoundCeiling:
        """Return the bound that follows from all of them."""
        first, *others = parts = list(seen)
        if not others:
            return FoundCeiling(subject, first)
        found = Counterexamples(
            samples=torch.cat([each.samples for each in parts]),
            correct=torch.cat([each.correct for each in parts]),
            distance={norm: torch.cat([each.distance[norm] for each in parts]) for norm in NORMS},
            radius={norm: torch.cat([each.radius[norm] for each in parts]) for norm in NORMS},
            radii=first.radii,
            search=first.search,
            shown=sum(each.shown or 0 for each in parts),
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
    return torch.stack([within_ceiling(correct, distance, epsilon).float().mean() for epsilon in epsilons])


def within_ceiling(
    correct: Bool[Tensor, " samples"], distance: Float[Tensor, " samples"], epsilon: float
) -> Bool[Tensor, " samples"]:
    """Return which samples may be robust at an epsilon, for all that is known: those right and not broken within it."""
    return correct & (distance > epsilon)


def find_counterexamples(
    model: nn.Module,
    dataset: ImageDataset,
    *,
    order: Int64[Tensor, " samples"] | None = None,
    radii: Sequence[float] | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Counterexamples:
    """Find, for each correctly classified sample, its nearest LFC that changes the prediction.

    An LFC is clipped to [0, 1], since a counterexample must be an image. The exact search considers that at every whole
    radius from 0 to the corner, and shows the model those that lie nearer, in L2 or in Linf, than what was found before.

    The bounded search does the same at a few radii, rounded down to whole ones. Between the largest of them that changes the
    prediction and the next, which does not, it then halves the interval until two whole radii are left. With growing
    radius an LFC mostly comes nearer, but neither distance is certain to shrink (Linf overshoots at edges), nor need there be
    one radius from which on the prediction stays. So what the bounded search finds is a counterexample, at the distance
    that was measured of it in either norm, and not always the nearest one: its distance is an upper bound on that of
    the exact search, of which it considers a part.

    Args:
        model: A classifier of [0, 1] pixels.
        dataset: Labelled images of the size that the model takes.
        order: Positions of the samples to look at; None takes all.
        radii: Where the bounded search looks first, below the corner; None is the exact search.
        batch_size: Images at a time; it does not change the result. None chooses by size and device.
        device: See `passband.environment.choose_device`.
        progress: Called along the way.

    Raises:
        InputError: If model and data do not fit together, an answer is not finite, or depends on the images beside it.
    """
    place = choose_device(device)
    pixels = tried(model, dataset, place)
    every = range(math.ceil(corner_radius(*dataset.size)))  # from the corner on the LFC is the image itself
    at_radii = every if radii is None else whole_radii(radii)
    size = _batch_size(batch_size, dataset, place)
    total = len(dataset) if order is None else len(order)
    parts: list[tuple[Tensor, ...]] = []
    done = shown = 0
    check_independent(pixels, to_pixels(dataset.images[:1], place))
    with evaluating(pixels), kept():
        for samples in batches(dataset, batch_size=size, device=place, order=order):
            whole = answers(pixels, samples.images, len(dataset.classes), "whole images")
            correct = whole.argmax(dim=1) == samples.labels
            distance = torch.full((len(NORMS), len(correct)), math.inf, device=place)
            radius = torch.full_like(distance, math.nan)
            if correct.any():
                nearest = _Nearest(pixels, samples.images[correct], samples.labels[correct], whole.shape[1])
                nearest.look(at_radii)
                if radii is not None:
                    nearest.halve(at_radii, len(every))
                distance[:, correct], radius[:, correct] = nearest.distance, nearest.radius
                shown += nearest.shown
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
        radii=len(at_radii),
        search="exact" if radii is None else "bounded",
        shown=shown,
    )


def _batch_size(asked: int | None, dataset: ImageDataset, device: torch.device) -> int:
    size = choose_batch_size(asked, dataset, device)
    return size if asked is not None else max(size, LEAST_TOGETHER)


def whole_radii(radii: Sequence[float]) -> list[int]:
    """Return radii rounded down to whole ones, from small to large.

    Example:
        >>> whole_radii([4, 1, 4.5])
        [1, 4]
    """
    return sorted({math.floor(radius) for radius in radii})


class _Nearest:
    """The nearest LFC found so far that changes each prediction of a batch.

    Attributes:
        distance: Shaped (norms, samples), infinite where there is none.
        radius: Likewise, NaN where there is none.
        largest: The largest radius at which each prediction changes, -1 where none is known, shaped (samples,).
        shown: How many LFCs were shown.
    """

    def __init__(self, model: PixelModel, images: Batch, labels: Labels, classes: int) -> None:
        self.model, self.images, self.labels, self.classes = model, images, labels, classes
        self.distance = images.new_full((len(NORMS), len(images)), math.inf)
        self.radius = torch.full_like(self.distance, math.nan)
        self.largest = torch.full_like(labels, -1)
        self.shown = 0

    def look(self, radii: Sequence[int]) -> None:
        """Look at each of some radii, from large to small, but at no LFC that lies farther away than one found."""
        for radius in sorted(radii, reverse=True):  # mostly from near to far
            low = _low(self.images, radius)
            distance = _distances(self.images, low)
            active = (distance < self.distance).any(dim=0)
            if active.any():
                self.show(active, torch.full_like(self.labels, radius), low[active], distance[:, active])

    def halve(self, radii: Sequence[int], corner: int) -> None:
        """Halve the interval between the largest radius that changes a prediction and the next that was looked at."""
        bounds = torch.tensor([*radii, corner], device=self.labels.device)
        above = bounds[torch.searchsorted(bounds, self.largest, right=True)]
        while (active := (self.largest >= 0) & (above - self.largest > 1)).any():
            middle = (self.largest + above) // 2
            low = torch.empty_like(self.images[active])
            for radius in middle[active].unique().tolist():
                those = middle[active] == radius
                low[those] = _low(self.images[active][those], radius)
            changed = self.show(active, middle, low, _distances(self.images[active], low))
            above = torch.where(active & ~changed, middle, above)

    def show(
        self,
        active: Bool[Tensor, " samples"],
        radius: Int64[Tensor, " samples"],
        low: Batch,
        distance: Float[Tensor, "norms active"],
    ) -> Bool[Tensor, " samples"]:
        """Show the LFCs of some samples at these radii, take down what is nearer, and return which predictions change."""
        at = ", ".join(f"{one}" for one in radius[active].unique().tolist())
        logits = answers(self.model, low, self.classes, f"LFCs at radius {at}")
        self.shown += len(low)
        changed = torch.zeros_like(active)
        changed[active] = logits.argmax(dim=1) != self.labels[active]
        farther = torch.full_like(self.distance, math.inf)
        farther[:, active] = distance
        nearer = changed & (farther < self.distance)
        self.distance = torch.where(nearer, farther, self.distance)
        self.radius = torch.where(nearer, radius.to(self.radius), self.radius)
        self.largest = torch.where(changed, radius.maximum(self.largest), self.largest)
        return changed


def _low(images: Batch, radius: float) -> Batch:
    return rescale(low_pass(images, radius), "clip")


def _distances(images: Batch, low: Batch) -> Float[Tensor, "norms samples"]:
    """Return the L2 and the Linf distance from each image to its LFC."""
    difference = (images - low).flatten(1)
    return torch.stack([difference.norm(dim=1), difference.abs().amax(dim=1)])
