"""How often rules decide by accident, and how often they find what is there: the calibration in docs/studies.md.

    python scripts/calibrate_rules.py --data fashion-mnist --store results [--runs 90] [--draws 1000] [--workers 2]

Accidents: LeNets that differ in their seed alone, trained as in the preset `laptop` (the runs are kept in the store, and an interrupted
call goes on). Again and again two groups of them are drawn and compared as if they were two methods. Whatever a rule decides beyond
"no more" and "similar" is an accident. Runs of a group share no seed with those of the other, so nothing is paired that is not in a study.

Power: made-up runs with the variances that those have, between seeds and between images, and a true difference.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import scipy.stats

from passband.analysis.claim import Claim
from passband.analysis.contrast import accuracy
from passband.analysis.judge import judge
from passband.analysis.lookup import values_of
from passband.analysis.measures import difference, farthest_of, least_of
from passband.analysis.rule import ANY, MUCH, SIMILAR, Rule
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.plan import plan_runs
from passband.frequency.component import FULL, Component, High, Low
from passband.results.tables import RUN_COLUMNS, read_runs
from passband.rows import component_columns
from passband.studies.presets import find_setting

NETWORK = "lenet"
RATE = 1e-3
"""That of LeNet in the preset's study of architectures."""

SHOWN: tuple[Component, ...] = (FULL, Low(4), Low(8), High(4))
"""What accuracy is measured on; conjunctions are of all four."""

EFFECTS = (0.0, 0.02, 0.05, 0.10)
SEEDS = (3, 5)
MANY = 40_000
"""Draws where nothing but seeds is looked at."""

IMAGES = 600
"""About as many as the preset's probes are shown."""


def runs(data: str, store: Path, count: int, workers: int) -> pl.DataFrame:
    """Return the rows of LeNets that differ in their seed, probed on all test images."""
    setting = find_setting("laptop", data)
    vanilla = replace(setting.vanilla, model=NETWORK, width=None, learning_rate=RATE)
    probe = replace(setting.probe, samples=None, along=50, subsets=("test",))
    planned = plan_runs([(replace(vanilla, seed=seed), probe) for seed in range(count)], store)
    ended = execute(planned, engine=Local(workers), device="cpu")
    failed = [one.message for one in ended.values() if one.status == "failed"]
    if failed:
        raise SystemExit(f"{len(failed)} runs failed: {failed[0]}")
    return read_runs([("all", one.folder) for one in planned])


def rules(first: str, second: str) -> dict[str, Claim]:
    """Return claims of each kind about two groups of runs."""
    gains = [accuracy(first, component=shown) - accuracy(second, component=shown) for shown in SHOWN]
    named = {
        f"more, {shown}": (difference(gain), Rule("above", ANY))
        for shown, gain in zip(SHOWN, gains, strict=True)
    } | {
        "more, all four": (least_of(*gains), Rule("above", ANY)),
        f"much more, {SHOWN[1]}": (difference(gains[1]), Rule("above", MUCH)),
        f"similar, {FULL}": (farthest_of(gains[0]), Rule("below", SIMILAR)),
        f"similar, {SHOWN[1]}": (farthest_of(gains[1]), Rule("below", SIMILAR)),
        "similar, all four": (farthest_of(*gains), Rule("below", SIMILAR)),
    }
    return {name: Claim(name, name, measure, rule) for name, (measure, rule) in named.items()}


