"""Smoothing one convolution of a trained network, without training it again."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TypeVar

from torch import nn

from passband.errors import InputError
from passband.kernels import smooth_kernel
from passband.models.convolutions import FIRST, find_convolution, replace_weight
from passband.models.fingerprint import weights_hash
from passband.models.pixels import PixelModel, network_of
from passband.models.provenance import Smoothing

__all__ = ["find_convolution", "smoothed"]

Model = TypeVar("Model", bound=nn.Module)


def smoothed(model: Model, rho: float, *, layer: str = FIRST, normalize: bool = False) -> Model:
    """Return a copy of a model in which the kernels of one convolution are smoothed by Eq. 3.

    Args:
        model: Left as it is. Biases, other layers and the mode are copied unchanged.
        rho: Strength of the smoothing; 0 changes nothing.
        layer: The convolution: `"first"` for the one that runs first, or its name (see `find_convolution`).
        normalize: Divide by 1 + 8 rho, so that a constant image gets the same response as before: the control that
            tells smoothness from scale.

    Returns:
        A copy of the same type. If it is a `PixelModel`, its name says which layer was smoothed and by how much, and
        so does `.smoothing[-1]`; of another model, `find_convolution` tells the layer.

    Raises:
        InputError: If `rho` is negative or not finite, the model cannot be copied, or as `find_convolution` and
            `passband.models.convolutions.replace_weight`.
        UnknownNameError: If there is no such layer.

    Example:
        >>> model = PixelModel(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)), name="small")
        >>> smoothed(model, rho=0.5).name
        'small, 0 smoothed by 0.5'

    Source:
        Wang et al. 2020, section 6.3.
    """
    name, convolution = find_convolution(model, layer)
    weight = smooth_kernel(convolution.weight.detach(), rho, normalize=normalize)
    try:
        changed = copy.deepcopy(model)
    except Exception as error:  # whatever its parts raise
        raise InputError(f"the model cannot be copied ({type(error).__name__}: {error})") from error
    target = network_of(changed).get_submodule(name)
    assert isinstance(target, nn.Conv2d)
    replace_weight(target, weight, name)
    if isinstance(changed, PixelModel):
        step = Smoothing(name, float(rho), normalize)
        changed.name = f"{changed.name}, {step}"
        changed.smoothing = (*changed.smoothing, step)
        if changed.origin is not None and changed.origin.weights_hash is None:
            changed.origin = replace(changed.origin, weights_hash=weights_hash(model))
    return changed
