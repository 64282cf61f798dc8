"""Training a small detector on phantom scenes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from torch import Tensor
from torchvision.models.detection.retinanet import RetinaNet

from passband.detection.annotations import Annotations
from passband.detection.dataset import DetectionDataset
from passband.detection.phantom import load_scenes
from passband.detection.retinanet import build_retinanet
from passband.detection.training_config import DetectorConfig
from passband.environment import choose_device
from passband.errors import InputError
from passband.randomness import generator_for
from passband.train.epoch import TrainingDiverged

WARM_UP = 50
"""Steps over which the learning rate rises."""

LARGEST_STEP = 10.0
"""Gradients are scaled down to this norm: the first steps of a detector are its wildest."""


@dataclass(frozen=True)
class DetectorEpoch:
    """What one pass over the training scenes gave.

    Attributes:
        epoch: Its number, from 1 on.
        loss: Mean over scenes of the focal loss and the loss of boxes together, each taken when its batch was.
        seconds: How long it took.
    """

    epoch: int
    loss: float
    seconds: float


class DetectorLearner:
    """A RetinaNet and its optimizer.

    Args:
        network: Is moved to the device, and trained in place.
        config: Rate and weight decay are taken from it.
        device: Where it is trained.

    Attributes:
        network: As given.
        optimizer: Changes it.
    """

    def __init__(self, network: RetinaNet, config: DetectorConfig, device: torch.device) -> None:
        self.network = network.to(device)
        if device.type != "mps":
            network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that a checkpoint must hold; rates and orders follow from the config and the epoch."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state that `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def train_detector(
    config: DetectorConfig,
    dataset: DetectionDataset | None = None,
    *,
    device: str = "auto",
    on_epoch: Callable[[DetectorEpoch], None] | None = None,
) -> RetinaNet:
    """Train a small RetinaNet, and return it in evaluation mode.

    The same config gives the same weights, bit for bit, on the same CPU with the same number of threads.

    Args:
        config: All settings.
        dataset: The training scenes, if they are there already; None makes those of the config.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        on_epoch: Is called after every epoch.

    Raises:
        InputError: If config and scenes do not fit together, or there is no such device.
        TrainingDiverged: If a loss or its gradient is not finite.
    """
    where = choose_device(device)
    scenes = load_training_scenes(config) if dataset is None else dataset
    learner = start_learner(config, scenes, where)
    fit_detector(learner, scenes, config, on_epoch=on_epoch)
    return learner.network.eval()


def load_training_scenes(config: DetectorConfig) -> DetectionDataset:
    """Return the scenes that a detector is trained on.

    Raises:
        InputError: If its source cannot be read.
    """
    return load_scenes(config.scenes, "train", limit=config.limit)


def start_learner(config: DetectorConfig, dataset: DetectionDataset, device: torch.device) -> DetectorLearner:
    """Return a new network and its optimizer.

    Raises:
        InputError: If its categories are not numbered from 1 on, or a batch is larger than the data.
    """
    ids = list(dataset.annotations.categories)
    if ids != list(range(1, len(ids) + 1)):
        raise InputError(f"categories must be numbered from 1 on without a gap, got {ids}")
    if config.batch_size > len(dataset):
        raise InputError(
            f"batch_size must be at most the number of training scenes, {len(dataset)}, got {config.batch_size}"
        )
    network = build_retinanet(len(ids), width=config.width, seed=config.seed)
    return DetectorLearner(network, config, device)


def fit_detector(
    learner: DetectorLearner,
    dataset: DetectionDataset,
    config: DetectorConfig,
    *,
    done: int = 0,
    on_epoch: Callable[[DetectorEpoch], None] | None = None,
) -> None:
    """Train a learner until its last epoch.

    Args:
        learner: The network, after `done` epochs.
        dataset: The training scenes.
        config: How to train.
        done: Epochs that are behind it.
        on_epoch: Is called after every epoch.

    Raises:
        TrainingDiverged: If a loss or its gradient is not finite.
    """
    device = next(learner.network.parameters()).device
    targets = _targets(dataset.annotations)
    learner.network.train()
    for epoch in range(done + 1, config.epochs + 1):
        start, total = time.perf_counter(), 0.0
        orders = torch.randperm(len(dataset), generator=generator_for(config.seed, "order", epoch))
        for number, order in enumerate(batches := orders.split(config.batch_size)):
            indices = order.tolist()
            _set_rate(learner, config, (epoch - 1) * len(batches) + number, config.epochs * len(batches))
            loss = _step(
                learner,
                [dataset.image(index).to(device) for index in indices],
                [{name: value.to(device) for name, value in targets[index].items()} for index in indices],
            )
            if not math.isfinite(loss):
                raise TrainingDiverged(
                    f"the loss of step {number + 1} of epoch {epoch}, or its gradient, is not finite at a learning rate of "
                    f"{config.learning_rate}. Try a tenth of that rate."
                )
            total += loss * len(indices)
        if on_epoch is not None:
            on_epoch(DetectorEpoch(epoch, total / len(dataset), time.perf_counter() - start))


def _step(learner: DetectorLearner, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]]) -> float:
    """Take one step and return the loss before it; where loss or gradient are not finite, take none and return NaN."""
    loss = torch.stack(list(learner.network(images, targets).values())).sum()
    learner.optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(learner.network.parameters(), LARGEST_STEP)
    if not (loss.isfinite() and norm.isfinite()):
        return math.nan
    learner.optimizer.step()
    return loss.item()


def _set_rate(learner: DetectorLearner, config: DetectorConfig, step: int, steps: int) -> None:
    share = min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2
    for group in learner.optimizer.param_groups:
        group["lr"] = config.learning_rate * share


def _targets(annotations: Annotations) -> list[dict[str, Tensor]]:
    """Return boxes and labels of each image, as torchvision wants them; crowds are none, and teach nothing."""
    ids = [each.id for each in annotations.pictures]
    objects = annotations.objects.filter(~pl.col("crowd")).with_columns(
        right=pl.col("x") + pl.col("width"), bottom=pl.col("y") + pl.col("height")
    )
    by_image = {key: table for (key,), table in objects.group_by("image", maintain_order=True)}
    found = [by_image.get(image, objects.clear()) for image in ids]
    return [
        {
            "boxes": torch.from_numpy(
                table.select("x", "y", "right", "bottom").to_numpy(writable=True)
            ).float(),
            "labels": torch.from_numpy(table["category"].to_numpy(writable=True)),
        }
        for table in found
    ]
