"""What runs and measurements will cost on this machine, known before they start: a few real steps of each kind, and arithmetic."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import torch

from passband.attacks import pgd
from passband.data.dataset import ImageDataset
from passband.engine.detection import PlannedDetection, PlannedDetector, detection_seconds
from passband.engine.plan import PlannedMeasurement, PlannedRun
from passband.engine.probe import Probe
from passband.environment import choose_device
from passband.models.catalog import build_model
from passband.models.pixels import as_pixel_model
from passband.train.config import RunConfig, model_arguments
from passband.train.epoch import EpochReport

TIMED = 50  # images of a timed step, at most
START = 8.0
"""Seconds until a process begins: importing torch and reading the data, measured on one busy core."""


def estimate_seconds(
    planned: Iterable[PlannedRun | PlannedMeasurement | PlannedDetector | PlannedDetection],
    device: str = "auto",
) -> dict[str, float]:
    """Return the seconds that each run and measurement will take here, by its id; what the store holds takes nothing.

    For each kind of run, four epochs of one batch are really trained, on made-up images of the right size; the
    fastest counts, since the first one warms up. Then one probe is timed. For each kind of network that is attacked, a
    few steps of PGD are timed in the same way. How much a measurement has to do follows from how many images withstand
    its attacks, which nobody knows before: see its `work` for what is assumed.

    Args:
        planned: From `passband.engine.plan`.
        device: Where they would compute.
    """
    trained: dict[tuple, tuple[float, float]] = {}
    detecting: dict[tuple, float] = {}
    attacked: dict[tuple, tuple[float, float]] = {}
    seconds = {}
    for one in planned:
        if isinstance(one, PlannedDetector | PlannedDetection):
            seconds[one.id] = 0.0 if one.done else START + detection_seconds(one, device, detecting)
            continue
        run = one if isinstance(one, PlannedRun) else one.run
        kind = (_kind(run.config), run.shape, run.classes)
        if one.done:
            seconds[one.id] = 0.0
        elif isinstance(one, PlannedRun):
            if kind not in trained:
                trained[kind] = _speeds(*kind, device)
            seconds[one.id] = START + _training_seconds(one, *trained[kind])
        else:
            untrained = replace(kind[0], adversarial=None, component=None)  # how it was trained is all one
            kind = (untrained, *kind[1:])
            work = one.measurement.cost(run.images[one.measurement.subset], run.shape[1:])
            if any(work) and kind not in attacked:
                attacked[kind] = _attack_speeds(*kind, device)
            gradient, answer = attacked[kind] if any(work) else (0.0, 0.0)
            seconds[one.id] = START + work.gradients * gradient + work.answers * answer
    return seconds


def _training_seconds(run: PlannedRun, trained: float, answered: float) -> float:
    return run.config.epochs * run.images["train"] * trained + run.answers * answered


def _kind(config: RunConfig) -> RunConfig:
    """Return a config without what makes no difference to the time of a step."""
    return replace(
        RunConfig("made-up"),
        epochs=4,
        batch_size=min(config.batch_size, TIMED),
        model=config.model,
        width=config.width,
        batch_norm=config.batch_norm,
        batch_statistics=config.batch_statistics,
        adversarial=config.adversarial,
        precision=config.precision,
        component=config.component,
        amplitude=config.amplitude,
    )


def _speeds(kind: RunConfig, shape: tuple[int, int, int], classes: int, device: str) -> tuple[float, float]:
    """Return the seconds that training on an image takes, and an answer to one."""
    from passband.train.loop import train  # imports Lightning Fabric, which takes seconds

    data = made_up(kind.batch_size, shape, classes)
    model = build_model(**model_arguments(kind, num_classes=classes, in_channels=shape[0]), seed=0)
    reports: list[EpochReport] = []
    train(model, data, kind, on_epoch=reports.append, device=device)
    probe = Probe(radii=(1, 2), subsets=("train",), samples=None)
    start = time.perf_counter()
    for _ in probe.measure(model, {"train": data}, 1, "made-up", 0, training_batch=kind.batch_size):
        pass
    answered = time.perf_counter() - start
    fastest = min(report.seconds for report in reports)
    return fastest / len(data), answered / len(data) / probe.conditions


def _attack_speeds(
    kind: RunConfig, shape: tuple[int, int, int], classes: int, device: str
) -> tuple[float, float]:
    """Return the seconds that a gradient with respect to an image takes, and an answer to one."""
    place = choose_device(device)
    data = made_up(TIMED, shape, classes)
    network = build_model(**model_arguments(kind, num_classes=classes, in_channels=shape[0]), seed=0)
    model = as_pixel_model(network).to(place).eval()
    images, labels = data.in_memory("training").to(place) / 255, data.labels.to(place)
    steps, taken = 2, {"gradient": [], "answer": []}
    for _ in range(4):  # the fastest counts, since the first one warms up
        start = time.perf_counter()
        pgd(model, images, labels, 0.03, steps=steps).sum().item()  # waits for the device
        taken["gradient"].append((time.perf_counter() - start) / steps)
        start = time.perf_counter()
        with torch.inference_mode():
            model(images).sum().item()
        taken["answer"].append(time.perf_counter() - start)
    return min(taken["gradient"]) / TIMED, min(taken["answer"]) / TIMED


def made_up(count: int, shape: tuple[int, int, int], classes: int) -> ImageDataset:
    """Return so many images of a shape (channels, height, width), drawn at random."""
    draw = torch.Generator().manual_seed(0)
    return ImageDataset(
        torch.randint(0, 256, (count, *shape), generator=draw, dtype=torch.uint8),
        torch.randint(0, classes, (count,), generator=draw),
        tuple(str(index) for index in range(classes)),
        "made-up",
        "train",
    )
