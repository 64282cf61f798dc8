from typing import get_args

import pytest
import torch

from passband.choices import ViewAmplitude
from passband.detection.shown import Shown, scrambled
from passband.detection.view import WHOLE, View, all_views
from passband.frequency.fourier import split

IMAGE = torch.rand(3, 30, 41, generator=torch.Generator().manual_seed(0))
RAW = Shown(amplitude="raw")


def test_views_are_the_whole_image_and_its_components():
    views = all_views([4, 9], [0.2])
    made = dict(zip(views, RAW.make(IMAGE, views, 7), strict=True))
    assert made[WHOLE] is IMAGE
    for view in views[1:7]:
        low, high = split(IMAGE, view.radius, geometry=view.geometry)
        torch.testing.assert_close(made[view], low if view.kind == "lfc" else high)


@pytest.mark.parametrize("view", [View("control", 5.0, "index"), View("control", 0.2, "pixel")], ids=str)
def test_the_control_is_changed_by_as_much_as_the_lfc_at_the_same_frequencies(view):
    (control,) = RAW.make(IMAGE, [view], 7)
    _, high = split(IMAGE, view.radius, geometry=view.geometry)
    noise = IMAGE - control
    torch.testing.assert_close(torch.fft.fft2(noise).abs(), torch.fft.fft2(high).abs(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(noise.norm(), high.norm())
    correlation = (noise * high).sum() / high.square().sum()
    assert abs(correlation) < 0.2


def test_colors_keep_their_relation_in_the_control():
    gray = IMAGE[:1].expand(3, -1, -1)
    (control,) = RAW.make(gray, [View("control", 5.0, "index")], 7)
    torch.testing.assert_close(control[0], control[2])


def test_the_noise_follows_from_the_seed_and_the_image_alone():
    view = View("control", 5.0, "index")
    (alone,) = RAW.make(IMAGE, [view], 7)
    among = RAW.make(IMAGE, all_views([3, 5], [0.1]), 7)[all_views([3, 5], [0.1]).index(view)]
    torch.testing.assert_close(alone, among)
    assert not torch.equal(scrambled(IMAGE, 0, 7), scrambled(IMAGE, 0, 8))
    assert not torch.equal(scrambled(IMAGE, 0, 7), scrambled(IMAGE, 1, 7))


def test_what_is_shown_is_a_picture_of_256_levels_and_the_whole_image_is_left_alone():
    stored = torch.randint(0, 256, (3, 30, 41)).float() / 255
    for shown in Shown().make(stored, all_views([4], []), 7):
        levels = shown * 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
        assert shown.min() >= 0
        assert shown.max() <= 1
    smooth = Shown(rounded=False).make(stored, [View("lfc", 4.0, "index")], 7)[0] * 255
    assert (smooth - smooth.round()).abs().max() > 0.1


def test_beyond_the_corner_the_lfc_is_the_image_and_the_hfc_is_black():
    low, high, control = Shown("clip").make(
        IMAGE, [View(kind, 40.0, "index") for kind in ("lfc", "hfc", "control")], 7
    )
    torch.testing.assert_close(low, IMAGE, atol=0.5 / 255 + 1e-5, rtol=0)
    assert high.abs().max() < 1e-3
    torch.testing.assert_close(control, low, atol=1.1 / 255, rtol=0)


def test_an_hfc_keeps_its_contrast_and_both_halves_on_a_gray_ground():
    pale = 0.4 + 0.2 * IMAGE
    low, high = Shown().make(pale, [View("lfc", 4.0, "index"), View("hfc", 4.0, "index")], 7)
    expected = split(pale, 4.0)
    torch.testing.assert_close(low, expected[0], atol=0.5 / 255 + 1e-5, rtol=0)
    torch.testing.assert_close(high, expected[1] + 128 / 255, atol=0.5 / 255 + 1e-5, rtol=0)


@pytest.mark.parametrize("amplitude", get_args(ViewAmplitude))
def test_of_nothing_nothing_is_shown_whatever_the_policy(amplitude):
    """The rounding of a transform is not stretched to a picture of noise."""
    image = torch.rand(3, 427, 640, generator=torch.Generator().manual_seed(1))
    (high,) = Shown(amplitude).make(image, [View("hfc", 4000.0, "index")], 7)
    assert high.max() - high.min() < 1e-4
    flat = torch.full((3, 60, 80), 0.3)
    (high,) = Shown(amplitude).make(flat, [View("hfc", 4.0, "index")], 7)
    assert high.max() - high.min() < 1e-4
