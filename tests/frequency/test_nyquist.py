"""Rings up to a grid's Nyquist frequency, and what aliases on a coarser grid: against loops, and where the answer is known."""

import math

import pytest
import torch

import reference
from passband.frequency import nyquist
from passband.frequency.nyquist import aliasing_energy, beyond_grid, relative_frequencies, ring_amplitudes


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (8, 6), (7, 7), (4, 11)])
def test_ring_amplitudes_are_those_of_the_definition(size):
    maps = torch.randn(2, 3, *size, dtype=torch.float64)
    found = ring_amplitudes(maps)
    for image, amplitudes in zip(maps, found, strict=True):
        assert amplitudes.tolist() == pytest.approx(reference.ring_amplitudes(image.numpy()))
    assert found.shape[1] == len(relative_frequencies(*size)) == min(size) // 2


def test_amplitudes_do_not_depend_on_how_many_channels_are_transformed_at_a_time(monkeypatch):
    maps = torch.randn(2, 5, 8, 8)
    whole, energy = ring_amplitudes(maps), aliasing_energy(maps[0], (2, 2))
    monkeypatch.setattr(nyquist, "VALUES_AT_ONCE", 128)
    torch.testing.assert_close(ring_amplitudes(maps), whole)
    torch.testing.assert_close(aliasing_energy(maps[0], (2, 2)), energy)


def test_a_mean_leaves_no_rounding_behind():
    flat = torch.full((1, 2, 9, 13), 1234.567)
    assert ring_amplitudes(flat).count_nonzero() == 0
    small = 1e-3 * torch.randn(1, 2, 8, 8)
    torch.testing.assert_close(ring_amplitudes(small + 64), ring_amplitudes(small), rtol=0.02, atol=0)


def test_half_precision_is_computed_in_single():
    maps = torch.randn(1, 2, 8, 8).bfloat16()
    torch.testing.assert_close(ring_amplitudes(maps), ring_amplitudes(maps.float()))
    assert aliasing_energy(maps[0], (2, 2))[1].dtype == torch.float32


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (12, 5)])
@pytest.mark.parametrize("stride", [(2, 2), (1, 2), (3, 2), (4, 4)])
def test_what_aliases_is_that_of_the_definition(size, stride):
    maps = torch.randn(3, *size, dtype=torch.float64)
    aliased, total = aliasing_energy(maps, stride)
    assert (aliased / total).item() == pytest.approx(reference.aliased_share(maps.numpy(), stride))
    parts = (maps - maps.mean(dim=(1, 2), keepdim=True)).square().sum()
    torch.testing.assert_close(total, parts)  # Parseval


def test_a_wave_aliases_if_the_coarser_grid_cannot_hold_it():
    places = 2 * math.pi * torch.arange(16, dtype=torch.float64) / 16
    for cycles in range(1, 9):
        for wave in (torch.cos(cycles * places)[:, None], torch.cos(cycles * places)[None]):
            aliased, total = aliasing_energy(wave.expand(16, 16)[None], (2, 2))
            assert (aliased / total).item() == pytest.approx(float(cycles > 4), abs=1e-12)


def test_of_white_noise_what_a_grid_has_fewer_frequencies_aliases():
    maps = torch.randn(64, 64, 64)
    aliased, total = aliasing_energy(maps, (2, 2))
    assert (aliased / total).item() == pytest.approx(1 - (33**2 - 1) / (64**2 - 1), abs=0.005)  # about 3/4
    assert beyond_grid(64, 64, (1, 1)).sum() == 0


def test_relative_frequencies_end_at_1_where_the_shorter_side_is_even():
    assert relative_frequencies(14, 14)[-1] == 1
    assert relative_frequencies(7, 14)[-1] == pytest.approx(6 / 7)
