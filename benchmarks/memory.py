"""The most memory that the public commands take on data of CIFAR-10's size, beside torch itself.

    OMP_NUM_THREADS=1 python benchmarks/memory.py

Torch itself is a process that imports it and convolves once. A command is a process of its own, on 50,000 training and 10,000
test images of 32x32x3 bytes, drawn at random: a whole epoch with a probe at its end, then the audit of that network as it
is by default, page and figures included. Memory is what the system counted (`os.wait4`), libraries included; one round.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench import Line, main
from startup import used

TRAINING, TEST = 50_000, 10_000
TORCH = "import torch; torch.conv2d(torch.rand(100, 3, 32, 32), torch.rand(16, 3, 3, 3))"
TARGET = "<= 1,229 above torch"


def write_data(path: Path) -> None:
    """Write images and labels at random, as many as CIFAR-10 has."""
    draw = np.random.default_rng(0)
    arrays = {}
    for subset, count in (("train", TRAINING), ("test", TEST)):
        arrays[f"x_{subset}"] = draw.integers(0, 256, (count, 32, 32, 3), np.uint8)
        arrays[f"y_{subset}"] = draw.integers(0, 10, count)
    np.savez(path, **arrays)


def lines() -> Iterator[Line]:
    """Yield a line a command."""
    _, alone = used("-c", TORCH)
    with tempfile.TemporaryDirectory() as place:
        data, run = Path(place) / "data.npz", Path(place) / "run"
        write_data(data)
        for what, command, written in (
            (
                f"`passband train`, {TRAINING:,} images of 32 x 32 x 3, resnet8, with a probe",
                ["train", f"npz:{data}", "--epochs", "1", "--probe-radii", "8", "--out", run],
                run / "rows.parquet",
            ),
            (
                f"`passband audit` of it, {TEST:,} images",
                ["audit", run, f"npz:{data}", "--out", Path(place) / "audit"],
                Path(place) / "audit" / "report.html",
            ),
        ):
            _, taken = used("-m", "passband", *map(str, command))
            if not written.is_file():
                raise SystemExit(f"what failed took little memory: passband {' '.join(map(str, command))}")
            yield Line(
                f"most memory of {what}, one round",
                "torch and a convolution",
                "MiB",
                (alone,),
                (taken,),
                TARGET,
            )


if __name__ == "__main__":
    main(lines())
