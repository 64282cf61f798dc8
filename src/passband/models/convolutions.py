"""The convolutions of a network that is known only by what it does: which comes first, and changing its weight."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from passband.errors import LISTED, InputError, UnknownNameError, few
from passband.models.exported import ExportedModel
from passband.models.onnx import OnnxModel
from passband.models.pixels import PixelModel, evaluating, network_of

FIRST = "first"
"""Stands for the convolution that a network runs first."""

SIZES = (32, 64, 224)
"""Heights and widths to try a network on, where it does not say which it takes."""


def find_convolution(model: nn.Module, layer: str = FIRST) -> tuple[str, nn.Conv2d]:
    """Return a convolution of a network, with its name there.

    Args:
        model: Any network; one inside a `PixelModel` is meant itself.
        layer: The name of a convolution, such as `"features.0"`; or `"first"` for the one that runs first. To find
            that one the network is run on a gray image: the order in which it registers its layers need not be the
            order in which it runs them.

    Returns:
        The name, as `named_modules` of the network gives it, and the layer itself.

    Raises:
        InputError: If the network has no `nn.Conv2d`, the layer is something else, the network cannot be run, or its
            layers cannot be reached since it is an exported program or an ONNX file.
        UnknownNameError: If it has no layer of that name.

    Example:
        >>> network = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 8, 5), nn.Conv2d(8, 8, 3))
        >>> find_convolution(network)
        ('1', Conv2d(3, 8, kernel_size=(5, 5), stride=(1, 1)))
    """
    called = model.name if isinstance(model, PixelModel) else type(model).__name__
    network = network_of(model)
    if isinstance(network, (ExportedModel, OnnxModel)):
        kind = "an ONNX file" if isinstance(network, OnnxModel) else "an exported program"
        raise InputError(
            f"{called} is {kind}, whose layers cannot be changed. Load the network that it was exported from, and "
            f"export that again afterwards."
        )
    convolutions = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    if not convolutions:
        raise InputError(f"{called} has no convolution: none of its layers is an nn.Conv2d")
    if layer == FIRST:
        layer = _first_to_run(model, convolutions, called)
    elif layer not in convolutions:
        other = dict(network.named_modules()).get(layer)
        if other is None:
            raise UnknownNameError("convolution", layer, convolutions)
        raise InputError(
            f"{layer} of {called} is a {type(other).__name__}, not an nn.Conv2d. {_listed(convolutions)}"
        )
    return layer, convolutions[layer]


def replace_weight(convolution: nn.Conv2d, weight: Tensor, called: str) -> None:
    """Give a convolution another weight, as a parameter of its own.

    A parametrization, such as weight normalization, is dissolved: the weight is then what was given, not computed. A
    parameter that was shared with another layer is so no longer.

    Args:
        convolution: Changed in place.
        weight: Shaped like the old one.
        called: The layer's name, for messages.

    Raises:
        InputError: If the shape is another, or what the layer computes is not linear in the weight that it holds.
    """
    old = convolution.weight
    if weight.shape != old.shape:
        raise InputError(f"{called} has a weight shaped {tuple(old.shape)}, got {tuple(weight.shape)}")
    if parametrize.is_parametrized(convolution, "weight"):
        # Torch made a class for this layer and changes it now; the layer that this is a copy of is of that class too.
        kind = type(convolution)
        convolution.__class__ = type(kind.__name__, kind.__bases__, dict(kind.__dict__))
        parametrize.remove_parametrizations(convolution, "weight", leave_parametrized=True)
    if "weight" not in dict(convolution.named_parameters(recurse=False)):
        raise InputError(
            f"the weight of {called} is made from others each time the layer runs. Undo that first, for instance with "
            f"torch.nn.utils.remove_weight_norm."
        )
    if not _is_linear_in_its_weight(convolution):
        raise InputError(
            f"{called} is a {type(convolution).__name__}, which computes another weight from the one that it holds, "
            f"so changing that has another effect. Replace it by an nn.Conv2d with the weight that it computes."
        )
    convolution.weight = nn.Parameter(
        weight.detach().to(old.device, old.dtype), requires_grad=old.requires_grad
    )


def _first_to_run(model: nn.Module, convolutions: Mapping[str, nn.Conv2d], called: str) -> str:
    """Return the name of the convolution that runs first on a gray image.

    A run that fails has reached its first convolution all the same; one that succeeds is preferred, since an image of
    a wrong size may go another way.
    """
    reached: list[str] = []
    firsts: list[str] = []
    failure: Exception | None = None
    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: reached.append(name))
        for name, module in convolutions.items()
    ]
    try:
        # Not in inference mode: what a network keeps for later runs could have no gradient there.
        with evaluating(model), torch.inference_mode(False), torch.no_grad():
            for image in _gray_images(model, next(iter(convolutions.values()))):
                reached.clear()
                try:
                    model(image)
                except Exception as error:  # whatever the network raises
                    failure = failure or error
                    firsts += reached[:1]
                else:
                    firsts = reached[:1] + firsts
                    break
    finally:
        for hook in hooks:
            hook.remove()
    if not firsts:
        why = f" ({type(failure).__name__}: {failure})" if failure else ""
        raise InputError(
            f"which convolution of {called} runs first cannot be told: none ran on a gray image{why}. Name one. "
            f"{_listed(convolutions)}"
        )
    return firsts[0]


def _gray_images(model: nn.Module, convolution: nn.Conv2d) -> Iterator[Tensor]:
    """Yield images of the sizes and channels that a network may take, likely ones first."""
    known = model if isinstance(model, PixelModel) else None
    sizes = [known.size] if known and known.size else [(side, side) for side in SIZES]
    channels = [known.channels] if known and known.channels else [convolution.in_channels, 3, 1]
    weight = convolution.weight
    for (height, width), count in product(sizes, dict.fromkeys(channels)):
        yield torch.full((1, count, height, width), 0.5, dtype=weight.dtype, device=weight.device)


def _is_linear_in_its_weight(convolution: nn.Conv2d) -> bool:
    """Tell a layer that uses the weight it holds from one that standardizes or normalizes it first."""
    twice = copy.deepcopy(convolution).eval()
    twice.bias = None
    # Larger than the kernel, since padding by reflection needs something to reflect.
    sides = [32 + d * (k - 1) for k, d in zip(twice.kernel_size, twice.dilation, strict=True)]
    image = torch.linspace(-1, 1, twice.in_channels * sides[0] * sides[1]).to(twice.weight)
    image = image.reshape(1, twice.in_channels, *sides)
    with torch.no_grad():
        once = twice(image)
        twice.weight.mul_(2)
        return torch.allclose(twice(image), 2 * once, rtol=1e-2)


def _listed(convolutions: Mapping[str, nn.Conv2d]) -> str:
    return f"Its convolutions: {few([*convolutions], LISTED)}."
