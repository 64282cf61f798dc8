"""Figure 2: images on which a prediction flips with the low frequencies and follows the high ones, which people barely see.

There the whole image and its HFC are predicted right, and the LFC, which looks like the image, is predicted wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.brief import Brief
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.frequency.component import High, Low, lows_and_highs
from passband.frequency.fourier import split
from passband.frequency.rescale import rescale
from passband.frequency.spectrum import energy_within
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import Answers, ComponentAccuracy, default_radii
from passband.instruments.instrument import (
    EXAMPLES,
    SAMPLES,
    Cost,
    Instrument,
    Reading,
    Subject,
    as_floats,
    mean_row,
)
from passband.instruments.spectrum import Spectrum
from passband.models.pixels import PixelModel, answers, evaluating
from passband.rows import FLIPS, FLIPS_BEYOND_CHANCE, FLIPS_BY_CHANCE, ComponentRow
from passband.serial import write_tensors
from passband.types import Amplitude, Labels, Subset

MOST = 8  # examples that a report shows


@dataclass(frozen=True, eq=False)
class FlipExample(Brief):
    """One such image, and what the model makes of it.

    Attributes:
        sample: Position in the data set.
        radius: Cut-off of the split.
        label: The true class.
        original: The image, [0, 1] pixels (channels, height, width).
        low: Its LFC, clipped to [0, 1] to be looked at.
        high: Its HFC, signed and not rescaled.
        probabilities: Of each class, for the image, its LFC and its HFC as the model was shown them,
            shaped (3, classes).
    """

    sample: int
    radius: float
    label: int
    original: Float[Tensor, "channels height width"]
    low: Float[Tensor, "channels height width"]
    high: Float[Tensor, "channels height width"]
    probabilities: Float[Tensor, "3 classes"]


@dataclass(frozen=True, eq=False)
class FlipPictures(Brief):
    """The clearest of such images in a subset.

    Attributes:
        subset: `"train"` or `"test"`.
        classes: The names of the classes.
        examples: The images.
    """

    subset: Subset
    classes: tuple[str, ...]
    examples: tuple[FlipExample, ...]


@dataclass(frozen=True)
class EveryRadius:
    """What stands in a row for the HFC at all radii, over which its number is a mean."""

    kind: ClassVar[str] = High.kind
    cutoff: ClassVar[float | None] = None

    def __str__(self) -> str:
        """Write it as components are written, without a radius."""
        return self.kind


@dataclass(frozen=True, eq=False)
class FoundFlips(Reading):
    """Where predictions flip, and how often chance alone would make them.

    Attributes:
        answers: What they were found in.
        radii: Cut-offs, in the order of the rows of `flips`.
        flips: For every radius and sample, whether image and HFC are predicted right and the LFC wrong.
        by_chance: What is to be expected of that if the answer to an HFC had nothing to do with its image: see
            `flips_by_chance`.
    """

    answers: Answers
    radii: tuple[float, ...]
    flips: Bool[Tensor, "radii samples"]
    by_chance: Float[Tensor, "radii samples"]

    @property
    def expected(self) -> Float[Tensor, " radii"]:
        """How many flips chance would make at each radius."""
        return self.by_chance.sum(dim=1).float()

    def rows(self) -> Iterator[ComponentRow]:
        """Yield the share of all samples that flip, the share that chance would make, and by how much the one is more.

        At each radius, then as means over the radii, which have none; errors are over samples.
        """
        found = {
            FLIPS: self.flips,
            FLIPS_BY_CHANCE: self.by_chance,
            FLIPS_BEYOND_CHANCE: self.flips.double() - self.by_chance,
        }
        row = partial(mean_row, self.answers.subject, self.answers.samples)
        for metric, values in found.items():
            for radius, at in zip(self.radii, values, strict=True):
                yield row(High(radius), metric, at, self.answers.amplitude)
            yield row(EveryRadius(), metric, values.double().mean(dim=0), self.answers.amplitude)

    def to_table(self) -> pl.DataFrame:
        """Return one row a flip, the surest first.

        Columns: `sample`, the position in the data set; `radius`; `class`, that of the image and of the answers to it and its HFC;
        `lfc_prediction`, the other class; `confidence` in the answer to the whole image, `lfc_confidence` and `hfc_confidence`; `least`, the least
        of the three, by which the table is sorted.
        """
        answers, classes = self.answers, np.array(self.answers.subject.dataset.classes, dtype=str)
        tables = []
        for radius, found in zip(self.radii, self.flips, strict=True):
            low, high = answers.of(Low(radius)), answers.of(High(radius))
            confidence = answers.confidence[:, found]
            tables.append(
                pl.DataFrame(
                    {
                        "sample": answers.samples[found].numpy(),
                        "radius": np.full(int(found.sum()), radius),
                        "class": classes[answers.labels[found].numpy()],
                        "lfc_prediction": classes[answers.predictions[low, found].numpy()],
                        "confidence": confidence[0].numpy(),
                        "lfc_confidence": confidence[low].numpy(),
                        "hfc_confidence": confidence[high].numpy(),
                        "least": confidence[[0, low, high]].amin(dim=0).numpy(),
                    }
                )
            )
        return pl.concat(tables).sort("least", "sample", "radius", descending=[True, False, False])

    def save(self, folder: Path) -> None:
        """Write `to_table`, and the clearest of them as pictures."""
        dataset = self.answers.subject.dataset
        power = torch.fft.ifftshift(self.answers.subject.read(Spectrum()).spectrum.power)
        examples = self.examples(energy_within(power, self.radii))
        self.to_table().write_parquet(folder / SAMPLES)
        write_tensors(folder / EXAMPLES, FlipPictures(dataset.subset, tuple(dataset.classes), examples))

    def examples(
        self, energy: Float[Tensor, " radii"], count: int = MOST, *, at: Collection[float] | None = None
    ) -> tuple[FlipExample, ...]:
        """Return the clearest of them as pictures, at most one for each sample.

        Args:
            energy: The share of the images' energy that the LFC holds at each radius.
            count: How many, at most.
            at: The radii at which they are looked for; None looks at all.
        """
        subject = self.answers.subject
        looked = torch.tensor([at is None or radius in at for radius in self.radii])
        pairs = clearest(self.answers, self.radii, self.flips & looked[:, None], energy, count)
        positions = [(int(self.answers.samples[row]), radius) for row, radius in pairs]
        return picture_flips(
            subject.model,
            subject.dataset,
            positions,
            amplitude=self.answers.amplitude,
            device=choose_device(subject.device),
        )


@dataclass(frozen=True)
class Flips(Instrument[FoundFlips]):
    """Images predicted right as a whole and from their HFC, and wrong from their LFC.

    Attributes:
        radii: Cut-offs in cycles per image; None chooses about eight by the size.
        amplitude: What is done to a component before the model sees it: see `passband.rescale`.
        precision: See `ComponentAccuracy`, on which it builds.

    Source:
        Wang et al. 2020, Figure 2.
    """

    radii: tuple[float, ...] | None = None
    amplitude: Amplitude = "max"
    precision: float | None = None

    name, summary, source, needs_gradient = INSTRUMENTS.lines["flips"]

    def __post_init__(self) -> None:
        """Make equal settings equal."""
        object.__setattr__(self, "radii", as_floats(self.radii))

    def answers_needed(self, size: tuple[int, int]) -> ComponentAccuracy:
        """Return the instrument whose answers it reads, for images of a size (height, width)."""
        return ComponentAccuracy(lows_and_highs(self._radii(size)), self.amplitude, self.precision)

    def builds_on(self, size: tuple[int, int]) -> ComponentAccuracy:
        """Return `answers_needed`."""
        return self.answers_needed(size)

    def sharded(self, subject: Subject) -> tuple[Instrument, ...]:
        """Return what the answers are read from."""
        return self.answers_needed(subject.dataset.size).sharded(subject)

    def resolved(self, size: tuple[int, int]) -> Flips:
        """Return it with its radii."""
        return replace(self, radii=tuple(self._radii(size)))

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return what the answers cost."""
        return self.answers_needed(size).cost(samples, size)

    def check(self, subject: Subject) -> None:
        """Refuse what the answers refuse."""
        if self.radii is not None and not self.radii:
            raise InputError("at least one radius is needed, got none")
        self.answers_needed(subject.dataset.size).check(subject)

    def measure(self, subject: Subject) -> FoundFlips:
        """Ask the model, if that was not done yet, and look for flips."""
        self.check(subject)
        radii = tuple(self._radii(subject.dataset.size))
        found = subject.read(self.answers_needed(subject.dataset.size))
        return FoundFlips(found, radii, find_flips(found, radii), flips_by_chance(found, radii))

    def _radii(self, size: tuple[int, int]) -> Sequence[float]:
        return default_radii(size) if self.radii is None else self.radii


