"""Everything that only a machine with a GPU can show, on one page: `make gpu`.

    python benchmarks/gpu.py [--parts tests benchmarks studies] [--data cifar10] [--hours 12] [--workers 4] [--out benchmarks/results/gpu.md]
    python benchmarks/gpu.py --dry

It runs the tests that need a GPU, then `benchmarks/on_device.py`, then the paper's studies at one seed, and writes the page anew
after each. The studies take hours: when their time is over, or after an interrupt, the page says how far they came, and the
same command goes on from there. `--dry` does all of it on the CPU, a hundredth as large, to see that the page gets written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
from bench import processor

from passband.engine.cost import estimate_seconds
from passband.environment import versions
from passband.errors import PassbandError
from passband.studies.plan import PlannedStudy, plan_studies

HOME = Path(__file__).parents[1]
LEAVE = 60  # seconds that studies have to end once they are interrupted


class Page:
    """A page of results, written anew whenever something is added.

    Args:
        path: Where it is written.
        asked: What was asked for.
    """

    def __init__(self, path: Path, asked: argparse.Namespace) -> None:
        self._path, self._parts = path, [head(asked)]

    def add(self, title: str, work: Callable[[], str]) -> None:
        """Do a part, and write what it says, or why it says nothing."""
        print(f"\n== {title}", flush=True)
        start, stopped = time.monotonic(), None
        try:
            said = work()
        except (PassbandError, OSError) as error:
            said = f"Not run: {error}"
        except KeyboardInterrupt as error:
            said, stopped = f"Interrupted; so far:\n\n{error}", error
        taken = (time.monotonic() - start) / 60
        self._parts.append(f"## {title}\n\n{said}\n\nThis took {taken:.1f} minutes.")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text("\n\n".join(self._parts) + "\n")
        if stopped is not None:
            raise stopped


def head(asked: argparse.Namespace) -> str:
    """Return what decides the figures beside the code."""
    libraries = ", ".join(f"{name} {number}" for name, number in versions().items())
    commit = told("git", "describe", "--always", "--dirty") or "of an unknown commit"
    title = "# On a GPU" if not asked.dry else "# On a CPU, to see that this page gets written"
    return (
        f"{title}\n\n`python benchmarks/gpu.py {' '.join(sys.argv[1:])}`, passband {commit}, {datetime.now(UTC):%Y-%m-%d}.\n\n"
        f"- Device: {card(asked.device)}.\n- Beside it: {processor()}, {platform.platform()}.\n- Versions: {libraries}; CUDA "
        f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}.\n- Convolutions in TF32: "
        f"{torch.backends.cudnn.allow_tf32}, products of matrices: {torch.backends.cuda.matmul.allow_tf32}, as torch has them."
    )


def card(device: str) -> str:
    """Return the name of the GPU, its memory, driver and limit of power."""
    if device == "cpu":
        return "none"
    found = torch.cuda.get_device_properties(0)  # which need not be the first that nvidia-smi knows
    query = ("--query-gpu=driver_version,power.limit", "--format=csv,noheader", f"--id=GPU-{found.uuid}")
    driver = told("nvidia-smi", *query) or "unknown"
    return f"{found.name}, {found.total_memory / 2**30:.0f} GiB, driver and power limit {driver}"


def told(*command: str) -> str:
    """Return what a program says, nothing if there is none or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False).stdout.strip()


