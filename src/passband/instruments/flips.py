"""Figure 2: images on which a prediction flips with the low frequencies and follows the high ones, which people barely see.

There the whole image and its HFC are predicted right, and the LFC, which looks like the image, is predicted wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.frequency.component import High, Low, lows_and_highs
from passband.frequency.fourier import split
from passband.frequency.rescale import rescale
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import Answers, ComponentAccuracy, default_radii
from passband.instruments.instrument import Cost, Instrument, Reading, Subject, as_floats
from passband.models.pixels import PixelModel, answers, evaluating
from passband.rows import FLIPS, FLIPS_BY_CHANCE, ComponentRow
from passband.types import Amplitude

MOST = 8  # examples that a report shows


@dataclass(frozen=True, eq=False)
class FlipExample:
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
class FoundFlips(Reading):
    """Where predictions flip, and how often chance alone would make them.

    Attributes:
        answers: What they were found in.
        radii: Cut-offs, in the order of the rows of `flips`.
        flips: For every radius and sample, whether image and HFC are predicted right and the LFC wrong.
        expected: How many there would be at each radius if the answer to an HFC had nothing to do with its image.
    """

    answers: Answers
    radii: tuple[float, ...]
    flips: Bool[Tensor, "radii samples"]
    expected: Float[Tensor, " radii"]

    def rows(self) -> Iterator[ComponentRow]:
        """Yield at each radius the share of all samples that flip, and the share that chance would make."""
        subject, count = self.answers.subject, len(self.answers.samples)
        for radius, found, by_chance in zip(
            self.radii, self.flips.sum(dim=1).tolist(), self.expected.tolist(), strict=True
        ):
            row = partial(
                ComponentRow,
                run=subject.run,
                seed=subject.run_seed,
                subset=subject.dataset.subset,
                component=High(radius),
                amplitude=self.answers.amplitude,
                count=count,
            )
            yield row(metric=FLIPS, value=found / count)
            yield row(metric=FLIPS_BY_CHANCE, value=by_chance / count)

    def examples(self, energy: Float[Tensor, " radii"], count: int = MOST) -> tuple[FlipExample, ...]:
        """Return the clearest of them as pictures, at most one for each sample.

        Args:
            energy: The share of the images' energy that the LFC holds at each radius.
            count: How many, at most.
        """
        subject = self.answers.subject
        pairs = clearest(self.answers, self.radii, self.flips, energy, count)
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
        return FoundFlips(found, radii, find_flips(found, radii), expected_flips(found, radii))

    def _radii(self, size: tuple[int, int]) -> Sequence[float]:
        return default_radii(size) if self.radii is None else self.radii


def find_flips(found: Answers, radii: Sequence[float]) -> Bool[Tensor, "radii samples"]:
    """Return, for every radius and sample, whether image and HFC are predicted right and the LFC wrong."""
    correct = found.correct
    low = correct[[found.of(Low(radius)) for radius in radii]]
    high = correct[[found.of(High(radius)) for radius in radii]]
    return correct[0] & high & ~low


def expected_flips(found: Answers, radii: Sequence[float]) -> Float[Tensor, " radii"]:
    """Return how many flips there would be if the answer to an HFC had nothing to do with its image.

    A model that calls every HFC a horn is right on each horn's. So at each radius, every sample that is right on the
    whole and wrong on the LFC counts with the share of all samples whose HFC is called what that sample is.
    """
    expected = []
    for radius in radii:
        low, high = found.of(Low(radius)), found.of(High(radius))
        named = torch.bincount(found.predictions[high], minlength=int(found.labels.max()) + 1).double()
        open_to_hfc = found.correct[0] & ~found.correct[low]
        expected.append((named / len(found.samples))[found.labels[open_to_hfc]].sum())
    return torch.stack(expected).float()


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
