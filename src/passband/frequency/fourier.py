"""Low- and high-frequency components of images (Wang et al. 2020, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from passband.errors import InputError
from passband.types import Geometry, Images, Mask

VALUES_AT_ONCE = 2**17
"""Pixels that a CPU transforms at a time: then what lies between pixels and LFC stays in its caches, and is not memory that the
system has to hand out anew, which takes longer than the transforms do (`benchmarks/splits.py`)."""


class Components(NamedTuple):
    """The components of a batch of images at several radii, in the order the radii were given.

    Attributes:
        low: The LFC, shaped (radii, *images.shape).
        high: The HFC, shaped likewise. At every radius `low + high` is the images.
    """

    low: Float[Tensor, "radii *batch channels height width"]
    high: Float[Tensor, "radii *batch channels height width"]


def radial_mask(
    height: int, width: int, radius: float, *, geometry: Geometry = "index", inclusive: bool = True
) -> Mask:
    """Return which Fourier coefficients of an image are low.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        radius: Cut-off: the Euclidean distance from the zero frequency, in index units (cycles per image) unless the
            geometry says otherwise.
        geometry: `"index"` counts cycles per image on either axis, as the paper does. `"isotropic"` counts, on
            both axes, cycles per length of the shorter side, so that equal radii are equal cycles per pixel.
            On a square image they are the same. `"pixel"` counts cycles per pixel, at most one half on either axis,
            so that one radius is the same frequency in images of any size.
        inclusive: Whether a frequency *at* the radius is low (the paper's text) or not (its released code).

    Returns:
        True where the coefficient is low; the zero frequency is at [0, 0], where torch.fft has it.

    Raises:
        InputError: If `radius` is negative or NaN, or the size is not positive.

    Example:
        >>> radial_mask(32, 32, 4).sum(), radial_mask(32, 32, 4, inclusive=False).sum()
        (tensor(49), tensor(45))

    Source:
        Wang et al. 2020, section 3.1, t(z; r). The paper's centroid is the zero frequency, for any size.
    """
    _check_radius(radius)
    distance = frequency_distance(height, width, geometry=geometry)
    return distance <= radius if inclusive else distance < radius


def frequency_distance(
    height: int, width: int, *, geometry: Geometry = "index"
) -> Float[Tensor, "height width"]:
    """Return how far each Fourier coefficient is from the zero frequency, as `radial_mask` measures it.

    Returns:
        Distances in index units, or in cycles per pixel, float64, with the zero frequency at [0, 0].

    Raises:
        InputError: If a side is not positive or the geometry is unknown.
    """
    if height < 1 or width < 1:
        raise InputError(f"an image has at least 1x1 pixels, got {height}x{width}")
    if geometry not in get_args(Geometry):
        raise InputError(f"geometry must be 'index', 'isotropic' or 'pixel', got {geometry!r}")
    vertical, horizontal = (np.round(np.fft.fftfreq(n) * n) for n in (height, width))
    if geometry == "isotropic":
        shorter = min(height, width)
        vertical, horizontal = vertical * (shorter / height), horizontal * (shorter / width)
    elif geometry == "pixel":
        vertical, horizontal = vertical / height, horizontal / width
    # NumPy's square root is correctly rounded. Torch's may be one bit off, and would then put a coefficient
    # that lies exactly at the radius on the wrong side.
    return torch.from_numpy(np.sqrt(vertical[:, None] ** 2 + horizontal**2))


def corner_radius(height: int, width: int) -> float:
    """Return the largest distance that a coefficient has in index units; from there on the LFC is everything.

    Example:
        >>> round(corner_radius(32, 32), 1)
        22.6
    """
    return math.sqrt(
        (height // 2) ** 2 + (width // 2) ** 2
    )  # as the mask rounds it; hypot may be one bit less


def split(
    images: Images, radius: float, *, geometry: Geometry = "index", inclusive: bool = True
) -> tuple[Images, Images]:
    """Split images into their low- and high-frequency components.

    Args:
        images: Pixel values; each channel is split on its own. Half precision is computed in float32.
        radius: Cut-off in cycles per image, from 0 (the LFC is each channel's mean) to the corner and beyond
            (the LFC is the image). A frequency *at* the radius is low.
        geometry: See `radial_mask`.
        inclusive: See `radial_mask`.

    Returns:
        `(low, high)`, the LFC and the HFC, shaped like `images`. They sum to `images`. Neither is clipped:
        `low` may overshoot [0, 1] near edges, `high` is signed and centered on 0.

    Raises:
        InputError: If `radius` is negative or NaN, or `images` has fewer than three dimensions, no elements,
            integer values, NaN or infinity.

    Example:
        >>> low, high = split(torch.rand(2, 3, 32, 32), radius=8)
        >>> low.shape
        torch.Size([2, 3, 32, 32])

    Source:
        Wang et al. 2020, section 3.1.
    """
    low, high = split_many(images, [radius], geometry=geometry, inclusive=inclusive)
    return low[0], high[0]


def split_many(
    images: Images, radii: Sequence[float], *, geometry: Geometry = "index", inclusive: bool = True
) -> Components:
    """Split images at several radii, with one forward transform and one inverse transform a radius.

    Args:
        images: See `split`.
        radii: Cut-offs, in any order.
        geometry: See `radial_mask`.
        inclusive: See `radial_mask`.

    Returns:
        `Components` with `.low` and `.high`, shaped (radii, *images.shape).

    Raises:
        InputError: As `split`, and if there are no radii.

    Example:
        >>> split_many(torch.rand(2, 3, 32, 32), [4, 8]).low.shape
        torch.Size([2, 2, 3, 32, 32])
    """
    _check_split(images, radii)
    low, high = _empty(images, radii), _empty(images, radii)
    _fill(low, high, images, radii, geometry, inclusive)
    return Components(*(each.view(len(radii), *images.shape) for each in (low, high)))


def low_pass(
    images: Images, radius: float, *, geometry: Geometry = "index", inclusive: bool = True
) -> Images:
    """Return the low-frequency component of images: the first half of `split`.

    Example:
        >>> low_pass(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), radius=0)
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    _check_split(images, [radius])
    low = _empty(images, [radius])
    _fill(low, None, images, [radius], geometry, inclusive)
    return low.view(images.shape)


def high_pass(
    images: Images, radius: float, *, geometry: Geometry = "index", inclusive: bool = True
) -> Images:
    """Return the high-frequency component of images: the second half of `split`.

    Example:
        >>> high_pass(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), radius=0)
        tensor([[[-0.5000,  0.5000],
                 [-0.5000,  0.5000]]])
    """
    return split(images, radius, geometry=geometry, inclusive=inclusive)[1]


class LowPass(nn.Module):
    """`low_pass` as a transform or a layer.

    Args:
        radius: Cut-off in cycles per image.
        geometry: See `radial_mask`.
        inclusive: See `radial_mask`.

    Example:
        >>> LowPass(8)(torch.rand(3, 32, 32)).shape
        torch.Size([3, 32, 32])
    """

    def __init__(self, radius: float, *, geometry: Geometry = "index", inclusive: bool = True) -> None:
        super().__init__()
        _check_radius(radius)
        self.radius, self.geometry, self.inclusive = radius, geometry, inclusive

    def forward(self, images: Images) -> Images:
        """Return the LFC of `images`."""
        return low_pass(images, self.radius, geometry=self.geometry, inclusive=self.inclusive)

    def extra_repr(self) -> str:
        """Show the settings when the module is printed."""
        return f"radius={self.radius}, geometry={self.geometry!r}, inclusive={self.inclusive}"


class HighPass(LowPass):
    """`high_pass` as a transform or a layer; arguments as for `LowPass`."""

    def forward(self, images: Images) -> Images:
        """Return the HFC of `images`."""
        return high_pass(images, self.radius, geometry=self.geometry, inclusive=self.inclusive)


def check_images(images: Tensor) -> None:
    """Refuse what is not a tensor of images with floating-point pixels.

    Raises:
        InputError: If it is not a floating-point tensor shaped (..., channels, height, width) with elements.
    """
    if not isinstance(images, Tensor):
        raise InputError(f"images must be a torch.Tensor, got {type(images).__name__}")
    if not images.is_floating_point():
        raise InputError(
            f"images must have floating-point pixels, got {images.dtype}. Convert bytes with images / 255."
        )
    if images.dim() < 3:
        hint = " For one gray image use image[None]." if images.dim() == 2 else ""
        raise InputError(
            f"images must have shape (..., channels, height, width); got {tuple(images.shape)}.{hint}"
        )
    if images.numel() == 0:
        raise InputError(f"images must not be empty, got shape {tuple(images.shape)}")


def transform(images: Images) -> Tensor:
    """Return the real-input Fourier transform of images: complex, shaped (..., height, width // 2 + 1).

    Raises:
        InputError: As `split` does of its images.
    """
    check_images(images)
    wide = images.float() if images.dtype in (torch.float16, torch.bfloat16) else images
    spectrum = torch.fft.rfft2(wide)
    # The zero frequency is the sum of all pixels, so it shows any that is not finite. The answer depends on
    # the data, which a compiled graph cannot ask for.
    if not torch.compiler.is_compiling() and not spectrum[..., 0, 0].isfinite().all():
        raise InputError("images must be finite, got NaN or infinite pixels")
    return spectrum


def _check_split(images: Images, radii: Sequence[float]) -> None:
    if len(radii) == 0:
        raise InputError("at least one radius is needed, got none")
    for radius in radii:
        _check_radius(radius)
    check_images(images)


def _empty(images: Images, radii: Sequence[float]) -> Tensor:
    """Return room for a component at each radius, shaped (radii, images, channels, height, width)."""
    return images.new_empty((len(radii), math.prod(images.shape[:-3]), *images.shape[-3:]))


def _fill(
    low: Tensor,
    high: Tensor | None,
    images: Images,
    radii: Sequence[float],
    geometry: Geometry,
    inclusive: bool,
) -> None:
    """Write the LFC at each radius, and the HFC where it is asked for, into the room for them."""
    height, width = images.shape[-2:]
    distance = _half_distance(height, width, geometry).to(images.device)
    beyond = [distance > radius if inclusive else distance >= radius for radius in radii]
    # From the largest radius down, one spectrum is emptied in place: no masked copy of it for each radius.
    descending = sorted(range(len(radii)), key=lambda i: radii[i], reverse=True)
    flat = images.reshape(-1, *images.shape[-3:])
    step = _images_at_once(flat)
    for start in range(0, len(flat), step):
        at = slice(start, start + step)
        pixels = flat[at]
        spectrum = transform(pixels)
        for index in descending:
            spectrum.masked_fill_(beyond[index], 0)
            part = torch.fft.irfft2(spectrum, s=(height, width))
            low[index, at] = part
            if high is not None:
                high[index, at] = pixels - part  # the transform is linear: what is not low is high


def _half_distance(height: int, width: int, geometry: Geometry) -> Tensor:
    """Return `frequency_distance` of the coefficients that a real transform has."""
    if torch.compiler.is_compiling():  # which does not look into a cache
        return frequency_distance(height, width, geometry=geometry)[:, : width // 2 + 1]
    return _kept_half_distance(height, width, geometry)


@lru_cache(maxsize=32)
def _kept_half_distance(height: int, width: int, geometry: Geometry) -> Tensor:
    with torch.inference_mode(False):  # what is kept may meet gradients later
        return frequency_distance(height, width, geometry=geometry)[:, : width // 2 + 1].contiguous()


def _images_at_once(images: Images) -> int:
    """Return how many of a batch of images are transformed at a time; it changes no number.

    All of them where their gradient is asked for, or code is being made for them, or they are not on a CPU.
    """
    followed = torch.is_grad_enabled() and images.requires_grad
    if images.device.type != "cpu" or followed or torch.compiler.is_compiling():
        return len(images)
    return max(1, VALUES_AT_ONCE // images[0].numel())


def _check_radius(radius: float) -> None:
    if not radius >= 0:  # also true of NaN
        raise InputError(f"radius must be >= 0, got {radius}")
