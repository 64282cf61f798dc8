"""A network compiled for whole batches, tried before anything is trained."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from passband.errors import InputError


def compile_network(
    network: nn.Module, pixels: Tensor, autocast: AbstractContextManager, *, graphs: bool = False
) -> nn.Module:
    """Return the same network, compiled, once a step forward and back was possible.

    Code is made for the shapes that are met, and none for shapes in general, so that what is computed does not depend on which
    shapes came before, and dropout draws what it draws without compilation. What this process compiled earlier is forgotten,
    since torch compiles only so many networks of a class.

    Args:
        network: On its device. The trial leaves no trace in it.
        pixels: A batch as those that it will be trained on.
        autocast: The precision that it will be trained in.
        graphs: Make CUDA graphs of it.

    Raises:
        InputError: If it cannot be compiled here.
    """
    torch.compiler.reset()
    compiled = cast(
        nn.Module,
        torch.compile(network, dynamic=False, options={"fallback_random": True, "triton.cudagraphs": graphs}),
    )
    state, training = copy.deepcopy(network.state_dict()), network.training
    try:
        with torch.random.fork_rng(devices=[pixels.device] if pixels.device.type == "cuda" else []), autocast:
            compiled.train()(pixels).float().square().mean().backward()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever compilers and networks of somebody's own raise
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"the network cannot be compiled here: {reason.rstrip('.')}.") from error
    finally:
        network.load_state_dict(state)
        network.zero_grad()
        network.train(training)
    return compiled


def as_written(wanted: bool) -> AbstractContextManager:
    """Return a context in which compiled networks run as they were written, if that is wanted."""
    return torch.compiler.set_stance("force_eager") if wanted else nullcontext()
