"""Waves: what they are as images, and which there are."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from passband.errors import InputError
from passband.frequency.fourier import frequency_distance
from passband.frequency.wave import Wave, wave_grid

sides = st.integers(1, 13)


@given(height=sides, width=sides, down=st.integers(-20, 20), across=st.integers(-20, 20))
def test_a_wave_is_the_basis_image_of_the_definition(height, width, down, across):
    image = Wave(down, across).image(height, width)
    torch.testing.assert_close(image, torch.from_numpy(reference.fourier_basis(down, across, height, width)))
    mirrored = Wave(down, across).mirrored(height, width)
    torch.testing.assert_close(mirrored.image(height, width), image)


@given(height=sides, width=sides)
def test_a_wave_has_one_coefficient_and_its_mirror_image_and_length_1(height, width):
    for wave in wave_grid(height, width):
        power = torch.fft.fft2(wave.image(height, width), norm="ortho").abs().square()
        places = {(wave.down % height, wave.across % width), (-wave.down % height, -wave.across % width)}
        torch.testing.assert_close(power.sum().item(), 1.0)
        for place in places:
            torch.testing.assert_close(power[place].item(), 1 / len(places))
            assert frequency_distance(height, width)[place] == wave.cutoff


@given(height=sides, width=sides)
def test_all_waves_are_all_frequencies_once(height, width):
    grid = wave_grid(height, width)
    assert len({(wave.down % height, wave.across % width) for wave in grid}) == len(grid) == height * width
    assert {wave.mirrored(height, width) for wave in grid} == set(grid)


@given(height=sides, width=st.integers(14, 40), size=st.sampled_from([1, 3, 5, 7, 9, 13]))
def test_a_coarse_grid_is_symmetric_and_reaches_almost_half_a_cycle_per_pixel(height, width, size):
    grid = wave_grid(height, width, size)
    assert len(set(grid)) == len(grid) == min(size, height) * size
    assert {wave.mirrored(height, width) for wave in grid} == set(grid)
    assert grid[len(grid) // 2] == Wave(0, 0) or size >= height
    assert Wave(0, 0) in grid
    across = sorted({wave.across for wave in grid})
    assert size == 1 or across[-1] == (width - 1) // 2
    steps = {b - a for a, b in pairwise(across)}
    assert not steps or max(steps) - min(steps) <= 1


@given(down=st.integers(-300, 300), across=st.integers(-300, 300))
def test_a_wave_is_read_as_it_is_written(down, across):
    assert Wave.read(str(Wave(down, across))) == Wave(down, across)


@pytest.mark.parametrize("text", ["wave:3", "wave:3,", "lfc:8", "wave:3,4,5", "wave:3.5,1", "full"])
def test_what_is_no_wave_is_refused(text):
    with pytest.raises(InputError, match=f"is written wave:DOWN,ACROSS, such as wave:3,-5, got '{text}'"):
        Wave.read(text)


def test_a_grid_without_a_middle_is_refused():
    with pytest.raises(InputError, match="size must be odd, .* got 16. Choose 15 or 17, or None for all"):
        wave_grid(32, 32, 16)
    with pytest.raises(InputError, match="size must be a whole number of at least 1, got 0"):
        wave_grid(32, 32, 0)
