from __future__ import annotations

import pytest
import torch

from passband.errors import UnknownNameError
from passband.train.optimizers import OPTIMIZERS, make_optimizer


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_goes_downhill(name):
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = make_optimizer(name, [weight], learning_rate=0.05)
    before = weight.detach().square().sum()
    for _ in range(5):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert weight.detach().square().sum() < before


def test_rate_and_weight_decay_are_heeded():
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    weight.grad = torch.tensor([1.0])
    make_optimizer("sgd", [weight], learning_rate=0.1, weight_decay=0.5).step()
    assert weight.item() == pytest.approx(2 - 0.1 * (1 + 0.5 * 2))


def test_unknown_optimizer():
    with pytest.raises(
        UnknownNameError, match="no optimizer named 'lion'. Known: adadelta, adagrad, adam, rms"
    ):
        make_optimizer("lion", [], learning_rate=1.0)


def test_rates_of_the_paper_and_its_code():
    assert {name: OPTIMIZERS[name].learning_rate for name in ("adam", "sgd", "adadelta")} == {
        "adam": 1e-4,
        "sgd": 1e-2,
        "adadelta": 1e-1,
    }
