"""A network in training, on whatever devices there are: Lightning Fabric's part of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from passband.choices import Precision
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError, PassbandError
from passband.train.compiled import compile_network
from passband.train.config import RunConfig
from passband.train.optimizers import make_optimizer
from passband.train.placement import choose_placement


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
        config: Optimizer, rate, weight decay, compilation and length of the run are taken from it.
        dataset: The training images.
        on_note: Is told if the network could not be compiled, and is trained as it is written.

    Attributes:
        fabric: As given.
        network: The plain network: what is probed and saved.
        model: The same weights, as a step of training calls them: compiled, spread over devices, in mixed precision.
        body: The same, but on this device alone: what is attacked.
        optimizer: Changes them.
        placement: Layout and compilation.

    Raises:
        InputError: If the network does not take such images, or cannot be compiled where that is forced.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        config: RunConfig,
        dataset: ImageDataset,
        *,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self.fabric = fabric
        self.placement = choose_placement(
            network, fabric.device, config, images=len(dataset), devices=fabric.world_size
        )
        self.network = network.to(fabric.device).to(memory_format=self.placement.layout)
        self._check_fits(dataset)
        self.body = self._compiled(dataset, config.batch_size, on_note)
        optimizer = make_optimizer(
            config.optimizer,
            network.parameters(),
            learning_rate=config.rate,
            weight_decay=config.weight_decay,
        )
        self.model, self.optimizer = fabric.setup(self.body, optimizer)

    def set_rate(self, rate: float) -> None:
        """Let the next steps have this learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

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

    def _compiled(
        self, dataset: ImageDataset, batch_size: int, on_note: Callable[[str], None] | None
    ) -> nn.Module:
        if not self.placement.compiled:
            return self.network
        share = -(-batch_size // self.fabric.world_size)
        pixels = torch.zeros(share, *dataset.images.shape[1:], device=self.fabric.device)
        try:
            return compile_network(
                self.network,
                pixels.contiguous(memory_format=self.placement.layout),
                self.fabric.autocast(),
                graphs=self.placement.graphs,
            )
        except InputError as error:
            if self.placement.forced:
                raise InputError(f"{error} Train it without: --no-compile (compile=False).") from error
            if on_note is not None:
                on_note(f"{error} It is trained as it is written.")
            self.placement = replace(self.placement, compiled=False, graphs=False)
            return self.network

    @torch.no_grad()
    def _check_fits(self, dataset: ImageDataset) -> None:
        """Refuse images that the network cannot take, or another number of classes than it has outputs."""
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
