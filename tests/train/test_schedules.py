import math
from dataclasses import replace

import pytest
import torch

import passband as pb
from helpers import bright_sides
from passband.errors import UnknownNameError
from passband.train import loop
from passband.train.config import run_id
from passband.train.learner import Learner
from passband.train.schedules import share_of_rate

CONFIG = replace(pb.RunConfig("sides"), epochs=2, batch_size=20, learning_rate=1e-2)


def test_a_constant_rate_is_one():
    assert {share_of_rate("constant", step, 7) for step in range(7)} == {1.0}


@pytest.mark.parametrize("steps", [1, 2, 19, 20, 21, 1000])
def test_a_cosine_rises_and_falls_within_the_run(steps):
    shares = [share_of_rate("cosine", step, steps) for step in range(steps)]
    rising = math.ceil(steps / 20)
    assert max(shares) == 1.0
    assert shares[:rising] == pytest.approx([(step + 1) / rising for step in range(rising)])
    assert all(0 <= share <= 1 for share in shares)
    assert shares[rising:] == sorted(shares[rising:], reverse=True)


def test_it_falls_as_torch_has_it():
    steps, rising = 200, 10
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - rising)
    for step in range(rising, steps):
        assert share_of_rate("cosine", step, steps) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()


def test_every_step_of_a_run_has_its_rate(monkeypatch):
    rates = []
    usual = Learner.set_rate
    monkeypatch.setattr(
        Learner, "set_rate", lambda learner, rate: (rates.append(rate), usual(learner, rate))[1]
    )
    model = pb.build_model("lenet", num_classes=3, in_channels=3, width=4, seed=0)
    loop.train(model, bright_sides(50), replace(CONFIG, schedule="cosine"), device="cpu")
    assert rates == [1e-2 * share_of_rate("cosine", step, 6) for step in range(6)]  # three batches an epoch


def test_ids_are_those_from_before_there_were_schedules():
    assert run_id(CONFIG, "data") == "3865deede724"
    assert run_id(replace(CONFIG, schedule="cosine"), "data") != run_id(CONFIG, "data")


def test_an_unknown_schedule_is_refused():
    with pytest.raises(UnknownNameError, match="linear"):
        replace(CONFIG, schedule="linear")
