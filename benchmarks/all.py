"""All comparisons in one table, which `make bench` writes to `benchmarks/results/cpu.md`.

    OMP_NUM_THREADS=1 python benchmarks/all.py [--out FILE] [MODULE ...]

A machine should do nothing else meanwhile. Without modules all of them run; a table that is cut off is not written.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Iterator
from pathlib import Path

from bench import HEAD, Line, conditions

MODULES = ("splits", "audit", "training", "probe", "ceiling", "attacks", "table2", "decoding", "memory")

INTRODUCTION = """# How fast passband is, beside other ways to do the same

`make bench` writes this page. Two ways take turns on one machine; a line has the medians, the median ratio of passband's figure to
the other one's, and the least and the greatest ratio of a round. A rate (`images/s`) is better where it is larger, a time (`s`) or a
size (`MiB`) where it is smaller. Losses stand here like gains.

"""


def measured(modules: list[str]) -> Iterator[tuple[str, Line]]:
    """Yield the lines of all modules."""
    for name in modules:
        for line in importlib.import_module(name).lines():
            yield name, line


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", default=[], metavar="MODULE", help=f"of {', '.join(MODULES)}")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    start, said, rows, last = time.monotonic(), conditions(), [], ""
    print(f"{said}\n\n{HEAD}", flush=True)
    for name, line in measured(asked.modules or list(MODULES)):
        if name != last:
            rows.append(f"\n## `benchmarks/{name}.py`\n\n{HEAD}")
            last = name
        rows.append(str(line))
        print(line, flush=True)
    minutes = (time.monotonic() - start) / 60
    if asked.out is not None:
        text = f"{INTRODUCTION}{said}. All of it took {minutes:.0f} minutes.\n" + "\n".join(rows) + "\n"
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
