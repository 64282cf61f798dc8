"""The networks that passband can build, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from passband.checks import check_at_least_one, check_dropout
from passband.errors import InputError, UnknownNameError
from passband.models.blocks import check_batch_norm, set_batch_norm
from passband.models.networks import ARCHITECTURES, INITIALIZATIONS, PYTHON, XAVIER, check_options
from passband.models.user_code import build_from_code


def build_model(
    name: str,
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    batch_norm: bool = False,
    dropout: float = 0.0,
    width: int | None = None,
    batch_statistics: bool = False,
    fixed_affine: bool = False,
    initialization: str | None = None,
    seed: int | None = None,
    code: str | None = None,
) -> nn.Module:
    """Build an untrained network for images of 28 to 224 pixels a side, square or not.

    Without BatchNorm, without dropout and with Xavier initialization it is the paper's vanilla network.

    Args:
        name: One of `list_models()`; or `python:package.module:function` or `python:path/to/file.py:function`, which is
            called with those of `num_classes` and `in_channels` that it takes, and has none of the options below.
        num_classes: Number of outputs.
        in_channels: Channels of the images: 1 gray, 3 color.
        batch_norm: Whether to use BatchNorm; `vit` and `convnext` have LayerNorm and cannot.
        dropout: Share of units to drop while training, on hidden fully connected layers or, in residual networks,
            before the only linear layer; of `vit` in every block.
        width: Channels of the first stage; None is the architecture's own. Of `vit` a multiple of 4.
        batch_statistics: BatchNorm uses the current batch's statistics at test too, as in the paper's released code.
        fixed_affine: BatchNorm's scale is 1 and its offset 0, for good.
        initialization: One of `passband.models.initialize.INITIALIZATIONS`: `"xavier"`, `"code"` (that of the
            released code) or `"default"` (torch's own). None is Xavier.
        seed: Draws the weights from a generator of their own. None draws them from torch's global generator.
        code: The hash that the source of a `python:` network must have; None takes any.

    Returns:
        The network, in training mode, on the CPU: images (batch, in_channels, height, width) to logits
        (batch, num_classes).

    Raises:
        UnknownNameError: If there is no such network or initialization.
        InputError: If a number is out of its range, the network cannot have BatchNorm or that width, BatchNorm's options are given
            without BatchNorm, or a `python:` network cannot be made, is given options, or has changed.

    Example:
        >>> model = build_model("resnet8", num_classes=4, in_channels=1, seed=0)
        >>> model(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 4])

    Source:
        Wang et al. 2020, sections 4.2 and 5.
    """
    check_at_least_one("num_classes", num_classes)
    check_at_least_one("in_channels", in_channels)
    if name.startswith(PYTHON):
        options = (width, batch_norm, batch_statistics, fixed_affine, dropout, initialization)
        refuse_options(name, dict(zip(BUILT_IN_ONLY, options, strict=True)))
        return build_from_code(name, num_classes=num_classes, in_channels=in_channels, seed=seed, code=code)
    if name not in ARCHITECTURES:
        raise UnknownNameError("model", name, ARCHITECTURES)
    check_at_least_one("width", width)
    check_dropout(dropout)
    check_options(name, batch_norm=batch_norm, width=width)
    check_batch_norm(batch_norm, batch_statistics=batch_statistics, fixed_affine=fixed_affine)
    initialization = initialization or XAVIER
    if initialization not in INITIALIZATIONS:
        raise UnknownNameError("initialization", initialization, INITIALIZATIONS)
    options: dict[str, Any] = {} if width is None else {"width": width}
    if ARCHITECTURES.lines[name].batch_norm:
        options["batch_norm"] = batch_norm
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights on their own, replaced right below
        model = ARCHITECTURES[name](
            num_classes=num_classes,
            in_channels=in_channels,
            dropout=dropout,
            **options,
        )
    set_batch_norm(model, batch_statistics=batch_statistics, fixed_affine=fixed_affine)
    INITIALIZATIONS[initialization](model, None if seed is None else torch.Generator().manual_seed(seed))
    return model


BUILT_IN_ONLY: dict[str, Any] = {
    "width": None,
    "batch_norm": False,
    "batch_statistics": False,
    "fixed_affine": False,
    "dropout": 0.0,
    "initialization": None,
}
"""Options that only passband's own networks have, and what they are where nothing was said."""


def refuse_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options of passband's own networks for another one.

    Raises:
        InputError: If one of `BUILT_IN_ONLY` is not at its default.
    """
    for option, default in BUILT_IN_ONLY.items():
        if options[option] != default:
            raise InputError(
                f"{option} is an option of passband's own networks, and {name} is made by your code: decide it there"
            )
