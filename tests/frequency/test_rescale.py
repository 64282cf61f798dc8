import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passband.errors import InputError
from passband.frequency.fourier import split
from passband.frequency.rescale import rescale

IMAGES = torch.rand(4, 3, 9, 8, generator=torch.Generator().manual_seed(0))
LOW, HIGH = split(IMAGES, 2)


def test_raw_changes_nothing():
    assert torch.equal(rescale(HIGH, "raw"), HIGH)


def test_clip_gives_images():
    clipped = rescale(HIGH * 3, "clip")
    assert clipped.min() == 0
    assert clipped.max() == 1


def test_max_divides_each_image_by_its_own_maximum_and_keeps_the_sign():
    scaled = rescale(HIGH, "max")
    for image, high in zip(scaled, HIGH, strict=True):
        torch.testing.assert_close(image, high / high.max())  # over all channels, as the released code does
    assert scaled.min() < 0


def test_minmax_spans_the_unit_range():
    scaled = rescale(HIGH, "minmax").flatten(1)
    torch.testing.assert_close(scaled.amin(1), torch.zeros(4))
    torch.testing.assert_close(scaled.amax(1), torch.ones(4))


def test_rms_matches_the_original():
    scaled = rescale(HIGH, "rms", original=IMAGES)
    torch.testing.assert_close(scaled.square().flatten(1).mean(1), IMAGES.square().flatten(1).mean(1))


@pytest.mark.parametrize("policy", ["raw", "clip", "max", "minmax", "rms"])
def test_nothing_stays_nothing(policy):
    flat = torch.full((2, 3, 9, 8), 0.7)
    _, high = split(flat, 2)  # rounding, about 1e-8
    assert rescale(high, policy, original=flat).abs().max() < 1e-5
    zero = torch.zeros(1, 1, 4, 4)
    assert torch.equal(rescale(zero, policy, original=zero), zero)


@given(policy=st.sampled_from(["max", "minmax"]), gain=st.floats(0.01, 100))
def test_scale_is_forgotten(policy, gain):
    torch.testing.assert_close(rescale(HIGH * gain, policy), rescale(HIGH, policy), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["raw", "clip", "max", "minmax", "rms"])
def test_each_image_is_rescaled_on_its_own(policy):
    together = rescale(HIGH, policy, original=IMAGES)
    alone = torch.stack([rescale(h, policy, original=i) for h, i in zip(HIGH, IMAGES, strict=True)])
    torch.testing.assert_close(together, alone)


def test_unknown_policy_is_refused(untyped):
    with pytest.raises(InputError, match="no amplitude policy named 'maxi'. Did you mean 'max'"):
        rescale(HIGH, "maxi")


def test_rms_needs_the_original():
    with pytest.raises(InputError, match="needs the original images"):
        rescale(HIGH, "rms")
