"""Operations with a stride, done with stride 1: each so-manieth pixel is what the operation itself returned."""

import pytest
import torch
from torch import nn

from passband.models import downsampling
from passband.models.downsampling import OTHERS, STRIDED, is_coarser, read_downsampling
from passband.models.watching import watching

IMAGES = (2, 8, 15, 18)
OPERATIONS = {
    "plain": nn.Conv2d(8, 6, 3, stride=2, padding=1),
    "without bias": nn.Conv2d(8, 6, 3, stride=2, bias=False),
    "patches": nn.Conv2d(8, 6, 4, stride=4),
    "one by one": nn.Conv2d(8, 6, 1, stride=2),
    "unequal": nn.Conv2d(8, 6, (3, 2), stride=(1, 3), padding=(0, 2)),
    "depthwise": nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
    "depthwise with two filters each": nn.Conv2d(8, 16, 3, stride=2, groups=8),
    "grouped": nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=4),
    "dilated": nn.Conv2d(8, 6, 3, stride=2, dilation=2, padding=2),
    "reflecting": nn.Conv2d(8, 6, 5, stride=2, padding=2, padding_mode="reflect"),
    "circular": nn.Conv2d(8, 6, 3, stride=3, padding=1, padding_mode="circular"),
    "valid": nn.Conv2d(8, 6, 3, stride=2, padding="valid"),
    "maximum": nn.MaxPool2d(3, 2, 1),
    "maximum of its own stride": nn.MaxPool2d(2),
    "maximum with places": nn.MaxPool2d(2, return_indices=True),
    "dilated maximum": nn.MaxPool2d(2, 2, dilation=2),
    "mean": nn.AvgPool2d(2),
    "mean without padding counted": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "mean of its own divisor": nn.AvgPool2d(2, divisor_override=3),
}
PARTIAL = {
    "maximum over the edge": nn.MaxPool2d(3, 2, ceil_mode=True),
    "mean over it": nn.AvgPool2d(4, 3, ceil_mode=True),
}


def downsamplings(module, images):
    operations = []
    with (
        torch.inference_mode(),
        watching(module, output=lambda _: None, operation=operations.append, kinds=STRIDED),
    ):
        value = module(images)
    return [read_downsampling(each) for each in operations], value


@pytest.mark.parametrize("at_once", [2**22, 100])
@pytest.mark.parametrize("name", [*OPERATIONS, *PARTIAL])
def test_each_so_manieth_pixel_of_the_dense_map_is_what_was_returned(name, at_once, monkeypatch):
    monkeypatch.setattr(downsampling, "VALUES_AT_ONCE", at_once)  # channels at a time, and all at once
    (found,), value = downsamplings((OPERATIONS | PARTIAL)[name], images := torch.randn(IMAGES))
    value = value[0] if isinstance(value, tuple) else value
    down, across = found.stride
    for at in range(len(images)):
        with torch.inference_mode():
            parts = list(found.dense(at))
        dense = torch.cat(parts)
        kept = dense[:, ::down, ::across]
        rows, columns = kept.shape[-2:]
        torch.testing.assert_close(kept, value[at, :, :rows, :columns])
        missing = (found.grid[0] - rows, found.grid[1] - columns)
        assert missing == (0, 0) or (name in PARTIAL and max(missing) == 1)
        assert all(
            (side - 1) * step < length <= side * step
            for side, step, length in zip(kept.shape[-2:], found.stride, dense.shape[-2:], strict=True)
        )
        assert name.startswith(("maximum", "mean", "dilated max")) or len(parts) > 1 or at_once > 100


def test_kernels_are_turned_round_by_no_one():
    (found,), _ = downsamplings(OPERATIONS["plain"], images := torch.randn(IMAGES))
    with torch.inference_mode():
        (dense,) = found.dense(0)
        torch.testing.assert_close(
            dense, nn.functional.conv2d(images[:1], *_weights("plain"), padding=1)[0, :, :16, :18]
        )


def _weights(name):
    return OPERATIONS[name].weight, OPERATIONS[name].bias


def test_what_has_no_stride_is_none():
    for module in (nn.Conv2d(8, 6, 3), nn.MaxPool2d(3, 1), nn.AvgPool2d(2, 1)):
        assert downsamplings(module, torch.randn(IMAGES))[0] == [None]


@pytest.mark.parametrize("size", [(24, 24), (23, 25)])
def test_a_convolution_of_timm_that_pads_by_hand_is_read_with_its_own_padding(size):
    timm = pytest.importorskip("timm")
    module = timm.layers.Conv2dSame(3, 5, 3, stride=2)
    (found,), value = downsamplings(module, torch.randn(1, 3, *size))
    with torch.inference_mode():
        dense = torch.cat(list(found.dense(0)))
    torch.testing.assert_close(dense[:, ::2, ::2], value[0])


def test_other_ways_to_a_coarser_grid_are_known_to_be_such():
    cases = {
        nn.AdaptiveAvgPool2d(5): True,
        nn.AdaptiveAvgPool2d(1): False,  # nothing is left that could be a grid
        nn.AdaptiveMaxPool2d(30): False,
        nn.Upsample(scale_factor=0.5): True,
        nn.Upsample(scale_factor=2.0): False,
        nn.LPPool2d(2, 2): True,
    }
    for module, coarser in cases.items():
        operations = []
        with watching(module, output=lambda _: None, operation=operations.append, kinds=OTHERS):
            module(torch.rand(1, 2, 20, 20))
        assert [is_coarser(each, 4) for each in operations] == [coarser]
