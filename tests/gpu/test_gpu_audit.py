"""An audit on a GPU is that of the CPU: the same answers but for rounding, by every instrument."""

from __future__ import annotations

import copy
import math

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from torch import nn

import passband as pb
from helpers import ask, bright_sides, subject
from passband.attacks import PGD
from passband.cli.main import run as command
from passband.data.dataset import to_device, to_pixels
from passband.instruments.catalog import INSTRUMENTS
from passband.models.pixels import PixelModel
from passband.models.weights import save_weights
from passband.robustness.plan import AttackPlan
from passband.rows import to_table

pytestmark = pytest.mark.gpu

DATA = bright_sides(90, size=16)
SIZE = {"name": "resnet8", "num_classes": 3, "in_channels": 3, "width": 4, "batch_norm": True}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    config = pb.RunConfig("sides", epochs=4, batch_size=15, learning_rate=3e-3)
    return pb.train(pb.build_model(**SIZE, seed=0), DATA, config, device="cpu")


@pytest.fixture
def both(network, device) -> tuple[PixelModel, PixelModel]:
    """Return the same network twice: for the CPU, and for the GPU."""
    mean, std = [0.4, 0.5, 0.6], [0.25, 0.2, 0.3]
    return tuple(PixelModel(copy.deepcopy(network), name="net", mean=mean, std=std) for _ in range(2))


def assert_of_the_same(there: pl.DataFrame, here: pl.DataFrame) -> None:
    """Assert that rows are of the same things; distances at which a ceiling is told are rounded as values are."""
    named = here.drop("value", "error", "each", strict=False).columns
    assert_frame_equal(there.select(named), here.select(named), check_exact=False, rel_tol=1e-5)


def test_answers_agree(device, full_precision, both):
    here, there = (
        ask(model, DATA, [2, 5], device=str(place))
        for model, place in zip(both, ("cpu", device), strict=True)
    )
    assert next(both[1].parameters()).device.type == device.type
    torch.testing.assert_close(there.confidence, here.confidence, atol=1e-4, rtol=0)
    torch.testing.assert_close(there.loss, here.loss, atol=1e-3, rtol=1e-3)
    sure = here.confidence > 0.34 + 1e-3
    assert torch.equal(there.predictions[sure], here.predictions[sure])
    assert torch.equal(there.samples, here.samples)
    assert all(part.device.type == "cpu" for part in (there.predictions, there.loss, there.rank))


def test_answers_agree_with_the_digits_that_torch_takes_by_default(device, both):
    here, there = (
        ask(model, DATA, [2, 5], device=str(place))
        for model, place in zip(both, ("cpu", device), strict=True)
    )
    # TF32 has 10 bits: a thousandth of a logit, and a network may stand in between.
    torch.testing.assert_close(there.confidence, here.confidence, atol=0.02, rtol=0)
    assert (there.predictions != here.predictions).float().mean() <= 0.02


@pytest.mark.parametrize("batch_size", [7, 90])
def test_the_batch_size_does_not_decide(device, full_precision, both, batch_size):
    one, other = (ask(both[1], DATA, [4], device=str(device), batch_size=size) for size in (batch_size, 30))
    torch.testing.assert_close(one.loss, other.loss, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_finds_the_same(device, full_precision, both, name):
    few = DATA.take(torch.arange(30))
    tables = []
    for model, place in zip(both, ("cpu", device), strict=True):
        try:
            found = subject(model, few, device=str(place)).read(INSTRUMENTS[name]())
        except pb.errors.InputError as error:
            tables.append(str(error))
        else:
            tables.append(to_table(found.rows()))
    here, there = tables
    if isinstance(here, str):  # of images or a network that it is not for
        assert there == here
        return
    assert_of_the_same(there, here)
    apart = (there["value"] - here["value"]).abs()
    size = here["value"].abs().clip(1)
    # Of thirty images one may be answered otherwise after a rounding.
    assert (apart / size).max() <= 1 / 30 + 1e-3


def test_audits_agree(device, full_precision, both):
    plan = AttackPlan(PGD(steps=3), (0.01, 0.05))
    cards = []
    for model, place in zip(both, ("cpu", device), strict=True):
        audit = pb.audit(model, DATA, radii=[2, 5], attacks=[plan], device=str(place))
        cards.append((audit.rows, audit.card.to_dict()))
    (here, card), (there, other) = cards
    assert other["model"]["weights_hash"] == card["model"]["weights_hash"]
    assert_of_the_same(there, here)
    shares = here["metric"].is_in(["accuracy", "agreement", "robust-accuracy"])
    assert (there["value"] - here["value"]).abs().filter(shares & here["class"].is_null()).max() <= 1 / 45
    finite = pl.Series([math.isfinite(value) for value in here["value"]])
    assert (there["value"] - here["value"]).abs().filter(finite).max() <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_a_compiled_network_is_audited_the_same(device, full_precision, both, mode):
    plain, model = both
    model.body = torch.compile(model.body, mode=mode)
    here, there = (ask(each, DATA, [2, 5], device=str(device), batch_size=30) for each in (plain, model))
    torch.testing.assert_close(there.confidence, here.confidence, atol=1e-3, rtol=0)
    assert (there.predictions != here.predictions).float().mean() <= 0.01


def test_what_moves_to_the_device_arrives(device):
    images = DATA.images[torch.randperm(len(DATA))]
    moved = [to_device(part, device) for part in images.split(7)]
    assert torch.equal(torch.cat(moved).cpu(), images)
    assert torch.equal(to_device(torch.cat(moved), "cpu"), images)
    assert to_device(images[:0], device).shape == (0, *images.shape[1:])
    torch.testing.assert_close(to_pixels(images, device).cpu(), images / 255, atol=1e-7, rtol=0)


def test_broken_answers_are_refused(device):
    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, :3].log()  # of black

    black = DATA.take(torch.arange(20))
    black.images[3] = 0
    with pytest.raises(pb.errors.InputError, match=r"NaN or infinite logits for 1 of \d+ whole images"):
        subject(Broken(), black, device=str(device), batch_size=5).read(INSTRUMENTS["components"](()))


def test_a_device_that_is_too_small_says_what_to_do(device, tmp_path, monkeypatch, capsys):
    large, wide = (
        bright_sides(90, size=64),
        SIZE | {"width": 64},
    )  # more than what earlier tests may have left free
    images = large.images.permute(0, 2, 3, 1).numpy()
    np.savez(tmp_path / "data.npz", x_test=images, y_test=large.labels.numpy())
    save_weights(pb.build_model(**wide, seed=0), tmp_path / "weights.safetensors", {"model": wide})
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1e-5)
    else:

        def full(*_):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        monkeypatch.setattr(PixelModel, "normalized", full)
    try:
        code = command(
            [
                *("audit", "resnet8", f"npz:{tmp_path}/data.npz", "--no-report", "--out", f"{tmp_path}/out"),
                *("--weights", f"{tmp_path}/weights.safetensors", "--device", str(device)),
            ]
        )
    finally:
        if device.type == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0)
    told = " ".join(capsys.readouterr().err.split())
    assert code == 2
    assert "out of memory. Choose a smaller --batch-size, or fewer or smaller images." in told
