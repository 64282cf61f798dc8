"""From pixels as numbers of any kind to bytes, by a rule that is stated, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from passband.errors import InputError
from passband.notices import Notice
from passband.types import ByteImages

ROUNDING = 1e-5
"""How far a float pixel may lie beyond [0, 1]: what arithmetic in single precision leaves."""

HALF = 128
"""A set of photographs on a scale has pixels in its upper half: a scale that none reaches is another."""

DARK, BRIGHT = 64, 191
"""No photograph is brighter in a set that is nearly black; none is darker in one that is nearly white."""


def as_bytes(arrays: Sequence[np.ndarray], what: str) -> tuple[list[np.ndarray], tuple[Notice, ...]]:
    """Turn the pixels of a set into bytes, all by one rule.

    Bytes are kept. Floats in [0, 1] are multiplied by 255 and rounded. Whole numbers of another type are bytes where they are
    at most 255 and reach its upper half, and 16-bit values where they reach the upper half of those: of these the higher byte
    is kept, as Pillow does for color.

    Args:
        arrays: Pixels of the set, in arrays of any shape.
        what: What they are, for messages.

    Raises:
        InputError: If pixels are of another kind, or could be on several scales; the message says how to convert them.

    Example:
        >>> [pixels], [notice] = as_bytes([np.array([0, 65535], np.uint16)], "images")
        >>> print(pixels, notice)
        [  0 255] Note: the pixels of images have 16 bits: the higher 8 are used
    """
    kinds = {array.dtype for array in arrays}
    if kinds == {np.dtype(np.uint8)}:
        return list(arrays), ()
    named = " and ".join(sorted(map(str, kinds)))
    if any(kind.kind not in "iuf" for kind in kinds):
        advice = "; of a mask, images.astype('uint8') * 255 makes black and white" if named == "bool" else ""
        raise InputError(f"pixels must be uint8, or floats in [0, 1], got {named} for {what}{advice}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError(f"pixels must be finite, got NaN or infinity for {what}")
    low, high = float(min(array.min() for array in arrays)), float(max(array.max() for array in arrays))
    if any(kind.kind == "f" for kind in kinds) and low >= -ROUNDING and high <= 1 + ROUNDING:
        return _from_fractions(arrays, high, what)
    if low >= 0 and all(kind.kind != "f" or _whole(array) for array in arrays for kind in [array.dtype]):
        if HALF <= high < 256:
            note = f"the pixels of {what} are whole numbers up to {high:g}, of type {named}: they are taken as bytes"
            return [array.astype(np.uint8) for array in arrays], (Notice("data", note, warning=False),)
        if 256 * HALF <= high < 65536:
            note = f"the pixels of {what} have 16 bits: the higher 8 are used"
            high_bytes = [(array.astype(np.uint16) >> 8).astype(np.uint8) for array in arrays]
            return high_bytes, (Notice("data", note, warning=False),)
    raise InputError(
        f"pixels must be uint8, or floats in [0, 1], got {named} from {low:g} to {high:g} for {what}. Convert them: "
        + _advice(low, high)
    )


def exposure(images: ByteImages) -> tuple[Notice, ...]:
    """Return what bytes say of a mistake in their scale: all are nearly black, or nearly white.

    Example:
        >>> import torch
        >>> print(*exposure(torch.ones(2, 1, 4, 4, dtype=torch.uint8)))
        Warning: no pixel is brighter than 1 of 255: these are masks, or pixels in [0, 1] cast to bytes, and black to a model
    """
    low, high = int(images.min()), int(images.max())
    if high <= 1:
        message = f"no pixel is brighter than {high} of 255: these are masks, or pixels in [0, 1] cast to bytes, and black to a model"
    elif high < DARK:
        message = (
            f"no pixel is brighter than {high} of 255: are the pixels on another scale, such as 0 to {high}?"
        )
    elif low > BRIGHT:
        message = f"no pixel is darker than {low} of 255: are the pixels on another scale?"
    else:
        return ()
    return (Notice("data", message),)


def channels_last(images: np.ndarray, what: str) -> np.ndarray:
    """Return images as (samples, height, width, channels), wherever their channels are.

    Args:
        images: Shaped (samples, height, width), or with 1, 3 or 4 channels as last axis or second.
        what: What they are, for messages.

    Raises:
        InputError: If no axis can be that of the channels, or either can.
    """
    if images.ndim == 3:
        return images[..., None]
    for channels in ((1, 3), (4,)):
        last, second = images.shape[3] in channels, images.shape[1] in channels
        if last and second:
            raise InputError(
                f"the channels of {what} may be the second or the last axis of {images.shape}. Make it clear by resizing them, "
                "or save them as pictures"
            )
        if last or second:
            return images if last else images.transpose(0, 2, 3, 1)
    raise InputError(
        f"images must have 1 or 3 channels, or 4 with alpha, as second or last axis, got the shape {images.shape} for {what}"
    )


def without_alpha(images: np.ndarray, what: str) -> tuple[np.ndarray, tuple[Notice, ...]]:
    """Leave out a fourth channel, which is taken for alpha.

    Args:
        images: Bytes, shaped (samples, height, width, channels).
        what: What they are, for messages.
    """
    if images.shape[3] != 4:
        return images, ()
    if (images[..., 3] == 255).all():
        note = f"the fourth channel of {what} is 255 throughout, alpha: it is left out"
        return images[..., :3], (Notice("data", note, warning=False),)
    note = f"the fourth channel of {what} is taken for alpha and left out, so that what is transparent shows"
    return images[..., :3], (Notice("data", note),)


def _from_fractions(
    arrays: Sequence[np.ndarray], high: float, what: str
) -> tuple[list[np.ndarray], tuple[Notice, ...]]:
    if 0 < high <= 1.02 / 255:  # float16 rounds by as much
        raise InputError(
            f"the brightest pixel of {what} is {high:g}, at most 1/255: they were divided by 255 twice. Convert them: images * 255"
        )
    scaled = [array.astype(np.float32) * 255 for array in arrays]
    rounded = [np.rint(array).clip(0, 255) for array in scaled]
    coarse = any(array.dtype.itemsize < 4 for array in arrays)
    lost = max(float(np.abs(one - two).max()) for one, two in zip(scaled, rounded, strict=True))
    note = f"the pixels of {what} are rounded to 8 bits, by up to {lost:.2g} of 255"
    notices = (Notice("data", note, warning=False),) if lost > (0.2 if coarse else 0.02) else ()
    return [array.astype(np.uint8) for array in rounded], notices


def _whole(array: np.ndarray) -> bool:
    return bool((array == np.rint(array)).all())


def _advice(low: float, high: float) -> str:
    if low >= -1 and high <= 1:
        return "(images + 1) / 2 where -1 is black"
    if low < 0:
        return "images * std + mean, with the mean and standard deviation that they were normalized with"
    if high <= 1:
        return "images.astype('uint8') * 255 if 1 is white, as in a mask"
    if high < HALF:
        return f"images / {high:g} if {high:g} is white, or images.astype('uint8') if 255 is"
    if high <= 255:
        return "images / 255"
    if high < 256 * HALF:
        bits = int(high).bit_length()
        return f"images / {2**bits - 1} if their scale has {bits} bits, images / 65535 if it has 16, of which they use the lower"
    return f"images / {high:g} if {high:g} is white"
