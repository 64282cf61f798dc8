from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from passband.errors import InputError
from passband.models.catalog import build_model
from passband.models.feature_maps import find_layers
from passband.models.pixels import as_pixel_model
from passband.models.vision_transformer import VisionTransformer, encode_positions
from passband.train.config import RunConfig


def network(**values) -> nn.Module:
    return build_model("vit", **{"num_classes": 3, "width": 8, "seed": 0, **values}).eval()


def in_position(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return a network's answers with positions left out."""
    tokens = model.stem(images).flatten(2).transpose(1, 2)
    return model.classifier(model.features(tokens).mean(1))


def test_positions_are_those_of_big_vision():
    rows, columns, width = 3, 5, 16
    y, x = np.mgrid[:rows, :columns]
    omega = 1 / 10_000 ** (np.arange(width // 4) / (width // 4 - 1))
    y, x = np.einsum("m,d->md", y.flatten(), omega), np.einsum("m,d->md", x.flatten(), omega)
    expected = np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1)
    np.testing.assert_allclose(encode_positions(rows, columns, width).numpy(), expected, atol=1e-6)


def test_positions_are_the_literal_ones():
    # the second row, third column: x is 2, y is 1, and frequencies are 1 and 1e-4
    expected = [0.909297, 0.0002, -0.416147, 1.0, 0.841471, 0.0001, 0.540302, 1.0]
    assert encode_positions(2, 3, 8)[5].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("width", [4, 8, 64])
def test_all_positions_of_the_largest_images_differ(width):
    encoded = encode_positions(56, 56, width)
    assert encoded.isfinite().all()
    assert encoded.abs().max() <= 1
    apart = torch.cdist(encoded, encoded, compute_mode="donot_use_mm_for_euclid_dist")
    assert (apart + 9 * torch.eye(len(encoded))).min() > 1e-3


def test_a_larger_grid_has_the_same_positions_where_the_smaller_one_lies():
    small, large = encode_positions(7, 7, 12), encode_positions(16, 8, 12)
    assert torch.equal(small.unflatten(0, (7, 7)), large.unflatten(0, (16, 8))[:7, :7])


def test_patches_are_told_apart_by_their_position_alone():
    model, images = network(), torch.rand(4, 3, 32, 28)
    patches = images.unfold(2, 4, 4).unfold(3, 4, 4)  # (batch, channels, rows, columns, 4, 4)
    order = torch.randperm(56, generator=torch.Generator().manual_seed(1))
    shuffled = patches.flatten(2, 3)[:, :, order].unflatten(2, (8, 7)).transpose(3, 4).reshape(images.shape)
    with torch.no_grad():
        torch.testing.assert_close(in_position(model, shuffled), in_position(model, images))
        assert (model(shuffled) - model(images)).abs().max() > 1e-3


def test_each_image_is_answered_on_its_own_and_in_any_order():
    model, images = network(), torch.rand(5, 3, 28, 28)
    order = [3, 1, 4, 0, 2]
    with torch.no_grad():
        torch.testing.assert_close(model(images[order]), model(images)[order])
        torch.testing.assert_close(model(images[2:3]), model(images)[2:3])


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (33, 45)])
def test_answers_with_and_without_a_gradient_are_the_same(size):
    model, images = network(width=16), torch.rand(3, 3, *size)
    with_gradient = model(
        images
    ).detach()  # torch has a kernel of its own for a block in evaluation, without one
    with torch.inference_mode():
        torch.testing.assert_close(model(images), with_gradient)


