"""What happens to pictures outside a laboratory: blur, a lower resolution, JPEG and noise, as functions of [0, 1] pixels.

Each image is degraded on its own, whatever images are beside it.
"""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from passband.errors import InputError
from passband.files import digest
from passband.randomness import generator_for
from passband.types import ByteImages, Images

REACH = 4.0
"""Standard deviations at which a Gaussian is cut off, as SciPy does."""


def gaussian_blur(images: Images, sigma: float) -> Images:
    """Blur images with a Gaussian, each channel on its own; beyond its edges an image is its own mirror image.

    Args:
        images: Pixel values.
        sigma: Standard deviation in pixels, positive and no longer than the image, of which a larger one leaves the mean alone.

    Returns:
        The blurred images, shaped like `images` and within their range.

    Raises:
        InputError: If `sigma` is not positive, or longer than the image.

    Source:
        `scipy.ndimage.gaussian_filter(image, sigma, mode="mirror")`. As a corruption: Hendrycks and Dietterich 2019.
    """
    _check_positive("sigma of a blur", sigma)
    if sigma > max(images.shape[-2:]):
        raise InputError(
            f"the sigma of a blur is at most the longer side, {max(images.shape[-2:])} pixels, got {sigma}"
        )
    down, across = (_blurring(length, sigma).to(images) for length in images.shape[-2:])
    return down @ images @ across.T


def _blurring(length: int, sigma: float) -> Float[Tensor, "length length"]:
    """Return the matrix that blurs a line of pixels: a Gaussian around each, folded back at both ends."""
    reach = int(REACH * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (steps / sigma).double().square())
    places = torch.arange(length)[:, None] + steps
    period = max(2 * (length - 1), 1)
    folded = places % period
    folded = torch.minimum(folded, period - folded) if length > 1 else torch.zeros_like(places)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    return matrix.scatter_add_(1, folded, (weights / weights.sum()).expand(length, -1))


def reduce_and_enlarge(images: Images, side: int) -> Images:
    """Reduce images to a lower resolution, and enlarge them to their own size again.

    Both by torch's bilinear interpolation, antialiased on the way down, which is Pillow's `BILINEAR` without its rounding to
    bytes.

    Args:
        images: Pixel values.
        side: The shorter side in pixels at the lower resolution, at least 1; the other one keeps the proportion.

    Raises:
        InputError: If `side` is below 1, or the images are no larger than that.
    """
    height, width = images.shape[-2:]
    if not 1 <= side < min(height, width):
        raise InputError(
            f"images are reduced to at least 1 pixel and fewer than their own {min(height, width)}, got {side}"
        )
    smaller = [max(1, round(length * side / min(height, width))) for length in (height, width)]
    flat = images.reshape(-1, *images.shape[-3:])
    reduced = F.interpolate(flat, smaller, mode="bilinear", antialias=True)
    return F.interpolate(reduced, [height, width], mode="bilinear").reshape(images.shape)


def compress(images: Images, quality: int) -> Images:
    """Compress images as JPEG files and decode them again, by Pillow, on the CPU.

    Pixels are rounded to bytes before and after; color is stored at half the resolution (4:2:0), as libjpeg does by itself. The
    codec of torchvision gives the same pixels, and is to be removed from it.

    Args:
        images: Pixels in [0, 1], of 1 or 3 channels; what lies outside is clipped.
        quality: libjpeg's, from 1 to 100.

    Raises:
        InputError: If the quality is none, or the images have another number of channels.
    """
    if not 1 <= quality <= 100:
        raise InputError(f"a JPEG quality is a whole number from 1 to 100, got {quality}")
    channels = images.shape[-3]
    if channels not in (1, 3):
        raise InputError(f"JPEG stores images of 1 or 3 channels, got {channels}")
    pixels = _as_bytes(images)
    decoded = torch.empty_like(pixels)
    for image, place in zip(pixels.permute(0, 2, 3, 1).numpy(), decoded.permute(0, 2, 3, 1), strict=True):
        picture = Image.fromarray(image if channels == 3 else image[..., 0])
        picture.save(file := BytesIO(), "JPEG", quality=quality, subsampling="4:2:0")
        place.copy_(torch.from_numpy(np.array(Image.open(file))).reshape(place.shape))
    return decoded.reshape(images.shape).to(images) / 255


def add_noise(images: Images, deviation: float, seed: int = 0) -> Images:
    """Add Gaussian noise to every pixel and channel, and clip to [0, 1].

    The noise of an image follows from the seed and from the image itself, rounded to bytes. So neither the images beside it,
    nor its place among them, nor the device change it; equal images have equal noise, and an image has the same noise at every
    strength, only stronger.

    Args:
        images: Pixels in [0, 1].
        deviation: Standard deviation before clipping, on that scale, positive.
        seed: Draws other noise.

    Raises:
        InputError: If `deviation` is not positive and finite.

    Source:
        Hendrycks and Dietterich 2019, who take 0.08 to 0.38.
    """
    _check_positive("standard deviation of noise", deviation)
    noise = torch.empty(images.shape).reshape(-1, *images.shape[-3:])
    for image, place in zip(_as_bytes(images), noise, strict=True):
        torch.randn(
            place.shape, generator=generator_for(seed, "noise", digest(image.numpy().tobytes())), out=place
        )
    return (images + deviation * noise.reshape(images.shape).to(images)).clamp(0, 1)


def _as_bytes(images: Images) -> ByteImages:
    """Return images one after the other as they are stored, on the CPU."""
    stored = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return stored.reshape(-1, *images.shape[-3:]).contiguous()


def _check_positive(what: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise InputError(f"the {what} must be positive and finite, got {value}")
