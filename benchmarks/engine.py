"""What engines cost: two workers beside one, a Ray cluster beside processes of this computer, and a store that holds everything.

    OMP_NUM_THREADS=1 python benchmarks/engine.py                           # 8 runs, and 10,000 that are found
    OMP_NUM_THREADS=1 python benchmarks/engine.py --epochs 1 --limit 500 --rounds 1 --planned 100      # to try it

A machine should do nothing else meanwhile: two workers are compared with one, which wants two quiet cores. The runs are equal but for
their seeds, on the built-in data. In the store, runs share the files of one run, by links, but each has its own description and
checksums, so that as many bytes are looked at as if each had its own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from bench import HEAD, Line, conditions

from passband.engine.engine import Engine
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.plan import PlannedRun, plan_runs
from passband.files import SEAL, read_json, seal, write_json
from passband.results.store import CONFIG
from passband.train.config import RunConfig

RUNS = 8
PARTS = ("workers", "ray", "store")


def planned(store: Path, count: int, *, epochs: int, limit: int | None) -> list[PlannedRun]:
    """Return runs that differ by their seeds."""
    config = RunConfig("fashion-mnist", epochs=epochs, limit=limit, learning_rate=1e-3)
    return plan_runs([(replace(config, seed=seed), None) for seed in range(count)], store)


def done(engine: Callable[[], AbstractContextManager[Engine]], epochs: int, limit: int | None) -> None:
    """Do the runs in a store of their own."""
    with tempfile.TemporaryDirectory() as store, engine() as opened:
        ended = execute(planned(Path(store), RUNS, epochs=epochs, limit=limit), engine=opened, device="cpu")
        assert {one.status for one in ended.values()} == {"done"}


def in_turns(*ways: Callable[[], object], rounds: int) -> Iterator[tuple[float, ...]]:
    """Yield, way by way, the seconds that each took in each round. Each starts processes of its own: there is nothing to warm up."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, seconds in zip(ways, taken, strict=True):
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
    return (tuple(seconds) for seconds in taken)


def workers(epochs: int, limit: int | None, rounds: int) -> Iterator[Line]:
    """Yield a line of two workers beside one."""
    one, two = in_turns(
        lambda: done(lambda: Local(1), epochs, limit),
        lambda: done(lambda: Local(2), epochs, limit),
        rounds=rounds,
    )
    yield Line(
        f"{RUNS} equal runs, two workers ({rounds} rounds)",
        "one worker",
        "runs/min",
        tuple(60 * RUNS / seconds for seconds in one),
        tuple(60 * RUNS / seconds for seconds in two),
        ">= 1.8",
    )


def ray(epochs: int, limit: int | None, rounds: int) -> Iterator[Line]:
    """Yield lines of a Ray cluster that is this computer alone beside its own processes."""
    from passband.engine.cluster import Cluster

    here, there = in_turns(
        lambda: done(lambda: Local(2), epochs, limit),
        lambda: done(lambda: Cluster(at_once=2), epochs, limit),
        rounds=rounds,
    )
    yield Line(
        f"{RUNS} equal runs, a cluster started for them ({rounds} rounds)",
        "two local workers",
        "s",
        here,
        there,
    )
    with Cluster(at_once=2) as cluster:
        here, there = in_turns(
            lambda: done(lambda: Local(2), epochs, limit),
            lambda: done(lambda: nullcontext(cluster), epochs, limit),
            rounds=rounds,
        )
    yield Line(
        f"{RUNS} equal runs, a cluster that stands ({rounds} rounds)", "two local workers", "s", here, there
    )


def store(count: int) -> Iterator[Line]:
    """Yield lines of what it takes to find all runs in a store, beside the reading of their bytes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (model,) = planned(place, 1, epochs=1, limit=200)
        model.do(device="cpu", threads=1)
        everything = planned(place, count, epochs=1, limit=200)
        for one in everything[1:]:
            _copy(model.folder, one.folder, one.id)
        files = [path for one in everything for path in one.folder.iterdir()]
        size = sum(path.stat().st_size for path in files) / 2**20
        plans, finds = [], []
        for _ in range(3):
            start = time.perf_counter()
            again = planned(place, count, epochs=1, limit=200)
            plans.append(time.perf_counter() - start)
            start = time.perf_counter()
            ended = execute(again, engine=Local(2))
            finds.append(time.perf_counter() - start)
            assert {one.status for one in ended.values()} == {"found"}
        reads = [_read(files) for _ in finds]
        yield Line(
            f"{count:,} planned runs, which the store holds ({size:,.0f} MiB, 3 rounds)",
            "reading their files",
            "s",
            tuple(reads),
            tuple(map(sum, zip(plans, finds, strict=True))),
            "<= 10 s" if count == 10_000 else "",
        )
        yield Line("to find them, of that", "to plan them", "s", tuple(plans), tuple(finds))


def _copy(made: Path, folder: Path, run: str) -> None:
    folder.mkdir()
    for path in made.iterdir():
        if path.name not in (CONFIG, SEAL):
            os.link(path, folder / path.name)
    write_json(folder / CONFIG, read_json(made / CONFIG) | {"run": run})
    seal(folder)


def _read(files: list[Path]) -> float:
    start = time.perf_counter()
    for path in files:
        path.read_bytes()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, help="training images of a run; by default all 10,000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--planned", type=int, default=10_000)
    asked = parser.parse_args()
    print(f"{conditions()}\n\n{HEAD}", flush=True)
    lines = {
        "workers": lambda: workers(asked.epochs, asked.limit, asked.rounds),
        "ray": lambda: ray(asked.epochs, asked.limit, asked.rounds),
        "store": lambda: store(asked.planned),
    }
    for part in asked.parts:
        for line in lines[part]():
            print(line, flush=True)


if __name__ == "__main__":
    main()
