"""Nothing waits for a GPU inside a step of training, of an attack, or a batch of a probe: the host stays ahead of it.

Each test runs on a CPU too, where what would wait is told by the operations and calls that do.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import passband as pb
from helpers import bright_sides, subject
from passband.attacks import PGD
from passband.attacks.gradient import frozen
from passband.data.dataset import ImageDataset, to_device
from passband.engine.probe import Probe
from passband.errors import InputError
from passband.frequency.component import lows_and_highs, parse_component
from passband.instruments.components import ComponentAccuracy
from passband.models.pixels import as_pixel_model
from passband.train.adversarial import Adversary
from waiting import growth, waits

DATA = bright_sides(60, size=12)


@pytest.fixture(params=["as on a GPU", pytest.param("on a GPU", marks=pytest.mark.gpu)])
def place(request) -> torch.device:
    """Return the CPU, watched as if it were a GPU; and the GPU, where there is one."""
    return torch.device("cpu") if request.param == "as on a GPU" else request.getfixturevalue("device")


def network(**settings) -> nn.Module:
    return pb.build_model("resnet8", num_classes=3, width=4, seed=0, **settings)


@pytest.mark.parametrize("components", [(), lows_and_highs([2, 4])], ids=["whole", "lfc and hfc"])
@pytest.mark.parametrize("amplitude", ["raw", "clip", "max", "minmax", "rms"])
def test_a_batch_of_a_probe_is_not_waited_for(place, components, amplitude):
    model = as_pixel_model(network(batch_norm=True)).to(place)

    def look(batches: int) -> None:
        asked = subject(model, DATA.take(torch.arange(10 * batches)), batch_size=10, device=str(place))
        ComponentAccuracy(components, amplitude).measure(asked)

    assert growth(place, look) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"component": "lfc:3", "amplitude": "max"},
        {"component": "hfc:3", "amplitude": "rms"},
        {"mixup": 0.5},
        {"augment": True},
        {"optimizer": "sgd"},
        {"adversarial": Adversary(8 / 255, PGD(steps=2))},
    ],
    ids=["plain", "lfc", "hfc", "mixup", "augment", "sgd", "adversarial"],
)
def test_a_step_of_training_is_not_waited_for(place, settings):
    config = pb.RunConfig("sides", model="resnet8", epochs=1, batch_size=10, learning_rate=1e-3)
    config = replace(config, **settings)
    model = network()

    def learn(steps: int) -> None:
        pb.train(model, DATA.take(torch.arange(10 * steps)), config, device=str(place))

    assert growth(place, learn) == {}


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("band", [None, "lfc:3", "hfc:3"])
def test_a_step_of_an_attack_is_not_waited_for(place, norm, band):
    model, images = network().to(place), to_device(DATA.images[:5], place) / 255
    labels = to_device(DATA.labels[:5], place)
    chosen = None if band is None else parse_component(band)

    def attack(steps: int) -> None:
        with frozen(model):
            pb.pgd(model, images, labels, 0.1, norm=norm, steps=steps, band=chosen)

    assert growth(place, attack) == {}


def test_the_paper_s_probe_waits_once_for_each_subset(place):
    model = as_pixel_model(network()).to(place)
    probe = replace(Probe.full(radii=(2, 4)), batch_size=10)

    def look(batches: int) -> None:
        few = DATA.take(torch.arange(10 * batches))
        list(probe.measure(model, {"train": few, "test": few}, 1, "run", 0))

    assert growth(place, look) == {}


@pytest.mark.parametrize(
    "wait",
    [
        lambda tensor: tensor.sum().item(),
        lambda tensor: bool(tensor.any()),
        lambda tensor: int(tensor.sum()),
        lambda tensor: tensor.nonzero(),
        lambda tensor: tensor[tensor > 0],
        lambda tensor: tensor.clone().masked_fill_(tensor > 0, 0).index_put_((tensor > 0,), tensor[0]),
        lambda tensor: tensor.masked_select(tensor > 0),
        lambda tensor: tensor.unique(),
        lambda tensor: torch.equal(tensor, tensor.clone()),  # which is the same place in memory no more
        lambda tensor: tensor.repeat_interleave(tensor.long()),
        lambda tensor: tensor.cpu(),
        lambda tensor: tensor.tolist(),
        lambda tensor: torch.ones(2).to(tensor.device),
    ],
    ids=range(13),
)
def test_what_waits_is_told(place, wait):
    tensor = torch.arange(4.0, device=place)
    with waits(place) as found:
        wait(tensor)
    assert found.total() > 0


def test_what_does_not_wait_is_not(place):
    tensor, order = torch.arange(4.0, device=place), torch.tensor([1, 0], device=place)
    with waits(place) as found:
        (tensor[order].exp() > 1).sum().where(tensor > 2, tensor).masked_fill(tensor > 1, 0)
        torch.ones(2).to(place, non_blocking=True)
    assert found == {}


def test_answers_that_are_none_are_refused_at_the_end():
    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = images.flatten(1)[:, :3]
            return torch.where(images.amax((1, 2, 3))[:, None] > 0.9, torch.nan, logits)

    images = torch.zeros(40, 3, 4, 4, dtype=torch.uint8)
    images[[3, 17, 39]] = 255
    data = ImageDataset(images, torch.zeros(40, dtype=torch.int64), ("a", "b", "c"), "few")
    asked, seen = ComponentAccuracy(()), []
    model = Broken()
    with (
        pytest.raises(InputError, match="Broken returned NaN or infinite logits for 3 of 40 whole images"),
        waits(torch.device("cpu")),
    ):
        asked.measure(subject(model, data, batch_size=10, progress=lambda *at: seen.append(at[1])))
    assert seen == [10, 20, 30, 40]
    with pytest.raises(InputError, match="Broken returned NaN or infinite logits for 1 of 10 whole images"):
        asked.measure(subject(model, data, batch_size=10))
