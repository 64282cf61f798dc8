"""How time and memory of audits and of training grow, and what follows for work that nobody measured.

    OMP_NUM_THREADS=1 python benchmarks/growth.py          # measures (about ten minutes on a quiet core), and writes
    OMP_NUM_THREADS=1 python benchmarks/growth.py --write  # writes again what was measured

One thing at a time is changed, the others are as `USUAL` says. It writes `docs/performance/growth.json` (all numbers), the figures
beside it, and the part of `docs/performance.md` between its marks. Seconds are of processor time, which a busy machine changes
less than wall time; those of a study's workers are of both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from bench import processor
from cost_model import Model, exponent, fit, makespan, paper, shares
from growing import flops
from torch.utils.flop_counter import FlopCounterMode

from passband.instruments.components import default_radii
from passband.report.theme import LIGHT, load_altair, printed

ROOT = Path(__file__).parents[1]
FOLDER, PAGE = ROOT / "docs" / "performance", ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"

NETWORKS = ("lenet", "resnet8", "resnet14", "resnet32", "resnet18")
USUAL: dict[str, dict[str, Any]] = {
    "audit": {"images": 500, "side": 32, "radii": 2, "network": "resnet8"},
    "train": {"images": 2000, "side": 32, "batch": 100, "network": "resnet8"},
}
SWEEPS: tuple[tuple[str, str, Sequence[Any], dict[str, Any]], ...] = (
    ("audit", "images", (500, 1000, 2000, 4000, 8000), {}),
    ("audit", "side", (32, 64, 128, 224), {"images": 200}),
    ("audit", "radii", (1, 2, 4, 8, 16), {}),
    ("audit", "network", NETWORKS, {}),
    ("train", "images", (500, 1000, 2000, 4000, 8000), {}),
    ("train", "batch", (10, 30, 100, 300, 1000), {}),
    ("train", "network", NETWORKS, {"images": 500}),
)
HELD_OUT = (
    ("audit", {"images": 700, "side": 48, "radii": 6, "network": "resnet20"}),
    ("train", {"images": 1200, "side": 48, "batch": 60, "network": "resnet20"}),
)
RUNS, WORKERS = 4, (1, 2)
PICTURES = 200

PEAK = 67e12
"""Float32 operations a second that the maker states for one NVIDIA H100 (SXM), without its tensor cores."""
SHARES = (0.1, 0.3)
"""Of that peak; assumed, and not measured."""
START = 8.0
"""Seconds until a process begins, as `passband.engine.cost` has it."""
DECODERS = 16
"""Processes that decode pictures on the machine of that GPU; assumed."""


def measure(what: str, **settings: Any) -> dict[str, Any]:
    """Return what one configuration takes, in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent / "growing.py"), what, json.dumps(settings)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = settings | json.loads(done.stdout)
    print(what, found, flush=True)
    return found


