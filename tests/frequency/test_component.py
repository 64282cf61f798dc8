"""Components as values: text, comparison, and what they are of images."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import (
    FULL,
    KINDS,
    Component,
    High,
    Low,
    Only,
    Ring,
    Without,
    check_components,
    lows_and_highs,
    parse_component,
    take,
)
from passband.frequency.fourier import split

radii = st.one_of(st.integers(0, 40), st.floats(0, 40, allow_nan=False))
sizes = st.integers(1, 17)


@given(radius=radii, kind=st.sampled_from([Low, High]))
def test_what_is_printed_is_read_back_as_the_same_component(radius, kind):
    component = kind(radius)
    assert parse_component(str(component)) == component
    assert hash(parse_component(str(component))) == hash(component)


def test_every_kind_is_known_by_its_own_name_and_says_how_it_is_written():
    for name, kind in KINDS.items():
        assert kind.kind == name
        assert kind.form.startswith(name)


def test_components_of_other_kinds_or_radii_are_others():
    assert len({FULL, Low(4), Low(4.0), High(4), Low(5)}) == 4


@given(height=sizes, width=sizes, radius=st.floats(0, 14))
def test_components_are_those_of_the_definition(height, width, radius):
    image = torch.rand(1, height, width, dtype=torch.float64)
    low = torch.from_numpy(reference.low(image[0].numpy(), radius))
    torch.testing.assert_close(Low(radius).of(image)[0], low)
    torch.testing.assert_close(High(radius).of(image)[0], image[0] - low)


@given(height=sizes, width=sizes, inner=st.floats(0, 6), wide=st.floats(0.5, 8))
def test_rings_are_what_two_low_components_do_not_share_and_make_up_the_image(height, width, inner, wide):
    image = torch.rand(1, height, width, dtype=torch.float64)
    ring = Ring(inner, inner + wide)
    assert parse_component(str(ring)) == ring
    inside, outside = (torch.from_numpy(reference.low(image[0].numpy(), radius)) for radius in ring.radii)
    torch.testing.assert_close(ring.of(image)[0], outside - inside)
    torch.testing.assert_close(Low(ring.inner).of(image) + ring.of(image) + High(ring.outer).of(image), image)


@given(height=sizes, width=sizes, inner=st.floats(0, 6), wide=st.floats(0.5, 8))
def test_what_is_left_without_a_ring_is_the_image_less_the_ring_and_keeps_its_mean(
    height, width, inner, wide
):
    image = torch.rand(1, height, width, dtype=torch.float64)
    rest = Without(inner, inner + wide)
    assert parse_component(str(rest)) == rest
    assert rest != Ring(inner, inner + wide)
    inside, outside = (torch.from_numpy(reference.low(image[0].numpy(), radius)) for radius in rest.radii)
    torch.testing.assert_close(rest.of(image)[0], image[0] - (outside - inside))
    only = Only(inner, inner + wide)
    assert parse_component(str(only)) == only
    assert only.cutoff == rest.cutoff == inner + wide
    torch.testing.assert_close(only.of(image)[0], outside - inside + image.mean())
    for part in (only, rest):
        torch.testing.assert_close(part.of(image).mean(), image.mean())
        torch.testing.assert_close(part.of(part.of(image)), part.of(image))


def test_a_ring_may_reach_beyond_the_corner_but_must_hold_a_frequency():
    check_components([Ring(21, 24), Without(21, 24)], (32, 32))
    for empty in (Ring(23, 24), Only(23, 24), Without(4.25, 4.3), Ring(0, 0.9)):
        with pytest.raises(InputError, match=f"no frequency of images of 32x32 .* in the ring of '{empty}'"):
            check_components([empty], (32, 32))


@pytest.mark.parametrize("text", ["ring:8-4", "ring:4-4", "without:8-4", "only:8-4"])
def test_a_ring_that_holds_nothing_is_refused(text):
    with pytest.raises(InputError, match=f"must be larger than its inner one, got {text}"):
        parse_component(text)


def test_components_taken_together_are_bit_for_bit_those_taken_alone():
    images = torch.rand(3, 3, 20, 18)
    wanted = [FULL, High(4), Ring(2.5, 8), Without(2.5, 8), Only(2.5, 8), Low(8), Low(2.5), High(8), FULL]
    for component, taken in zip(wanted, take(wanted, images), strict=True):
        assert torch.equal(taken, component.of(images))
    low, high = split(images, 8)
    assert torch.equal(Low(8).of(images), low)
    assert torch.equal(High(8).of(images), high)


def test_the_whole_image_is_the_image_itself_and_needs_no_transform():
    images = torch.full((1, 1, 4, 4), torch.nan)
    assert FULL.of(images) is images


def test_the_bands_of_version_0_1_are_read_as_components():
    assert parse_component("low:8") == Low(8)
    assert parse_component("high:4.5") == High(4.5)


@pytest.mark.parametrize(
    "text",
    [
        "lfc",
        "lfc:",
        "hfc:x",
        "lfc:nan",
        "hfc:inf",
        "full:3",
        "lfc:4:5",
        "lfc:4-8",
        "ring:4",
        "ring:4-x",
        "without:4",
    ],
)
def test_a_text_that_is_not_written_as_its_kind_is_refused(text):
    with pytest.raises(InputError, match=f"is written .*, got '{text}'"):
        parse_component(text)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="no component named 'lcf'. Did you mean 'lfc'?"):
        parse_component("lcf:8")


@pytest.mark.parametrize("radius", [-1, float("nan"), float("inf"), True, "8"])
def test_an_impossible_radius_is_refused(untyped, radius):
    with pytest.raises(InputError, match="radius of a component must be 0 or positive"):
        Low(radius)
    with pytest.raises(InputError, match="radius of a component must be 0 or positive, got -1"):
        parse_component("hfc:-1")


def test_a_component_beyond_the_corner_or_twice_is_refused():
    with pytest.raises(
        InputError,
        match=r"radius 23 is not below the corner .* at 22.6 for images of 32x32 .*'lfc:23' would be",
    ):
        check_components([FULL, Low(23)], (32, 32))
    with pytest.raises(InputError, match="each component is measured once, got lfc:4, lfc:4"):
        check_components([Low(4), Low(4.0)], (32, 32))
    check_components([FULL, Low(22.5), High(0)], (32, 32))


def test_lows_and_highs_are_in_the_order_of_kinds_and_radii():
    assert lows_and_highs([8, 4]) == (Low(8), Low(4), High(8), High(4))
    assert lows_and_highs([4], ["hfc"]) == (High(4),)
    with pytest.raises(UnknownNameError, match="no component named 'full'"):
        lows_and_highs([4], ["full"])


def test_a_component_is_an_interface():
    with pytest.raises(TypeError):
        Component()  # ty: ignore
