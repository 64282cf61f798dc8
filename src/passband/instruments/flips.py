"""Figure 2: images on which a model follows the high frequencies, which people barely see.

There the whole image and its HFC are predicted right, and the LFC, which looks like the image, is predicted wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from passband.data.dataset import ImageDataset, to_pixels
from passband.frequency.fourier import split
from passband.frequency.rescale import rescale
from passband.instruments.components import Outcome
from passband.models.pixels import PixelModel, evaluating
from passband.types import Amplitude


@dataclass(frozen=True, eq=False)
class Panel:
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


def find_followers(outcome: Outcome, radii: Sequence[float]) -> Bool[Tensor, "radii samples"]:
    """Return, for every radius and sample, whether image and HFC are predicted right and the LFC wrong."""
    correct = outcome.correct
    low = correct[[outcome.of("lfc", radius) for radius in radii]]
    high = correct[[outcome.of("hfc", radius) for radius in radii]]
    return correct[0] & high & ~low


def expected_followers(outcome: Outcome, radii: Sequence[float]) -> Float[Tensor, " radii"]:
    """Return how many followers there would be if the answer to an HFC had nothing to do with its image.

    A model that calls every HFC a horn is right on each horn's. So at each radius, every sample that is right on the
    whole and wrong on the LFC counts with the share of all samples whose HFC is called what that sample is.
    """
    expected = []
    for radius in radii:
        low, high = outcome.of("lfc", radius), outcome.of("hfc", radius)
        answers = outcome.predictions[high]
        named = torch.bincount(answers, minlength=int(outcome.labels.max()) + 1).double() / len(answers)
        open_to_hfc = outcome.correct[0] & ~outcome.correct[low]
        expected.append(named[outcome.labels[open_to_hfc]].sum())
    return torch.stack(expected).float()


def clearest(
    outcome: Outcome,
    radii: Sequence[float],
    followers: Bool[Tensor, "radii samples"],
    energy: Float[Tensor, " radii"],
    count: int = 8,
) -> list[tuple[int, float]]:
    """Return the clearest pairs (row of the outcome, radius), at most one for each sample.

    A pair is clear if the model is sure of all three answers and the LFC still looks like the image. So pairs are
    ranked by the least confident of the three predictions, times the share of energy that an LFC has at that radius.
    """
    confidence = outcome.confidence
    low = confidence[[outcome.of("lfc", radius) for radius in radii]]
    high = confidence[[outcome.of("hfc", radius) for radius in radii]]
    least = torch.minimum(torch.minimum(low, high), confidence[0])
    clarity = (least * energy[:, None]).where(followers, -1)
    best, at = clarity.max(dim=0)  # over radii
    rows = best.argsort(descending=True, stable=True)[:count].tolist()
    return [(row, radii[int(at[row])]) for row in rows if best[row] >= 0]


def make_panels(
    model: PixelModel,
    dataset: ImageDataset,
    pairs: list[tuple[int, float]],
    *,
    amplitude: Amplitude,
    device: torch.device,
) -> tuple[Panel, ...]:
    """Return the pictures and probabilities of pairs (sample, radius)."""
    panels = []
    with evaluating(model):
        for sample, radius in pairs:
            image = to_pixels(dataset.images[sample : sample + 1], device)
            low, high = split(image, radius)
            shown = [image, *(rescale(part, amplitude, original=image) for part in (low, high))]
            panels.append(
                Panel(
                    sample=sample,
                    radius=radius,
                    label=int(dataset.labels[sample]),
                    original=image[0].cpu(),
                    low=rescale(low, "clip")[0].cpu(),
                    high=high[0].cpu(),
                    probabilities=model(torch.cat(shown)).float().softmax(dim=1).cpu(),
                )
            )
    return tuple(panels)
