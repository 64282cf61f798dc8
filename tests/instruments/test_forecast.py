"""How long instruments will take, before they start."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import passband as pb
from helpers import noise, subject
from passband.attacks import PGD
from passband.instruments import forecast as module
from passband.instruments.attacks import UnderAttack
from passband.instruments.components import ComponentAccuracy
from passband.instruments.counterexamples import RobustnessCeiling
from passband.instruments.favorite_answer import FavoriteAnswer
from passband.instruments.flips import Flips
from passband.instruments.forecast import forecast
from passband.robustness.plan import AttackPlan

DATA = noise(samples=400, size=(16, 16))
SECONDS = 0.002


@dataclass
class Clock:
    """Goes on only when a network computes: how busy the machine is, it does not show."""

    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(module, "time", CLOCK)


class Slow(nn.Module):
    """Takes its time for each image, and for its gradient; has BatchNorm and dropout, and counts what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop, self.head = nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Linear(768, 4)
        self.shown = 0

    def forward(self, images):
        self.shown += len(images)
        self.take(len(images))
        if images.requires_grad:
            images.register_hook(lambda gradient: self.take(len(gradient)))
        return self.head(self.drop(self.norm(images)).flatten(1))

    def take(self, images: int) -> None:
        CLOCK.now += SECONDS * images


class Restless(Slow):
    """Draws from the global generator in evaluation mode too."""

    def forward(self, images):
        return super().forward(images) + 1e-6 * torch.rand(1)


def expected(model, *asked, answers=None, **settings):
    named = [(each.name, each) for each in asked]
    return forecast(subject(model, DATA, **settings), answers or ComponentAccuracy(), named)


def test_seconds_are_those_of_the_answers_that_instruments_ask_for():
    ceiling = RobustnessCeiling(100, (1, 4, 8))
    found = expected(Slow(), ComponentAccuracy(), ceiling)
    assert list(found) == ["components", "ceiling"]
    for name, instrument in (("components", ComponentAccuracy()), ("ceiling", ceiling)):
        assert found[name] == pytest.approx(SECONDS * instrument.cost(400, DATA.size).answers)


def test_gradients_are_timed_where_they_are_asked_for():
    attack = UnderAttack(PGD(steps=40), (0.1,))
    found, cost = expected(Slow(), ComponentAccuracy(), attack), attack.cost(400, DATA.size)
    assert found["attacks"] == pytest.approx(SECONDS * (cost.answers + 2 * cost.gradients))


def test_answers_that_several_build_on_are_paid_for_once():
    found = expected(Slow(), Flips(), ComponentAccuracy(), FavoriteAnswer())
    assert list(found) == ["flips"]


def test_a_precision_bounds_what_is_expected(monkeypatch):
    monkeypatch.setattr(module, "SHORT", 0.0)
    few = ComponentAccuracy(precision=0.2)
    assert few.cost(400, DATA.size).answers == 93 * few.cost(1, DATA.size).answers
    found = expected(Slow(), few, RobustnessCeiling(), answers=few)["ceiling"]
    assert found == pytest.approx(SECONDS * RobustnessCeiling().cost(93, DATA.size).answers)


def test_nothing_is_said_of_what_takes_less_than_ten_seconds():
    model = Slow()
    assert expected(model, ComponentAccuracy(())) == {}
    assert model.shown == 2 * 3  # one image, twice


def test_timing_is_short_and_leaves_everything_as_it_was():
    model = Restless()
    model.drop.eval()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    start = CLOCK.now
    assert expected(model, ComponentAccuracy(), UnderAttack(PGD(steps=40)), batch_size=16)
    assert CLOCK.now - start < 5 * module.TIMED
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), drawn)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert [m.training for m in (model, model.norm, model.drop)] == [True, True, False]
    assert all(p.grad is None for p in model.parameters())


def test_an_audit_says_what_to_expect_before_it_begins_and_finds_the_same(monkeypatch):
    monkeypatch.setattr(module, "SHORT", 0.0)
    told, network, data = [], Slow(), DATA.take(torch.arange(30))
    plan = AttackPlan(PGD(steps=2), (0.1,), sanity_samples=0)
    stages = []
    settings = {"radii": [2, 5], "attacks": [plan], "device": "cpu"}
    found = pb.audit(
        network,
        data,
        instruments=[FavoriteAnswer()],
        expect=lambda seconds: told.append((seconds, len(stages))),
        progress=lambda *done: stages.append(done),
        **settings,
    )
    ((seconds, begun),) = told
    assert begun == 0
    assert list(seconds) == ["components", "ceiling", "favorite-answer", "pgd"]
    assert min(seconds.values()) > 0
    again = pb.audit(network, data, instruments=[FavoriteAnswer()], **settings)
    assert again.rows.equals(found.rows)


def test_a_short_audit_says_nothing():
    network = pb.build_model("resnet8", num_classes=4, width=4, seed=0)
    pb.audit(
        network, DATA.take(torch.arange(9)), radii=[2], device="cpu", expect=lambda _: pytest.fail("said")
    )
