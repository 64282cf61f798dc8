import json

import numpy as np
import pytest
import torch

from passband.report.spectrum import energy_by_radius, radial_power, spectrum_picture


def white(picture) -> np.ndarray:
    return (np.asarray(picture) == 255).all(axis=-1)


@pytest.mark.parametrize("size", [(32, 32), (33, 33), (32, 48)])
def test_circle_is_drawn_around_the_zero_frequency(size):
    height, width = size
    radius, factor = 6, -(-480 // max(size))
    picture = spectrum_picture(torch.rand(height, width) + 0.1, [radius])
    assert picture.size == (width * factor, height * factor)
    drawn = white(picture)
    row, column = (int((n // 2 + 0.5) * factor) for n in size)
    for down, right in ((0, -1), (1, 0), (-1, 0)):  # to the right there is its name
        y, x = row + down * radius * factor, column + right * radius * factor
        assert drawn[y - 2 : y + 3, x - 2 : x + 3].any()
    assert not drawn[row - 3 * factor : row + 3 * factor, column - 3 * factor : column + 3 * factor].any()


def test_isotropic_circle_is_longer_along_the_longer_side():
    ys, xs = np.nonzero(white(spectrum_picture(torch.rand(32, 64) + 0.1, [5], "isotropic")))
    factor = 8
    assert xs.min() == pytest.approx((32.5 - 10) * factor, abs=2)
    assert ys.min() == pytest.approx((16.5 - 5) * factor, abs=2)


def test_brighter_is_stronger_and_the_mean_does_not_set_the_scale():
    power = torch.full((32, 32), 1e-3)
    power[16, 16], power[16, 20], power[20, 16] = 1e9, 1.0, 0.03
    pixels = np.asarray(spectrum_picture(power, [])).astype(int)
    mean, strong, middle, weak = (
        pixels[y * 15 + 7, x * 15 + 7] for y, x in ((16, 16), (16, 20), (20, 16), (0, 0))
    )
    assert (mean == strong).all()
    assert strong.tolist() == [253, 231, 37]
    assert weak.tolist() == [68, 1, 84]
    assert weak.sum() < middle.sum() < strong.sum()


@pytest.mark.parametrize("power", [torch.zeros(8, 8), torch.ones(1, 1), torch.ones(5, 3)])
def test_flat_spectra_are_drawn(power):
    assert spectrum_picture(power, [1]).size[0] > 0


def test_power_starts_at_radius_one_and_zeros_have_a_place_on_the_logarithm():
    spec = json.loads(radial_power([1e6, 100.0, 1.0, 0.0], trace_radii=[2.5]).to_json())
    points = spec["layer"][0]["data"]["values"]
    assert [point["x"] for point in points] == [1, 2, 3]
    assert [point["value"] for point in points] == pytest.approx([100, 1, 1e-8])
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low <= 1e-8
    assert high > 100
    assert spec["layer"][-1]["data"]["values"] == [{"x": 2.5}]


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [1.0, 0.5, 0.0]])
def test_short_and_empty_spectra_are_drawn(values):
    convert = pytest.importorskip("vl_convert")
    for chart in (radial_power(values), energy_by_radius(values)):
        assert "NaN" not in convert.vegalite_to_svg(chart.to_json(), allowed_base_urls=[])