def groups(rows: pl.DataFrame, seeds: int, draws: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of two groups of so many runs of one method, as if they were two."""
    known = sorted(set(rows["seed"]))
    generator = np.random.default_rng(0)
    for _ in range(draws):
        drawn = generator.permutation(known)[: 2 * seeds]
        named = [
            rows.filter(pl.col("seed").is_in(group.tolist())).with_columns(
                label=pl.lit(label),
                seed=pl.col("seed").replace_strict({int(seed): at for at, seed in enumerate(group)}),
            )
            for label, group in (("one", drawn[:seeds]), ("two", drawn[seeds:]))
        ]
        yield pl.concat(named).select(list(RUN_COLUMNS))


def decided(tables: Iterable[pl.DataFrame]) -> dict[str, Counter[str]]:
    """Return how often each rule came to which verdict on rows of two methods."""
    counts: dict[str, Counter[str]] = {}
    for table in tables:
        for name, claim in rules("one", "two").items():
            counts.setdefault(name, Counter())[judge(claim, table).verdict] += 1
    return counts


def by_seed(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return, for all that is shown, the accuracy of each network."""
    seeds = sorted(set(rows["seed"]))
    return {str(shown): np.array(values_of(rows, accuracy("all", component=shown), seeds)) for shown in SHOWN}


def wrong_intervals(values: np.ndarray, seeds: int) -> float:
    """Return how often Student's 95% interval over the differences of two groups of seeds leaves 0 out, in many draws.

    Rules look at wider intervals, which hold what varies within seeds too.
    """
    generator = np.random.default_rng(0)
    drawn = np.array([generator.permutation(values)[: 2 * seeds] for _ in range(MANY)])
    gains = drawn[:, :seeds] - drawn[:, seeds:]
    half = scipy.stats.t.ppf(0.975, seeds - 1) * gains.std(axis=1, ddof=1) / seeds**0.5
    return float(np.mean(np.abs(gains.mean(axis=1)) > half))


def made_up(
    spread: dict[str, tuple[float, float]], seeds: int, effect: float, draws: int
) -> Iterator[pl.DataFrame]:
    """Yield the rows of two made-up methods that truly differ by `effect` in all that is shown."""
    generator = np.random.default_rng(1)
    for _ in range(draws):
        records = []
        for seed in range(seeds):
            difficulty = generator.standard_normal(IMAGES)  # an image is as hard for all networks
            for label, better in (("one", effect), ("two", 0.0)):
                for shown in SHOWN:
                    mean, deviation = spread[str(shown)]
                    share = float(
                        np.clip(mean + better + deviation * generator.standard_normal(), 0.01, 0.99)
                    )
                    noisy = difficulty + generator.standard_normal(IMAGES)
                    each = (noisy <= 2**0.5 * scipy.stats.norm.ppf(share)).astype(np.float32)
                    records.append(
                        component_columns(shown)
                        | {
                            "label": label,
                            "failed": False,
                            "run": label,
                            "seed": seed,
                            "epoch": 1,
                            "chance": 0.1,
                        }
                        | {
                            "subset": "test",
                            "metric": "accuracy",
                            "value": float(each.mean()),
                            "count": IMAGES,
                        }
                        | {"each": each, "images": f"{seed}"}
                    )
        yield pl.DataFrame(records, schema=RUN_COLUMNS)


def main() -> None:
    """Print both tables, as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--store", type=Path, default=Path("results"))
    parser.add_argument("--runs", type=int, default=30, help="networks")
    parser.add_argument("--draws", type=int, default=400, help="pairs of groups, and made-up pairs")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    if asked.runs < 2 * max(SEEDS):
        parser.error(
            f"--runs is {asked.runs}: two groups of {max(SEEDS)} need at least {2 * max(SEEDS)} networks"
        )
    rows = runs(asked.data, asked.store, asked.runs, asked.workers)
    values = by_seed(rows)
    spread = {name: (float(each.mean()), float(each.std(ddof=1))) for name, each in values.items()}
    print(f"{asked.runs} {NETWORK} on {asked.data}, mean accuracy and standard deviation over seeds:")
    print(", ".join(f"{name} {mean:.3f} ({deviation:.3f})" for name, (mean, deviation) in spread.items()))
    print(f"\nIntervals over seeds alone that leave 0 out, of {MANY:,}:")
    for seeds in SEEDS:
        shares = (f"{name} {wrong_intervals(each, seeds):.1%}" for name, each in values.items())
        print(f"{seeds} seeds: {', '.join(shares)}", flush=True)
    print("\n| rule | seeds | supported | contradicted | undecided |\n|---|--:|--:|--:|--:|")
    for seeds in SEEDS:
        for name, counts in decided(groups(rows, seeds, asked.draws)).items():
            print(f"| {name} | {seeds} | {_shares(counts)} |", flush=True)
    print(
        "\n| rule | seeds | true difference | supported | contradicted | undecided |\n|---|--:|--:|--:|--:|--:|"
    )
    for seeds in SEEDS:
        for effect in EFFECTS:
            for name, counts in decided(made_up(spread, seeds, effect, asked.draws)).items():
                print(f"| {name} | {seeds} | {effect:g} | {_shares(counts)} |", flush=True)


def _shares(counts: Counter[str]) -> str:
    total = sum(counts.values())
    return " | ".join(
        f"{counts[verdict] / total:.1%}" for verdict in ("supported", "contradicted", "undecided")
    )


if __name__ == "__main__":
    main()