def test_it_is_the_transformer_of_timm():
    timm = pytest.importorskip("timm")
    ours = network(num_classes=5, width=16)
    for parameter in ours.parameters():  # no biases of 0, no scales of 1
        nn.init.normal_(parameter, std=0.3)
    theirs = timm.models.VisionTransformer(
        img_size=(32, 48),
        patch_size=4,
        num_classes=5,
        embed_dim=16,
        depth=6,
        num_heads=4,
        class_token=False,
        global_pool="avg",
        fc_norm=False,
    ).eval()
    state = {
        "patch_embed.proj": "stem",
        "norm": "features.6",
        "head": "classifier",
        **{
            f"blocks.{i}.{name}": f"features.{i}.{own}"
            for i in range(6)
            for name, own in {
                "norm1": "norm1",
                "attn.qkv": "self_attn.in_proj_",
                "attn.proj": "self_attn.out_proj",
                "norm2": "norm2",
                "mlp.fc1": "linear1",
                "mlp.fc2": "linear2",
            }.items()
        },
    }
    own = ours.state_dict()
    renamed = {
        f"{name}.{kind}": own[f"{place}{'' if place.endswith('_') else '.'}{kind}"]
        for name, place in state.items()
        for kind in ("weight", "bias")
    }
    theirs.load_state_dict({**renamed, "pos_embed": encode_positions(8, 12, 16)[None]})
    assert len(own) == len(renamed)
    images = torch.rand(4, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(28, 28), (33, 45)])
def test_a_gradient_reaches_all_weights_and_all_pixels(size):
    model = network().train()
    images = torch.rand(8, 3, *size, requires_grad=True)
    nn.functional.cross_entropy(model(images), torch.arange(8) % 3).backward()
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        assert gradient is not None, name
        if name.endswith("in_proj_bias"):  # a bias of all keys alike changes no attention
            gradient = gradient[[*range(8), *range(16, 24)]]
        assert gradient.flatten(1 if gradient.ndim > 1 else 0).abs().sum(-1).all(), name
    assert images.grad is not None
    assert images.grad.abs().sum((0, 1)).all()


@pytest.mark.parametrize(("width", "more"), [(30, 32), (5, 8), (1, 4), (62, 64)])
def test_widths_that_heads_cannot_share_are_refused(width, more):
    message = f"the width of vit must be a multiple of 4, such as {more}, got {width}"
    with pytest.raises(InputError, match=message):
        network(width=width)
    with pytest.raises(InputError, match=message):
        RunConfig("phantom", model="vit", width=width)


def test_number_of_parameters_is_that_of_a_transformer_without_class_token():
    width, patch = 64, 3 * 4 * 4
    block = 4 * width * (width + 1) + 8 * width * width + 5 * width + 4 * width
    expected = (patch + 1) * width + 6 * block + 2 * width + 10 * (width + 1)
    assert sum(p.numel() for p in build_model("vit").parameters()) == expected == 303_818


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_it_computes_in_what_its_weights_are(dtype):
    assert network().to(dtype)(torch.rand(2, 3, 28, 28, dtype=dtype)).dtype == dtype


def test_mixed_precision_keeps_positions_whole():
    model, images = network(width=16), torch.rand(4, 3, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mixed = model(images)
    with torch.no_grad():
        torch.testing.assert_close(mixed.float(), model(images), rtol=0.05, atol=0.05)


def test_second_derivatives_need_the_plain_attention_and_are_right_with_it():
    model = network(width=4).double()
    images = torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    with sdpa_kernel(SDPBackend.MATH):
        assert torch.autograd.gradgradcheck(model, (images,))


@pytest.mark.parametrize(("size", "grid"), [((32, 32), (8, 8)), ((28, 28), (7, 7)), ((33, 45), (9, 12))])
def test_its_blocks_are_layers_with_maps(size, grid):
    layers = find_layers(as_pixel_model(network()), torch.rand(1, 3, *size))
    assert [layer.name for layer in layers] == [f"features.{block}" for block in range(7)]
    assert {(layer.fold.layout, layer.fold.grid, layer.fold.prefix) for layer in layers} == {("NLC", grid, 0)}


def test_an_exported_one_answers_as_it_did():
    model, images = network(), torch.rand(3, 3, 33, 45)
    program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images[:2]), model(images[:2]))


def test_nothing_is_kept_of_the_grid():
    assert not list(VisionTransformer(num_classes=2, in_channels=1, dropout=0.0, width=4).buffers())
