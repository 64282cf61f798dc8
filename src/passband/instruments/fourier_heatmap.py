"""The Fourier heat map (Yin et al. 2019): how often a network is wrong when one wave is added to each image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from passband.analysis.contrast import Term
from passband.analysis.figure import Figure, HeatMap, Panel
from passband.checks import check_at_least_one
from passband.data.batches import batches
from passband.data.dataset import to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.frequency.component import FULL
from passband.frequency.rescale import rescale
from passband.frequency.wave import Wave, wave_grid
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.instrument import Cost, Reading, Subject
from passband.instruments.sharded import Shard, Sharded
from passband.models.independence import check_independent
from passband.models.pixels import answers, check_fits, evaluating
from passband.randomness import generator_for
from passband.rows import FOURIER_HEATMAP, WaveRow
from passband.types import Batch

KNOWN = ((32, 4.0), (224, 15.7))
"""Lengths of the wave in the literature, by the side of the images: CIFAR-10's and ImageNet's of Yin et al. 2019."""


@dataclass(frozen=True, eq=False)
class FoundHeatmap(Reading):
    """How often a network is wrong, wave by wave.

    Attributes:
        subject: The network.
        epsilon: The length of the wave in each channel.
        samples: How many images each number rests on.
        whole_wrong: How many of them are answered wrong as they are.
        wrong: How many are with each wave added.
    """

    subject: Subject
    epsilon: float
    samples: int
    whole_wrong: int
    wrong: dict[Wave, int]

    def rows(self) -> Iterator[WaveRow]:
        """Yield the share of wrong answers on whole images, and with each wave; a wave and its mirror image share theirs."""
        row = partial(
            WaveRow,
            **self.subject.cells,
            metric=FOURIER_HEATMAP,
            count=self.samples,
        )
        yield row(component=FULL, value=self.whole_wrong / self.samples)
        for wave, wrong in self.wrong.items():
            yield row(component=wave, value=wrong / self.samples, norm="l2", epsilon=self.epsilon)

    def figure(self) -> Figure:
        """Return the map, low frequencies in the middle."""
        cells = Term(
            self.subject.run,
            self.subject.dataset.subset,
            Wave.kind,
            FOURIER_HEATMAP,
            epsilon=self.epsilon,
            norm="l2",
        )
        title = f"Wrong answers with a wave of length {self.epsilon:g}"
        x, y = "cycles across an image", "cycles down an image"
        return Figure(((Panel(title, (HeatMap("wrong", cells=cells),), x, y),),))


@dataclass(frozen=True, eq=False)
class SeenHeatmap:
    """How many images of a shard are answered wrong as they are, and with each wave added."""

    wrong: Int64[Tensor, " shown"]


@dataclass(frozen=True)
class FourierHeatmap(Sharded[SeenHeatmap, FoundHeatmap]):
    """The share of wrong answers when a wave of one frequency and of fixed length is added to each image, by frequency.

    To each channel of each image the wave is added or it is taken away, at random, in [0, 1] pixels: what normalizes them is
    part of the network.

    Attributes:
        size: How many frequencies to look at along either side, an odd number: see `passband.frequency.wave.wave_grid`. None
            looks at all, of which there are thousands.
        samples: How many of the subject's samples, drawn by the seed; None takes all.
        epsilon: The L2 length of the wave in each channel on the [0, 1] pixel scale; None chooses by the size: see
            `usual_epsilon`.
        clip: Whether the images are cut to [0, 1] with the wave in them. The paper's formula has none of that, and what is cut
            is no single wave any more.

    Raises:
        InputError: If a setting is none of these.

    Source:
        Yin et al. 2019, "A Fourier perspective on model robustness in computer vision", section 3.
    """

    size: int | None = 15
    samples: int | None = 100
    epsilon: float | None = None
    clip: bool = False

    seen = SeenHeatmap
    name, summary, source, needs_gradient = INSTRUMENTS.lines["fourier-heatmap"]

    def __post_init__(self) -> None:
        """Refuse impossible settings, and make equal ones equal."""
        check_at_least_one("samples", self.samples)
        wave_grid(1, 1, self.size)
        if self.epsilon is not None:
            if not 0 < self.epsilon < math.inf:
                raise InputError(f"epsilon, the length of a wave, must be positive, got {self.epsilon}")
            object.__setattr__(self, "epsilon", float(self.epsilon))

    def resolved(self, size: tuple[int, int]) -> FourierHeatmap:
        """Return it with the length of its wave."""
        return replace(self, epsilon=usual_epsilon(size) if self.epsilon is None else self.epsilon)

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that each sample is shown as it is, and with each wave."""
        looked_at = samples if self.samples is None else min(samples, self.samples)
        return Cost(answers=looked_at * (1 + len(distinct(wave_grid(*size, self.size), size))))

    def check(self, subject: Subject) -> None:
        """Refuse images that the model does not take."""
        check_fits(subject.model, subject.dataset)

    def visited(self, subject: Subject) -> Int64[Tensor, " visited"]:
        """Return the samples that are drawn."""
        return subject.draw(self.samples)

    def look(self, subject: Subject, shard: Shard) -> SeenHeatmap:
        """Ask the model."""
        model, dataset, place = subject.model, subject.dataset, choose_device(subject.device)
        epsilon, waves = self._epsilon(dataset.size), self._waves(dataset.size)
        draws = generator_for(subject.seed, self.name)
        for _ in range(shard.start):  # of the shards before
            draw_signs(1, len(waves), dataset.channels, draws)
        model.to(place)
        check_independent(model, to_pixels(dataset.images[:1], place))
        wrong, done, total = [0] * (1 + len(waves)), 0, len(shard.samples) * (1 + len(waves))
        with evaluating(model):
            for images, labels in (
                part[1:]
                for part in batches(
                    dataset, batch_size=self.together(subject), device=place, order=shard.samples
                )
            ):
                signs = epsilon * draw_signs(len(labels), len(waves), dataset.channels, draws)
                views = (
                    (f"images with {wave} added", self._with(images, wave, signs[:, at]))
                    for at, wave in enumerate(waves)
                )
                for at, (what, shown) in enumerate(chain([("whole images", images)], views)):
                    logits = answers(model, shown, len(dataset.classes), what)
                    wrong[at] += int((logits.argmax(dim=1) != labels).sum())
                    done += len(labels)
                    if subject.progress:
                        subject.progress(self.name, done, total)
        return SeenHeatmap(torch.tensor(wrong))

    def join(self, subject: Subject, seen: Iterable[SeenHeatmap]) -> FoundHeatmap:
        """Return the counts of all samples."""
        size = subject.dataset.size
        whole, *others = torch.stack([each.wrong for each in seen]).sum(dim=0).tolist()
        found = dict(zip(self._waves(size), others, strict=True))
        cells = {wave: found[_one_of_two(wave, size)] for wave in wave_grid(*size, self.size)}
        return FoundHeatmap(subject, self._epsilon(size), len(self.visited(subject)), whole, cells)

    def _epsilon(self, size: tuple[int, int]) -> float:
        return usual_epsilon(size) if self.epsilon is None else self.epsilon

    def _waves(self, size: tuple[int, int]) -> list[Wave]:
        return distinct(wave_grid(*size, self.size), size)

    def _with(self, images: Batch, wave: Wave, factors: Float[Tensor, "batch channels"]) -> Batch:
        """Return images with so many times a wave added to each of their channels."""
        noise = factors.to(images)[:, :, None, None] * wave.image(*images.shape[-2:]).to(images)
        return rescale(images + noise, "clip" if self.clip else "raw")


