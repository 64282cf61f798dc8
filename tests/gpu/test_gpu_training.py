"""Training on a GPU: the rows of the CPU but for rounding, the same rows when it is resumed, and several runs side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

import passband as pb
from helpers import bright_sides, sides_source
from passband.attacks import PGD
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.plan import plan_runs
from passband.engine.probe import Probe
from passband.engine.run import run
from passband.train.adversarial import Adversary

pytestmark = pytest.mark.gpu

PROBE = Probe(radii=(2, 4), samples=30)
SETTINGS = {
    "plain": {},
    "batch-norm": {"batch_norm": True},
    "everything": {
        "batch_norm": True,
        "mixup": 0.5,
        "augment": True,
        "component": "lfc:6",
        "amplitude": "clip",
        "shuffle_labels": True,
        "weight_decay": 1e-3,
    },
    "adversarial": {"adversarial": Adversary(0.05, PGD(steps=2, random_start=False))},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """120 training and 60 test images of 16x16 pixels in 3 classes."""
    return sides_source(tmp_path_factory.mktemp("data"), train=120, test=60)


def config(source: str, **values) -> pb.RunConfig:
    usual = {"width": 4, "batch_size": 20, "epochs": 3, "optimizer": "sgd", "learning_rate": 0.02, "seed": 5}
    return pb.RunConfig(source, **{**usual, **values})


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "rows.parquet")


def assert_close(there: pl.DataFrame, here: pl.DataFrame, *, rounding: float, images: float) -> None:
    """Hold losses and confidences against each other, and shares of images, which change by whole ones."""
    named = [name for name in here.columns if name not in ("value", "error", "each")]
    assert there.select(named).equals(here.select(named))
    counted = here["metric"].is_in(["accuracy", "agreement", "fit-accuracy"])
    apart = (there["value"] - here["value"]).abs()
    assert apart.filter(~counted).max() <= rounding
    assert apart.filter(counted).max() <= images


@pytest.mark.parametrize("values", SETTINGS.values(), ids=SETTINGS)
def test_the_rows_of_a_run_are_those_of_the_cpu(device, full_precision, source, tmp_path, values):
    asked = config(source, **values)
    here, there = (
        rows_of(run(asked, PROBE, tmp_path / name, device=str(place)))
        for name, place in (("here", "cpu"), ("there", device))
    )
    # Roundings add up over 18 steps; of few images in a class a single one is much.
    assert_close(there, here, rounding=0.02, images=0.1)


@pytest.mark.parametrize("values", SETTINGS.values(), ids=SETTINGS)
def test_a_resumed_run_is_as_never_interrupted(device, deterministic, source, tmp_path, values):
    def interrupt(report) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    asked = config(source, optimizer="adam", learning_rate=1e-3, **values)
    whole = run(asked, PROBE, tmp_path / "whole", device=str(device))
    with pytest.raises(KeyboardInterrupt):
        run(asked, PROBE, tmp_path / "broken", device=str(device), on_epoch=interrupt)
    seen = []
    broken = run(asked, PROBE, tmp_path / "broken", device=str(device), on_epoch=seen.append)
    assert [report.epoch for report in seen] == [3]
    assert rows_of(broken).equals(rows_of(whole))
    weights = load_file(whole / "weights.safetensors")
    assert all(
        torch.equal(found, weights[name]) for name, found in load_file(broken / "weights.safetensors").items()
    )


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_learns_the_same(device, source, tmp_path, precision):
    if precision == "16-mixed" and device.type == "cpu":
        pytest.skip("float16 needs a GPU")
    full, mixed = (
        rows_of(
            run(
                config(source, epochs=4, precision=each, batch_norm=True),
                PROBE,
                tmp_path / each,
                device=str(device),
            )
        )
        for each in ("32", precision)
    )
    # bfloat16 has 8 bits: about a percent a step, on a loss of about 1.
    assert_close(mixed.drop("run"), full.drop("run"), rounding=0.15, images=0.2)
    losses = mixed.filter(pl.col("metric") == "fit-loss")["value"]
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_a_compiled_run_learns_the_same(device, full_precision, source, tmp_path):
    # In processes of their own, where no shapes are checked: that cannot be compiled.
    for name in ("plain", "compiled"):
        asked = config(source, compile=name == "compiled", batch_norm=True)
        Local().call(run, asked, PROBE, tmp_path / name, device=str(device))
    compiled, plain = (rows_of(tmp_path / name) for name in ("compiled", "plain"))
    assert_close(compiled.drop("run"), plain.drop("run"), rounding=0.02, images=0.1)


def test_several_runs_share_a_device(device, source, tmp_path):
    asked = [config(source, seed=seed) for seed in range(3)]
    alone = {
        each.seed: rows_of(run(each, PROBE, tmp_path / f"{each.seed}", device=str(device))) for each in asked
    }
    planned = plan_runs([(each, PROBE) for each in asked], tmp_path / "store")
    ended = execute(planned, workers=3, device=str(device))
    assert {one.status for one in ended.values()} == {"done"}, [one.message for one in ended.values()]
    for each in planned:
        # Another process may choose other algorithms, and adds in another order.
        assert_close(rows_of(each.folder), alone[each.config.seed], rounding=0.02, images=0.1)


def test_a_run_on_a_device_of_another_kind_goes_on_here(device, source, tmp_path):
    def interrupt(report) -> None:
        raise KeyboardInterrupt

    asked = config(source)
    with pytest.raises(KeyboardInterrupt):
        run(asked, PROBE, tmp_path / "run", device=str(device), on_epoch=interrupt)
    finished = rows_of(run(asked, PROBE, tmp_path / "run", device="cpu"))
    unbroken = rows_of(run(asked, PROBE, tmp_path / "other", device="cpu"))
    assert_close(finished, unbroken, rounding=0.02, images=0.1)


def test_random_numbers_of_the_program_are_left_as_they_were(device):
    torch.manual_seed(7)
    expected = torch.rand(3, device=device)
    torch.manual_seed(7)
    model = pb.build_model("resnet8", num_classes=3, width=4, dropout=0.5, seed=0)
    asked = replace(pb.RunConfig("sides"), epochs=1, batch_size=20, dropout=0.5)
    pb.train(model, bright_sides(40), asked, device=str(device))
    assert torch.equal(torch.rand(3, device=device), expected)
