from __future__ import annotations

import copy
import logging
import random
import sys

import numpy as np
import pytest
import torch
from torch import nn

from passband.attacks import autoattack, pgd
from passband.attacks.library import square
from passband.errors import InputError, MissingDependencyError, UnknownNameError
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash
from passband.models.pixels import PixelModel

pytest.importorskip("pyautoattack")


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """A network that takes and gives what a user's may: pixels, channels last, batch statistics, dropout."""
    body = build_model("resnet8", num_classes=5, width=4, batch_norm=True, dropout=0.5, seed=0)
    return PixelModel(body, name="small", mean=[0.5], std=[0.1], channels=3).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return (torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 1.4 - 0.2).clamp(0, 1)


@pytest.fixture(scope="module")
def labels(model, images) -> torch.Tensor:
    with torch.no_grad():
        return model(images).argmax(dim=1)


def length(change: torch.Tensor, norm: str) -> torch.Tensor:
    flat = change.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("attack", [autoattack, square])
def test_it_stays_in_the_ball_and_in_the_range_and_fools_the_model(model, images, labels, attack, norm):
    reach = 1.0 if norm == "linf" else 8.0
    bounds = torch.tensor([0.0, 0.2, 0.2, 0.3, 0.3, 0.3]) * reach
    adversarial = attack(model, images, labels, bounds, norm=norm)
    assert adversarial.min() >= 0
    assert adversarial.max() <= 1
    assert (length(adversarial - images, norm) <= bounds + 1e-5).all()
    assert torch.equal(adversarial[0], images[0])
    assert (model(adversarial).argmax(dim=1) != labels).sum() >= (5 if attack is autoattack else 1)


def test_what_is_wrong_from_the_start_is_returned_as_it_was(model, images, labels):
    wrong = (labels + 1) % 5
    for attack in (autoattack, square):
        assert torch.equal(attack(model, images, wrong, 0.1), images)


def test_the_seed_decides_and_nothing_else_is_disturbed(images, labels):
    body = build_model("resnet8", num_classes=5, width=4, batch_norm=True, dropout=0.5, seed=0)
    model = PixelModel(body, name="small", mean=[0.5], std=[0.1], channels=3).train()
    body.stem.eval()  # modes may be mixed
    body.stem.weight.requires_grad_(False)
    model(images).sum().backward()
    modes = [module.training for module in model.modules()]
    needed = [parameter.requires_grad for parameter in model.parameters()]
    gradients = copy.deepcopy([parameter.grad for parameter in model.parameters()])
    weights, before = weights_hash(model), images.clone()
    torch.manual_seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    logger = logging.getLogger("auto-attack")

    def trace(*_):
        return None

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        results = [square(model, images, labels, 0.2, seed=seed, queries=20) for seed in (0, 0, 1)]
        results.append(autoattack(model, images, labels, 0.3))
        assert sys.gettrace() is trace
    finally:
        sys.settrace(outer)

    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.equal(results[3], autoattack(model, images, labels, 0.3))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002
    assert random.getstate() == states[2]
    assert not logger.disabled
    assert torch.equal(images, before)
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == needed
    assert weights_hash(model) == weights
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert (parameter.grad is None and gradient is None) or torch.equal(parameter.grad, gradient)


def test_nothing_is_printed_or_logged(model, images, labels, capfd, caplog):
    with caplog.at_level(logging.DEBUG):
        autoattack(model, images, labels, 0.3)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_it_breaks_what_pgd_breaks(model, images, labels):
    for epsilon in (0.1, 0.2):
        ours = pgd(model, images, labels, epsilon, steps=20)
        fooled = model(ours).argmax(dim=1) != labels
        assert fooled.any()
        theirs = autoattack(model, images[fooled], labels[fooled], epsilon)
        assert (model(theirs).argmax(dim=1) != labels[fooled]).all()


def test_it_works_where_gradients_are_off_and_on_any_layout(model, images, labels):
    expected = autoattack(model, images, labels, 0.3)
    with torch.inference_mode():
        assert torch.equal(autoattack(model, images, labels, 0.3), expected)
    strided = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(autoattack(model, strided, labels, 0.3), expected)


def test_logits_that_a_model_shares_are_not_written_to(images):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = torch.zeros(6, 5)

        def forward(self, pixels):
            return self.logits[: len(pixels)]

    model = Shared()
    square(model, images, torch.zeros(6, dtype=torch.int64), 0.1, queries=3)
    assert not model.logits.any()


@pytest.mark.usefixtures("untyped")
def test_what_the_library_cannot_attack_is_refused(model, images, labels):
    three = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(InputError, match="AutoAttack needs a model of at least 4 classes, got 3"):
        autoattack(three, images, labels % 3, 0.1)
    with pytest.raises(InputError, match="cannot cut images of 12x12 pixels into tiles"):
        autoattack(model, torch.rand(6, 3, 12, 12), labels, 0.1, norm="l2")
    with pytest.raises(InputError, match="computes in float32, got images of torch.float64"):
        square(model, images.double(), labels, 0.1)
    with pytest.raises(InputError, match="the model has no gradient with respect to its images"):
        autoattack(lambda_model(lambda pixels: pixels.detach().flatten(1)[:, :5]), images, labels, 0.1)
    with pytest.raises(InputError, match="epsilon must be at most 1 in linf"):
        autoattack(model, images, labels, 8)
    with pytest.raises(UnknownNameError, match="no norm named 'l1'"):
        square(model, images, labels, 0.1, norm="l1")


def lambda_model(function) -> nn.Module:
    class Model(nn.Module):
        def forward(self, pixels):
            return function(pixels)

    return Model()


@pytest.mark.parametrize("size", [(5, 5), (7, 9), (28, 28), (32, 32), (64, 64)])
def test_sizes_that_are_not_refused_can_be_attacked(size):
    model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 4))
    images = torch.rand(3, 1, *size)
    labels = model(images).argmax(dim=1)
    for norm in ("linf", "l2"):
        square(model, images, labels, 0.01, norm=norm, queries=30)


def test_a_missing_library_is_named(model, images, labels, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(MissingDependencyError, match=r'AutoAttack needs pyautoattack.*"passband\[attacks\]"'):
        autoattack(model, images, labels, 0.1)


class Dark(nn.Module):
    """Its gradient is NaN at half of the pixels, and its answers are finite."""

    def forward(self, images):
        """Return four logits."""
        return ((images * (images > 0.5)).sqrt() + images).flatten(1)[:, :4]


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("attack", [autoattack, square])
def test_a_gradient_of_nan_makes_no_image_of_nan(images, norm, attack):
    truth = Dark()(images).argmax(dim=1)
    epsilon = 0.2 if norm == "linf" else 0.8
    adversarial = attack(Dark(), images, truth, epsilon, norm=norm)
    assert adversarial.isfinite().all()
    assert (Dark()(adversarial).argmax(dim=1) != truth).any()


@pytest.mark.parametrize("attack", [autoattack, square])
def test_an_answer_that_is_not_finite_is_an_error(images, attack):
    class Broken(Dark):
        def forward(self, images):
            return super().forward(images) * torch.nan

    with pytest.raises(
        InputError, match=r"the model returned NaN or infinite logits for \d of \d images made by"
    ):
        attack(Broken(), images, torch.zeros(6, dtype=torch.int64), 0.1)