def measure_all() -> dict[str, Any]:
    """Return all that is measured, and under which conditions."""
    before = os.getloadavg()[0]
    sweeps = [
        {
            "what": what,
            "along": along,
            "rows": [measure(what, **USUAL[what] | other | {along: x}) for x in xs],
        }
        for what, along, xs, other in SWEEPS
    ]
    return {
        "conditions": {
            "date": date.today().isoformat(),
            "machine": processor(),
            "torch": version("torch"),
            "python": sys.version.split()[0],
            "threads": 1,
            "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        },
        "sweeps": sweeps,
        "workers": [measure("study", runs=RUNS, workers=workers) for workers in WORKERS],
        "read": measure("read", images=PICTURES),
        "held_out": [{"what": what, "row": measure(what, **settings)} for what, settings in HELD_OUT],
    }


def positions(sweep: dict[str, Any]) -> list[float]:
    """Return where the configurations of a sweep lie along it; networks by the operations of an answer."""
    along = "flops" if sweep["along"] == "network" else sweep["along"]
    return [row[along] for row in sweep["rows"]]


def models(found: dict[str, Any]) -> dict[str, Model]:
    """Return the model of audits and that of training, each fitted to all its sweeps."""
    return {
        what: fit([row for sweep in found["sweeps"] if sweep["what"] == what for row in sweep["rows"]])
        for what in USUAL
    }


AXES = {
    "images": "images",
    "side": "side of an image (pixels)",
    "radii": "radii",
    "network": "operations of an answer",
    "batch": "batch size",
}
UNITS = {"seconds": "seconds of processor time", "memory": "MiB"}


def draw(found: dict[str, Any], what: str, column: str, model: Model | None = None) -> None:
    """Draw how seconds grow along each sweep, with what the model says, or how memory does."""
    alt = load_altair()
    panels = []
    for sweep in found["sweeps"]:
        if sweep["what"] != what:
            continue
        xs = positions(sweep)
        points = [{"x": x, "y": row[column]} for x, row in zip(xs, sweep["rows"], strict=True)]
        axis = alt.Axis(
            values=xs, format=".2s" if sweep["along"] == "network" else "~r", grid=False, labelOverlap=True
        )
        x = alt.X(
            "x:Q", title=AXES[sweep["along"]], scale=alt.Scale(type="log", nice=False, padding=12), axis=axis
        )
        scale = alt.Scale(zero=True) if model is None else alt.Scale(type="log", nice=False, padding=12)
        y = alt.Y("y:Q", title=UNITS[column], scale=scale, axis=alt.Axis(tickCount=5, format="~r"))
        layers = [
            alt.Chart(alt.Data(values=points)).mark_point(filled=True, size=60, opacity=1, color=LIGHT["lfc"])
        ]
        if model is not None:
            said = [{"x": x, "y": model.seconds(row)} for x, row in zip(xs, sweep["rows"], strict=True)]
            layers.insert(
                0, alt.Chart(alt.Data(values=said)).mark_line(color=LIGHT["muted"], strokeDash=[5, 3])
            )
        panels.append(
            alt.layer(*(layer.encode(x=x, y=y) for layer in layers)).properties(width=230, height=180)
        )
    printed(alt.concat(*panels, columns=2)).save(str(FOLDER / f"{what}-{column}.png"), scale_factor=2)


def exponents(found: dict[str, Any]) -> Iterator[str]:
    """Yield the table of exponents."""
    yield "| | along | from, to | exponent of time | less what comes once | of memory | seconds, first and last | MiB, first and last |"
    yield "|---|---|---|--:|--:|--:|--:|--:|"
    once = {
        what: dict(zip(model.counted, model.rates, strict=True))["once"]
        for what, model in models(found).items()
    }
    for sweep in found["sweeps"]:
        xs, rows, what = positions(sweep), sweep["rows"], sweep["what"]
        seconds, memory = ([row[column] for row in rows] for column in ("seconds", "memory"))
        ends = [row[sweep["along"]] for row in (rows[0], rows[-1])]
        if sweep["along"] == "network":
            ends = [f"{name} ({number(x)})" for name, x in zip(ends, (xs[0], xs[-1]), strict=True)]
        cells = (
            what,
            AXES[sweep["along"]],
            f"{ends[0]}, {ends[1]}",
            slope(xs, seconds),
            slope(xs, [each - once[what] for each in seconds]),
            slope(xs, memory),
            f"{seconds[0]:.2f}, {seconds[-1]:.2f}",
            f"{memory[0]:.0f}, {memory[-1]:.0f}",
        )
        yield f"| {' | '.join(cells)} |"


def slope(xs: Sequence[float], ys: Sequence[float]) -> str:
    """Return an exponent with its standard error; none where something took nothing that could be measured."""
    return "{:.2f} ± {:.2f}".format(*exponent(xs, ys)) if min(ys) > 0 else "none"


def number(operations: float) -> str:
    """Return a number of operations with its unit.

    Example:
        >>> number(24478976), number(8.18e9), number(7.8e15)
        ('24.5 MFLOP', '8.18 GFLOP', '7.8 PFLOP')
    """
    for unit, size in (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9)):
        if operations >= size:
            return f"{operations / size:.3g} {unit}"
    return f"{operations / 1e6:.3g} MFLOP"


def hours(seconds: float) -> str:
    """Return a time with two digits.

    Example:
        >>> hours(40), hours(600), hours(7200), hours(400000)
        ('40 s', '10 min', '2 h', '4.6 days')
    """
    for unit, size in (("days", 2 * 86400), ("h", 5400), ("min", 90)):
        if seconds >= size:
            return f"{seconds / {'days': 86400, 'h': 3600, 'min': 60}[unit]:.2g} {unit}"
    return f"{seconds:.2g} s"


def rates(found: dict[str, Any]) -> Iterator[str]:
    """Yield what the models' rates are, and how far they are off where they were not fitted."""
    fitted = models(found)
    audits, training = (
        dict(zip(fitted[what].counted, fitted[what].rates, strict=True)) for what in ("audit", "train")
    )
    yield (
        f"- An audit takes {audits['once']:.2f} s, and for each answer its operations at {1e-9 / audits['operations']:.0f} GFLOP/s "
        f"and {1e9 * audits['values']:.1f} ns for each value of the component that is made for it."
    )
    yield (
        f"- An epoch takes {training['once']:.2f} s, three times the operations of an answer for each image at "
        f"{1e-9 / training['operations']:.0f} GFLOP/s, and {1e3 * training['steps']:.1f} ms a step."
    )
    for what, model in fitted.items():
        rows = [row for sweep in found["sweeps"] if sweep["what"] == what for row in sweep["rows"]]
        off = [abs(model.seconds(row) / row["seconds"] - 1) for row in rows]
        yield (
            f"- Where the {'audits' if what == 'audit' else 'epochs'} were fitted, the model is off by "
            f"{sum(off) / len(off):.0%} on average and {max(off):.0%} at most."
        )
    for one in found["held_out"]:
        row = one["row"]
        told = ", ".join(f"{name} {row[name]}" for name in USUAL[one["what"]])
        predicted = fitted[one["what"]].seconds(row)
        yield (
            f"- Held out ({one['what']}: {told}): {predicted:.1f} s predicted, {row['seconds']:.1f} s measured, "
            f"{abs(predicted / row['seconds'] - 1):.0%} {'less' if predicted < row['seconds'] else 'more'} than it was."
        )


