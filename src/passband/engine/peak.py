"""How much memory a run takes: measured in a process that holds its data and takes a real step of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from passband.engine.cost import made_up
from passband.engine.plan import PlannedRun
from passband.engine.run import load_datasets
from passband.environment import limited_threads
from passband.models.catalog import build_model
from passband.train.config import model_arguments


def measure_peak(run: PlannedRun, *, device: str, threads: int) -> int | None:
    """Return the most memory of the computer, in bytes, that this process has held once it has read the data of a run, taken a
    step of training, and been probed; None where the system does not tell.

    It is meant for a process of its own: what that held before counts too.
    """
    from passband.train.loop import train  # imports Lightning Fabric, which takes seconds

    with limited_threads(threads):
        datasets = load_datasets(run.config, run.test_limit)
        config = replace(run.config, epochs=1, shuffle_labels=False)
        batch = made_up(config.batch_size, run.shape, run.classes)
        model = build_model(
            **model_arguments(config, num_classes=run.classes, in_channels=run.shape[0]), seed=0
        )
        train(model, batch, config, device=device)
        if run.probe is not None:
            few = replace(run.probe, subsets=("train",), samples=min(50, len(batch)), along=None)
            for _ in few.measure(model, {"train": batch}, 1, "made-up", 0, training_batch=config.batch_size):
                pass
        del datasets
    return _peak()


def _peak() -> int | None:
    # Of Linux's two numbers `ru_maxrss` begins with what the process held that started this one.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
