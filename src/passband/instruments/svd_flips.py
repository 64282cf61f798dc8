"""Figure 2's samples by four ways of taking the same energy from an image: is it the frequencies that a network follows?

Section 8 of the paper asks whether the HFC is just noise, and splits images by their singular values instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.analysis.contrast import Term
from passband.analysis.figure import Curve, Figure, Panel, Role
from passband.checks import write_number
from passband.data.batches import batches
from passband.data.dataset import to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.frequency.component import High, check_components
from passband.frequency.controls import Split, energy_of, splits_of_equal_energy
from passband.frequency.rescale import rescale
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import default_radii
from passband.instruments.flips import dealt_at_random
from passband.instruments.instrument import Cost, Reading, Subject, as_floats, mean_row
from passband.instruments.sharded import Shard, Sharded
from passband.models.independence import check_independent
from passband.models.pixels import answers, check_fits, evaluating
from passband.randomness import generator_for
from passband.rows import (
    SVD_FLIPS,
    SVD_FLIPS_BEYOND_CHANCE,
    SVD_FLIPS_BY_CHANCE,
    SVD_KEPT_ACCURACY,
    SVD_RANK,
    SVD_TAKEN_ACCURACY,
    SVD_TAKEN_ENERGY,
    ComponentRow,
)
from passband.types import Amplitude, Batch, Labels, Subset


@dataclass(frozen=True)
class Taken:
    """What stands in a row for a part that was taken: how, and at the energy of the HFC at which radius.

    Attributes:
        kind: The way.
        radius: The radius; None for the mean over several.

    Example:
        >>> str(Taken("svd", 8.0)), str(Taken("svd"))
        ('svd:8', 'svd')
    """

    kind: Split
    radius: float | None = None

    @property
    def cutoff(self) -> float | None:
        """What stands in the column `radius` of tables."""
        return self.radius

    def __str__(self) -> str:
        """Write it as components are written."""
        return self.kind if self.radius is None else f"{self.kind}:{write_number(self.radius)}"


class Part(NamedTuple):
    """What became of one way at one radius, sample by sample.

    Attributes:
        kept: The predictions on what is left.
        taken: The predictions on the part taken.
        energy: The share of the image's energy in the part taken.
        rank: How many singular values of each channel are left, if it is the SVD.
    """

    kept: Int64[Tensor, " samples"]
    taken: Int64[Tensor, " samples"]
    energy: Float[Tensor, " samples"]
    rank: Int64[Tensor, " samples"]


@dataclass(frozen=True, eq=False)
class FoundSvdFlips(Reading):
    """Figure 2's samples by each way of taking a part, beside what chance would make.

    Attributes:
        subject: The network.
        radii: Those of the HFCs whose energy was taken.
        labels: The true classes.
        whole: The predictions on whole images.
        parts: By way and radius.
        amplitude: The policy applied to all that is not a whole image.
    """

    subject: Subject
    radii: tuple[float, ...]
    labels: Labels
    whole: Int64[Tensor, " samples"]
    parts: Mapping[tuple[Split, float], Part]
    amplitude: Amplitude

    def flips(self, kind: Split) -> Bool[Tensor, "radii samples"]:
        """Return for every radius and sample whether image and part taken are predicted right, and what is left wrong."""
        taken = torch.stack([self.parts[kind, radius].taken for radius in self.radii])
        return self._could(kind) & (taken == self.labels)

    def by_chance(self, kind: Split) -> Float[Tensor, "radii samples"]:
        """Return `dealt_at_random` at every radius."""
        classes = len(self.subject.dataset.classes)
        named = [self.parts[kind, radius].taken for radius in self.radii]
        pairs = zip(self._could(kind), named, strict=True)
        return torch.stack([dealt_at_random(could, taken, self.labels, classes) for could, taken in pairs])

    def _could(self, kind: Split) -> Bool[Tensor, "radii samples"]:
        """Return which samples flip if the part taken is predicted right."""
        kept = torch.stack([self.parts[kind, radius].kept for radius in self.radii])
        return (self.whole == self.labels) & (kept != self.labels)

    def rows(self) -> Iterator[ComponentRow]:
        """Yield for each way all numbers at each radius, then their means over the radii; errors are over samples.

        In the column `component` stands the way, and in `radius` that of the HFC whose energy was taken.
        """
        for kind in get_args(Split):
            for metric, values in self._values(kind).items():
                for radius, at in zip(self.radii, values, strict=True):
                    yield self._row(Taken(kind, radius), metric, at)
                yield self._row(Taken(kind), metric, values.double().mean(dim=0))

    def _values(self, kind: Split) -> dict[str, Tensor]:
        """Return by metric a number for every radius and sample."""
        flips, by_chance = self.flips(kind), self.by_chance(kind)
        kept, taken, energy, rank = (
            torch.stack(column)
            for column in zip(*(self.parts[kind, radius] for radius in self.radii), strict=True)
        )
        found = {
            SVD_FLIPS: flips,
            SVD_FLIPS_BY_CHANCE: by_chance,
            SVD_FLIPS_BEYOND_CHANCE: flips.double() - by_chance,
            SVD_KEPT_ACCURACY: kept == self.labels,
            SVD_TAKEN_ACCURACY: taken == self.labels,
            SVD_TAKEN_ENERGY: energy,
        }
        return found | ({SVD_RANK: rank} if kind == "svd" else {})

    def _row(self, taken: Taken, metric: str, values: Tensor) -> ComponentRow:
        return mean_row(self.subject, self.subject.samples, taken, metric, values, self.amplitude)

    def figure(self) -> Figure:
        """Return the counts by radius beside chance, and by how much they exceed it."""
        return Figure((svd_panels(self.subject.run, self.subject.dataset.subset),))


NAMES: dict[Split, tuple[str, Role]] = {
    "hfc": ("Fourier", "hfc"),
    "svd": ("SVD", "lfc"),
    "random": ("random subspace", "energy"),
    "noise": ("noise", "muted"),
}
"""What the ways are called in figures, and their colors."""


def svd_panels(label: str, subset: Subset) -> tuple[Panel, Panel]:
    """Return the panels of the figure: counts beside chance by radius, and by how much they exceed it."""

    def curve(kind: Split, metric: str, text: str = "") -> Curve:
        name, role = NAMES[kind]
        term = Term(label, subset, kind, metric)
        return Curve(f"{name}{text}", role, dashed=bool(text), term=term, along="radius")

    counts = [
        curve(kind, metric, text)
        for metric, text in ((SVD_FLIPS, ""), (SVD_FLIPS_BY_CHANCE, ", by chance"))
        for kind in NAMES
    ]
    beyond = [curve(kind, SVD_FLIPS_BEYOND_CHANCE) for kind in NAMES]
    x, y = "radius of the HFC of equal energy", "share of images"
    return (
        Panel("Right on image and part taken, wrong on the rest", tuple(counts), x=x, y=y),
        Panel("More than by chance", tuple(beyond), x=x, y=f"{y}, less chance", percent=True),
    )


@dataclass(frozen=True, eq=False)
class SeenSvdFlips:
    """The predictions on the whole images of a shard, and the attributes of `Part` of each way at each radius."""

    whole: Int64[Tensor, " samples"]
    kept: Int64[Tensor, "ways samples"]
    taken: Int64[Tensor, "ways samples"]
    energy: Float[Tensor, "ways samples"]
    rank: Int64[Tensor, "ways samples"]


@dataclass(frozen=True)
class SvdFlips(Sharded[SeenSvdFlips, FoundSvdFlips]):
    """Images predicted right as a whole and from a part that is taken from them, and wrong from the rest.

    The part is the HFC at a radius, or another of that energy, image by image: what the trailing singular values make, at
    the rank of the nearest energy (`passband.split_by_rank`; one rank for all channels of an image, from 1 to all but one); the
    projection on a random subspace; or Gaussian noise (`passband.frequency.controls`). All draws follow from the subject's seed
    and the image's position, not from batches.

    Noise knows nothing of an image, and still more images may flip with it than by chance: the same noise is in both parts,
    with opposite signs, so that noise that turns an answer away from the right class when it is taken off points to that
    class itself. So chance alone is no measure for what a network reads from the HFC; noise of its energy is.

    Attributes:
        radii: Cut-offs in cycles per image; None chooses about eight by the size.
        amplitude: What is done to parts and rests before the model sees them: see `passband.rescale`.

    Source:
        Wang et al. 2020, section 8 and Figure 2. The random subspace and the noise are passband's own.
    """

    radii: tuple[float, ...] | None = None
    amplitude: Amplitude = "max"

    seen = SeenSvdFlips
    name, summary, source, needs_gradient = INSTRUMENTS.lines["svd"]

    def __post_init__(self) -> None:
        """Make equal settings equal."""
        object.__setattr__(self, "radii", as_floats(self.radii))

    def resolved(self, size: tuple[int, int]) -> SvdFlips:
        """Return it with its radii."""
        return replace(self, radii=tuple(self._radii(size)))

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that each image is shown, and both parts of each split."""
        return Cost(answers=samples * (1 + 2 * len(get_args(Split)) * len(self._radii(size))))

    def check(self, subject: Subject) -> None:
        """Refuse radii that the images do not have, and images that have no two parts by rank."""
        size = subject.dataset.size
        check_fits(subject.model, subject.dataset)
        radii = self._radii(size)
        if not radii:
            raise InputError("at least one radius is needed, got none")
        check_components([High(radius) for radius in radii], size)
        if min(size) < 2:
            raise InputError(
                "only images with at least 2 pixels on each side have two parts by rank, got images of "
                f"{size[0]}x{size[1]} pixels"
            )

    def look(self, subject: Subject, shard: Shard) -> SeenSvdFlips:
        """Show the model whole images, and both parts of each split."""
        model, dataset, place = subject.model, subject.dataset, choose_device(subject.device)
        model.to(place)
        check_independent(model, to_pixels(dataset.images[:1], place))
        radii, classes, samples = self._radii(dataset.size), len(dataset.classes), shard.samples
        batch_size = self.together(subject)
        whole: list[Tensor] = []
        parts: dict[tuple[Split, float], list[Part]] = {each: [] for each in self._ways(dataset.size)}
        with evaluating(model):
            for batch in batches(dataset, batch_size=batch_size, device=place, order=samples):
                images = batch.images
                whole.append(answers(model, images, classes, "whole images").argmax(dim=1).cpu())
                draws = draw_for(subject.seed, batch.indices.tolist(), images)
                energy = energy_of(images).clamp(min=torch.finfo(images.dtype).tiny)  # black images have none
                for key, kept, taken, rank in splits_of_equal_energy(images, radii, draws):
                    predictions = (
                        answers(
                            model,
                            rescale(part, self.amplitude, original=images),
                            classes,
                            f"{what} of the split {Taken(*key)}",
                        ).argmax(dim=1)
                        for part, what in ((kept, "what is left"), (taken, "the part taken"))
                    )
                    found = (*predictions, energy_of(taken) / energy, rank)
                    parts[key].append(Part(*(each.cpu() for each in found)))
                if subject.progress:
                    subject.progress(self.name, min(len(whole) * batch_size, len(samples)), len(samples))
        joined = (map(torch.cat, zip(*each, strict=True)) for each in parts.values())
        return SeenSvdFlips(torch.cat(whole), *map(torch.stack, zip(*joined, strict=True)))

    def join(self, subject: Subject, seen: Iterable[SeenSvdFlips]) -> FoundSvdFlips:
        """Return what became of all samples."""
        size, shards = subject.dataset.size, list(seen)
        columns = (
            torch.cat([getattr(each, name) for each in shards], dim=1).unbind() for name in Part._fields
        )
        parts = map(Part, *columns)
        return FoundSvdFlips(
            subject,
            self._radii(size),
            subject.dataset.labels[subject.samples],
            torch.cat([each.whole for each in shards]),
            dict(zip(self._ways(size), parts, strict=True)),
            self.amplitude,
        )

    def _ways(self, size: tuple[int, int]) -> list[tuple[Split, float]]:
        return list(product(get_args(Split), self._radii(size)))

    def _radii(self, size: tuple[int, int]) -> tuple[float, ...]:
        return tuple(float(each) for each in (default_radii(size) if self.radii is None else self.radii))


def draw_for(
    seed: int, samples: Sequence[int], images: Batch
) -> Float[Tensor, "2 batch channels height width"]:
    """Return two standard normal images for each image of a batch, which follow from the seed and its position alone."""
    drawn = [
        torch.randn((2, *images.shape[1:]), generator=generator_for(seed, "splits", sample))
        for sample in samples
    ]
    return torch.stack(drawn, dim=1).to(images)
