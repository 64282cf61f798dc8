from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from passband.models.precision import speak_float32


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()


class Converts(nn.Module):
    """Normalizes in float32 and converts for its body, which is in half precision."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.5))
        self.body = network().half()

    def forward(self, images):
        return self.body((images - self.mean).half())


def half_but_norms():
    model = network().half()
    model[1].float()
    return nn.Sequential(model[0], ToFloat(), *model[1:])


class ToFloat(nn.Module):
    def forward(self, images):
        return images.float()


class ToDouble(nn.Module):
    def forward(self, images):
        return {"logits": images.mean((2, 3)).double(), "classes": images.mean((2, 3)).argmax(1)}


@pytest.mark.parametrize(
    "make",
    [
        network,
        lambda: network().half(),
        lambda: network().bfloat16(),
        lambda: network().double(),
        Converts,
        half_but_norms,
    ],
)
def test_any_network_takes_and_returns_float32(make):
    expected = make()
    model = speak_float32(make())
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    logits = model(images)
    assert logits.dtype == torch.float32
    first = next(value.dtype for value in expected.parameters())
    with torch.no_grad():
        own = images if isinstance(expected, Converts) else images.to(first)
        assert torch.equal(logits, expected(own).float())
    logits.sum().backward()
    assert images.grad is not None
    assert images.grad.dtype == torch.float32
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(again(images), logits)


def test_what_is_not_floating_point_stays():
    output = speak_float32(ToDouble())(torch.rand(2, 3, 4, 4))
    assert (output["logits"].dtype, output["classes"].dtype) == (torch.float32, torch.int64)
