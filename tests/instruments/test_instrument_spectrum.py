import pytest
import torch

from helpers import noise
from passband.frequency.spectrum import power_spectrum, radial_power
from passband.instruments.spectrum import measure_spectrum


def test_power_is_that_of_all_images_with_the_mean_in_the_middle():
    data = noise(samples=300, size=(16, 18))
    found = measure_spectrum(data)
    pixels = data.images / 255
    torch.testing.assert_close(found.power, torch.fft.fftshift(power_spectrum(pixels)))
    torch.testing.assert_close(found.radial, radial_power(pixels))
    assert found.power.argmax() == 8 * 18 + 9
    assert found.energy[-1] == pytest.approx(1)
    assert (found.samples, found.height, found.width, found.channels) == (300, 16, 18, 3)