def find_flips(found: Answers, radii: Sequence[float]) -> Bool[Tensor, "radii samples"]:
    """Return, for every radius and sample, whether image and HFC are predicted right and the LFC wrong."""
    correct = found.correct
    low = correct[[found.of(Low(radius)) for radius in radii]]
    high = correct[[found.of(High(radius)) for radius in radii]]
    return correct[0] & high & ~low


def flips_by_chance(found: Answers, radii: Sequence[float]) -> Float[Tensor, "radii samples"]:
    """Return at every radius numbers whose mean is the share of flips if the answers to HFCs were dealt out at random.

    A model that calls every HFC a horn is right on each horn's. So every sample that is right on the whole and wrong on
    the LFC counts with the share of all samples whose HFC is called what that sample is; see `dealt_at_random`.
    """
    classes = len(found.subject.dataset.classes)
    by_radius = []
    for radius in radii:
        low, high = found.of(Low(radius)), found.of(High(radius))
        could = found.correct[0] & ~found.correct[low]
        by_radius.append(dealt_at_random(could, found.predictions[high], found.labels, classes))
    return torch.stack(by_radius)


def dealt_at_random(
    could: Bool[Tensor, " samples"], named: Int64[Tensor, " samples"], labels: Labels, classes: int
) -> Float[Tensor, " samples"]:
    """Return numbers whose mean is the share of flips if the answers to parts were dealt out at random among the images.

    That share is the sum over classes of a(y) q(y): the share of samples of class y that flip if the part is predicted right,
    and the share of all parts that are named y (docs/decisions/0005-chance-followers.md). A sample counts with what it
    adds to either, less the share itself, so that the standard error of the mean is that of the share.

    Args:
        could: Which samples flip if the part is predicted right.
        named: The predictions on the parts.
        labels: The true classes.
        classes: How many there are.
    """
    count = len(labels)
    q = torch.bincount(named, minlength=classes).double() / count
    a = torch.bincount(labels[could], minlength=classes).double() / count
    return could * q[labels] + a[named] - a @ q


