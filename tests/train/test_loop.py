from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import bright_sides
from passband.attacks import PGD, pgd
from passband.errors import InputError, PassbandError
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash
from passband.randomness import generator_for
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig
from passband.train.epoch import TrainingDiverged
from passband.train.examples import draw_epoch, make_examples
from passband.train.loop import labelled, train
from passband.train.optimizers import OPTIMIZERS


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
    train(
        model, bright_sides(120), config(epochs=5, learning_rate=5e-4), on_epoch=reports.append, device="cpu"
    )
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].loss < 1.1  # log(3) is 1.0986, that of a guess


@pytest.mark.parametrize(
    ("name", "width", "rate"), [("lenet", None, 1e-3), ("convnext", 8, 5e-3), ("vit", 16, 5e-3)]
)
def test_a_network_learns_what_can_be_learned(name, width, rate):
    model = network(name, width=width)
    returned = train(model, bright_sides(300), config(epochs=6, learning_rate=rate), device="cpu")
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
    steps = getattr(torch.optim, OPTIMIZERS[optimizer].kind)(plain.parameters(), lr=1e-3, weight_decay=0.01)
    for epoch in (1, 2):
        order = torch.randperm(50, generator=generator_for(0, "order", epoch))
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


HEURISTICS = [
    {"mixup": 0.5},
    {"adversarial": Adversary(8 / 255, PGD(steps=2))},
    {"component": "lfc:6"},
    {"component": "hfc:6"},
    {"augment": True},
    {"shuffle_labels": True},
]


@pytest.mark.parametrize("values", HEURISTICS, ids=str)
def test_every_heuristic_changes_the_weights_and_repeats_them(values):
    plain, first, again = (
        weights_hash(train(network(), bright_sides(50), config(**each), device="cpu"))
        for each in ({}, values, values)
    )
    assert first == again != plain


def test_mixup_is_trained_on_blends_and_judged_by_them():
    data, settings = bright_sides(50), config(mixup=0.5, epochs=1, optimizer="sgd", learning_rate=0.1)
    reports = []
    model = train(network(), data, settings, on_epoch=reports.append, device="cpu")
    plain = network()
    steps = torch.optim.SGD(plain.parameters(), lr=0.1)
    losses = right = 0.0
    for drawn in draw_epoch(50, settings, generator_for(0, "order", 1)):
        batch = drawn.order
        pixels, targets = make_examples(data.images[batch], data.labels[batch], 3, settings, drawn)
        logits = plain(pixels)
        loss = -(targets * logits.log_softmax(1)).sum(1).mean()
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses += loss.item() * len(batch)
        right += sum(target[answer].item() for target, answer in zip(targets, logits.argmax(1), strict=True))
    assert reports[0].loss == pytest.approx(losses / 50, rel=1e-4)
    assert reports[0].accuracy == pytest.approx(right / 50, rel=1e-4)
    torch.testing.assert_close(model.state_dict(), plain.state_dict(), rtol=1e-3, atol=1e-5)


def test_adversarial_training_makes_robust():
    data = bright_sides(150)
    data.images.sub_(data.images % 64)  # so that an attack has room
    natural, robust = (
        train(network(), data, config(epochs=6, learning_rate=2e-3, **each), device="cpu")
        for each in ({}, {"adversarial": Adversary(0.15, PGD(steps=4))})
    )
    pixels = data.images / 255
    accuracies = []
    for model in (natural, robust):
        attacked = pgd(model, pixels, data.labels, 0.15, steps=4, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            accuracies.append((model(attacked).argmax(1) == data.labels).float().mean().item())
    assert accuracies[1] > accuracies[0] + 0.2


def test_running_statistics_do_not_see_the_attack(monkeypatch):
    seen = []
    real = Adversary.run
    monkeypatch.setattr(
        Adversary, "run", lambda self, *args: seen.append(args[0].training) or real(self, *args)
    )
    model = network("resnet8", width=4, batch_norm=True)
    train(model, bright_sides(40), config(adversarial=Adversary(0.1, PGD(steps=3)), epochs=1), device="cpu")
    assert seen == [True, True]  # the network is in training mode, and the attack switches it and back
    assert model.get_buffer("features.0.0.num_batches_tracked") == 2  # one for each step, none for an attack


def test_shuffled_labels_are_one_permutation_for_a_seed():
    data = bright_sides(60)
    assert labelled(data, config()) is data
    first, again, other = (labelled(data, config(shuffle_labels=True, seed=s)).labels for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_bfloat16_learns_too_and_keeps_weights_in_float32():
    reports = []
    settings = config(precision="bf16-mixed", epochs=4)
    model = train(network(), bright_sides(120), settings, on_epoch=reports.append, device="cpu")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert reports[-1].loss < reports[0].loss
    assert weights_hash(model) != weights_hash(
        train(network(), bright_sides(120), config(epochs=4), device="cpu")
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    "values", [{}, {"precision": "16-mixed"}, {"adversarial": Adversary(0.1, PGD(steps=2))}], ids=str
)
def test_it_learns_on_a_gpu(values):
    reports = []
    model = train(
        network(), bright_sides(120), config(epochs=6, **values), on_epoch=reports.append, device="cuda"
    )
    assert next(model.parameters()).is_cuda
    assert reports[-1].loss < reports[0].loss


def test_the_component_must_fit_the_images():
    with pytest.raises(InputError, match="radius 20 is not below the corner"):
        train(network(), bright_sides(40), config(component="lfc:20"), device="cpu")


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda images: images["pixels"], "the model cannot take images shaped .*indices"),
        (lambda images: {"logits": images.flatten(1)[:, :3]}, "must return a tensor of logits, got a dict"),
    ],
)
def test_a_network_that_fails_in_its_own_way_is_refused(forward, message):
    body = network()
    body.forward = forward
    with pytest.raises(InputError, match=message):
        train(body, bright_sides(50), config(), device="cpu")
