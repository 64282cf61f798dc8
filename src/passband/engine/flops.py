"""How much arithmetic runs and measurements are, and how long a GPU would take: counted by torch, not timed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from passband.engine.plan import PlannedMeasurement, PlannedRun
from passband.engine.planned import Planned
from passband.models.catalog import build_model
from passband.train.config import RunConfig, model_arguments

COUNTED = 2  # images of a step that is counted; BatchNorm needs more than one


@dataclass(frozen=True)
class Flops:
    """Floating-point operations for one image: of convolutions, products of matrices and attention, which is where the time is.

    Attributes:
        answer: Forward.
        step: Forward, and back to the weights.
        gradient: Forward, and back to the image.
    """

    answer: float
    step: float
    gradient: float


@dataclass(frozen=True)
class Gpu:
    """How fast a GPU trained, measured once; `benchmarks/results/gpu.md` has the conditions.

    Attributes:
        name: The GPU.
        network: The network, on images of 3x32x32 pixels.
        images_per_second: Training images a second, in batches of 100, compiled.
        seconds_a_step: How long a step takes at least: what a small network takes.
    """

    name: str
    network: str
    images_per_second: float
    seconds_a_step: float

    def seconds(self, flops: float, steps: float) -> float:
        """Return how long so much arithmetic in so many steps would take."""
        known = count_network(RunConfig("made-up", model=self.network), (3, 32, 32), 10)
        return max(flops / (self.images_per_second * known.step), steps * self.seconds_a_step)


H100 = Gpu("NVIDIA H100", "resnet18", images_per_second=28_306, seconds_a_step=2.8e-3)


@dataclass(frozen=True)
class Work:
    """What a run or a measurement is.

    Attributes:
        flops: Floating-point operations.
        steps: How often a batch is sent through the network.
    """

    flops: float
    steps: float


def count_work(planned: Iterable[Planned]) -> dict[str, Work]:
    """Return what each run and measurement of a classifier is, by its id.

    Each kind of network is built, and sent one batch of made-up images forward and back. Splits and what is not counted
    (activations, normalization, optimizers) come on top. A detector is left out.
    """
    known: dict[tuple, Flops] = {}
    found = {}
    for one in planned:
        if not isinstance(one, PlannedRun | PlannedMeasurement):  # of a detector
            continue
        run = one if isinstance(one, PlannedRun) else one.run
        config = run.config
        kind = (config.model, config.width, config.batch_norm, run.shape, run.classes)
        if kind not in known:
            known[kind] = count_network(config, run.shape, run.classes)
        found[one.id] = _work(one, run, known[kind])
    return found


def count_network(config: RunConfig, shape: tuple[int, int, int], classes: int) -> Flops:
    """Return what a network asks for, of images of a shape (channels, height, width)."""
    network = build_model(**model_arguments(config, num_classes=classes, in_channels=shape[0]), seed=0)
    images = torch.rand(COUNTED, *shape, generator=torch.Generator().manual_seed(0))
    answer = _count(network, images)
    step = _count(network, images, back=True)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    gradient = _count(network, images.requires_grad_(), back=True)
    return Flops(answer / COUNTED, step / COUNTED, gradient / COUNTED)


def _count(network: nn.Module, images: Tensor, *, back: bool = False) -> int:
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(back):
        logits = network(images)
        if back:
            logits.sum().backward()
    return counter.get_total_flops()


def _work(one: Planned, run: PlannedRun, flops: Flops) -> Work:
    batch = run.config.batch_size
    if isinstance(one, PlannedMeasurement):
        cost = one.measurement.cost(run.images[one.measurement.subset], run.shape[1:])
        return Work(
            cost.gradients * flops.gradient + cost.answers * flops.answer,
            (cost.gradients + cost.answers) / batch,
        )
    images = run.config.epochs * run.images["train"]
    attacked = run.config.passes - 1  # gradients with respect to each image, before the step
    return Work(
        images * (flops.step + attacked * flops.gradient) + run.answers * flops.answer,
        run.config.epochs * math.ceil(run.images["train"] / batch) * run.config.passes + run.answers / batch,
    )
