"""Low- and high-frequency components of images (Wang et al. 2020, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, wraps
from itertools import chain
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from passband.environment import is_prompt
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
            integer values, or NaN or infinity on a CPU (other devices are not waited for: there NaN stays NaN).

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
    for index, at, whole, part in _lows(images, radii, geometry, inclusive):
        low[index, at] = part
        high[index, at] = whole - part  # the transform is linear: what is not low is high
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
    parts = _lows(images, [radius], geometry, inclusive)
    first = next(parts)
    if len(first[3]) == math.prod(images.shape[:-3]):  # all at once
        return first[3].to(images.dtype).view(images.shape)
    low = _empty(images, [radius])
    for index, at, _, part in chain([first], parts):
        low[index, at] = part
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
    spectrum = torch.fft.rfft2(images.to(torch.promote_types(images.dtype, torch.float32)))
    _check_finite(spectrum)
    return spectrum


def _check_split(images: Images, radii: Sequence[float]) -> None:
    if len(radii) == 0:
        raise InputError("at least one radius is needed, got none")
    for radius in radii:
        _check_radius(radius)
    check_images(images)


def _empty(images: Images, radii: Sequence[float]) -> Tensor:
    """Return room for a component at each radius, shaped (radii, images, channels, height, width).

    NumPy asks the system for large pages, and torch does not: those of 4 KiB, handed out one by one, take more time than
    transforms do (`benchmarks/splits.py`).
    """
    shape = (len(radii), math.prod(images.shape[:-3]), *images.shape[-3:])
    if images.device.type != "cpu" or torch.compiler.is_compiling():
        return images.new_empty(shape)
    values = np.empty(math.prod(shape) * images.element_size(), np.uint8)
    return torch.from_numpy(values).view(images.dtype).view(shape)


def _lows(
    images: Images, radii: Sequence[float], geometry: Geometry, inclusive: bool
) -> Iterator[tuple[int, slice, Images, Images]]:
    """Yield the LFC at each radius, of some images at a time.

    Only columns of a spectrum in which something is low are transformed, both there and back, unless `_is_whole`.

    Yields:
        The position of the radius, those of the images among all of them, the images and their LFC.
    """
    height, width = images.shape[-2:]
    dtype = torch.promote_types(images.dtype, torch.float32)
    whole = _is_whole(images)
    factors = [
        _find_factor(height, width, r, geometry, inclusive, dtype, images.device, whole) for r in radii
    ]
    # From the largest radius down, one spectrum is emptied in place: no masked copy of it for each radius.
    descending = sorted(range(len(radii)), key=lambda i: radii[i], reverse=True)
    columns = factors[descending[0]].shape[1]
    flat = images.reshape(-1, *images.shape[-3:])
    step = _images_at_once(flat)
    for start in range(0, len(flat), step):
        at = slice(start, start + step)
        pixels = flat[at].to(dtype)
        if whole:
            spectrum = torch.fft.rfft2(pixels)
        else:
            spectrum = torch.fft.fft(torch.fft.rfft(pixels)[..., :columns], dim=-2)
        _check_finite(spectrum)
        for index in descending:
            left = spectrum[..., : factors[index].shape[1]]
            torch.view_as_real(left).mul_(factors[index])
            if whole:
                low = torch.fft.irfft2(left, s=(height, width))
            else:
                low = torch.fft.irfft(torch.fft.ifft(left, dim=-2), n=width)
            yield index, at, flat[at], low


def _is_whole(images: Images) -> bool:
    """Return whether both axes of images are transformed in one call, which spares no column.

    A GPU does that faster: 1.1 to 1.3 times for several radii, up to 2 times where few images wait for its calls
    (docs/decisions/0017-splits.md).
    """
    return images.device.type != "cpu"


def _remembered(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function that makes each tensor once, but for code that is being compiled, which looks into no cache."""

    @lru_cache(maxsize=64)
    def kept(*wanted: Any) -> Tensor:
        with torch.inference_mode(False):  # what is kept may meet gradients later
            return make(*wanted)

    @wraps(make)
    def find(*wanted: Any) -> Tensor:
        return (make if torch.compiler.is_compiling() else kept)(*wanted)

    return find


@_remembered
def _find_factor(
    height: int,
    width: int,
    radius: float,
    geometry: Geometry,
    inclusive: bool,
    dtype: torch.dtype,
    device: torch.device,
    whole: bool,
) -> Float[Tensor, "height columns 2"]:
    """Return 1 where a coefficient is low and 0 elsewhere, of all columns of a real transform or those in which any may be low."""
    apart = {"index": 1, "isotropic": min(height, width) / width, "pixel": 1 / width}[geometry]
    highest = min(radius / apart, width // 2)
    # Rounding may add one in which nothing is low.
    columns = width // 2 + 1 if whole else math.floor(highest * (1 + 1e-12)) + 1
    distance = _find_distance(height, width, geometry)[:, :columns]
    low = distance <= radius if inclusive else distance < radius
    # In memory as torch lays out a transform of columns, with real and imaginary part: products then take a fifth of the time.
    return low.T[..., None].expand(-1, -1, 2).to(device, dtype).contiguous().transpose(0, 1)


@_remembered
def _find_distance(height: int, width: int, geometry: Geometry) -> Float[Tensor, "height width"]:
    return frequency_distance(height, width, geometry=geometry)


def _images_at_once(images: Images) -> int:
    """Return how many of a batch of images are transformed at a time; it changes no number.

    All of them where their gradient is asked for, or code is being made for them, or they are not on a CPU.
    """
    followed = torch.is_grad_enabled() and images.requires_grad
    if images.device.type != "cpu" or followed or torch.compiler.is_compiling():
        return len(images)
    return max(1, VALUES_AT_ONCE // images[0].numel())


def _check_finite(spectrum: Tensor) -> None:
    """Refuse images with pixels that are not finite, which their zero frequencies, the sums of all pixels, show.

    Only on a CPU. Another device would have to be waited for, and a compiled graph cannot ask; there NaN stays NaN.
    """
    if torch.compiler.is_compiling() or not is_prompt(spectrum.device):
        return
    sums = spectrum[..., 0, 0].real
    if (sums * 0).sum() != 0:  # NaN where one is not finite: one number to look at instead of all
        raise InputError("images must be finite, got NaN or infinite pixels")


def _check_radius(radius: float) -> None:
    if not radius >= 0:  # also true of NaN
        raise InputError(f"radius must be >= 0, got {radius}")
