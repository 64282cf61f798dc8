"""Help, lists and refusals come at once: in a new process they import nothing that computes."""

import subprocess
import sys

import pytest

from passband.cli.app import app
from passband.cli.runs import runs
from passband.cli.study import study

HEAVY = {
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "polars",
    "PIL",
    "altair",
    "lightning_fabric",
    "safetensors",
    "tensorboard",
    "wandb",
    "mlflow",
}
PROGRAM = """
import sys
from passband.cli.main import run
code = run(sys.argv[1:])
print("loaded:", *{module.split(".")[0] for module in sys.modules}, file=sys.stderr)
raise SystemExit(code)
"""


def commands(of, *path):
    return [[*path, name] for name in of if not name.startswith("-")]


HELPED = [[], *commands(app), *commands(study, "study"), *commands(runs, "runs")]
LISTS = ["--version", "study list", "study list --json", "instruments", "instruments --json"]
AUDIT = "audit resnet8 phantom"
REFUSED = [
    "detect",
    "detect model images annotations more",
    "detect images annotations --write w --results full.json",
    "detect images annotations --results lfc-4.json",
    "detect images annotations --results full.json mine.json",
    "detect model images annotations --require lfc@8>=0.5",
    "detect model images annotations --radii 0",
    "detect model images annotations --device tpu",
    "audti",
    "audit",
    f"{AUDIT} --radius 8",
    f"{AUDIT} --amplitude foo",
    f"{AUDIT} --radii four",
    f"{AUDIT} --radii=-4",
    f"{AUDIT} --precision 2",
    f"{AUDIT} --limit 0",
    f"{AUDIT} --batch-size 0",
    f"{AUDIT} --size big",
    f"{AUDIT} --size 0",
    f"{AUDIT} --subset validation",
    f"{AUDIT} --device tpu",
    f"{AUDIT} --with kernel",
    f"{AUDIT} --attack pdg --epsilon 0.1",
    f"{AUDIT} --attack pgd",
    f"{AUDIT} --attack pgd --epsilon much",
    f"{AUDIT} --attack pgd --epsilon 8",
    f"{AUDIT} --attack pgd --epsilon 0.1 0.1",
    f"{AUDIT} --attack pgd --epsilon 0.1 --steps 0",
    f"{AUDIT} --attack pgd --epsilon 0.1 --restarts 2 --no-random-start",
    f"{AUDIT} --epsilon 0.1",
    f"{AUDIT} --attack-samples 5",
    f"{AUDIT} --require lfc>60%",
    f"{AUDIT} --require lcf@4>=0.5",
    f"{AUDIT} --require ceiling-l2@1>=0 --ceiling-samples 0",
    f"{AUDIT} --attack fgsm --epsilon 0.1 --require pgd@0.1>=0.5",
    f"{AUDIT} --out {__file__}",
    "attack resnet8 phantom --norm l1 --epsilon 0.1",
    "attack resnet8 phantom",
    "smooth resnet8 --rho nan",
    "report nowhere",
    "split photo.png",
    "explore",
    "explore resnet8 phantom --port many",
    "explore resnet8 phantom --images 3",
    "explore resnet8 --export page",
    "explore resnet8 phantom --beside-mean 0.5",
    "explore resnet8 phantom --amplitude picture",
    "explore --detector resnet8 phantom --size 32",
    "spectrum phantom --device gpu",
    "study run",
    "study run label-shufle",
    "study run label-shuffle --seeds 0",
    "study run label-shuffle --workers 0",
    "study run label-shuffle --preset desktop",
    "study show all",
    "train phantom --precision 8",
    "train phantom --epochs 0",
    "train phantom --dropout 1",
    "train phantom --optimizer adamm",
    "train phantom --model resnet9",
    "train phantom --initialization xavierr",
    f"{AUDIT} --attack fgsm --epsilon 0.1 --norm l2",
    "train phantom --probe none --probe-radii 4",
    "train phantom --track wand",
    "runs list",
    "runs show aaaa",
    "runs remove",
    "runs remove aaaa --failed --yes",
    "runs export aaaa",
    "runs export --study a aaaa --out x.csv",
]  # fmt: skip


def ran(*arguments):
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False
    )
    said, _, loaded = found.stderr.rpartition("loaded:")
    return found.returncode, found.stdout, said, HEAVY & set(loaded.split())


@pytest.mark.parametrize("line", HELPED, ids=" ".join)
def test_help_imports_nothing_that_computes(line):
    code, out, _, heavy = ran(*line, "--help")
    assert (code, heavy) == (0, set())
    assert "Usage: " in out


@pytest.mark.parametrize("line", LISTS)
def test_lists_import_nothing_that_computes(line):
    code, out, _, heavy = ran(*line.split())
    assert (code, heavy) == (0, set())
    assert out


@pytest.mark.parametrize("line", REFUSED)
def test_a_refusal_imports_nothing_that_computes(line):
    code, out, said, heavy = ran(*line.split())
    assert (code, out, heavy) == (2, "", set())
    assert said.startswith("passband: ")


def test_what_is_looked_for_would_be_found():
    assert ran("split", "none.png", "--radius", "4")[3] >= {"torch", "PIL"}