def extrapolations(found: dict[str, Any]) -> Iterator[str]:
    """Yield what nobody measured."""
    from torchvision.models import resnet50

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        resnet50(weights=None).eval()(torch.rand(1, 3, 224, 224))
    answer, radii = counter.get_total_flops(), default_radii((224, 224))
    images = 50_000
    answers = images * (1 + 2 * len(radii))
    row = {"answers": answers, "flops": answer, "values": 3 * 224**2}
    on_cpu = models(found)["audit"].seconds(row)
    reading = images * found["read"]["seconds"] / found["read"]["images"]
    used = {name: flops(name, 32) for name in ("lenet", "alexnet", "vgg16", "resnet18")}
    jobs = paper(used)
    parts = shares(jobs)
    yield "| what | counted | " + " | ".join(f"at {share:.0%} of the peak" for share in SHARES) + " |"
    yield "|---|---|" + "--:|" * len(SHARES)

    def line(what: str, counted: str, seconds: Sequence[float]) -> str:
        return f"| {what} | {counted} | {' | '.join(map(hours, seconds))} |"

    each = f"{images:,} images, {1 + 2 * len(radii)} answers each, {number(answer)} an answer (ResNet-50)"
    yield line(
        "an audit of ImageNet's validation images at 224 pixels, one GPU",
        f"{each}: {number(answers * answer)}",
        [answers * answer / (share * PEAK) for share in SHARES],
    )
    count = sum(not job.needs for job in jobs)
    for workers, what in ((1, "one GPU"), (100, "a cluster of 100")):
        yield line(
            f"the preset `paper` of all studies of classifiers, one seed, {what}",
            f"{count} runs of {number(parts['runs'])}, {len(jobs) - count} measurements of {number(parts['measurements'])}",
            [makespan(jobs, workers, rate=share * PEAK, start=START) for share in SHARES],
        )
    several = paper(used, seeds=5)
    yield line(
        "the same, five seeds, a cluster of 100",
        f"{len(several)} jobs, {number(sum(job.operations for job in several))}",
        [makespan(several, 100, rate=share * PEAK, start=START) for share in SHARES],
    )
    yield ""
    yield (
        f"The same audit on one thread of the machine measured here: {hours(on_cpu)}, by the model above, whose largest network had "
        f"{number(max(row['flops'] for sweep in found['sweeps'] for row in sweep['rows']))} an answer. Reading its pictures takes "
        f"{hours(reading)} of processor time ({1e3 * reading / images:.1f} ms each, measured on {found['read']['images']} JPEG pictures "
        f"of 500x375 pixels), {hours(reading / DECODERS)} with {DECODERS} processes (assumed), beside the GPU's work and not after it."
    )


def page(found: dict[str, Any]) -> str:
    """Return the part of the page that follows from what was measured."""
    told = found["conditions"]
    one, two = found["workers"]
    return "\n".join(
        [
            BEGIN,
            f"Measured {told['date']} on {told['machine']}, one thread, Python {told['python']}, torch {told['torch']}; load average "
            f"{told['load'][0]} at the beginning and {told['load'][1]} at the end. Seconds are of processor time, the median of up to five.",
            "",
            *exponents(found),
            "",
            "Points are measured, dashed lines are what [the model](#the-model) says.",
            "",
            "![Seconds of an audit](performance/audit-seconds.png)",
            "",
            "![Memory of an audit](performance/audit-memory.png)",
            "",
            "![Seconds of an epoch](performance/train-seconds.png)",
            "",
            "![Memory of training](performance/train-memory.png)",
            "",
            f"**Workers.** {RUNS} runs of one epoch on 4,000 images, each in a process of its own: {one['wall']:.0f} s with one worker, "
            f"{two['wall']:.0f} s with two ({one['wall'] / two['wall']:.2f} times as fast), {one['seconds']:.0f} and {two['seconds']:.0f} s "
            f"of processor time. A process held {max(one['memory'], two['memory']):.0f} MiB at most, libraries included, so memory grows "
            "with the number of workers.",
            "",
            "## The model",
            "",
            *rates(found),
            "",
            "## What nobody measured",
            "",
            *extrapolations(found),
            END,
        ]
    )


def write(found: dict[str, Any]) -> None:
    """Write figures and page."""
    for what, model in models(found).items():
        draw(found, what, "seconds", model)
        draw(found, what, "memory")
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not ended:
        raise SystemExit(f"{PAGE} must have a line {BEGIN} and, after it, a line {END}")
    PAGE.write_text(head + page(found) + tail, encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    numbers = FOLDER / "growth.json"
    if "--write" not in sys.argv:
        numbers.write_text(json.dumps(measure_all(), indent=1) + "\n", encoding="utf-8")
    write(json.loads(numbers.read_text(encoding="utf-8")))
