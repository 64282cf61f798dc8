"""What `growth.py` measures: one audit, one epoch of training, one study or some pictures, in a process of its own.

    OMP_NUM_THREADS=1 python benchmarks/growing.py audit '{"images": 500, "side": 32, "radii": 2, "network": "resnet8"}'

It prints a line of JSON: seconds of processor time, and the most MiB of memory above what was held after the same on a few images.
"""

from __future__ import annotations

import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

import passband as pb
from passband.data.dataset import ImageDataset
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.plan import plan_runs

T = TypeVar("T")

CLASSES = 10
ENOUGH, MOST = 3.0, 5
"""What takes less than so many seconds is repeated, at most so many times, and the median counts."""


def audit(images: int, side: int, radii: int, network: str) -> dict[str, float]:
    """Audit a network as by default: components and the bounded ceiling."""
    model, chosen = pixel_model(network), spaced(radii, side)
    look = partial(pb.audit, model, radii=chosen, device="cpu")
    look(made_up(8, side))
    held = peak()
    data = made_up(images, side)
    seconds, most, found = timed(lambda: look(data))
    shown = images * (1 + 2 * len(chosen)) + (found.counterexamples.shown or 0)
    sizes = {"flops": flops(network, side), "answers": shown, "values": 3 * side**2}
    return {"seconds": seconds, "memory": most - held} | sizes


def train(images: int, side: int, batch: int, network: str) -> dict[str, float]:
    """Train a network for an epoch, without a probe."""
    config = pb.RunConfig("made-up", model=network, epochs=1, batch_size=batch, learning_rate=1e-4)

    def learn(dataset: ImageDataset, size: int) -> None:
        fresh = pb.build_model(network, num_classes=CLASSES, seed=0)
        pb.train(fresh, dataset, replace(config, batch_size=size), device="cpu")

    learn(made_up(20, side), min(batch, 10))
    held = peak()
    data = made_up(images, side)
    seconds, most, _ = timed(lambda: learn(data, batch))
    sizes = {"flops": flops(network, side), "steps": math.ceil(images / batch)}
    return {"seconds": seconds, "memory": most - held} | sizes


def study(runs: int, workers: int) -> dict[str, float]:
    """Train several networks side by side, each in a process with one thread: wall time, and processor time of them all."""
    with tempfile.TemporaryDirectory() as store:
        config = pb.RunConfig("fashion-mnist", model="resnet8", epochs=1, limit=4000, batch_size=100)
        planned = plan_runs(
            [(replace(config, seed=seed), None) for seed in range(runs)], Path(store), test_limit=100
        )
        before, start = children(), time.perf_counter()
        ended = execute(planned, engine=Local(workers), device="cpu")
        seconds, used = time.perf_counter() - start, children() - before
    if {one.status for one in ended.values()} != {"done"}:
        raise SystemExit(f"a run failed: {[one.message for one in ended.values()]}")
    return {"seconds": used, "wall": seconds, "memory": peak(resource.RUSAGE_CHILDREN)}


def read(images: int) -> dict[str, float]:
    """Read JPEG pictures of 500x375 pixels to squares of 224."""
    from decoding import made_up as write_pictures

    with tempfile.TemporaryDirectory() as place:
        source = f"folder:{write_pictures(Path(place) / 'pictures', images)}"
        pb.load_dataset(source, size=224, limit=9)
        held = peak()
        seconds, most, _ = timed(lambda: pb.load_dataset(source, size=224))
        return {"seconds": seconds, "memory": most - held}


MEASURED: dict[str, Callable[..., dict[str, float]]] = {
    "audit": audit,
    "train": train,
    "study": study,
    "read": read,
}


def spaced(count: int, side: int) -> list[float]:
    """Return radii up to the Nyquist frequency, equally far from one another."""
    return sorted({float(max(1, round(side / 2 * (k + 1) / count))) for k in range(count)})


def flops(network: str, side: int) -> float:
    """Return the floating-point operations of one answer, a multiplication and an addition counted as two."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        pixel_model(network)(torch.rand(1, 3, side, side))
    return counter.get_total_flops()


def pixel_model(network: str) -> pb.PixelModel:
    """Return an untrained network."""
    return pb.PixelModel(
        pb.build_model(network, num_classes=CLASSES, seed=0), name=network, channels=3
    ).eval()


def made_up(images: int, side: int) -> ImageDataset:
    """Return images of noise."""
    draw = torch.Generator().manual_seed(0)
    return ImageDataset(
        torch.randint(0, 256, (images, 3, side, side), generator=draw, dtype=torch.uint8),
        torch.randint(0, CLASSES, (images,), generator=draw),
        tuple(map(str, range(CLASSES))),
        "made-up",
        "train",
    )


def timed(work: Callable[[], T]) -> tuple[float, float, T]:
    """Return the median of the seconds of processor time that some work takes, the most memory once, and what it returns."""
    taken: list[float] = []
    most = 0.0
    while True:
        start = time.process_time()
        found = work()
        taken.append(time.process_time() - start)
        most = most or peak()  # what was freed may lie elsewhere when the same is done again
        if sum(taken) >= ENOUGH or len(taken) == MOST:
            return statistics.median(taken), most, found


def peak(whose: int = resource.RUSAGE_SELF) -> float:
    """Return the most MiB that this process has held, or any that it has waited for."""
    return resource.getrusage(whose).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def children() -> float:
    """Return the processor time of processes that this one has waited for."""
    used = os.times()
    return used.children_user + used.children_system


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(MEASURED[sys.argv[1]](**json.loads(sys.argv[2]))))
