"""Corollary 1 sample by sample: pairs of an image and its LFC to which a network answers differently."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.frequency.fourier import low_pass, radial_mask
from passband.frequency.rescale import rescale
from passband.models.pixels import PixelModel, evaluating
from passband.types import Images, Labels, Norm

TOLERANCE = 1e-4
"""How far two computations of one pixel may lie apart: many times float32's rounding, a fortieth of an 8-bit step."""


@dataclass(frozen=True, eq=False)
class Pairs:
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


def find_pairs(model: PixelModel, dataset: ImageDataset, radius: float, *, device: str = "auto") -> Pairs:
    """Return the predictions on all images and on their LFCs, and the distances of the two.

    Source:
        Wang et al. 2020, section 3.2, Assumption A2 and Corollary 1.
    """
    place = choose_device(device)
    parts = []
    model.to(place)
    with evaluating(model):
        for samples in batches(dataset, batch_size=choose_batch_size(None, dataset, place), device=place):
            low = rescale(low_pass(samples.images, radius), "clip")
            change = (low - samples.images).flatten(1)
            answers = [model(shown).argmax(dim=1) for shown in (samples.images, low)]
            lengths = [change.norm(dim=1), change.abs().amax(dim=1)]
            parts.append([tensor.cpu() for tensor in (samples.labels, *answers, *lengths)])
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
    """
    if not pairs.differ.any():
        return pairs.differ[:0]
    place = choose_device(device)
    found = []
    model.to(place)
    with evaluating(model):
        for samples in pairs.differ.nonzero()[:, 0].split(choose_batch_size(None, dataset, place)):
            images = to_pixels(dataset.images[samples], torch.device("cpu"))
            low = defined_low_pass(images, radius).clamp(0, 1)
            change = (low - images.double()).flatten(1)
            near = (change.norm(dim=1) - pairs.distance["l2"][samples]).abs() <= TOLERANCE * math.sqrt(
                change[0].numel()
            )
            near &= (change.abs().amax(dim=1) - pairs.distance["linf"][samples]).abs() <= TOLERANCE
            both = torch.cat([images, low.float()]).to(place)
            on_whole, on_low = model(both).argmax(dim=1).cpu().chunk(2)
            found.append(near & (on_whole != on_low))
    return torch.cat(found)


def defined_low_pass(images: Images, radius: float) -> Float[Tensor, "*batch channels height width"]:
    """Return the LFC as section 3.1 defines it: Fourier transform, mask, transform back; in double precision."""
    mask = radial_mask(*images.shape[-2:], radius)
    return torch.fft.ifft2(torch.fft.fft2(images.double()) * mask).real
