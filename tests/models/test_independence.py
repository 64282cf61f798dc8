from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from passband.errors import InputError
from passband.models.catalog import build_model
from passband.models.independence import check_independent, uses_batch_statistics
from passband.models.pixels import as_pixel_model

IMAGE = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Answers(nn.Module):
    """A linear classifier of features."""

    def __init__(self, features: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.features = features
        self.weight = torch.rand(IMAGE[0].numel(), 4, generator=torch.Generator().manual_seed(1)) - 0.5

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images).flatten(1) @ self.weight


def eight_bits(images: Tensor) -> Tensor:
    """Round as networks do that quantize on the fly, with one scale for the whole batch."""
    scale = images.max() / 255
    return (images / scale).round() * scale


@pytest.mark.parametrize("name", ["resnet8", "lenet", "vgg11"])
def test_running_statistics_pass_and_batch_statistics_are_refused(name):
    image = torch.rand(1, 3, 32, 32)
    check_independent(as_pixel_model(build_model(name, batch_norm=True, seed=0)), image)
    model = as_pixel_model(build_model(name, batch_norm=True, batch_statistics=True, seed=0))
    with pytest.raises(
        InputError, match=r"answers of .* depend on the other images of the batch: its BatchNorm"
    ):
        check_independent(model, image)


def test_batch_statistics_are_told_by_what_batch_norm_has_and_not_by_its_flag():
    norm = nn.BatchNorm2d(3)
    assert not uses_batch_statistics(nn.Sequential(norm))
    norm.track_running_stats = False  # torch goes on using the statistics that there are
    assert not uses_batch_statistics(nn.Sequential(norm))
    assert uses_batch_statistics(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)))
    assert not uses_batch_statistics(nn.InstanceNorm2d(3))  # normalizes each image alone


@pytest.mark.parametrize(
    "features",
    [
        lambda images: images - images.mean(dim=0),
        lambda images: images.softmax(dim=0),
        lambda images: nn.functional.batch_norm(images, None, None, training=True),
    ],
)
def test_what_another_layer_takes_from_the_batch_is_found(features):
    with pytest.raises(
        InputError,
        match="answers of Answers depend on .* differently beside a black and beside a white image",
    ):
        check_independent(as_pixel_model(Answers(features)), IMAGE)


@pytest.mark.parametrize(
    "features",
    [
        nn.Identity(),
        lambda images: images - images.mean(dim=(1, 2, 3), keepdim=True),
        eight_bits,
        lambda images: nn.functional.dropout(images, 0.5),  # draws anew in every answer
        lambda images: images + 0.03 * torch.randn_like(images),
    ],
)
def test_rounding_and_chance_are_no_dependence(features):
    check_independent(as_pixel_model(Answers(features)), IMAGE)


def test_the_model_is_left_as_it_was():
    model = as_pixel_model(nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(768, 4))).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check_independent(model, IMAGE)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
