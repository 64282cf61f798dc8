"""Splits on a GPU are those of the CPU, which `tests/frequency` holds against the paper's definitions."""

from __future__ import annotations

from functools import partial
from typing import get_args

import pytest
import torch

import passband as pb
from passband.frequency.component import parse_component
from passband.frequency.fourier import low_pass, split_many
from passband.frequency.rescale import rescale
from passband.frequency.spectrum import power_spectrum
from passband.types import Amplitude, Geometry

pytestmark = pytest.mark.gpu

SIZES = [(2, 3, 32, 32), (3, 33, 20), (5, 1, 28, 28), (2, 2, 3, 64, 48)]
RADII = (0, 2.5, 8, 40)

# What transforms of two libraries may differ by, of pixels in [0, 1]; in half precision one rounding of the result comes on top.
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}


def close(there: torch.Tensor, here: torch.Tensor, atol: float) -> None:
    assert there.dtype == here.dtype
    torch.testing.assert_close(there.cpu(), here, atol=atol, rtol=0)


@pytest.mark.parametrize("geometry", get_args(Geometry))
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_splits_agree(device, size, geometry, inclusive):
    images = torch.rand(size)
    radii = [radius / max(size) if geometry == "pixel" else radius for radius in RADII]
    here, there = (
        split_many(each, radii, geometry=geometry, inclusive=inclusive)
        for each in (images, images.to(device))
    )
    for mine, its in zip(here, there, strict=True):
        assert its.device.type == device.type
        close(its, mine, CLOSE[torch.float32])


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
def test_splits_agree_in_other_precisions(device, dtype):
    images = torch.rand(4, 3, 32, 32).to(dtype)
    for here, there in zip(split_many(images, RADII), split_many(images.to(device), RADII), strict=True):
        close(there, here, CLOSE[dtype])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradients_agree(device, size):
    images, weights = torch.rand(size), torch.rand(2, len(RADII), *size)
    gradients = []
    for place in (torch.device("cpu"), device):
        pixels = images.to(place).detach().requires_grad_()
        low, high = split_many(pixels, RADII)
        (torch.stack([low, high]) * weights.to(place)).sum().backward()
        gradients.append(pixels.grad)
    close(gradients[1], gradients[0], 2 * len(RADII) * CLOSE[torch.float32])


def test_large_batches_agree(device):
    images = torch.rand(64, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    close(low_pass(images.to(device), 16), low_pass(images, 16), CLOSE[torch.float32])


@pytest.mark.parametrize("kept", [torch.channels_last, "sliced"], ids=str)
def test_any_layout_will_do(device, kept):
    images = torch.rand(4, 3, 32, 32)
    there = images.to(device)
    if kept == "sliced":
        there = torch.stack([there, there], dim=-1)[..., 0]
    else:
        there = there.contiguous(memory_format=kept)
    close(low_pass(there, 5), low_pass(images, 5), CLOSE[torch.float32])


@pytest.mark.parametrize(
    "text",
    [
        *("full", "lfc:4", "hfc:4.5", "ring:2-5", "only:2-5", "without:2-5"),
        *("rank:3", "trailing:3", "blur:1.3", "jpeg:50"),
    ],
)
def test_components_agree(device, text):
    images, component = torch.rand(3, 3, 24, 32), parse_component(text)
    # Singular vectors of nearby values turn into one another, and a pixel may be rounded to the next byte before JPEG.
    atol = {"rank": 1e-4, "trailing": 1e-4, "jpeg": 1e-2}.get(component.kind, 1e-5)
    close(component.of(images.to(device)), component.of(images), atol)


@pytest.mark.parametrize("policy", get_args(Amplitude))
def test_amplitudes_agree(device, policy):
    images = torch.rand(3, 3, 24, 32)
    high = pb.split(images, 4)[1]
    close(
        rescale(high.to(device), policy, original=images.to(device)),
        rescale(high, policy, original=images),
        1e-4,
    )


def test_spectra_agree(device):
    images = torch.rand(3, 3, 24, 32)
    there, here = power_spectrum(images.to(device)), power_spectrum(images)
    torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("untyped")  # the checking of shapes cannot be compiled
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex")
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_splits_agree(device, mode):
    images = torch.rand(8, 3, 32, 32)
    compiled = torch.compile(partial(low_pass, radius=6), mode=mode)
    for _ in range(3):  # a graph is recorded in the second call, and played from the third on
        close(compiled(images.to(device)).clone(), low_pass(images, 6), CLOSE[torch.float32])
