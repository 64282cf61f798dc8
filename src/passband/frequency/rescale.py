"""Amplitude policies: what is done to a component before a model sees it."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from passband.errors import InputError, UnknownNameError
from passband.types import Amplitude, Images

ROUNDING = 1e-5
"""On the [0, 1] pixel scale: below it a component is the rounding of a transform, about 2e-6 in photographs, and no signal."""


def rescale(images: Images, policy: Amplitude, *, original: Images | None = None) -> Images:
    """Rescale components by an amplitude policy, each image on its own, over all its channels.

    Args:
        images: Components, as `split` returns them: signed, on the [0, 1] pixel scale.
        policy: `"raw"` changes nothing. `"clip"` cuts to [0, 1], so that the result is an image. `"max"` divides
            by the image's maximum, as the paper's released code does; an HFC stays signed. `"minmax"` maps
            minimum and maximum to 0 and 1. `"rms"` gives the component the root mean square of `original`.
        original: The images that the components come from, of the same shape; only `"rms"` needs them.

    Returns:
        The rescaled components. One with nothing in it (a flat image's HFC) stays zero, and is not blown up.

    Raises:
        InputError: If the policy is unknown, or `"rms"` is asked for without `original`.

    Example:
        >>> rescale(torch.tensor([[[0.0, 0.25, 0.5]]]), "max")
        tensor([[[0.0000, 0.5000, 1.0000]]])

    Source:
        Wang et al. 2020, section 4.2, "normalized to have the standard pixel scale", does not say how; the
        released code divides by the maximum.
    """
    if policy == "raw":
        return images
    if policy == "clip":
        return images.clamp(0, 1)
    if policy == "max":
        return images * _factor(images.amax(dim=(-3, -2, -1), keepdim=True))
    if policy == "minmax":
        lowest, highest = torch.aminmax(images.flatten(-3), dim=-1)
        lowest, highest = (t[..., None, None, None] for t in (lowest, highest))
        return (images - lowest) * _factor(highest - lowest)
    if policy == "rms":
        if original is None:
            raise InputError(
                "the amplitude policy 'rms' needs the original images: rescale(..., original=images)"
            )
        wanted = original.square().mean(dim=(-3, -2, -1), keepdim=True).sqrt()
        return images * (wanted * _factor(images.square().mean(dim=(-3, -2, -1), keepdim=True).sqrt()))
    raise UnknownNameError("amplitude policy", policy, get_args(Amplitude))


def _factor(amplitude: Tensor) -> Tensor:
    """Return 1 / amplitude, and 1 where there is nothing to amplify."""
    return torch.where(amplitude > ROUNDING, amplitude, 1).reciprocal()
