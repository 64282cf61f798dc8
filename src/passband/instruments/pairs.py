"""Corollary 1 sample by sample: pairs of an image and its LFC to which a network answers differently."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.brief import Brief
from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.frequency.component import Low, check_components
from passband.frequency.fourier import low_pass, radial_mask
from passband.frequency.rescale import rescale
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import default_radii
from passband.instruments.instrument import Cost, Reading, Subject, as_floats
from passband.instruments.sharded import Shard, Sharded
from passband.models.independence import check_independent
from passband.models.pixels import PixelModel, answers, check_fits, evaluating
from passband.rows import (
    COUNTEREXAMPLE_DISTANCE,
    COUNTEREXAMPLES,
    COUNTEREXAMPLES_RIGHT,
    COUNTEREXAMPLES_VERIFIED,
    CounterexampleRow,
)
from passband.types import Images, Labels, Norm

STEPS = 20
"""How many bounds on the distance are looked at, in each norm."""

TOLERANCE = 1e-4
"""How far two computations of one pixel may lie apart: many times float32's rounding, a fortieth of an 8-bit step."""


@dataclass(frozen=True, eq=False)
class Pairs(Brief):
    """What a network answers to images and to their LFCs at one radius, clipped to [0, 1].

    Attributes:
        labels: The true classes.
        whole: The predictions on the images.
        low: The predictions on their LFCs.
        distance: For `"l2"` and `"linf"`, how far apart the two are on the [0, 1] pixel scale.
    """

    labels: Labels
    whole: Int64[Tensor, " samples"]
    low: Int64[Tensor, " samples"]
    distance: dict[Norm, Float[Tensor, " samples"]]

    @property
    def differ(self) -> Bool[Tensor, " samples"]:
        """Where f(x) != f(x_l): the network cannot be accurate and robust there, at bounds from their distance on."""
        return self.whole != self.low


@dataclass(frozen=True, eq=False)
class FoundPairs(Reading):
    """The pairs of several radii, each held against the definition.

    Attributes:
        subject: The network.
        pairs: By radius.
        verified: By radius, of each pair whose answers differ, whether it holds when it is computed anew.
    """

    subject: Subject
    pairs: Mapping[float, Pairs]
    verified: Mapping[float, Bool[Tensor, " pairs"]]

    def rows(self) -> Iterator[CounterexampleRow]:
        """Yield shares of all images, the share of pairs that was verified, and distances."""
        for radius, pairs in self.pairs.items():
            yield from self._rows(radius, pairs, self.verified[radius])

    def _rows(
        self, radius: float, pairs: Pairs, verified: Bool[Tensor, " pairs"]
    ) -> Iterator[CounterexampleRow]:
        total, found = len(pairs.labels), len(verified)
        row = partial(
            CounterexampleRow,
            **self.subject.cells,
            component=Low(radius),
            amplitude="clip",
        )
        share = partial(row, metric=COUNTEREXAMPLES, count=total)
        right = pairs.differ & (pairs.whole == pairs.labels)
        yield share(value=found / total)
        yield row(metric=COUNTEREXAMPLES_RIGHT, value=right.double().mean().item(), count=total)
        if found:
            yield row(metric=COUNTEREXAMPLES_VERIFIED, value=verified.double().mean().item(), count=found)
        for norm in get_args(Norm):
            distance = pairs.distance[norm]
            if found:
                median = distance[pairs.differ].median().item()
                yield row(metric=COUNTEREXAMPLE_DISTANCE, value=median, count=found, norm=norm)
            for epsilon in bounds(norm, self.subject.dataset.images[0].numel()):
                within = pairs.differ & (distance <= epsilon)
                yield share(value=within.double().mean().item(), norm=norm, epsilon=epsilon)


@dataclass(frozen=True, eq=False)
class SeenPairs:
    """The pairs of a shard and whether they hold, radius by radius."""

    pairs: tuple[Pairs, ...]
    verified: tuple[Bool[Tensor, " _"], ...]


