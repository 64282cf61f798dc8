import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from passband.errors import InputError
from passband.frequency.fourier import corner_radius, frequency_distance, low_pass
from passband.frequency.spectrum import (
    energy_fraction,
    energy_within,
    power_spectrum,
    radial_power,
    radial_sum,
)

sizes = st.integers(1, 14)


@given(height=sizes, width=sizes)
def test_radial_power_matches_the_definition(height, width):
    image = torch.rand(1, height, width, dtype=torch.float64)
    expected = torch.tensor(reference.radial_power(image[0].numpy()), dtype=torch.float64)
    torch.testing.assert_close(radial_power(image), expected)


@given(height=sizes, width=sizes)
def test_power_sums_to_the_squares_of_the_pixels(height, width):
    images = torch.rand(2, 3, height, width, dtype=torch.float64)
    expected = images.square().flatten(2).sum(2).mean()
    torch.testing.assert_close(power_spectrum(images).sum(), expected)


@given(height=sizes, width=sizes, radius=st.floats(0, 12))
def test_energy_fraction_is_that_of_the_low_frequency_component(height, width, radius):
    images = torch.rand(2, 3, height, width, dtype=torch.float64)
    low = low_pass(images, radius)
    share = low.square().flatten(1).sum(1) / images.square().flatten(1).sum(1)
    torch.testing.assert_close(energy_fraction(images, radius, include_mean=True), share)


def test_flat_images_have_no_energy_beside_the_mean():
    flat = torch.full((2, 3, 8, 8), 0.3)
    assert energy_fraction(flat, 1).tolist() == [1, 1]
    assert energy_within(power_spectrum(flat) * 0, [0, 1, 5]).tolist() == [1, 1, 1]


def test_a_grating_has_its_energy_at_its_frequency():
    wave = torch.cos(2 * torch.pi * 3 * torch.arange(16) / 16).expand(1, 16, 16)
    power = radial_power(wave)
    assert power.argmax() == 3
    assert energy_fraction(wave, 2.9) < 1e-6
    assert energy_fraction(wave, 3) > 1 - 1e-6


@given(height=st.integers(2, 14), width=st.integers(2, 14))
def test_energy_within_rises_from_zero_to_one_and_is_the_fraction(height, width):
    image = torch.rand(1, height, width, dtype=torch.float64)
    radii = [*range(int(corner_radius(height, width)) + 1), corner_radius(height, width)]
    energy = energy_within(power_spectrum(image), radii)
    assert energy[0] == 0
    torch.testing.assert_close(energy[-1], torch.tensor(1.0, dtype=torch.float64))
    assert (energy.diff() >= 0).all()
    torch.testing.assert_close(energy[1], energy_fraction(image, 1))


def test_bad_input_is_refused(untyped):
    with pytest.raises(InputError, match="floating-point"):
        radial_power(torch.zeros(1, 4, 4, dtype=torch.uint8))
    with pytest.raises(InputError, match="radius must be >= 0, got -2"):
        energy_fraction(torch.rand(1, 4, 4), -2)


def test_sums_by_radius_are_those_of_each_spectrum_and_lose_nothing():
    power = torch.rand(2, 3, 7, 10, dtype=torch.float64)
    sums = radial_sum(power)
    torch.testing.assert_close(sums.sum(dim=-1), power.sum(dim=(-2, -1)))
    distance = frequency_distance(7, 10).round()
    for radius in range(sums.shape[-1]):
        torch.testing.assert_close(sums[..., radius], power[..., distance == radius].sum(dim=-1))
    assert torch.equal(radial_sum(power[1, 2]), sums[1, 2])


@pytest.mark.parametrize("side", [28, 65, 331])
def test_rounding_of_flat_images_is_no_energy_and_one_gray_level_is(side):
    flat = torch.full((1, 1, side, side), 128 / 255)
    assert energy_within(power_spectrum(flat), [0, 1, 5]).tolist() == [1, 1, 1]
    flat[..., 3, 4] += 1 / 255
    assert energy_within(power_spectrum(flat), [0, 1, 5])[-1] < 0.5