def clearest(
    found: Answers,
    radii: Sequence[float],
    flips: Bool[Tensor, "radii samples"],
    energy: Float[Tensor, " radii"],
    count: int = MOST,
) -> list[tuple[int, float]]:
    """Return the clearest pairs (row of the answers, radius), at most one for each sample.

    A pair is clear if the model is sure of all three answers and the LFC still looks like the image. So pairs are
    ranked by the least confident of the three predictions, times the share of energy that an LFC has at that radius.
    """
    confidence = found.confidence
    low = confidence[[found.of(Low(radius)) for radius in radii]]
    high = confidence[[found.of(High(radius)) for radius in radii]]
    least = torch.minimum(torch.minimum(low, high), confidence[0])
    clarity = (least * energy[:, None]).where(flips, -1)
    best, at = clarity.max(dim=0)  # over radii
    rows = best.argsort(descending=True, stable=True)[:count].tolist()
    return [(row, radii[int(at[row])]) for row in rows if best[row] >= 0]


def picture_flips(
    model: PixelModel,
    dataset: ImageDataset,
    pairs: Sequence[tuple[int, float]],
    *,
    amplitude: Amplitude,
    device: torch.device,
) -> tuple[FlipExample, ...]:
    """Return the pictures and probabilities of pairs (sample, radius).

    Raises:
        InputError: If an answer is not finite.
    """
    examples = []
    with evaluating(model):
        for sample, radius in pairs:
            image = to_pixels(dataset.images[sample : sample + 1], device)
            low, high = split(image, radius)
            shown = [image, *(rescale(part, amplitude, original=image) for part in (low, high))]
            what = f"images (sample {sample}, its LFC and its HFC at radius {radius:g})"
            logits = answers(model, torch.cat(shown), len(dataset.classes), what)
            examples.append(
                FlipExample(
                    sample=sample,
                    radius=radius,
                    label=int(dataset.labels[sample]),
                    original=image[0].cpu(),
                    low=rescale(low, "clip")[0].cpu(),
                    high=high[0].cpu(),
                    probabilities=logits.float().softmax(dim=1).cpu(),
                )
            )
    return tuple(examples)
