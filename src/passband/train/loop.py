"""The training loop: all images on the device, one permutation an epoch, no machinery in between."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from passband.data.dataset import ImageDataset, check_dataset
from passband.data.labels import shuffle_labels
from passband.memory import kept
from passband.randomness import derive_seed, generator_for
from passband.train.compiled import as_written
from passband.train.config import RunConfig, check_data
from passband.train.epoch import EpochReport, TrainingDiverged
from passband.train.examples import draw_epoch, make_examples
from passband.train.learner import Learner, start_fabric
from passband.train.schedules import share_of_rate


def train(
    model: nn.Module,
    dataset: ImageDataset,
    config: RunConfig,
    *,
    on_epoch: Callable[[EpochReport], None] | None = None,
    device: str = "auto",
) -> nn.Module:
    """Train a network on a data set, in place.

    The same network, data and config give the same weights bit for bit on the same CPU with the same number of
    threads. Torch's global random numbers are left as they were (except on MPS, where torch cannot restore them).

    Args:
        model: Takes [0, 1] pixels and returns one logit a class.
        dataset: The training images. All of them are moved to the device, as bytes.
        config: All settings but those of the data and of the network, which are given.
        on_epoch: Is called after every epoch.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.

    Returns:
        The same network, on the device, in evaluation mode.

    Raises:
        InputError: If config, model and data do not fit together, or if there is no such device.
        TrainingDiverged: If the loss of an epoch is not finite.

    Source:
        Wang et al. 2020, section 4.2.
    """
    check_dataset(dataset)
    dataset.in_memory("training")
    check_data(config, samples=len(dataset), size=dataset.size)
    learner = Learner(start_fabric(device, precision=config.precision), model, config, dataset)
    fit(learner, labelled(dataset, config), config, on_epoch=on_epoch)
    return model.eval()


def labelled(dataset: ImageDataset, config: RunConfig) -> ImageDataset:
    """Return the training images with the labels that the run trains on: their own, or shuffled ones."""
    if not config.shuffle_labels:
        return dataset
    return shuffle_labels(dataset, generator_for(config.seed, "labels"))


def fit(
    learner: Learner,
    dataset: ImageDataset,
    config: RunConfig,
    *,
    done: int = 0,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> None:
    """Train a learner until its last epoch.

    Several processes share each batch, and take the step that one would have taken on all of it. What each draws for
    itself (dropout, an attack's start) differs, and so does BatchNorm, which sees each share on its own.

    Args:
        learner: The network, after `done` epochs.
        dataset: The training images, labelled as they are to be learned.
        config: How to train.
        done: Epochs that are behind it.
        on_epoch: Is called after every epoch, in every process.

    Raises:
        TrainingDiverged: If the loss of an epoch is not finite.
    """
    device = learner.fabric.device
    images, labels = dataset.in_memory("training").to(device), dataset.labels.to(device)
    with kept(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for epoch in range(done + 1, config.epochs + 1):
            start = time.perf_counter()
            sums = _train_epoch(learner, images, labels, len(dataset.classes), config, epoch)
            loss_sum, right = sums.tolist()  # waits for the device, so the clock is right
            seconds = time.perf_counter() - start
            loss, accuracy = loss_sum / len(labels), right / len(labels)
            if not math.isfinite(loss):
                raise TrainingDiverged(
                    f"the loss of epoch {epoch} is {loss} with {config.optimizer} at a learning rate of "
                    f"{config.rate}. Try a tenth of that rate, or BatchNorm."
                )
            if on_epoch is not None:
                on_epoch(EpochReport(epoch, loss, accuracy, seconds, len(labels) / seconds))


def _train_epoch(
    learner: Learner, images: Tensor, labels: Tensor, classes: int, config: RunConfig, epoch: int
) -> Tensor:
    """Take one pass over the images, and return the sums of loss and of right predictions."""
    fabric, rank, processes = learner.fabric, learner.fabric.global_rank, learner.fabric.world_size
    draws = generator_for(config.seed, "order", epoch)  # the same in every process
    starts = generator_for(config.seed, "attack", epoch, rank, device=fabric.device)
    torch.manual_seed(derive_seed(config.seed, "dropout", epoch, rank))  # it draws from nowhere else
    learner.model.train()
    sums = torch.zeros(2, device=fabric.device)
    steps = math.ceil(len(labels) / config.batch_size)
    for step, drawn in enumerate(
        draw_epoch(len(labels), config, draws, fabric.device), start=(epoch - 1) * steps
    ):
        order = drawn.order
        pixels, targets = make_examples(images[order], labels[order], classes, config, drawn)
        pixels, targets = pixels[rank::processes], targets[rank::processes]  # this process's share
        pixels = pixels.contiguous(memory_format=learner.placement.layout)
        with as_written(learner.placement.compiled and len(order) < config.batch_size):
            if config.adversarial is not None:
                with fabric.autocast():
                    pixels = config.adversarial.run(learner.body, pixels, targets.argmax(1), starts)
            logits = learner.model(pixels)
        loss = F.cross_entropy(logits, targets, reduction="sum")
        learner.set_rate(config.rate * share_of_rate(config.schedule, step, config.epochs * steps))
        learner.optimizer.zero_grad()
        fabric.backward(loss * (processes / len(order)))  # gradients are averaged over the processes
        learner.optimizer.step()
        right = targets.gather(1, logits.argmax(1, keepdim=True)).sum()
        sums += torch.stack([loss.detach(), right])
    return cast(Tensor, fabric.all_reduce(sums, reduce_op="sum"))
