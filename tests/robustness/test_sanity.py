from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers import noise
from passband.attacks import FGSM, PGD, Attack
from passband.data.dataset import to_pixels
from passband.errors import InputError
from passband.frequency.component import Low
from passband.robustness.evaluate import evaluate_attack
from passband.robustness.sanity import CHECKS, check_attack

DATA = noise(samples=30, classes=4, size=(8, 8))


class Disguise(nn.Module):
    """Hardly changes a model's answers, and spoils its gradient."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body


class Saturated(Disguise):
    """The softmax is so sure that in float32 the loss is flat."""

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images) * 1e6


class Rounded(Disguise):
    """Pixels are rounded, and rounding has no slope."""

    def forward(self, images: Tensor) -> Tensor:
        return self.body((images * 50).round() / 50)


class Shattered(Disguise):
    """A fine ripple decides the gradient, and nothing else."""

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images + (images * 4000).sin() / 400)


class Trapped(Disguise):
    """A ripple with the period of a byte: uphill is true at the image itself, and false halfway to the next byte."""

    def forward(self, images: Tensor) -> Tensor:
        turns = 2 * torch.pi * 255
        return self.body(images + 3 * (turns * images).sin() / turns)


class Rooted(Disguise):
    """Square roots of pixels, whose slope is infinite at black, and dark ones are made black: it is NaN there."""

    def forward(self, images: Tensor) -> Tensor:
        return self.body((images * (images > 0.5)).sqrt())


@pytest.fixture(scope="module")
def honest() -> nn.Module:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Tanh(), nn.Linear(16, 4))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(15):
        optimizer.zero_grad()
        F.cross_entropy(network(to_pixels(DATA.images)), DATA.labels).backward()
        optimizer.step()
    return network


def found(model: nn.Module, attack: Attack, *epsilons: float, **settings) -> dict[str, bool]:
    outcome = evaluate_attack(model, DATA, attack, epsilons)
    findings = check_attack(model, DATA, outcome, **settings)
    for finding in findings:
        assert finding.message[0].isupper()
        assert finding.message.endswith(".")
    return {finding.name: finding.passed for finding in findings}


@pytest.mark.parametrize("attack", [PGD(), PGD("l2"), PGD(band=Low(2)), FGSM()], ids=str)
def test_an_honest_model_passes_all_checks(honest, attack):
    pytest.importorskip("pyautoattack")
    epsilons = (0.01, 0.12) if attack.norm == "linf" else (0.1, 1.2)
    assert found(honest, attack, *epsilons) == dict.fromkeys(CHECKS, True)


@pytest.mark.parametrize(
    ("disguise", "failed"),
    [
        (Saturated, {"unbounded", "black-box", "gradients"}),
        (Rounded, {"unbounded", "black-box", "gradients"}),
        (Shattered, {"unbounded", "black-box"}),
        (Trapped, {"more-steps"}),
    ],
)
def test_masked_gradients_are_noticed(honest, disguise, failed):
    pytest.importorskip("pyautoattack")
    passed = found(disguise(honest), PGD(random_start=False), 0.12)
    assert failed <= {name for name, good in passed.items() if not good}


def test_numbers_are_in_the_message(honest):
    outcome = evaluate_attack(honest, DATA, PGD(), [0.06])
    first, second, third, fourth, fifth = (finding.message for finding in check_attack(honest, DATA, outcome))
    assert re.fullmatch(
        r"Of 30 images at epsilon 0.06, steps of gradient ascent leave \d+ after 1, \d+ after 20, \d+ after 100: more "
        r"steps break no fewer.",
        first,
    )
    assert second == "At epsilon 1, which allows any image, none of 30 images withstands PGD-20."
    assert third.startswith(
        f"Of 30 images at epsilon 0.06, PGD-20 leaves {int(outcome.robust.sum())} and Square"
    )
    assert fourth == "The gradient of the loss is zero at 0 of 30 images, and not finite at 0."
    left = int(outcome.robust.sum())
    assert (
        fifth == f"Of 30 images PGD-20 leaves, by epsilon, {left} at 0.06: a larger epsilon breaks no fewer."
    )


def test_gradients_that_are_not_finite_are_counted_on_the_images_and_on_the_attacks_way(honest):
    model = Rooted(honest)
    dark = replace(DATA, images=DATA.images // 2)
    dark = replace(dark, labels=model(to_pixels(dark.images)).argmax(1))
    outcome = evaluate_attack(model, dark, PGD("l2", steps=2, random_start=False), [0.1, 0.2])
    assert outcome.astray.all()
    finding = {finding.name: finding for finding in check_attack(model, dark, outcome)}["gradients"]
    assert not finding.passed
    assert finding.message == (
        "The gradient of the loss is zero at 0 of 30 images, and not finite at 30. Of 30 images that PGD-2, from the image "
        "attacked at epsilon 0.1, 30 withstood it after it had come to a point with such a gradient."
    )


def test_an_attack_that_breaks_fewer_at_a_larger_epsilon_is_noticed(honest):
    outcome = evaluate_attack(honest, DATA, FGSM(), [0.01, 0.12])
    assert outcome.robust[1].sum() < outcome.robust[0].sum()
    turned = replace(outcome, predictions=outcome.predictions.flip(0))
    finding = {finding.name: finding for finding in check_attack(honest, DATA, turned)}["larger-epsilon"]
    assert not finding.passed
    assert (
        "a larger epsilon breaks fewer, though all that the smaller one allows is allowed" in finding.message
    )


def test_the_epsilon_that_tells_most_is_looked_at(honest):
    outcome = evaluate_attack(honest, DATA, PGD(), [0.01, 0.08, 0.5])
    robust = outcome.robust.sum(dim=1).tolist()
    assert robust[0] > 25 > robust[1] > 5 > robust[2]
    assert "at epsilon 0.08" in check_attack(honest, DATA, outcome)[0].message


def test_no_more_images_are_looked_at_than_asked_for(honest):
    outcome = evaluate_attack(honest, DATA, PGD(), [0.06])
    assert check_attack(honest, DATA, outcome, samples=7)[3].message.startswith(
        "The gradient of the loss is zero at 0 of 7 images"
    )
    assert check_attack(honest, DATA, outcome, samples=7) == check_attack(honest, DATA, outcome, samples=7)
    with pytest.raises(InputError, match="samples must be at least 1, got 0"):
        check_attack(honest, DATA, outcome, samples=0)


def test_without_the_library_the_black_box_is_random_and_says_so(honest, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack.square", None)
    outcome = evaluate_attack(honest, DATA, PGD(steps=2), [0.5])
    finding = {finding.name: finding for finding in check_attack(honest, DATA, outcome)}["black-box"]
    assert finding.passed
    assert (
        "random perturbations (Square was left out: the Square attack needs pyautoattack" in finding.message
    )
    weak = evaluate_attack(honest, DATA, PGD(steps=1, step_share=1e-6, random_start=False), [0.5])
    finding = {finding.name: finding for finding in check_attack(honest, DATA, weak)}["black-box"]
    assert not finding.passed  # even a random perturbation breaks more than an attack that does not move


def test_where_nothing_was_right_nothing_is_claimed(honest):
    wrong = replace(DATA, labels=(honest(to_pixels(DATA.images)).argmax(1) + 1) % 4)
    outcome = evaluate_attack(honest, wrong, PGD(), [0.06])
    for finding in check_attack(honest, wrong, outcome):
        assert finding.message == "No image was right to begin with, so there was nothing to attack."


def test_the_model_is_left_as_it_was(honest):
    honest.train()
    outcome = evaluate_attack(honest, DATA, PGD(steps=2), [0.06])
    before = {name: value.clone() for name, value in honest.state_dict().items()}
    state = torch.get_rng_state()
    check_attack(honest, DATA, outcome)
    assert honest.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in honest.state_dict().items())
    assert all(parameter.requires_grad for parameter in honest.parameters())
