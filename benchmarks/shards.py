"""What it costs to audit many images by one process and by several, killed once and not, and whether they find the same.

    OMP_NUM_THREADS=1 python benchmarks/shards.py parquet:PATH/imagenette-224 --images 20000 --size 64
    OMP_NUM_THREADS=1 python benchmarks/shards.py folder:PATH --images 400 --workers 2 --place /tmp/shards

The images are made of those of SOURCE: crops of a random part, flipped at random, resized and saved as JPEG files in a folder for each
class, so that they are decoded whenever they are looked at (`--memory-limit 0`). A small network is trained on the first of them, and
audited by `passband audit` at two radii and with FGSM at 8/255, without its checks, which look at 100 images however many there are: by
one process, by several, and with `--ray` by a Ray cluster of two nodes that is started on this computer, with a processor each. Each
audit is made whole, then once more into another folder, where all its processes are killed (SIGKILL; of the cluster the command, whose
tasks end with it) after half of the time, and the same command is given again.

Printed are wall times, speed-up, and of each process the most memory in the middle and in the last third of its time (what it alone
has, and its part of what it shares: Pss): flat, if it does not grow. All tables must equal those of the first audit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

import passband as pb

TABLES = ("rows", "samples", "attacks", "counterexamples")
TRAINING = "--limit 4000 --epochs 4 --width 16 --batch-norm --learning-rate 0.01"
LOOK_EVERY = 0.5
FIRST = "whole-1-process"
"""The folder of the audit that all others must equal."""

SHORT = 20
"""Looks at a process, at least, before its memory says anything."""


def make_images(source: str, place: Path, count: int, size: int) -> None:
    """Write so many JPEG files, made of the images of a data set."""
    data, draw = pb.load_dataset(source, "test", size=3 * size // 2), np.random.default_rng(0)
    for number in range(count):
        index = number % len(data)
        pixels = Image.fromarray(data.images[index].permute(1, 2, 0).numpy().squeeze())
        side = int(draw.integers(size, pixels.width + 1))
        left, top = (int(draw.integers(0, pixels.width - side + 1)) for _ in range(2))
        made = pixels.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
        if draw.random() < 0.5:
            made = made.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        folder = place / data.classes[int(data.labels[index])].replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        made.save(folder / f"{number:06}.jpg", quality=90)


def audit_command(place: Path, out: str, engine: Sequence[str | int], decoding: int) -> list[str]:
    """Return the command of an audit; `engine` are its options that say where it is done."""
    line = [
        "audit",
        place / "run",
        f"folder:{place / 'data'}",
        "--memory-limit",
        0,
        "--num-workers",
        decoding,
    ]
    line += [
        "--radii",
        8,
        16,
        "--attack",
        "fgsm",
        "--epsilon",
        "8/255",
        "--no-sanity",
        "--no-report",
        "--device",
        "cpu",
    ]
    line += ["--out", place / out, *engine, "--overwrite"]
    return [sys.executable, "-m", "passband", *map(str, line)]


class Watched:
    """A command and all processes that it starts: how long they take, and how much memory each has along the way."""

    def __init__(self, command: Sequence[str]) -> None:
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        self.memory: dict[int, list[float]] = defaultdict(list)

    def wait(self, seconds: float | None = None) -> float:
        """Wait for its end, or kill all of them after so many seconds; return the time it took."""
        while self.process.poll() is None:
            if seconds is not None and time.perf_counter() - self.begun > seconds:
                os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own: no other process is in it
                break
            for pid in processes_of(self.process.pid):
                self.memory[pid].append(memory_of(pid))
            time.sleep(LOOK_EVERY)
        taken = time.perf_counter() - self.begun
        _, said = self.process.communicate()
        if seconds is None and self.process.returncode:
            raise SystemExit(f"an audit failed: {said.decode()}")
        return taken

    def growth(self) -> list[tuple[float, float]]:
        """Return of each process that ran for long the most memory in the middle and in the last third of its time, in MiB."""
        found = []
        for looks in self.memory.values():
            third = len(looks) // 3
            if len(looks) >= SHORT:
                found.append((max(looks[third : 2 * third]), max(looks[2 * third :])))
        return sorted(found, reverse=True)


def processes_of(session: int) -> list[int]:
    """Return the processes of a session, and the workers of a Ray cluster, which are in none of ours."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                title = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if int(fields[3]) == session or title.startswith(b"ray::"):
                found.append(int(entry.name))
    return found


