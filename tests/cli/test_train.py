from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest

from passband.cli.train import AdversaryFlags, Flags
from passband.results.store import find_run
from passband.train.config import RunConfig

SMALL = ("--width", "4", "--epochs", "2", "--batch-size", "20", "--device", "cpu")


@pytest.fixture
def data(files) -> str:
    return f"npz:{files}/data.npz"


def config_of(folder: Path) -> RunConfig:
    return RunConfig.from_dict(find_run(folder)["config"])


def test_a_run_is_trained_reported_and_audited(command, data):
    ran = command("train", data, *SMALL, "--out", "run")
    assert ran.code == 0, ran.err
    assert "Test accuracy" in ran.out
    assert "Training took" in ran.out
    assert "probes" in ran.out
    assert "2/2" in ran.err
    assert command("audit", "run", data, "--no-report", "--out", "audit", "--radii", "4").code == 0


def test_without_out_the_folder_is_named_after_the_run_and_found_again(command, data):
    first = json.loads(command("train", data, *SMALL, "--json").out)
    assert Path(first["folder"]) == Path("runs") / first["run"]
    assert first["test_accuracy"]["count"] == 30
    assert first["train_accuracy"]["count"] == 60
    assert first["probe_share"] == 0  # two epochs of 60 images are too short for a probe
    assert "Trained already" in command("train", data, *SMALL).out
    assert json.loads(command("train", data, *SMALL, "--json", "--overwrite").out)["run"] == first["run"]
    other = json.loads(command("train", data, *SMALL, "--json", "--seed", "1").out)
    assert other["run"] != first["run"]
    assert "holds another run" in command("train", data, *SMALL, "--out", first["folder"], "--seed", "2").err


