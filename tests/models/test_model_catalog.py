from __future__ import annotations

import pytest
import torch
from torch import nn

from passband.errors import InputError, UnknownNameError
from passband.models.catalog import build_model
from passband.models.networks import ARCHITECTURES, list_models
from passband.train.config import RunConfig

NARROW = {"alexnet": 4, "convnext": 4, "lenet": 3, "resnet18": 4, "vgg11": 4, "vgg16": 4, "vit": 8}

NORMALIZED = [name for name, line in ARCHITECTURES.lines.items() if not line.batch_norm]


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("height", "width", "channels"), [(28, 28, 1), (33, 45, 3), (64, 28, 3)])
@pytest.mark.parametrize("name", list_models())
def test_any_image_size_gives_one_logit_a_class(name, height, width, channels, batch_norm):
    if batch_norm and name in NORMALIZED:
        pytest.skip("has LayerNorm")
    model = build_model(
        name, num_classes=7, in_channels=channels, batch_norm=batch_norm, width=NARROW.get(name), seed=0
    )
    images = torch.rand(2, channels, height, width, requires_grad=True)
    logits = model(images)
    logits.sum().backward()
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()
    assert images.grad is not None
    assert images.grad.isfinite().all()


@pytest.mark.parametrize("name", ["alexnet", "convnext", "lenet", "resnet8", "resnet18", "vgg11", "vit"])
def test_images_of_224_pixels(name):
    model = build_model(name, width=4, seed=0).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 224, 224)).shape == (1, 10)


@pytest.mark.parametrize(
    ("name", "batch_norm", "parameters"),
    [
        ("lenet", False, 62_006),  # LeNet-5 on color images
        ("resnet18", True, 11_173_962),  # counts that other implementations of these networks report
        ("resnet20", True, 269_722),
        ("resnet32", True, 464_154),
    ],
)
def test_number_of_parameters_is_the_published_one(name, batch_norm, parameters):
    model = build_model(name, batch_norm=batch_norm)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("lenet", 5),
        ("alexnet", 8),
        ("vgg11", 11),
        ("vgg16", 16),
        ("resnet8", 8),
        ("resnet14", 14),
        ("resnet18", 18),
        ("resnet20", 20),
        ("resnet32", 32),
    ],
)
def test_names_count_the_layers_with_weights(name, layers):
    model = build_model(name, width=3)
    shortcuts = {m for n, m in model.named_modules() if "shortcut" in n}
    counted = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m not in shortcuts]
    assert len(counted) == layers


@pytest.mark.parametrize("name", list_models())
def test_width_is_that_of_the_first_layer(name):
    width = 12 if name == "vit" else 5
    assert build_model(name, width=width, in_channels=1).get_parameter("stem.weight").shape[:2] == (width, 1)


@pytest.mark.parametrize("name", [name for name in list_models() if name not in NORMALIZED])
def test_convolutions_have_a_bias_or_batch_norm(name):
    for batch_norm in (False, True):
        model = build_model(name, width=4, batch_norm=batch_norm)
        biases = {m.bias is not None for m in model.modules() if isinstance(m, nn.Conv2d)}
        assert biases == {not batch_norm}
        assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == batch_norm


@pytest.mark.parametrize("name", NORMALIZED)
def test_networks_with_layer_norm_refuse_batch_norm(name):
    assert name in ("convnext", "vit")
    message = (
        f"{name} has LayerNorm.* cannot have BatchNorm. Leave batch_norm .* one of: alexnet, lenet, resnet8"
    )
    with pytest.raises(InputError, match=message):
        build_model(name, batch_norm=True)
    with pytest.raises(InputError, match=message):
        RunConfig("phantom", model=name, batch_norm=True)
    with pytest.raises(
        InputError, match="batch_statistics says how BatchNorm works, and the network has none"
    ):
        build_model(name, batch_statistics=True)
    assert any(isinstance(m, nn.LayerNorm) for m in build_model(name, width=4).modules())


@pytest.mark.parametrize("name", list_models())
def test_dropout_acts_in_training_only(name):
    model = build_model(name, dropout=0.5, width=NARROW.get(name), seed=0)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert not torch.equal(model(images), model(images))
        model.eval()
        torch.testing.assert_close(model(images), model(images), rtol=0, atol=0)


def test_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second, other = (build_model("resnet8", seed=seed) for seed in (1, 1, 2))
    torch.testing.assert_close(torch.get_rng_state(), before)
    assert torch.equal(first.get_parameter("stem.weight"), second.get_parameter("stem.weight"))
    assert not torch.equal(first.get_parameter("stem.weight"), other.get_parameter("stem.weight"))


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("initialization", ["xavier", "code", "default"])
def test_the_seed_decides_all_weights(name, initialization):
    torch.manual_seed(0)  # what the layers draw while they are made must not be left in any of them
    first = build_model(name, width=4, initialization=initialization, seed=1).state_dict()
    torch.manual_seed(1)
    again = build_model(name, width=4, initialization=initialization, seed=1).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in first.items())


def test_without_a_seed_weights_come_from_the_global_generator():
    first = build_model("lenet")
    second = build_model("lenet")
    torch.manual_seed(0)
    again = build_model("lenet")
    assert torch.equal(first.get_parameter("stem.weight"), again.get_parameter("stem.weight"))
    assert not torch.equal(first.get_parameter("stem.weight"), second.get_parameter("stem.weight"))


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="no model named 'resnet19'. Did you mean 'resnet"):
        build_model("resnet19")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "num_classes must be a whole number of at least 1, got 0"),
        ({"in_channels": 0}, "in_channels must be a whole number of at least 1, got 0"),
        ({"width": 0}, "width must be a whole number of at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), the share of units to drop, got 1.0"),
        ({"dropout": -0.1}, r"dropout must be in \[0, 1\)"),
        ({"dropout": float("nan")}, r"dropout must be in \[0, 1\)"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        build_model("lenet", **arguments)
