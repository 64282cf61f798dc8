from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from passband.errors import InputError
from passband.models.blocks import Patches
from passband.models.catalog import build_model


def network(**values) -> nn.Module:
    model = build_model("resnet8", width=4, batch_norm=True, seed=0, **values)
    model(torch.rand(20, 3, 16, 16) * 3)  # running statistics that differ from any batch's
    return model.eval()


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def test_running_statistics_answer_each_image_alone():
    model, images = network(), torch.rand(6, 3, 16, 16)
    torch.testing.assert_close(model(images)[:2], model(images[:2]))


def test_batch_statistics_are_those_of_the_batch_at_test_too():
    model, images = network(batch_statistics=True), torch.rand(6, 3, 16, 16)
    assert (model(images)[:2] - model(images[:2])).abs().max() > 1e-3
    norm, maps = norms(model)[0], torch.rand(5, 4, 3, 3)
    torch.testing.assert_close(
        norm(maps), F.batch_norm(maps, None, None, norm.weight, norm.bias, training=True)
    )
    torch.testing.assert_close(model(images), model.train()(images))
    # a component that is ten times as strong is normalized away
    torch.testing.assert_close(norm(10 * maps), norm(maps), rtol=1e-3, atol=1e-3)
    assert not [name for name in model.state_dict() if "running" in name or "num_batches" in name]


def test_fixed_scale_and_offset_are_not_trained():
    model = network(fixed_affine=True)
    assert not [name for name, _ in model.named_parameters() if name.endswith("branch.0.0.weight")]
    norm, maps = norms(model)[0], torch.rand(5, 4, 3, 3)
    assert norm.weight is None
    torch.testing.assert_close(
        norm.train()(maps), F.batch_norm(maps, None, None, torch.ones(4), torch.zeros(4), training=True)
    )
    count = sum(p.numel() for p in network().parameters()) - sum(p.numel() for p in model.parameters())
    assert count == sum(2 * norm.num_features for norm in norms(model)) > 0


@pytest.mark.parametrize("name", ["batch_statistics", "fixed_affine"])
def test_options_of_batch_norm_need_it(name):
    with pytest.raises(InputError, match=f"{name} says how BatchNorm works, and the network has none"):
        build_model("resnet8", **{name: True})


def test_both_at_once_train_and_answer():
    model = network(batch_statistics=True, fixed_affine=True)
    model(torch.rand(4, 3, 16, 16)).sum().backward()
    assert model.get_parameter("stem.weight").grad.abs().sum() > 0


@pytest.mark.parametrize("size", [(8, 12), (7, 9), (5, 4), (1, 1)])
def test_patches_that_are_not_full_are_filled_with_zeros_after_the_image(size):
    patches, maps = Patches(2, 3, 4), torch.rand(2, 2, *size)
    found = patches(maps)
    filled = torch.zeros(2, 2, 8, 12)
    filled[:, :, : size[0], : size[1]] = maps
    expected = F.conv2d(filled, patches.weight, patches.bias, stride=4)
    rows, columns = (-(-side // 4) for side in size)
    assert found.shape == (2, 3, rows, columns)
    torch.testing.assert_close(found, expected[:, :, :rows, :columns])


def test_a_patch_is_a_linear_layer():
    patches, image = Patches(1, 5, 2), torch.tensor([[[[1.0, 2], [3, 4]]]])
    expected = patches.weight.flatten(1) @ torch.tensor([1.0, 2, 3, 4]) + patches.bias
    torch.testing.assert_close(patches(image).flatten(), expected)