def memory_of(pid: int) -> float:
    """Return the proportional set size of a process in MiB; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:"))


def different(place: Path, first: str, second: str) -> list[str]:
    """Return the tables in which two audits differ."""
    return [
        name
        for name in TABLES
        if not pl.read_parquet(place / first / f"{name}.parquet").equals(
            pl.read_parquet(place / second / f"{name}.parquet")
        )
    ]


def measure(place: Path, name: str, engine: Sequence[str | int], decoding: int) -> float:
    """Audit somewhere, whole and killed once; print what was measured and return the time of the whole one."""
    folder = name.replace(" ", "-")
    whole = Watched(audit_command(place, f"whole-{folder}", engine, decoding))
    taken = whole.wait()
    print(f"{name}: {taken:.1f} s")
    for middle, last in whole.growth():
        print(f"  most memory of a process: {middle:.0f} MiB in the middle, {last:.0f} MiB in the last third")
    command = audit_command(place, f"killed-{folder}", engine, decoding)
    before = Watched(command).wait(taken / 2)
    after = Watched(command).wait()
    print(f"{name}, killed after {before:.1f} s: {after:.1f} s more, {before + after - taken:+.1f} s in all")
    for out in (f"whole-{folder}", f"killed-{folder}"):
        differing = different(place, FIRST, out)
        print(f"  {out}: {'equal to the last bit' if not differing else f'DIFFERS in {differing}'}")
    left = [path.name for path in place.iterdir() if path.name.startswith(".")]
    print(f"  left behind: {', '.join(left) or 'nothing'}")
    return taken


@contextmanager
def two_nodes() -> Iterator[str]:
    """Start a Ray cluster of two nodes on this computer, and yield its address."""
    from passband.engine.nodes import ALONE

    os.environ.update(ALONE)  # before the library is imported: it keeps to this computer
    from ray.cluster_utils import Cluster as Nodes

    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 100 * 2**20}
    nodes = Nodes(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        nodes.add_node(**node)
        yield nodes.address
    finally:
        nodes.shutdown()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="data, as passband audit takes it")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--decoding", type=int, default=1, help="processes that decode, of all together")
    parser.add_argument("--ray", action="store_true", help="also by a Ray cluster of two nodes")
    parser.add_argument("--place", type=Path, help="folder for all of it; by default a temporary one")
    asked = parser.parse_args()
    place = asked.place or Path(tempfile.mkdtemp(prefix="passband-shards-"))
    try:
        if not (place / "data").is_dir():
            make_images(asked.source, place / "data", asked.images, asked.size)
        if not (place / "run").is_dir():
            line = ["train", f"folder:{place / 'data'}", *TRAINING.split(), "--out", str(place / "run")]
            subprocess.run([sys.executable, "-m", "passband", *line], check=True, capture_output=True)
        print(f"{asked.images:,} images of {asked.size} pixels")
        one = measure(place, "1 process", ["--workers", 1], asked.decoding)
        several = measure(place, f"{asked.workers} workers", ["--workers", asked.workers], asked.decoding)
        print(f"{asked.workers} workers are {one / several:.2f} times as fast as one process")
        if asked.ray:
            with two_nodes() as address:
                cluster = measure(
                    place, "2 nodes of Ray", ["--engine", "ray", "--address", address], asked.decoding
                )
            print(f"2 nodes of Ray are {one / cluster:.2f} times as fast as one process")
    finally:
        if asked.place is None:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
