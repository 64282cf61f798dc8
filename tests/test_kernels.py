from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from passband.errors import InputError
from passband.kernels import frequency_response, roughness, smooth_kernel

sides = st.integers(1, 7)
strengths = st.floats(0, 3)


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def checkerboard(height, width):
    return ((torch.arange(height)[:, None] + torch.arange(width)) % 2 * 2.0 - 1).double()


@given(height=sides, width=sides, rho=strengths, seed=st.integers(0, 99))
def test_smoothing_is_equation_3(height, width, rho, seed):
    weight = draw(2, 3, height, width, seed=seed)
    before = weight.clone()
    smooth = smooth_kernel(weight, rho)
    for i, j in np.ndindex(2, 3):
        wanted = torch.from_numpy(reference.smoothed_kernel(weight[i, j].numpy(), rho))
        torch.testing.assert_close(smooth[i, j], wanted)
    assert torch.equal(weight, before)


@given(height=sides, width=sides, rho=strengths)
def test_sums_grow_by_what_normalization_divides_by(height, width, rho):
    weight = draw(4, 1, height, width)
    sums = weight.sum((-2, -1))
    torch.testing.assert_close(smooth_kernel(weight, rho).sum((-2, -1)), (1 + 8 * rho) * sums)
    torch.testing.assert_close(smooth_kernel(weight, rho, normalize=True).sum((-2, -1)), sums)


def test_rho_0_is_the_identity_and_1_makes_nine_of_a_constant_kernel():
    weight = torch.randn(8, 3, 3, 3)
    assert torch.equal(smooth_kernel(weight, 0), weight)
    assert torch.equal(smooth_kernel(torch.ones(3, 3), 1), torch.full((3, 3), 9.0))
    assert torch.equal(smooth_kernel(torch.ones(5, 5), 1, normalize=True), torch.ones(5, 5))


def test_a_1x1_kernel_is_its_own_neighbor():
    weight = torch.randn(8, 3, 1, 1)
    torch.testing.assert_close(smooth_kernel(weight, 0.25), 3 * weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 3), (8, 1, 3, 3), (4, 2, 5, 1), (2, 3, 3, 5, 5)])
def test_type_shape_and_everything_before_the_last_two_axes_are_kept(dtype, shape):
    weight = torch.randn(shape).to(dtype)
    smooth = smooth_kernel(weight, 0.5)
    assert (smooth.dtype, smooth.shape) == (dtype, shape)
    for index in np.ndindex(*shape[:-2]):
        assert torch.equal(smooth[index], smooth_kernel(weight[index], 0.5))


def test_gradients_flow_through_smoothing():
    weight = draw(2, 1, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: smooth_kernel(w, 0.7, normalize=True), weight)


@given(height=sides, width=sides, seed=st.integers(0, 99))
def test_roughness_matches_its_definition(height, width, seed):
    weight = draw(2, 2, height, width, seed=seed)
    kernels = list(weight.flatten(0, 1).numpy())
    found = roughness(weight)
    if height * width > 1:
        assert found.difference == pytest.approx(reference.kernel_difference(kernels))
    assert found.high_frequency == pytest.approx(reference.kernel_high_frequency(kernels, 32))


@pytest.mark.parametrize("side", [3, 5, 7, 11])
def test_roughness_of_kernels_known_by_hand(side):
    assert roughness(torch.full((4, 3, side, side), 0.2)).difference == 0
    assert roughness(checkerboard(side, side)).difference == 4
    stripes = checkerboard(1, side).expand(side, side)  # differs in one of the two directions
    assert roughness(stripes).difference == pytest.approx(2)
    noise = roughness(draw(400, 3, side, side))
    assert noise.difference == pytest.approx(2, abs=0.05)
    white = sum(math.hypot(i, j) > 8 for i in range(-16, 16) for j in range(-16, 16)) / 32**2
    assert noise.high_frequency == pytest.approx(white, abs=0.01)
    assert roughness(checkerboard(side, side)).high_frequency > 0.95
    assert roughness(torch.ones(side, side)).high_frequency < 0.2
    assert roughness(torch.ones(1, 1)) == (0, pytest.approx(white))


