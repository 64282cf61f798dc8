"""Where a perturbation may lie: in a ball, in a band of frequencies, and only where the image stays an image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.attacks.epsilon import check_epsilon
from passband.errors import InputError
from passband.frequency.component import Component
from passband.types import Batch, Norm

Bound = float | Float[Tensor, " batch"]
"""One number for all images, or one for each."""

TURNS = 3  # of cutting to the linf ball and projecting on a band (docs/decisions/0008-attacks.md)
ROUNDING = 5e-7  # of a pixel that is moved and cut, on the [0, 1] scale in float32


@dataclass(frozen=True, eq=False)
class Ball:
    """The perturbations that an attack may choose from.

    Attributes:
        radius: The largest allowed, on the [0, 1] pixel scale: one number for all images, or one for each.
        norm: How a perturbation is measured.
        band: The frequencies that it may have; None is all of them.
    """

    radius: Float[Tensor, "#batch 1 1 1"]
    norm: Norm
    band: Component | None = None

    def of(self, kept: Bool[Tensor, " batch"] | Int64[Tensor, " kept"]) -> Ball:
        """Return the ball of some of the images."""
        return self if len(self.radius) == 1 else replace(self, radius=self.radius[kept])

    def ascent(self, gradient: Batch) -> Batch:
        """Return the perturbation of length 1 along which to step.

        Without a band it is the steepest ascent. In a band and linf, where the steepest has no closed form, it is the
        sign of the gradient's component, projected again and scaled to length 1. It is 0 where nothing of the gradient
        is `usable`.
        """
        gradient = usable(gradient, self.norm if self.band is None else "l2")
        if self.band is None and self.norm == "linf":
            return gradient.sign()
        # Scaled first, or the square of a large entry would be infinite, and that of a small one 0.
        inside = gradient / _at_least_tiny(_lengths(gradient, "linf"))
        if self.band is None:
            return _direction(inside, self.norm)
        inside = self.band.of(inside)
        if self.norm == "linf":
            inside = self.band.of(inside.sign())
        return inside / _at_least_tiny(_lengths(inside, self.norm))

    def confined(self, images: Batch, change: Batch) -> Batch:
        """Return `images + change` with the change brought into band and ball, then the pixels into [0, 1].

        The change is cut to the ball in linf and shrunk to it in l2. In a band and l2 it is projected and then shrunk,
        which is exact; in linf it is cut and projected in turns, a few times, and what still sticks out is shrunk, since
        what is shrunk stays in the band. The final cut to [0, 1] keeps a perturbation in the ball, because each pixel
        that is cut comes closer to its image's, but it leaks out of the band.
        """
        if self.norm == "linf":
            change = change.clamp(-self.radius, self.radius)
        if self.band is not None:
            change = self.band.of(change)
            for _ in range(TURNS - 1 if self.norm == "linf" else 0):
                change = self.band.of(change.clamp(-self.radius, self.radius))
        if self.norm == "l2" or self.band is not None:
            change = change * (self.radius / _at_least_tiny(_lengths(change, self.norm))).clamp_max(1)
        return (images + change).clamp(0, 1)

    def start(self, images: Batch, draw: Batch) -> Batch:
        """Return where an attack starts.

        Args:
            images: Pixels in [0, 1].
            draw: Perturbations in the ball of radius 1, as `draw_in_ball` gives them. In a band their components
                are scaled up to the length of the whole, or the start would hardly differ from the image.
        """
        if self.band is not None:
            inside = self.band.of(draw)
            draw = inside * (_lengths(draw, self.norm) / _at_least_tiny(_lengths(inside, self.norm)))
        return self.confined(images, draw * self.radius)

    def verify(self, images: Batch, adversarial: Batch) -> Float[Tensor, " batch"]:
        """Return how far images have been moved, once it is certain that all of them are in ball and range.

        Raises:
            RuntimeError: If one is not: whatever made it has a bug.
        """
        moved = _lengths(adversarial.double() - images.double(), self.norm).flatten()
        slack = ROUNDING * (1 if self.norm == "linf" else math.sqrt(images[0].numel()))
        lowest, highest = torch.aminmax(adversarial)
        if not (moved <= self.radius.flatten() + slack).all() or not (lowest >= 0 and highest <= 1):
            raise RuntimeError(
                f"an attack left its bounds: {moved.max():.6g} from its image in {self.norm} where {self.radius.max():.6g} "
                f"is allowed, pixels from {lowest:.6g} to {highest:.6g}"
            )
        return moved.to(images.dtype)


def check_band(band: Component | None, size: tuple[int, int] | None = None) -> None:
    """Refuse what a perturbation cannot be held to.

    Args:
        band: A component of images, or None for all frequencies.
        size: Height and width of the images in pixels, where they are known.

    Raises:
        InputError: If it is no component, or one that is no set of frequencies, or past the corner of the spectrum.
    """
    if band is None:
        return
    if not isinstance(band, Component):
        raise InputError(f"a band is a component, such as Low(8) or parse_component('lfc:8'), got {band!r}")
    if not band.is_band:
        raise InputError(
            f"a perturbation cannot be held to {str(band)!r}, which is no part of the frequencies. Choose a band such as "
            "lfc:8 or hfc:8, or leave it out."
        )
    if size is not None:
        band.check(size)


def draw_in_ball(images: Batch, norm: Norm, generator: torch.Generator | None) -> Batch:
    """Return perturbations that are uniform in the ball of radius 1, shaped like `images`."""
    if norm == "linf":
        return torch.empty_like(images).uniform_(-1, 1, generator=generator)
    outward = _direction(torch.empty_like(images).normal_(generator=generator), norm)
    share = torch.empty_like(images[:, :1, :1, :1]).uniform_(generator=generator)
    return outward * share ** (1 / images[0].numel())


def usable(gradient: Batch, norm: Norm) -> Batch:
    """Return a gradient with 0 wherever an entry says nothing of the way: where it is NaN, and in l2 where it is infinite.

    In linf only signs count, and infinity has one. In l2 it has no length that others could be held against.
    """
    return torch.where(gradient.isnan() if norm == "linf" else ~gradient.isfinite(), 0, gradient)


def radius_of(epsilon: Bound, norm: Norm, images: Batch) -> Float[Tensor, "#batch 1 1 1"]:
    """Return epsilon in a shape that multiplies images.

    Raises:
        InputError: If it is not one number, or one for each image, or as `check_epsilon`.
    """
    numbers = per_image("epsilon", epsilon, images)
    extremes = numbers.aminmax() if isinstance(epsilon, Tensor) else (epsilon,)
    for value in extremes:
        check_epsilon(float(value), norm, images[0].numel())
    return numbers


def per_image(what: str, value: Bound, images: Batch) -> Float[Tensor, "#batch 1 1 1"]:
    """Return a bound in a shape that multiplies images.

    Raises:
        InputError: If it is negative or not finite, or not one number, or one for each image.
    """
    if isinstance(value, Tensor):
        numbers = value.to(images).reshape(-1, 1, 1, 1)
        if len(numbers) not in (1, len(images)):
            raise InputError(
                f"{what} must be one number, or one for each of {len(images)} images, got {len(numbers)}"
            )
        lowest, highest = numbers.aminmax()
    else:  # is checked as it is: on a device it would have to be waited for
        numbers, lowest, highest = None, value, value
    if not (lowest >= 0 and highest <= torch.finfo(images.dtype).max):
        raise InputError(f"{what} must be 0 or positive, got {value}")
    return images.new_full((1, 1, 1, 1), float(value)) if numbers is None else numbers


def _direction(gradient: Batch, norm: Norm) -> Batch:
    """Return the steepest ascent of length 1."""
    if norm == "linf":
        return gradient.sign()
    return gradient / _at_least_tiny(_lengths(gradient, norm))


def _lengths(change: Batch, norm: Norm) -> Float[Tensor, "batch 1 1 1"]:
    flat = change.flatten(1)
    return (flat.abs().amax(dim=1) if norm == "linf" else flat.norm(dim=1))[:, None, None, None]


def _at_least_tiny(lengths: Tensor) -> Tensor:
    return lengths.clamp_min(torch.finfo(lengths.dtype).tiny)
