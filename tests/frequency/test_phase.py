"""One image's amplitudes with another's phases: against the definition written slowly, and NumPy's transform."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from passband.errors import InputError
from passband.frequency.component import High
from passband.frequency.phase import swap_phase

sizes = st.integers(1, 13)
seeds = st.integers(0, 99)


def two(height, width, seed, dtype=torch.float64):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(2, 2, 3, height, width, dtype=dtype, generator=draw)


@given(height=sizes, width=sizes, seed=seeds)
def test_each_channel_is_what_numpy_makes(height, width, seed):
    first, second = two(height, width, seed)
    swapped = swap_phase(first, second).numpy()
    amplitudes, phases = np.abs(np.fft.fft2(first.numpy())), np.angle(np.fft.fft2(second.numpy()))
    wanted = np.fft.ifft2(amplitudes * np.exp(1j * phases))
    np.testing.assert_allclose(swapped, wanted.real, atol=1e-12)
    np.testing.assert_allclose(wanted.imag, 0, atol=1e-12)
    slowly = reference.swapped(first[1, 2].numpy(), second[1, 2].numpy())
    np.testing.assert_allclose(swapped[1, 2], slowly, atol=1e-10)


@given(height=sizes, width=sizes, seed=seeds)
def test_amplitudes_are_those_of_the_first_and_signed_images_too_are_themselves_when_swapped_with_themselves(
    height, width, seed
):
    first, second = two(height, width, seed) - 0.5
    swapped = swap_phase(first, second)
    torch.testing.assert_close(torch.fft.fft2(swapped).abs(), torch.fft.fft2(first).abs())
    torch.testing.assert_close(swap_phase(first, first), first)
    torch.testing.assert_close(swap_phase(swapped, first), first)  # and back


@given(height=sizes, width=sizes, seed=seeds)
def test_pixels_have_the_mean_of_the_first_and_a_negative_mean_is_a_phase(height, width, seed):
    first, second = two(height, width, seed)
    mean = first.mean(dim=(-2, -1))
    torch.testing.assert_close(swap_phase(first, second).mean(dim=(-2, -1)), mean)
    torch.testing.assert_close(swap_phase(-first, second).mean(dim=(-2, -1)), mean)
    torch.testing.assert_close(swap_phase(first, -second).mean(dim=(-2, -1)), -mean)


@pytest.mark.parametrize("size", [(8, 8), (12, 10), (31, 33), (224, 224)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_has_no_phase_gets_0_and_not_that_of_rounding(size, dtype):
    first = torch.rand(1, *size, dtype=dtype, generator=torch.Generator().manual_seed(0))
    flat = torch.full((1, *size), 0.7, dtype=dtype)
    without = torch.fft.irfft2(torch.fft.rfft2(first).abs(), s=size)
    for nothing in (flat, torch.zeros_like(flat)):
        torch.testing.assert_close(swap_phase(first, nothing), without)
    place = torch.arange(size[1], dtype=torch.float64) / size[1]
    wave = (0.5 + 0.2 * torch.sin(2 * math.pi * 2 * place)).expand(1, *size).to(dtype)
    spectrum = torch.fft.rfft2(swap_phase(first, wave))
    others = torch.ones(spectrum.shape, dtype=torch.bool)
    others[0, 0, 2] = False
    amplitude = torch.fft.rfft2(first).abs()
    torch.testing.assert_close(spectrum.real[others], amplitude[others], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(-spectrum.imag[0, 0, 2], amplitude[0, 0, 2])


def test_the_sign_of_a_mean_that_is_not_there_is_not_that_of_rounding():
    """The HFC of an image has no mean, and what rounding leaves of it may be negative."""
    pixels = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    high = High(4).of(pixels)
    assert (high.mean(dim=(-2, -1)) < 0).any()
    torch.testing.assert_close(swap_phase(pixels, high).mean(dim=(-2, -1)), pixels.mean(dim=(-2, -1)))


def test_a_batch_is_what_its_images_are():
    first, second = two(12, 10, 0, torch.float32)
    for swapped, one, other in zip(swap_phase(first, second), first, second, strict=True):
        torch.testing.assert_close(swapped, swap_phase(one, other), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    first, second = two(8, 8, 0).to(dtype)
    swapped = swap_phase(first, second)
    assert swapped.dtype == dtype
    assert torch.equal(swapped, swap_phase(first.float(), second.float()).to(dtype))
    assert swap_phase(first, second.double()).dtype == torch.float64


def test_very_large_and_very_small_pixels_keep_their_phases():
    first, second = two(8, 8, 0, torch.float32)
    for factor in (1e-30, 1e30):
        torch.testing.assert_close(swap_phase(first, factor * second), swap_phase(first, second))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "floating-point"),
        (torch.zeros(4, 4), "image\\[None\\]"),
        (torch.full((1, 4, 4), torch.nan), "must be finite"),
        (torch.rand(3, 4, 4), r"same shape, got \(3, 4, 4\) and \(1, 4, 4\)"),
    ],
)
def test_what_is_no_image_or_no_pair_is_refused(untyped, images, message):
    with pytest.raises(InputError, match=message):
        swap_phase(images, torch.rand(1, 4, 4))