def test_larger_constant_kernels_pass_fewer_high_frequencies():
    shares = [roughness(torch.ones(side, side)).high_frequency for side in (1, 2, 3, 5, 9)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("scale", [1e-30, -3.0, 1e30])
def test_roughness_does_not_depend_on_scale(scale):
    weight = torch.randn(8, 3, 3, 3)
    assert roughness(weight * scale) == pytest.approx(roughness(weight), rel=1e-5)


def test_kernels_larger_than_the_grid_have_a_roughness():
    assert roughness(draw(20, 40, 36)).high_frequency == pytest.approx(0.8, abs=0.02)


def test_kernels_of_zeros_have_no_roughness():
    assert roughness(torch.zeros(4, 3, 3, 3)) == (0, 0)


@given(rho=strengths, seed=st.integers(0, 999), normalize=st.booleans())
def test_smoothing_never_raises_the_difference_of_3x3_kernels(rho, seed, normalize):
    weight = draw(1, 1, 3, 3, seed=seed)
    smooth = smooth_kernel(weight, rho, normalize=normalize)
    assert roughness(smooth).difference <= roughness(weight).difference + 1e-9


@given(height=sides, width=sides, rho=strengths, seed=st.integers(0, 99))
def test_normalized_smoothing_never_raises_squared_differences_of_any_kernel(height, width, rho, seed):
    weight = draw(height, width, seed=seed)
    smooth = smooth_kernel(weight, rho, normalize=True)
    for axis in (0, 1):
        assert smooth.diff(dim=axis).square().sum() <= weight.diff(dim=axis).square().sum() + 1e-9


@pytest.mark.parametrize("size", [5, 8])
def test_frequency_response_matches_its_definition(size):
    weight = draw(2, 3, 3, 5)
    gains = [reference.kernel_gain(kernel.numpy(), size) for kernel in weight.flatten(0, 1)]
    wanted = torch.from_numpy(np.fft.fftshift(np.mean(gains, axis=0)))
    torch.testing.assert_close(frequency_response(weight, size), wanted)


def test_frequency_response_at_zero_is_the_sum_and_grows_ninefold():
    weight = torch.rand(1, 1, 3, 3)
    response = frequency_response(weight)
    assert response.shape == (32, 32)
    torch.testing.assert_close(response[16, 16], weight.sum())
    torch.testing.assert_close(frequency_response(smooth_kernel(weight, 1))[16, 16], 9 * weight.sum())


@pytest.mark.parametrize("rho", [-0.1, math.nan, math.inf])
def test_impossible_strengths_are_refused(rho):
    with pytest.raises(InputError, match=f"rho must be 0 or positive, and finite, got {rho}"):
        smooth_kernel(torch.zeros(3, 3), rho)


def test_what_is_no_kernel_is_refused(untyped):
    for function in (lambda w: smooth_kernel(w, 1), roughness, frequency_response):
        with pytest.raises(InputError, match="floating-point tensor, got torch.int64"):
            function(torch.zeros(3, 3, dtype=torch.int64))
        with pytest.raises(InputError, match=r"needs two axes.*got a tensor shaped \(3,\)"):
            function(torch.zeros(3))


def test_numbers_that_mean_nothing_are_refused():
    with pytest.raises(InputError, match="NaN, infinite or not there"):
        roughness(torch.tensor([[1.0, math.nan]]))
    with pytest.raises(InputError, match="NaN, infinite or not there"):
        roughness(torch.zeros(0, 3, 3, 3))
    with pytest.raises(InputError, match="at least that of the kernels, 7.*got 5"):
        frequency_response(torch.zeros(7, 3), size=5)
