"""What an audit, a run and a cluster of runs will take: a model with two rates that are fitted, and arithmetic.

An audit shows a network each image whole and as its components. An answer costs the network's operations, and the values of the
component that is made for it. A step of training costs three times the operations of an answer, and something of its own.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from passband.instruments.instrument import Cost
from passband.studies.find import find_studies
from passband.studies.presets import PRESETS
from passband.train.config import RunConfig

FORWARD_AND_BACK = 3
"""Operations of a gradient, in those of an answer: forward once, and back with respect to inputs and to weights."""

Row = Mapping[str, float]


@dataclass(frozen=True)
class Model:
    """Seconds as a sum of what is counted, each times its rate.

    Attributes:
        counted: What is counted, by the names that `counts` gives.
        rates: Seconds each, none negative.
    """

    counted: tuple[str, ...]
    rates: tuple[float, ...]

    def seconds(self, row: Row) -> float:
        """Return what is predicted for one configuration."""
        found = counts(row)
        return sum(rate * found[name] for name, rate in zip(self.counted, self.rates, strict=True))


def counts(row: Row) -> dict[str, float]:
    """Return what an audit (a row with `answers`) or an epoch of training (with `steps`) has to do."""
    if "answers" in row:
        return {
            "operations": row["answers"] * row["flops"],
            "values": row["answers"] * row["values"],
            "once": 1.0,
        }
    return {"operations": FORWARD_AND_BACK * row["images"] * row["flops"], "steps": row["steps"], "once": 1.0}


def fit(rows: Sequence[Row]) -> Model:
    """Fit rates to measured seconds by least squares of relative errors, so that short ones count as much as long ones."""
    names = tuple(counts(rows[0]))
    table = np.array([[counts(row)[name] / row["seconds"] for name in names] for row in rows])
    scale = table.max(axis=0)  # or the solver would take what is counted in billions for all there is
    rates, _ = nnls(table / scale, np.ones(len(rows)))
    return Model(names, tuple(float(rate) for rate in rates / scale))


def exponent(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Return the slope of a straight line through logarithms by least squares, and its standard error."""
    from scipy.stats import linregress

    found = linregress(np.log(xs), np.log(ys))
    return float(found.slope), float(found.stderr)


@dataclass(frozen=True)
class Job:
    """A run or a measurement.

    Attributes:
        name: What it is.
        operations: Floating-point operations in all.
        needs: The name of the run that must be finished before; empty for a run.
    """

    name: str
    operations: float
    needs: str = ""


def paper(
    flops: Mapping[str, float], *, seeds: int = 1, images: tuple[int, int] = (50_000, 10_000)
) -> list[Job]:
    """Return the training runs of all studies in the preset `paper`, and their measurements, each once.

    Detectors are left out: they are published ones, and images of another size.

    Args:
        flops: Operations of an answer, by network.
        seeds: How often each run is made.
        images: Training and test images.
    """
    setting = PRESETS["paper"]("cifar10")
    count = {"train": images[0], "test": images[1]}
    jobs: dict[str, Job] = {}
    for study in find_studies(["all"]):
        measured = study.measurements(setting)
        for label, config in study.runs(setting).items():
            if not isinstance(config, RunConfig):
                continue
            run, answer = str(config.resolved().to_dict()), flops[config.model]
            trained = FORWARD_AND_BACK * config.epochs * images[0] * config.passes
            shown = setting.probe.count_answers(config.epochs, count) + sum(images)
            looks = {str(one.to_dict()): one for one in measured.get(label, ())}
            for seed in map(str, range(seeds)):
                jobs.setdefault(seed + run, Job(seed + run, (trained + shown) * answer))
                for name, one in looks.items():
                    cost: Cost = one.cost(count[one.subset], (32, 32))
                    work = (FORWARD_AND_BACK * cost.gradients + cost.answers) * answer
                    jobs.setdefault(seed + run + name, Job(seed + run + name, work, seed + run))
    return list(jobs.values())


def shares(jobs: Iterable[Job]) -> dict[str, float]:
    """Return the operations of runs and of measurements."""
    found = {"runs": 0.0, "measurements": 0.0}
    for job in jobs:
        found["measurements" if job.needs else "runs"] += job.operations
    return found


def makespan(jobs: Sequence[Job], workers: int, *, rate: float, start: float) -> float:
    """Return the seconds until the last job has ended, where a free worker takes the longest one that is ready.

    Args:
        jobs: Runs and measurements of them.
        workers: Jobs at a time, each alone on a device.
        rate: Operations a second of a device.
        start: Seconds until a process begins.
    """
    left = sorted(jobs, key=lambda job: -job.operations)
    ended: dict[str, float] = {}
    running: list[tuple[float, str]] = []
    now = 0.0
    while left or running:
        for job in [job for job in left if not job.needs or job.needs in ended][: workers - len(running)]:
            left.remove(job)
            heapq.heappush(running, (now + start + job.operations / rate, job.name))
        if not running:
            raise ValueError(f"{len(left)} jobs need others that are not there, such as {left[0].needs!r}")
        now, name = heapq.heappop(running)
        ended[name] = now
    return now
