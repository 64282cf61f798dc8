"""What it takes until a command that computes nothing has answered: processor time, and the most memory held.

    OMP_NUM_THREADS=1 python benchmarks/startup.py            # this checkout
    OMP_NUM_THREADS=1 python benchmarks/startup.py ../other   # another one, to compare with

Each command is a process of its own; figures are medians over the rounds, after one that is not counted. Processor time and
memory are those that the system counted for that process (`os.wait4`), so a busy machine changes them little.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROUNDS = 7
COMMANDS = [
    "--help",
    "--version",
    "audit --help",
    "train --help",
    "study --help",
    "study list",
    "instruments",
    "audit resnet8 phantom --amplitude foo",
    "audit resnet8 phantom --require lfc>60%",
    "audit resnet8 phantom --attack pdg --epsilon 8/255",
    "study run label-shufle",
    "train phantom --optimizer adamm",
]


def measure(command: str, source: Path) -> tuple[float, float]:
    """Return seconds of processor time, and MiB of memory."""
    process = subprocess.Popen(
        [sys.executable, "-m", "passband", *command.split()],
        env=os.environ | {"PYTHONPATH": str(source)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    source = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve() / "src"
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "cyclopts"))
    print(f"Python {platform.python_version()}, {versions}, {platform.machine()}, medians of {ROUNDS}")
    print(f"{'passband ...':52} {'processor':>10} {'memory':>10}")
    for command in COMMANDS:
        measure(command, source)
        found = [measure(command, source) for _ in range(ROUNDS)]
        seconds, memory = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"{command:52} {seconds:8.2f} s {memory:6.0f} MiB")


if __name__ == "__main__":
    main()