def heard(command: Sequence[str], **settings: str) -> tuple[int, list[str]]:
    """Run a program, show what it says while it says it, and return exit code and lines."""
    with subprocess.Popen(
        command,
        cwd=HOME,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = []
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                said.append(line.rstrip())
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt("\n".join(said)) from error
    return process.returncode, said


def tests(asked: argparse.Namespace) -> str:
    """Run the tests that need a GPU, as many at a time as runs share it, and return what became of them."""
    marked = "gpu and not slow" if asked.dry else "gpu"
    options = ("-q", "-rfEsX", "--tb=line", "-n", str(asked.workers), "-m", marked, "tests")
    code, said = heard((sys.executable, "-m", "pytest", *options), PASSBAND_TEST_DEVICE=asked.device)
    kept = [line for line in said if line.startswith(("FAILED", "ERROR", "SKIPPED", "XPASS"))]
    return (
        f"`pytest -m '{marked}' tests`, exit code {code}: {said[-1] if said else 'nothing said'}\n"
        + "".join(f"\n- {line}" for line in kept)
    )


def benchmarks(asked: argparse.Namespace) -> str:
    """Run the benchmarks, and return their table."""
    command = (sys.executable, "benchmarks/on_device.py", asked.device, *(("--tiny",) if asked.dry else ()))
    code, said = heard(command)
    table = "\n".join(line for line in said if line.startswith("|"))
    if code == 0:
        return table
    return (
        f"{table}\n\nThe lines that follow are missing, exit code {code}:\n\n```\n"
        + "\n".join(said[-5:])
        + "\n```"
    )


def studies(asked: argparse.Namespace) -> str:
    """Run the studies for so many hours, and return their claims, or how far they came."""
    chosen = {"preset": asked.preset, "data": asked.data, "seeds": 1, "store": asked.store}
    planned = plan_studies(asked.studies, **chosen)
    expected = estimate(planned, asked)
    print(expected, flush=True)
    options = [part for name, value in chosen.items() for part in (f"--{name}", str(value))]
    command = ["-m", "passband", "study", "run", *asked.studies, *options]
    command += ["--workers", str(asked.workers), "--device", asked.device]
    process = subprocess.Popen(
        (sys.executable, *command, "--json"), cwd=HOME, stdout=subprocess.PIPE, text=True
    )
    over = ""
    try:
        answer, _ = process.communicate(timeout=3600 * asked.hours)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        over = end(process)
        answer = ""
    shown = f"`python {' '.join(command)}`. {expected}"
    if process.returncode == 0:
        return f"{shown}\n\n{claims(json.loads(answer))}"
    everything = {one.id: one for study in planned for one in study.everything}
    done = sum(one.done for one in everything.values())
    why = over or f"They ended with exit code {process.returncode}"
    return f"{shown}\n\n{why}: {done} of {len(everything)} runs and measurements are done. The same command goes on from there."


def end(process: subprocess.Popen[str]) -> str:
    """Interrupt the studies, which keep what they have, and return what to say of it."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=LEAVE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    return "Their time was over, or they were interrupted"


def estimate(planned: Sequence[PlannedStudy], asked: argparse.Namespace) -> str:
    """Return how long the studies will take, as a few real steps of each kind tell."""
    everything = {one.id: one for study in planned for one in study.everything}
    seconds = estimate_seconds(everything.values(), asked.device)
    if asked.device != "cpu":
        torch.cuda.empty_cache()  # what it took is for the processes that come
    hours, left = sum(seconds.values()) / 3600, sum(not one.done for one in everything.values())
    return (
        f"Estimated before: {hours:.1f} hours of one process for the {left} of {len(everything)} runs and measurements that "
        f"were not there yet, {asked.workers} at a time, for at most {asked.hours:g} hours."
    )


def claims(found: Sequence[dict]) -> str:
    """Return what became of the claims as a table."""
    rows = [
        f"| {each['study']} | {claim['sentence']} | {number(claim['estimate'])} | {claim['verdict']} |"
        for each in found
        for claim in each["claims"]
    ]
    return "\n".join(("| study | claim | estimate | verdict |", "|---|---|--:|---|", *rows))


def number(estimate: dict | None) -> str:
    """Return an estimate with its interval."""
    if estimate is None:
        return ""
    value, low, high = (estimate.get(name) for name in ("value", "low", "high"))
    interval = "" if low is None or high is None else f" [{low:.3g}, {high:.3g}]"
    return "" if value is None else f"{value:.3g}{interval}"


PARTS: dict[str, Callable[[argparse.Namespace], str]] = {
    "tests": tests,
    "benchmarks": benchmarks,
    "studies": studies,
}


def main() -> int:
    """Write the page, and return an exit code: 2 without a GPU, 130 where tests or benchmarks were interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what the page has")
    parser.add_argument("--data", default="cifar10", help="what the studies are of; cifar10 is downloaded")
    parser.add_argument("--preset", default="paper", choices=("smoke", "laptop", "paper"))
    parser.add_argument(
        "--studies", nargs="+", default=["all"], help="names, as `passband study list` has them"
    )
    parser.add_argument("--hours", type=float, default=12.0, help="after which the studies are interrupted")
    parser.add_argument("--workers", type=int, default=4, help="runs on the GPU at a time")
    parser.add_argument("--store", type=Path, default=Path("results"), help="where runs are kept")
    parser.add_argument("--out", type=Path, default=HOME / "benchmarks/results/gpu.md")
    parser.add_argument("--dry", action="store_true", help="on the CPU, a hundredth as large, into build/")
    asked = parser.parse_args()
    asked.device = "cuda"
    if asked.dry:
        asked.device, asked.preset, asked.data = "cpu", "smoke", "fashion-mnist"
        asked.out, asked.store, asked.workers = HOME / "build/gpu.md", HOME / "build/gpu-results", 1
    elif not torch.cuda.is_available():
        print(
            f"make gpu needs a CUDA device, and torch {torch.__version__} (built for CUDA {torch.version.cuda}) finds none. "
            "`nvidia-smi` says whether the system does; `python benchmarks/gpu.py --dry` shows the page without one.",
            file=sys.stderr,
        )
        return 2
    page = Page(asked.out, asked)
    titles = {"studies": f"The studies, preset {asked.preset} on {asked.data}"}
    try:
        for part in asked.parts:
            page.add(titles.get(part, part.capitalize()), partial(PARTS[part], asked))
    except KeyboardInterrupt:
        return 130
    finally:
        print(f"\nWritten: {asked.out}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
