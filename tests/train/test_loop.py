from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from passband.data.dataset import ImageDataset
from passband.errors import InputError, PassbandError
from passband.models.catalog import build_model
from passband.models.weights import weights_hash
from passband.train.config import RunConfig
from passband.train.loop import TrainingDiverged, train
from passband.train.optimizers import OPTIMIZERS

CLASSES = ("left", "right", "top")


def bright_sides(samples: int, *, channels: int = 3, size: int = 28, seed: int = 0) -> ImageDataset:
    """Noise with one bright side, which is the class."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 128, (samples, channels, size, size), generator=generator, dtype=torch.uint8)
    labels = torch.arange(samples) % 3
    half = size // 2
    images[labels == 0, :, :, :half] += 100
    images[labels == 1, :, :, half:] += 100
    images[labels == 2, :, :half] += 100
    return ImageDataset(images, labels, CLASSES, "sides", "train")


def config(**values) -> RunConfig:
    return RunConfig(**{"dataset": "sides", "batch_size": 20, "learning_rate": 1e-3, "epochs": 2, **values})


def network(name: str = "lenet", **values) -> nn.Module:
    return build_model(name, **{"num_classes": 3, "seed": 0, **values})


@pytest.mark.parametrize(
    ("name", "width", "batch_norm"),
    [
        ("lenet", None, False),
        ("alexnet", 8, False),
        ("resnet8", 8, False),
        ("resnet8", 8, True),
        ("resnet18", 8, False),
        ("resnet32", 4, False),
    ],
)
def test_loss_falls_with_and_without_batch_norm(name, width, batch_norm):
    reports = []
    model = network(name, width=width, batch_norm=batch_norm)
    train(model, bright_sides(120), config(epochs=5), on_epoch=reports.append, device="cpu")
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].loss < 1.1  # log(3) is 1.0986, that of a guess


def test_a_network_learns_what_can_be_learned():
    model = network()
    returned = train(model, bright_sides(300), config(epochs=6), device="cpu")
    assert returned is model
    assert not model.training
    unseen = bright_sides(90, seed=1)
    with torch.no_grad():
        predicted = model(unseen.images / 255).argmax(1)
    assert (predicted == unseen.labels).float().mean() > 0.95


@pytest.mark.parametrize("values", [{}, {"dropout": 0.5}, {"batch_norm": True}])
@pytest.mark.parametrize("name", ["lenet", "resnet8"])
def test_same_config_gives_the_same_weights_bit_for_bit(name, values):
    hashes = set()
    for noise in (1, 2):
        torch.manual_seed(noise)  # must not matter
        hashes.add(
            weights_hash(train(network(name, width=4, **values), bright_sides(50), config(), device="cpu"))
        )
    assert len(hashes) == 1


def test_the_seed_decides_the_order_of_images():
    first, second = (
        weights_hash(train(network(), bright_sides(50), config(seed=seed), device="cpu")) for seed in (0, 1)
    )
    assert first != second


def test_global_random_numbers_are_left_alone():
    before = torch.get_rng_state()
    train(network(dropout=0.5), bright_sides(40), config(), device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_it_is_the_textbook_loop(optimizer):
    data = bright_sides(50)
    settings = config(optimizer=optimizer, weight_decay=0.01)
    model = train(network(), data, settings, device="cpu")
    plain = network()
    steps = OPTIMIZERS[optimizer](plain.parameters(), lr=1e-3, weight_decay=0.01)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        order = torch.randperm(50, generator=generator)
        for batch in (order[:20], order[20:40], order[40:]):  # the last one is smaller, and used
            steps.zero_grad()
            F.cross_entropy(plain(data.images[batch] / 255), data.labels[batch]).backward()
            steps.step()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(model.get_parameter(name), parameter, rtol=1e-3, atol=1e-4)


def test_reports_are_means_over_all_images():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(3))

        def forward(self, images):
            return self.logits.expand(len(images), 3)

    reports = []
    train(Constant(), bright_sides(50), config(learning_rate=1e-30), on_epoch=reports.append, device="cpu")
    assert [report.epoch for report in reports] == [1, 2]
    for report in reports:
        assert report.loss == pytest.approx(torch.tensor(3.0).log().item())
        assert report.accuracy == 17 / 50  # the first class, of 17 in 50
        assert report.seconds > 0
        assert report.images_per_second == pytest.approx(50 / report.seconds)


def test_divergence_says_what_to_try():
    with pytest.raises(
        TrainingDiverged, match="the loss of epoch [12] is (nan|inf) with sgd at a learning rate of 1000"
    ) as e:
        train(network(), bright_sides(60), config(optimizer="sgd", learning_rate=1e10), device="cpu")
    assert isinstance(e.value, PassbandError)
    assert "Try a tenth of that rate" in str(e.value)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(
        InputError, match="batch_size must be at most the number of training images, 10, got 20"
    ):
        train(network(), bright_sides(10), config(), device="cpu")


def test_a_network_for_other_data_is_refused():
    with pytest.raises(InputError, match=r"the model cannot take images shaped \(1, 28, 28\)"):
        train(network(), bright_sides(30, channels=1), config(), device="cpu")
    with pytest.raises(InputError, match=r"one logit for each of the 3 classes of 'sides', got .*\(2, 10\)"):
        train(network(num_classes=10), bright_sides(30), config(), device="cpu")


def test_an_unknown_device_is_refused():
    with pytest.raises(InputError, match="device must be 'auto', 'cpu'"):
        train(network(), bright_sides(30), config(), device="quantum")
