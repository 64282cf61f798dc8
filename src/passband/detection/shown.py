"""From an image to its views: what a detector is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from passband.choices import ViewAmplitude, ViewGeometry
from passband.detection.detector import Image
from passband.detection.view import View
from passband.frequency.fourier import split_many
from passband.frequency.rescale import rescale
from passband.randomness import generator_for

PICTURES: tuple[ViewAmplitude, ...] = ("picture", "clip", "minmax")
"""Policies whose results lie in [0, 1], so that they can be stored as pictures."""

LEVELS = 255
GRAY = 128 / LEVELS  # one of the levels: halfway between two, rounding would make a pattern of nothing


@dataclass(frozen=True)
class Shown:
    """How views are made; it travels with every number.

    Attributes:
        amplitude: What is done to all views but the whole image: see `passband.rescale`. `"picture"` lifts an HFC, which lies around
            0, to middle gray, leaves the others as they are, and holds all of them to [0, 1]: nothing changes its contrast.
        rounded: Whether a view that lies in [0, 1] is rounded to steps of 1/255, as a stored picture is. So what is seen
            is what `passband detect --write` writes.
        seed: Draws the noise of the control.
    """

    amplitude: ViewAmplitude = "picture"
    rounded: bool = True
    seed: int = 0

    def unrounded(self) -> Shown:
        """Return the same without rounding, for what is no stored picture."""
        return replace(self, rounded=False)

    def make(self, image: Image, views: Sequence[View], name: int) -> list[Image]:
        """Return an image's views, in their order.

        Args:
            image: Pixels in [0, 1].
            views: What is wanted of it.
            name: The image's id, from which and the seed the noise of the control follows: it is the same whichever images
                and views are beside it.
        """
        made = {view: image for view in views if view.kind == "full"}
        noisy = scrambled(image, self.seed, name) if any(v.kind == "control" for v in views) else None
        for geometry in dict.fromkeys(view.geometry for view in views):
            if geometry is None:
                continue
            there = [view for view in views if view.geometry == geometry]
            made |= self._split(image, [view for view in there if view.kind != "control"], geometry)
            if noisy is not None:
                made |= _controls(image, noisy, [view for view in there if view.kind == "control"], geometry)
        return [
            made[view] if view.kind == "full" else self._as_shown(view, made[view], image) for view in views
        ]

    def _split(self, image: Image, views: Sequence[View], geometry: ViewGeometry) -> dict[View, Image]:
        radii = sorted({view.radius for view in views if view.radius is not None})
        if not radii:
            return {}
        parts = split_many(image, radii, geometry=geometry)
        either = {"lfc": parts.low, "hfc": parts.high}
        return {view: either[view.kind][radii.index(view.radius or 0)] for view in views}

    def _as_shown(self, view: View, image: Image, original: Image) -> Image:
        if self.amplitude == "picture":
            shown = (image + GRAY if view.kind == "hfc" else image).clamp(0, 1)
        else:
            shown = rescale(image, self.amplitude, original=original)
        if self.rounded and self.amplitude in PICTURES:
            return shown.mul(LEVELS).round_().div_(LEVELS)
        return shown


def scrambled(image: Image, seed: int, name: int) -> Image:
    """Return noise with the spectrum of an image: its amplitudes, at random phases that are the same in all channels.

    The phases are those of white noise, so that each is as probable as another and the result is real.

    Source:
        Theiler et al. 1992, Testing for nonlinearity in time series: the method of surrogate data; for images, Galerne et
        al. 2011, Random phase textures.
    """
    height, width = image.shape[-2:]
    white = torch.rand(height, width, generator=generator_for(seed, "control", name)) - 0.5
    phases = torch.fft.rfft2(white.to(image.device))
    turned = torch.fft.rfft2(image) * (phases / phases.abs().clamp_min(torch.finfo(torch.float32).tiny))
    return torch.fft.irfft2(turned, s=(height, width))


def _controls(image: Image, noisy: Image, views: Sequence[View], geometry: ViewGeometry) -> dict[View, Image]:
    """Return the image less the HFC of the noise, which has the spectrum and the norm of its own HFC."""
    radii = [view.radius for view in views if view.radius is not None]
    if not radii:
        return {}
    high = split_many(noisy, radii, geometry=geometry).high
    return {view: image - high[index] for index, view in enumerate(views)}
