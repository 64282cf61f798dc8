"""How a network is trained on a device: the one place that decides layout, compilation and optimizer.

None of it changes what is computed but for rounding, so none of it is part of a run's id; `environment.json` says what was
chosen, and `docs/decisions/0018-speed.md` what was measured. Precision is not decided here: it changes more than rounding, and
is float32 unless a run says otherwise. Threads are those that a process has: a study gives each of its runs one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from passband.train.config import RunConfig

NARROW = 16
"""Channels of the convolutions that `choose_layout` is careful with."""

STEPS_THAT_PAY = 5_000
"""A GPU compiles by itself for runs of at least so many steps: on an H100 compiling was paid for after 1,600 steps (resnet18) to
7,200 (resnet8)."""

SMALL_BATCH = 512
"""Up to so many images, a step on a GPU is taken to be bound by launches, which CUDA graphs save; measured at 100."""


@dataclass(frozen=True)
class Placement:
    """How a network is trained on a device.

    Attributes:
        layout: How images and weights lie in memory.
        compiled: Whether the network is compiled, with torch's default compiler.
        graphs: Whether what is compiled becomes CUDA graphs.
        forced: Whether the run asked for a compiler, so that there is no going on without.
    """

    layout: torch.memory_format
    compiled: bool = False
    graphs: bool = False
    forced: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as `environment.json` holds it."""
        return {
            "layout": str(self.layout).removeprefix("torch."),
            "compiled": self.compiled,
            "cuda_graphs": self.graphs,
        }


def choose_placement(
    network: nn.Module, device: torch.device, config: RunConfig, *, images: int, devices: int = 1
) -> Placement:
    """Return how a run is best trained; the same for a run that goes on as for one that begins.

    Args:
        network: What is trained.
        device: Where.
        config: Its `compile` forces or forbids compilation; without, the length of the whole run decides.
        images: Training images.
        devices: How many share a batch. Several compile only what is forced.
    """
    steps = config.epochs * -(-images // config.batch_size)
    alone = device.type == "cuda" and devices == 1
    compiled = alone and steps >= STEPS_THAT_PAY if config.compile is None else config.compile
    # An attack keeps what a replay returned while it makes the next ones, which write over it.
    short = config.batch_size <= SMALL_BATCH and config.adversarial is None
    return Placement(
        choose_layout(network, device),
        compiled=compiled,
        graphs=compiled and alone and short,
        forced=config.compile is True,
    )


def choose_layout(network: nn.Module, device: torch.device) -> torch.memory_format:
    """Return how images lie in memory while a network is trained.

    On one CPU thread, resnet8 and resnet14 train 1.1 to 1.5 times as fast with the channels last. With these, torch 2.14 writes
    outside of its memory on a CPU when it computes the gradient of a strided 1x1 convolution with fewer than 16 channels in and
    at most 16 out, as narrow ResNets have: mostly the process dies.
    """
    narrow = any(
        isinstance(each, nn.Conv2d)
        and max(each.kernel_size) == 1
        and max(each.stride) > 1
        and each.in_channels < NARROW
        and each.out_channels <= NARROW
        for each in network.modules()
    )
    return torch.contiguous_format if device.type == "mps" or narrow else torch.channels_last
