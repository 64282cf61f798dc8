"""All comparisons in one table, which `make bench` writes to `benchmarks/results/cpu.md`.

    OMP_NUM_THREADS=1 python benchmarks/all.py [--out FILE] [MODULE ...]

A machine should do nothing else meanwhile. Without modules all of them run; a table that is cut off is not written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import HEAD, conditions

MODULES = ("splits", "audit", "training", "probe", "ceiling", "attacks", "table2", "decoding", "memory")

INTRODUCTION = """# How fast passband is, beside other ways to do the same

`make bench` writes this page. Two ways take turns on one machine; a line has the medians, the median ratio of passband's figure to
the other one's, and the least and the greatest ratio of a round. A rate (`images/s`) is better where it is larger, a time (`s`) or a
size (`MiB`) where it is smaller. Losses stand here like gains.

"""


def measured(name: str) -> Iterator[str]:
    """Yield the rows of a module as it measures them, in a process of its own.

    What one module does with a process's memory must not help or harm another, and the system counts the memory of who starts
    a program as that program's.
    """
    program = f"import bench, {name}; bench.main({name}.lines())"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            if line.startswith("|") and line.rstrip() not in HEAD.splitlines():
                yield line.rstrip()
    if process.returncode != 0:
        raise SystemExit(f"benchmarks/{name}.py failed with exit code {process.returncode}")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", default=[], metavar="MODULE", help=f"of {', '.join(MODULES)}")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    start, said, rows = time.monotonic(), conditions(), []
    print(f"{said}\n\n{HEAD}", flush=True)
    for name in asked.modules or MODULES:
        rows.append(f"\n## `benchmarks/{name}.py`\n\n{HEAD}")
        for row in measured(name):
            rows.append(row)
            print(row, flush=True)
    minutes = (time.monotonic() - start) / 60
    if asked.out is not None:
        text = f"{INTRODUCTION}{said}. All of it took {minutes:.0f} minutes.\n" + "\n".join(rows) + "\n"
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
