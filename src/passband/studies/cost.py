"""What runs will cost on this machine, known before they start: a few real steps of each kind, and arithmetic."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import torch

from passband.data.dataset import ImageDataset
from passband.engine.plan import Job
from passband.models.catalog import build_model
from passband.probe.curve import Probe
from passband.train.config import RunConfig, model_arguments
from passband.train.epoch import EpochReport

TIMED = 50  # images of a timed step, at most
START = 8.0
"""Seconds until a run's process trains: importing torch and reading the data, measured on one busy core."""


def estimate(jobs: Iterable[Job], device: str = "auto") -> dict[str, float]:
    """Return the seconds that each job will take on this machine, by the run's id.

    For each kind of run, four epochs of one batch are really trained, on made-up images of the right size; the
    fastest counts, since the first one warms up. Then one probe is timed. A run that the store holds takes nothing.

    Args:
        jobs: From `plan`.
        device: Where they would train.
    """
    speeds: dict[tuple, tuple[float, float]] = {}
    seconds = {}
    for job in jobs:
        if job.done:
            seconds[job.run] = 0.0
            continue
        kind = (_kind(job.config), job.shape, job.classes)
        if kind not in speeds:
            speeds[kind] = _speeds(*kind, device)
        trained, answered = speeds[kind]
        training = job.config.epochs * job.images["train"] * trained
        answers = sum(job.images.values())  # of the finished network, to all whole images
        if job.probe is not None:
            answers += job.probe.count_answers(job.config.epochs, job.images)
        seconds[job.run] = START + training + answers * answered
    return seconds


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
        attack_steps=config.attack_steps,
        precision=config.precision,
        component=config.component and f"{config.component[:3]}:4",  # the radius matters little
        amplitude=config.amplitude,
    )


def _speeds(kind: RunConfig, shape: tuple[int, int, int], classes: int, device: str) -> tuple[float, float]:
    """Return the seconds that training on an image takes, and an answer to one."""
    from passband.train.loop import train  # imports Lightning Fabric, which takes seconds

    draw = torch.Generator().manual_seed(0)
    count = kind.batch_size
    data = ImageDataset(
        torch.randint(0, 256, (count, *shape), generator=draw, dtype=torch.uint8),
        torch.randint(0, classes, (count,), generator=draw),
        tuple(str(index) for index in range(classes)),
        "made-up",
        "train",
    )
    model = build_model(**model_arguments(kind, num_classes=classes, in_channels=shape[0]), seed=0)
    reports: list[EpochReport] = []
    train(model, data, kind, on_epoch=reports.append, device=device)
    probe = Probe(radii=(1, 2), subsets=("train",), samples=None)
    start = time.perf_counter()
    for _ in probe.measure(model, {"train": data}, 1, "made-up", 0):
        pass
    answered = time.perf_counter() - start
    fastest = min(report.seconds for report in reports)
    return fastest / count, answered / count / probe.conditions
