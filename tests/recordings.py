"""What commands gave before the house was rebuilt: `python tests/recordings.py` records it, `test_recordings.py` compares.

A recording is made with the commands of a user, so that it does not know how the code is laid out. It is made anew only
where a number is meant to change, in the commit that changes it. What is audited and attacked is the network that was trained
when the recording was made: another machine rounds otherwise, and training makes other weights of that.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

FOLDER = Path(__file__).parent / "recorded"
NETWORK = FOLDER / "network"

TRAIN = (
    "train fashion-mnist --limit 500 --width 4 --epochs 3 --batch-size 20 --model resnet8 --batch-norm "
    "--learning-rate 3e-3 --component lfc:8 --mixup 0.5 --probe full --probe-radii 4 8 --threads 1 --device cpu --out run"
)
AUDIT = (
    "audit network fashion-mnist --limit 100 --radii 2 4 8 --ceiling exact --attack fgsm pgd --epsilon 0.01 0.03 --steps 3 "
    "--sanity-samples 10 --no-report --device cpu --out audit"
)
ATTACK = (
    "attack network fashion-mnist --limit 100 --attack pgd --norm l2 --epsilon 0.2 0.5 --steps 3 --band low:8 --restarts 2 "
    "--sanity-samples 10 --no-report --device cpu --out attack"
)
STUDIES = ("corollary", "kernels", "smoothing", "batch-size")
STUDY = f"study run {' '.join(STUDIES)} --preset smoke --store store --workers 1 --device cpu"

KEYS = [
    *("seed", "epoch", "subset", "component", "radius", "amplitude", "attack", "norm", "epsilon", "rho"),
    *("normalized", "metric", "class", "label", "sample"),
]
"""The columns that say what a row is about, where a table has them."""


def record(call: Callable[[str], None]) -> dict[str, pl.DataFrame]:
    """Run all commands in the current folder, and return the tables that they leave."""
    call(TRAIN)
    shutil.copytree(NETWORK if NETWORK.is_dir() else Path("run"), "network")
    call(AUDIT)
    call(ATTACK)
    call(STUDY)
    tables = {
        "run": Path("run/rows.parquet"),
        "audit": Path("audit/rows.parquet"),
        "audit-samples": Path("audit/samples.parquet"),
        "audit-attacks": Path("audit/attacks.parquet"),
        "attack": Path("attack/rows.parquet"),
    }
    for name in STUDIES:
        folder = next(Path("store/studies").glob(f"*{name}*"))
        tables |= {f"study-{name}": folder / "rows.parquet", f"figure-{name}": folder / "table.parquet"}
    return {name: pl.read_parquet(path) for name, path in tables.items()}


def cards() -> dict[str, dict]:
    """Return the cards that the commands leave, without what differs from day to day."""
    found = {name: json.loads(Path(path).read_text()) for name, path in CARDS.items()}
    for card in found.values():
        del card["manifest"]
        for attack in card["robustness"]:
            del attack["seconds"]
    return found


CARDS = {"audit-card": "audit/card.json", "attack-card": "attack/attack.json"}


def run_here(arguments: str) -> None:
    """Run a command in this process."""
    from passband.cli.main import run

    code = run(arguments.split())
    if code != 0:
        raise RuntimeError(f"exit code {code}: passband {arguments}")


def main() -> None:
    """Record everything, in a folder of its own."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.rmtree(NETWORK, ignore_errors=True)
        tables = record(run_here)
        documents = cards()
        shutil.copytree("run", NETWORK)
        os.chdir(home)
    shutil.rmtree(FOLDER / "rows", ignore_errors=True)
    (FOLDER / "rows").mkdir(parents=True)
    for name, table in tables.items():
        table.drop("run", strict=False).write_parquet(FOLDER / "rows" / f"{name}.parquet", compression="zstd")
    for name, card in documents.items():
        (FOLDER / "rows" / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
