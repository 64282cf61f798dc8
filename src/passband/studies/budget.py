"""What studies will cost together, before anything is trained: runs, what they share, time, memory, and hours of a GPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from passband.engine.cost import estimate_seconds
from passband.engine.engine import Engine
from passband.engine.flops import H100, Gpu, count_work
from passband.engine.peak import measure_peak
from passband.engine.plan import PlannedRun
from passband.studies.plan import PlannedStudy


@dataclass(frozen=True)
class Share:
    """What one study has of all that is planned.

    Attributes:
        study: Its name.
        runs: How many runs it has, once a seed.
        shared: How many of these another study has too.
        measurements: How many measurements of finished runs.
        seconds: What it would take alone, one thing after the other.
    """

    study: str
    runs: int
    shared: int
    measurements: int
    seconds: float


@dataclass(frozen=True)
class Budget:
    """What studies will cost together.

    Attributes:
        shares: Study by study.
        runs: How many runs there are in all, each counted once.
        measurements: Likewise.
        held: How many of both the store holds.
        seconds: What is left would take here, one thing after the other.
        wall: And with the workers at hand.
        memory: What one process takes at most, in bytes; None where nothing is left to train, or this system does not tell.
        flops: Floating-point operations of what is left, detectors aside.
        gpu: The GPU that `gpu_seconds` are of.
        gpu_seconds: What it would take for them, detectors aside.
    """

    shares: tuple[Share, ...]
    runs: int
    measurements: int
    held: int
    seconds: float
    wall: float
    memory: int | None
    flops: float
    gpu: Gpu
    gpu_seconds: float


def plan_budget(
    planned: Sequence[PlannedStudy],
    *,
    engine: Engine,
    device: str = "auto",
    threads: int = 1,
    gpu: Gpu = H100,
) -> Budget:
    """Return what studies will cost: seconds from a few real steps, memory from one real process, GPU hours from counted arithmetic.

    Args:
        planned: The studies.
        engine: Where they will be done, in one process of which the largest network is trained for a step.
        device: Where they will compute.
        threads: Threads of each process.
        gpu: The GPU that hours are given of.
    """
    everything = {one.id: one for study in planned for one in study.everything}
    seconds = estimate_seconds(everything.values(), device)
    left = [one for one in everything.values() if seconds[one.id]]  # what the store holds takes none
    work = count_work(left)
    runs = {run.id for study in planned for _, run in study.runs}
    users = Counter(id for study in planned for id in {run.id for _, run in study.runs})
    total = sum(seconds.values())
    longest = max(seconds.values(), default=0.0)
    trained = [one for one in left if isinstance(one, PlannedRun)]
    # The more arithmetic a step is, the more of it is remembered until it goes back.
    largest = max(trained, key=lambda one: work[one.id].flops / work[one.id].steps, default=None)
    peak = None if largest is None else engine.call(measure_peak, largest, device=device, threads=threads)
    return Budget(
        shares=tuple(_share(study, seconds, users) for study in planned),
        runs=len(runs),
        measurements=len(everything) - len(runs),
        held=len(everything) - len(left),
        seconds=total,
        wall=max(longest, total / engine.at_once),
        memory=peak,
        flops=sum(each.flops for each in work.values()),
        gpu=gpu,
        gpu_seconds=sum(gpu.seconds(each.flops, each.steps) for each in work.values()),
    )


def _share(study: PlannedStudy, seconds: Mapping[str, float], users: Mapping[str, int]) -> Share:
    runs, measured = ({one.id for _, one in some} for some in (study.runs, study.measurements))
    return Share(
        study.study.name,
        runs=len(runs),
        shared=sum(users[id] > 1 for id in runs),
        measurements=len(measured),
        seconds=sum(seconds[id] for id in runs | measured),
    )
