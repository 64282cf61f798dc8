"""A network in training, on whatever devices there are: Lightning Fabric's part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from passband.choices import Precision
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError, PassbandError
from passband.train.config import RunConfig
from passband.train.optimizers import make_optimizer

NARROW = 16
"""Channels of the convolutions that `choose_layout` is careful with."""


def start_fabric(device: str = "auto", *, devices: int = 1, precision: Precision = "32") -> Fabric:
    """Return Fabric for one device in this process, or for several, each with a process that `launch` spawns.

    Args:
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        devices: How many. On the CPU these are processes, which exchange gradients with gloo.
        precision: What networks compute in.

    Raises:
        InputError: If this machine has no such device, or not as many, or they cannot compute so.
    """
    target = choose_device(device)
    if devices < 1:
        raise InputError(f"devices must be at least 1, got {devices}")
    if precision == "16-mixed" and target.type == "cpu":
        raise InputError("precision '16-mixed' needs a GPU: choose 'bf16-mixed' or '32', or another --device")
    if devices > 1 and (target.type == "mps" or target.index is not None):
        raise InputError(f"the device {device!r} is one, and {devices} were asked for")
    if target.type == "cuda" and devices > torch.cuda.device_count():
        raise InputError(
            f"this machine has {torch.cuda.device_count()} CUDA devices, and {devices} were asked for"
        )
    return Fabric(
        accelerator=target.type,
        devices=devices if target.index is None else [target.index],
        strategy="ddp_spawn" if devices > 1 else "auto",
        precision=precision,
        plugins=[LightningEnvironment()],  # what is asked for here, not what a cluster's variables suggest
    )


class Learner:
    """A network, its optimizer, and the devices they are on.

    Args:
        fabric: Launched already, if it has several devices.
        network: Is moved to the device, and trained in place.
        config: Optimizer, rate, weight decay and compilation are taken from it.

    Attributes:
        fabric: As given.
        network: The plain network: what is attacked, probed and saved.
        model: The same weights, as a step of training calls them: compiled, spread over devices, in mixed precision.
        body: The same, but on this device alone.
        optimizer: Changes them.
        layout: How a batch should lie in memory.
    """

    def __init__(self, fabric: Fabric, network: nn.Module, config: RunConfig) -> None:
        self.fabric = fabric
        self.layout = choose_layout(network, fabric.device)
        self.network = network.to(fabric.device).to(memory_format=self.layout)
        optimizer = make_optimizer(
            config.optimizer,
            network.parameters(),
            learning_rate=config.rate,
            weight_decay=config.weight_decay,
        )
        self.body = cast(nn.Module, torch.compile(network)) if config.compile else network
        self.model, self.optimizer = fabric.setup(self.body, optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a checkpoint must hold of a run in training; its random numbers follow from its seed."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),  # how float16 gradients are scaled
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state that `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])

    @torch.no_grad()
    def check_fits(self, dataset: ImageDataset) -> None:
        """Refuse images that the network cannot take, or another number of classes than it has outputs.

        Raises:
            InputError: If it cannot, or has.
        """
        pixels = to_pixels(dataset.images[:2], self.fabric.device)
        try:
            logits = self.network.eval()(pixels)
        except (PassbandError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever a network of somebody's own raises
            raise InputError(
                f"the model cannot take images shaped {tuple(pixels.shape[1:])}: {error}"
            ) from error
        if not isinstance(logits, Tensor):
            raise InputError(f"the model must return a tensor of logits, got a {type(logits).__name__}")
        if logits.shape != (len(pixels), len(dataset.classes)):
            raise InputError(
                f"the model must return one logit for each of the {len(dataset.classes)} classes of "
                f"{dataset.name!r}, got an output shaped {tuple(logits.shape)} for {len(pixels)} images"
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