def test_a_damaged_run_is_named_and_trained_anew(command, data):
    assert command("train", data, *SMALL, "--out", "run").code == 0
    weights = Path("run/weights.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    ran = command("audit", "run", data, "--no-report", "--out", "audit")
    assert (ran.code, "weights.safetensors is damaged" in ran.err) == (2, True)
    ran = command("train", data, *SMALL, "--out", "run")
    assert ran.code == 0
    assert "run/weights.safetensors is damaged" in ran.err
    assert "is made anew" in ran.err
    assert "Test accuracy" in ran.out
    assert weights.read_bytes() == whole
    assert "Trained already" in command("train", data, *SMALL, "--out", "run").out


TYPED = {
    "size": ("--size 12x16", (12, 16)),
    "limit": ("--limit 40", 40),
    "model": ("--model lenet", "lenet"),
    "width": ("--width 3", 3),
    "batch_norm": ("--batch-norm", True),
    "batch_statistics": ("--batch-statistics", True),
    "fixed_affine": ("--fixed-affine", True),
    "dropout": ("--dropout 0.5", 0.5),
    "mixup": ("--mixup 0.5", 0.5),
    "adversarial": ("--adversarial 8/255", 8 / 255),
    "attack_steps": ("--attack-steps 2", 2),
    "attack_step_size": ("--attack-step-size 2/255", 2 / 255),
    "attack_random_start": ("--no-attack-random-start", False),
    "optimizer": ("--optimizer sgd", "sgd"),
    "learning_rate": ("--learning-rate 1e-3", 1e-3),
    "batch_size": ("--batch-size 15", 15),
    "epochs": ("--epochs 1", 1),
    "initialization": ("--initialization code", "code"),
    "shuffle_labels": ("--shuffle-labels", True),
    "component": ("--component hfc:4", "hfc:4"),
    "amplitude": ("--amplitude rms", "rms"),
    "weight_decay": ("--weight-decay 1e-4", 1e-4),
    "augment": ("--augment", True),
    "seed": ("--seed 3", 3),
    "precision": ("--precision bf16-mixed", "bf16-mixed"),
    "schedule": ("--schedule cosine", "cosine"),
}


@pytest.mark.parametrize(
    "without",
    [
        {"adversarial", "attack_steps", "attack_step_size", "attack_random_start"},
        {"mixup", "component", "amplitude"},
    ],
)
def test_every_setting_can_be_typed(command, data, without):
    names = TYPED.keys() - without
    options = [word for name in names for word in TYPED[name][0].split()]
    ran = command("train", data, *options, "--out", "run", "--device", "cpu", "--probe", "none")
    assert ran.code == 0, ran.err
    found = config_of(Path("run"))
    meant = {name: TYPED[name][1] for name in names}
    assert found == RunConfig.from_dict({**RunConfig(data, compile=found.compile).to_dict(), **meant})
    described = {field.name for field in (*fields(RunConfig), *fields(AdversaryFlags))}
    assert TYPED.keys() | {"dataset", "compile"} == described


def test_the_help_describes_every_setting(command):
    ran = command("train", "--help")
    for flags in (Flags, AdversaryFlags):
        for field in fields(flags):
            assert f"--{field.name.replace('_', '-')}" in ran.out
            assert f"        {field.name}: " in flags.__doc__
    assert "Epsilon of PGD" in ran.out
    assert "Adversary" not in ran.out


def test_probes_are_those_asked_for(command, data):
    def probed(*options: str) -> pl.DataFrame:
        ran = command("train", data, *SMALL, *options, "--out", "run", "--overwrite")
        assert ran.code == 0, ran.err
        return pl.read_parquet("run/rows.parquet").filter(pl.col("component") != "full")

    assert probed("--probe", "none").is_empty()
    assert probed().is_empty()  # two epochs of 60 images are too short for the default
    once = probed("--probe-radii", "5")
    assert set(once["radius"]) == {5}
    assert set(once["epoch"]) == {2}
    full = probed("--probe", "full", "--probe-radii", "3", "6")
    assert set(full["radius"]) == {3, 6}
    assert set(full["epoch"]) == {1, 2}
    assert set(full.filter(pl.col("class").is_null())["count"]) == {60, 30}


def test_divergence_is_an_error_with_a_message_and_rows_are_kept(command, data):
    ran = command("train", data, *SMALL, "--optimizer", "sgd", "--learning-rate", "1e18", "--out", "run")
    assert ran.code == 2
    assert "Try a tenth of that rate" in ran.err
    assert "Its rows until then are in run" in ran.err
    assert find_run(Path("run"))["status"] == "failed"
    assert Path("run/rows.parquet").is_file()
    assert (
        command("train", data, *SMALL, "--optimizer", "sgd", "--learning-rate", "1e18", "--out", "run").code
        == 2
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--batch-statistics", "batch_statistics says how BatchNorm works, and the network has none"),
        ("--component hfc:12", "radius 12 is not below the corner"),
        ("--component mid:4", "no component named .mid.. Known: blur, full, hfc, jpeg, lfc"),
        ("--adversarial 8/0", "a number or a fraction such as 8/255 is needed, got '8/0'"),
        ("--adversarial eight", "a number or a fraction such as 8/255"),
        ("--adversarial 8", r"epsilon on the \[0, 1\] pixel scale, such as 8/255"),
        ("--mixup 0", "mixup is the alpha"),
        ("--mixup 0.5 --adversarial 0.1", "do not go together"),
        ("--batch-size 61", "at most the number of training images, 60, got 61"),
        ("--devices 0", "devices must be at least 1"),
        ("--precision 16-mixed", "needs a GPU"),
        ("--probe none --probe-radii 4", "which --probe none leaves out"),
        ("--probe-radii 4 12", "radius 12 is not below the corner"),
        ("--optimizer lion", "no optimizer named 'lion'"),
    ],
)
def test_what_is_impossible_is_refused_before_any_training(command, data, options, message):
    defaults = [] if "--batch-size" in options else ["--batch-size", "20"]
    ran = command("train", data, *defaults, "--device", "cpu", "--out", "run", *options.split())
    assert ran.code == 2
    assert re.search(message, ran.err.replace("\n", " ")), ran.err
    assert not Path("run").exists()


def test_settings_after_the_data_have_names(command, data):
    assert command("train", data, "32").code == 2


def test_other_commands_do_not_load_what_only_training_needs(command):
    program = "import passband.cli.app, sys; print('lightning_fabric' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_a_network_of_ones_own_is_trained_and_its_folder_audited(command, data, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def make(num_classes, in_channels):\n"
        "    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "                         nn.Linear(4, num_classes))\n"
    )
    line = ("train", data, "--model", "python:net.py:make", *SMALL[2:], "--out", "run")
    assert command(*line).code == 0
    assert "Trained already" in command(*line).out
    ran = command("audit", "run", data, "--no-report", "--out", "audit", "--radii", "4")
    assert ran.code == 0, ran.err
    ran = command("train", data, "--model", "python:net.py:make", "--width", "4")
    assert ran.code == 2
    assert "width is an option of passband's own networks" in ran.err.replace("\n", " ")
