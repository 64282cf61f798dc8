"""Attacks on a GPU stay in their ball and do what they do on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import passband as pb
from helpers import Memory, bright_sides, noise
from passband.attacks import FGSM, PGD, AutoAttack
from passband.attacks.ball import ROUNDING
from passband.data.dataset import to_pixels
from passband.frequency.component import High, Low
from passband.robustness.evaluate import evaluate_attack

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("full_precision")]

DATA = bright_sides(90, size=16)
EPSILON = {"linf": 0.05, "l2": 1.0}
ATTACKS = [
    FGSM(),
    PGD(steps=5),
    PGD("l2", steps=5),
    PGD(steps=5, band=Low(3)),
    PGD("l2", steps=5, band=High(3)),
    PGD(steps=3, restarts=2),
]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    config = pb.RunConfig("sides", epochs=4, batch_size=15, learning_rate=3e-3)
    model = pb.build_model("resnet8", num_classes=3, width=4, batch_norm=True, seed=0)
    return pb.train(model, DATA, config, device="cpu")


@pytest.fixture
def model(network, device) -> nn.Module:
    return network.to(device)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attacks_stay_in_the_ball(device, model, attack):
    images, labels = to_pixels(DATA.images, device), DATA.labels.to(device)
    epsilon = EPSILON[attack.norm]
    adversarial = attack.run(model, images, labels, epsilon, seed=3)
    change = (adversarial - images).flatten(1)
    moved = change.abs().amax(1) if attack.norm == "linf" else change.norm(dim=1)
    assert moved.max() <= epsilon + ROUNDING * images[0].numel() ** 0.5
    assert adversarial.min() >= 0
    assert adversarial.max() <= 1
    assert moved.max() > epsilon / 10


@pytest.mark.parametrize("attack", [ATTACKS[0], ATTACKS[1], ATTACKS[2]], ids=str)
def test_robust_accuracy_agrees(device, network, attack):
    epsilons = [EPSILON[attack.norm] * share for share in (0.3, 1)]
    here, there = (
        evaluate_attack(network.to(place), DATA, attack, epsilons, device=str(place), seed=1)
        for place in ("cpu", device)
    )
    assert torch.equal(there.correct, here.correct)
    # Starts are the same ones. Only an image that stands at the border may fall to a rounding: one in thirty.
    assert (there.robust != here.robust).float().mean() <= 1 / 30
    assert there.robust.any()
    assert not there.robust.all()
    assert (there.distance <= torch.tensor(epsilons)[:, None] + 1e-4).all()


def test_the_batch_size_does_not_decide(device, model):
    attack = PGD(steps=4)
    one, other = (
        evaluate_attack(model, DATA, attack, [0.02], device=str(device), batch_size=size) for size in (90, 7)
    )
    assert (one.robust != other.robust).float().mean() <= 1 / 30


def test_pixels_out_of_range_are_refused(device, model):
    images = to_pixels(DATA.images[:2], device) * 255
    with pytest.raises(pb.errors.InputError, match=r"pixels must be in \[0, 1\], got"):
        pb.pgd(model, images, DATA.labels[:2].to(device), 0.1)


def test_autoattack_agrees(device):
    pytest.importorskip("pyautoattack")
    data = noise(samples=16, size=(8, 8))
    right = Memory(data)
    here, there = (
        evaluate_attack(right.to(place), data, AutoAttack(), [0.08, 0.1, 0.12], device=str(place)).robust
        for place in ("cpu", device)
    )
    assert here.any()
    assert not here.all()
    assert (here != there).float().mean() <= 1 / 12  # what is drawn differs by device
