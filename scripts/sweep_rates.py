"""Which learning rates optimizers and networks take: how much of the built-in training images the preset `laptop`'s run learns with each.

    python scripts/sweep_rates.py [sgd adagrad ... lenet ... | all] [--workers 2] [--seed 1000]

The seed is none of those that studies use. The rates with which most is learned are those of `passband.studies.section5_optimizers` and
`section5_architectures`.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from passband.analysis.contrast import accuracy
from passband.analysis.lookup import values_of
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.plan import plan_runs
from passband.results.tables import read_runs
from passband.studies.presets import find_setting
from passband.studies.section5_architectures import NETWORKS
from passband.train.config import RunConfig

OPTIMIZERS = {
    "sgd": (0.03, 0.1, 0.3, 1.0),
    "adagrad": (0.01, 0.03, 0.1),
    "adadelta": (0.3, 1.0, 3.0),
    "rmsprop": (3e-4, 1e-3, 3e-3),
}
OF_NETWORKS = (1e-3, 3e-3, 5e-3, 1e-2)


def configs(seed: int) -> dict[str, RunConfig]:
    """Return all runs, by what they vary and their rate."""
    vanilla = replace(find_setting("laptop", "fashion-mnist").vanilla, seed=seed)
    found = {
        f"{name} {rate:g}": replace(vanilla, optimizer=name, learning_rate=rate)
        for name, rates in OPTIMIZERS.items()
        for rate in rates
    }
    return found | {
        f"{label} {rate:g}": replace(vanilla, model=one.model, width=one.width, learning_rate=rate)
        for label, one in NETWORKS["laptop"].items()
        for rate in OF_NETWORKS
    }


def main() -> None:
    """Print accuracy on all training and test images by rate, as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=["all"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1000)
    asked = parser.parse_args()
    wanted = {
        name: config
        for name, config in configs(asked.seed).items()
        if {"all", name.split()[0].lower()} & {each.lower() for each in asked.names}
    }
    print("| what | rate | on training images | on test images |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as store:
        planned = plan_runs([(config, None) for config in wanted.values()], Path(store))
        ended = execute(planned, engine=Local(asked.workers), device="cpu")
        for name, one in zip(wanted, planned, strict=True):
            what, rate = name.split()
            if ended[one.id].status != "done":
                print(f"| {what} | {rate} | diverged | |")
                continue
            rows = read_runs([("run", one.folder)])
            shares = [
                values_of(rows, accuracy("run", subset), [asked.seed])[0] for subset in ("train", "test")
            ]
            print(f"| {what} | {rate} | {shares[0]:.3f} | {shares[1]:.3f} |")


if __name__ == "__main__":
    main()