def usual_epsilon(size: tuple[int, int]) -> float:
    """Return the length of a wave for images of a size: the power of their side that gives 4 at 32 pixels and 15.7 at 224.

    The side of images that are not square is that of a square with as many pixels.

    Example:
        >>> [usual_epsilon((side, side)) for side in (28, 32, 64, 224)]
        [3.64, 4.0, 6.51, 15.7]
    """
    (small, short), (large, long) = KNOWN
    power = math.log(long / short) / math.log(large / small)
    return round(short * (math.sqrt(math.prod(size)) / small) ** power, 2)


def distinct(grid: Iterable[Wave], size: tuple[int, int]) -> list[Wave]:
    """Return one of each two waves of a grid that are the same, in the order of the grid.

    Example:
        >>> len(distinct(wave_grid(32, 32), (32, 32)))  # (32 * 32 + 4) / 2: four are their own mirror images
        514
    """
    return list(dict.fromkeys(_one_of_two(wave, size) for wave in grid))


def draw_signs(
    samples: int, waves: int, channels: int, draws: torch.Generator
) -> Float[Tensor, "samples waves channels"]:
    """Return -1 or 1 for each, drawn sample by sample, so that batches change nothing."""
    drawn = [torch.randint(0, 2, (waves, channels), generator=draws) for _ in range(samples)]
    return 2.0 * torch.stack(drawn) - 1


def _one_of_two(wave: Wave, size: tuple[int, int]) -> Wave:
    return max(wave, wave.mirrored(*size))