@dataclass(frozen=True)
class LowPassCounterexamples(Sharded[SeenPairs, FoundPairs]):
    """On how many images a network answers otherwise than on their LFC, and how far the two are apart.

    Attributes:
        radii: Cut-offs of the LFC, below the corner; None chooses about eight by the size.

    Source:
        Wang et al. 2020, section 3.2, Assumption A2 and Corollary 1.
    """

    radii: tuple[float, ...] | None = None

    seen = SeenPairs
    name, summary, source, needs_gradient = INSTRUMENTS.lines["counterexamples"]

    def __post_init__(self) -> None:
        """Make equal settings equal."""
        object.__setattr__(self, "radii", as_floats(self.radii))

    def __str__(self) -> str:
        """Say what is measured."""
        at = "" if self.radii is None else f" at r = {', '.join(f'{radius:g}' for radius in self.radii)}"
        return f"answers to x and x_l{at}"

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that every image and its LFC is shown, and shown again to be verified."""
        return Cost(answers=4 * len(self._radii(size)) * samples)

    def check(self, subject: Subject) -> None:
        """Refuse radii that the images do not have."""
        check_fits(subject.model, subject.dataset)
        check_components([Low(radius) for radius in self._radii(subject.dataset.size)], subject.dataset.size)

    def together(self, subject: Subject) -> int:
        """Return how many images are looked at together, which is chosen by size and device alone."""
        return choose_batch_size(None, subject.dataset, choose_device(subject.device))

    def look(self, subject: Subject, shard: Shard) -> SeenPairs:
        """Ask the model, and hold what was found against the definition."""
        whole = subject.indices is None and len(shard.samples) == len(subject.dataset)
        dataset = subject.dataset if whole else subject.dataset.take(shard.samples)
        pairs, verified = [], []
        for radius in self._radii(dataset.size):
            pairs.append(find_pairs(subject.model, dataset, radius, device=subject.device))
            verified.append(verify(subject.model, dataset, radius, pairs[-1], device=subject.device))
        return SeenPairs(tuple(pairs), tuple(verified))

    def join(self, subject: Subject, seen: Iterable[SeenPairs]) -> FoundPairs:
        """Return the pairs of all samples."""
        radii, shards = self._radii(subject.dataset.size), list(seen)
        pairs = [_joined(each) for each in zip(*(shard.pairs for shard in shards), strict=True)]
        verified = [torch.cat(each) for each in zip(*(shard.verified for shard in shards), strict=True)]
        return FoundPairs(
            subject, dict(zip(radii, pairs, strict=True)), dict(zip(radii, verified, strict=True))
        )

    def _radii(self, size: tuple[int, int]) -> Sequence[float]:
        return [float(radius) for radius in (default_radii(size) if self.radii is None else self.radii)]


def _joined(parts: Sequence[Pairs]) -> Pairs:
    return Pairs(
        torch.cat([each.labels for each in parts]),
        torch.cat([each.whole for each in parts]),
        torch.cat([each.low for each in parts]),
        {norm: torch.cat([each.distance[norm] for each in parts]) for norm in get_args(Norm)},
    )


def bounds(norm: Norm, values: int) -> list[float]:
    """Return the bounds on a distance that are looked at, 0 aside.

    Args:
        norm: In L2 they reach as far as a change of every pixel by a quarter, in Linf to the whole range.
        values: Pixels times channels of an image.

    Example:
        >>> bounds("linf", 3072)[:2], round(bounds("l2", 3072)[-1], 2)
        ([0.05, 0.1], 13.86)
    """
    farthest = 1.0 if norm == "linf" else 0.25 * math.sqrt(values)
    return [farthest * step / STEPS for step in range(1, STEPS + 1)]


def find_pairs(model: PixelModel, dataset: ImageDataset, radius: float, *, device: str = "auto") -> Pairs:
    """Return the predictions on all images and on their LFCs, and the distances of the two.

    Raises:
        InputError: If an answer is not finite, or depends on the images beside it.

    Source:
        Wang et al. 2020, section 3.2, Assumption A2 and Corollary 1.
    """
    place = choose_device(device)
    parts = []
    model.to(place)
    check_independent(model, to_pixels(dataset.images[:1], place))
    with evaluating(model):
        for samples in batches(dataset, batch_size=choose_batch_size(None, dataset, place), device=place):
            low = rescale(low_pass(samples.images, radius), "clip")
            change = (low - samples.images).flatten(1)
            shown = {"whole images": samples.images, f"LFCs at radius {radius:g}": low}
            predictions = [
                answers(model, images, len(dataset.classes), what).argmax(dim=1)
                for what, images in shown.items()
            ]
            lengths = [change.norm(dim=1), change.abs().amax(dim=1)]
            parts.append([tensor.cpu() for tensor in (samples.labels, *predictions, *lengths)])
    labels, whole, on_low, l2, linf = (torch.cat(column) for column in zip(*parts, strict=True))
    return Pairs(labels, whole, on_low, {"l2": l2, "linf": linf})


def verify(
    model: PixelModel, dataset: ImageDataset, radius: float, pairs: Pairs, *, device: str = "auto"
) -> Bool[Tensor, " pairs"]:
    """Return, for each sample with f(x) != f(x_l), whether it is what Corollary 1 says, computed anew and otherwise.

    The LFC is computed again from the definition, by Fourier transform in double precision, and shown to the network
    together with its image. A pair holds if

    - this LFC, clipped to [0, 1], lies as far from the image as was found, in both norms: then it is an allowed
      perturbation at every bound from there on,
    - the network still answers differently to the two. At most one of two different answers is right, so that the network
      is wrong on the image, or not robust there.

    Args:
        model: The network.
        dataset: The images of `pairs`.
        radius: The radius of `pairs`.
        pairs: From `find_pairs`.
        device: Where the network answers.

    Raises:
        InputError: If an answer is not finite.
    """
    if not pairs.differ.any():
        return pairs.differ[:0]
    place = choose_device(device)
    found = []
    model.to(place)
    with evaluating(model):
        size, differ = choose_batch_size(None, dataset, place), pairs.differ.nonzero()[:, 0]
        for part in batches(dataset, batch_size=size, device=torch.device("cpu"), order=differ):
            samples, images = part.indices, part.images
            low = defined_low_pass(images, radius).clamp(0, 1)
            change = (low - images.double()).flatten(1)
            near = (change.norm(dim=1) - pairs.distance["l2"][samples]).abs() <= TOLERANCE * math.sqrt(
                change[0].numel()
            )
            near &= (change.abs().amax(dim=1) - pairs.distance["linf"][samples]).abs() <= TOLERANCE
            both = torch.cat([images, low.float()]).to(place)
            logits = answers(model, both, len(dataset.classes), f"images and LFCs at radius {radius:g}")
            on_whole, on_low = logits.argmax(dim=1).cpu().chunk(2)
            found.append(near & (on_whole != on_low))
    return torch.cat(found)


def defined_low_pass(images: Images, radius: float) -> Float[Tensor, "*batch channels height width"]:
    """Return the LFC as section 3.1 defines it: Fourier transform, mask, transform back; in double precision."""
    mask = radial_mask(*images.shape[-2:], radius)
    return torch.fft.ifft2(torch.fft.fft2(images.double()) * mask).real
