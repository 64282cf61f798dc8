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
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bench import Line

ROUNDS = 7
HERE = Path(__file__).parents[1]
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
OF_THE_TABLE = COMMANDS[0], COMMANDS[5], COMMANDS[7]


def used(*arguments: str, checkout: Path = HERE) -> tuple[float, float]:
    """Return the seconds of processor time, and the MiB of memory, that Python takes with these arguments."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(checkout.resolve() / "src")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, resources = os.wait4(process.pid, 0)
    return resources.ru_utime + resources.ru_stime, resources.ru_maxrss / 1024


def lines() -> Iterator[Line]:
    """Yield a line for some of the commands, beside what Python takes to begin and end."""
    for command in OF_THE_TABLE:
        seconds = []
        for _ in range(ROUNDS + 1):
            seconds.append((used("-c", "pass")[0], used("-m", "passband", *command.split())[0]))
        python, ours = zip(*seconds[1:], strict=True)
        yield Line(f"`passband {command}`", "Python alone", "s of processor", python, ours)


def main() -> None:
    """Print what each command takes."""
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "cyclopts"))
    print(f"Python {platform.python_version()}, {versions}, {platform.machine()}, medians of {ROUNDS}")
    print(f"{'passband ...':52} {'processor':>10} {'memory':>10}")
    for command in COMMANDS:
        arguments = "-m", "passband", *command.split()
        used(*arguments, checkout=checkout)
        found = [used(*arguments, checkout=checkout) for _ in range(ROUNDS)]
        seconds, memory = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"{command:52} {seconds:8.2f} s {memory:6.0f} MiB")


if __name__ == "__main__":
    main()
