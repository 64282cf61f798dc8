from __future__ import annotations

import pytest
import torch

from helpers import noise
from passband.frequency.component import Low
from passband.frequency.rescale import rescale
from passband.train.augment import sample_crops
from passband.train.config import RunConfig
from passband.train.examples import draw_epoch, make_examples
from passband.train.mixup import sample_mixup
from reference import low

DATA = noise(samples=8, classes=4, size=(12, 10))


def made(seed: int = 0, **values) -> tuple[torch.Tensor, torch.Tensor]:
    """The whole data as one batch, in their own order."""
    config = RunConfig("noise", batch_size=8, **values)
    (drawn,) = draw_epoch(8, config, torch.Generator().manual_seed(seed))
    return make_examples(DATA.images, DATA.labels, 4, config, drawn)


def test_by_default_they_are_the_images_and_their_labels():
    pixels, targets = made()
    assert torch.equal(pixels, DATA.images / 255)
    assert torch.equal(targets, torch.nn.functional.one_hot(DATA.labels, 4).float())


@pytest.mark.parametrize("amplitude", ["raw", "max", "rms"])
@pytest.mark.parametrize("name", ["lfc", "hfc"])
def test_a_component_is_the_one_of_the_paper(name, amplitude):
    pixels, targets = made(component=f"{name}:3", amplitude=amplitude)
    images = DATA.images / 255
    parts = torch.tensor([[low(channel.numpy(), 3).tolist() for channel in image] for image in images])
    expected = rescale(parts if name == "lfc" else images - parts, amplitude, original=images)
    torch.testing.assert_close(pixels, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(targets, made()[1])


def test_mixup_blends_what_would_have_been_shown():
    pixels, targets = made(seed=2, mixup=0.5, component="hfc:3")
    plain, labels = made(component="hfc:3")
    draws = torch.Generator().manual_seed(2)
    torch.randperm(8, generator=draws)  # the order of the images comes first
    weight, order = sample_mixup(8, 0.5, draws)
    torch.testing.assert_close(pixels, weight * plain + (1 - weight) * plain[order])
    torch.testing.assert_close(targets, weight * labels + (1 - weight) * labels[order])


def test_augmentation_comes_before_the_component():
    pixels, _ = made(seed=3, augment=True, component="lfc:2", amplitude="raw")
    moved, _ = made(seed=3, augment=True)
    assert not torch.equal(moved, DATA.images / 255)
    torch.testing.assert_close(pixels, Low(2).of(moved))


def test_the_generator_decides():
    assert torch.equal(made(1, mixup=0.5, augment=True)[0], made(1, mixup=0.5, augment=True)[0])
    assert not torch.equal(made(1, augment=True)[0], made(2, augment=True)[0])


def test_an_epoch_draws_batch_by_batch_as_if_each_were_drawn_when_it_is_due():
    """Stores hold runs that were trained so."""
    config = RunConfig("noise", batch_size=3, augment=True, mixup=0.5)
    epoch = draw_epoch(8, config, torch.Generator().manual_seed(4))
    draws = torch.Generator().manual_seed(4)
    orders = torch.randperm(8, generator=draws).split(3)
    assert [len(drawn.order) for drawn in epoch] == [3, 3, 2]
    for order, drawn in zip(orders, epoch, strict=True):
        assert torch.equal(drawn.order, order)
        corners, mirrored = sample_crops(len(order), draws)
        assert torch.equal(drawn.crops[0], corners)
        assert torch.equal(drawn.crops[1], mirrored)
        weight, partners = sample_mixup(len(order), 0.5, draws)
        assert drawn.blend[0] == weight
        assert torch.equal(drawn.blend[1], partners)
