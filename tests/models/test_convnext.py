from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.convnext import CNBlock, CNBlockConfig
from torchvision.models.convnext import ConvNeXt as Published

from passband.models.catalog import build_model
from passband.models.convnext import LAYER_SCALE
from passband.models.feature_maps import find_layers
from passband.models.pixels import as_pixel_model


def network(**values) -> nn.Module:
    return build_model("convnext", **{"num_classes": 3, "width": 4, "seed": 0, **values}).eval()


def randomized(model: nn.Module) -> nn.Module:
    """Return the network with weights that leave no branch, bias or scale out."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return model


def test_it_is_that_of_torchvision_but_for_patches_and_stages():
    ours = randomized(network(num_classes=5))
    stages = [CNBlockConfig(4, 8, 2), CNBlockConfig(8, 16, 2), CNBlockConfig(16, None, 2)]
    theirs = Published(stages, num_classes=5).eval()
    theirs.features[0][0] = nn.Conv2d(3, 4, 2, stride=2)
    own = [*ours.state_dict().values()]
    assert [value.shape for value in own] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), own, strict=True)))
    images = torch.rand(4, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(
    ("size", "grids"),
    [
        ((32, 32), [(16, 16), (8, 8), (4, 4)]),
        ((28, 28), [(14, 14), (7, 7), (4, 4)]),  # what is left over is a patch too
        ((33, 45), [(17, 23), (9, 12), (5, 6)]),
    ],
)
def test_maps_are_halved_three_times_and_rounded_up(size, grids):
    model, seen = network(), []
    for block in (m for m in model.modules() if isinstance(m, CNBlock)):
        block.register_forward_hook(lambda *values: seen.append(tuple(values[-1].shape[-2:])))
    model(torch.rand(1, 3, *size))
    assert seen == [grid for grid in grids for _ in range(2)]


@pytest.mark.parametrize("size", [(28, 28), (33, 45), (224, 224)])
def test_a_gradient_reaches_all_weights_and_all_pixels(size):
    model = randomized(network()).train()
    images = torch.rand(3, 3, *size, requires_grad=True)
    nn.functional.cross_entropy(model(images), torch.arange(3)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert images.grad is not None
    assert images.grad.abs().sum((0, 1)).all()


def test_branches_begin_small_and_stay_where_an_initialization_found_them():
    scales = [value for name, value in network().named_parameters() if name.endswith("layer_scale")]
    assert len(scales) == 6
    assert all((scale == LAYER_SCALE).all() for scale in scales)


@pytest.mark.parametrize("initialization", ["xavier", "code", "default"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_even_images_have_no_huge_gradient(value, initialization):
    model = network(width=16, initialization=initialization)
    images = torch.full((4, 3, 32, 32), value, requires_grad=True)
    nn.functional.cross_entropy(model(images), torch.zeros(4, dtype=torch.int64)).backward()
    gradients = torch.cat([p.grad.flatten() for p in (images, *model.parameters()) if p.grad is not None])
    assert 0.01 < gradients.norm() < 100  # with biases of 0, and LayerNorm at 0, it would be more than 10,000


def test_without_its_branches_it_is_convolutions_of_patches():
    model, images = randomized(network()), torch.rand(2, 3, 32, 32)
    maps = model.stem(images)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("layer_scale"):
                value.zero_()
        for layer in model.features:
            maps = maps if isinstance(layer, CNBlock) else layer(maps)
        torch.testing.assert_close(model(images), model.classifier(maps))


def test_its_blocks_are_layers_with_maps():
    layers = find_layers(as_pixel_model(network()), torch.rand(1, 3, 33, 45))
    assert [layer.fold.grid for layer in layers] == [*[(17, 23)] * 4, *[(9, 12)] * 4, *[(5, 6)] * 3]
    assert {layer.fold.layout for layer in layers} == {"NCHW"}


def test_an_exported_one_answers_as_it_did():
    model, images = randomized(network()), torch.rand(3, 3, 33, 45)
    program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images[:2]), model(images[:2]))


def test_each_image_is_answered_on_its_own_and_in_any_order():
    model, images = randomized(network()), torch.rand(5, 3, 28, 28)
    order = [3, 1, 4, 0, 2]
    with torch.no_grad():
        torch.testing.assert_close(model(images[order]), model(images)[order])
        torch.testing.assert_close(model(images[2:3]), model(images)[2:3])


def test_number_of_parameters_follows_from_its_blocks():
    def block(channels: int) -> int:
        return 49 * channels + channels + 2 * channels + 8 * channels**2 + 5 * channels + channels

    width = 32
    stages = 2 * sum(block(c) for c in (32, 64, 128))
    between = (2 * 32 + 4 * 32 * 64 + 64) + (2 * 64 + 4 * 64 * 128 + 128)
    expected = (12 + 1) * width + 2 * width + stages + between + 2 * 128 + 10 * 129
    assert sum(p.numel() for p in build_model("convnext").parameters()) == expected
