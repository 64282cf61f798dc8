"""Networks in half, bfloat16 or double precision: given float32 images, they return float32 logits."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._pytree import tree_map_only

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)
"""Layers that often stay in float32 where all others are not."""


def speak_float32(network: nn.Module) -> nn.Module:
    """Let a network take float32 images and return float32 logits, whatever it calculates with.

    Its weights stay as they are, and so do its answers. Images are converted to the type of its weights if these are all of
    one type (its norms excepted); a network that mixes types converts for itself.

    Args:
        network: Changed in place: it gets two hooks. A TorchScript program can have none, and stays as it is.
    """
    if isinstance(network, torch.jit.ScriptModule):
        return network
    used = {
        value.dtype
        for module in network.modules()
        if not isinstance(module, NORMS)
        for value in (*module.parameters(recurse=False), *module.buffers(recurse=False))
        if value.is_floating_point()
    }
    if len(used) == 1 and used != {torch.float32}:
        network.register_forward_pre_hook(partial(_convert_images, used.pop()))
    network.register_forward_hook(_convert_logits)
    return network


def _convert_images(dtype: torch.dtype, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tree_map_only(Tensor, lambda value: value.to(dtype), inputs)


def _convert_logits(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
    return tree_map_only(Tensor, lambda value: value.float() if value.is_floating_point() else value, output)
