import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passband.attacks.ball import Ball, draw_in_ball, per_image, radius_of
from passband.errors import InputError
from passband.frequency.component import High, Low

IMAGES = (torch.rand(5, 3, 6, 8, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2).clamp(0, 1)

balls = st.builds(
    Ball,
    st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5).map(
        lambda radii: torch.tensor(radii)[:, None, None, None]
    ),
    st.sampled_from(["linf", "l2"]),
    st.none() | st.builds(Low, st.floats(0, 4)) | st.builds(High, st.floats(0, 4)),
)


@given(balls, st.floats(0, 100), st.integers(0, 99))
def test_what_is_confined_passes_verification(ball, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    change = torch.empty_like(IMAGES).normal_(generator=generator) * scale
    confined = ball.confined(IMAGES, change)
    started = ball.start(IMAGES, draw_in_ball(IMAGES, ball.norm, generator))
    for images in (confined, started):
        moved = ball.verify(IMAGES, images)
        expected = (images - IMAGES).flatten(1).norm(p={"linf": torch.inf, "l2": 2}[ball.norm], dim=1)
        torch.testing.assert_close(moved, expected, rtol=0, atol=1e-6)


@given(balls)
def test_what_is_in_the_ball_already_is_not_moved(ball):
    inside = ball.confined(IMAGES, torch.zeros_like(IMAGES))
    assert torch.equal(inside, IMAGES)
    if ball.band is None:
        once = ball.confined(IMAGES, torch.ones_like(IMAGES))
        torch.testing.assert_close(ball.confined(IMAGES, once - IMAGES), once)


@given(balls, st.integers(0, 99))
def test_steps_have_length_1_and_lead_uphill(ball, seed):
    gradient = torch.empty_like(IMAGES).normal_(generator=torch.Generator().manual_seed(seed))
    ascent = ball.ascent(gradient)
    lengths = ascent.flatten(1).norm(p={"linf": torch.inf, "l2": 2}[ball.norm], dim=1)
    torch.testing.assert_close(lengths, torch.ones(5))
    assert ((ascent * gradient).sum((1, 2, 3)) > 0).all()


@given(balls, st.lists(st.integers(0, 4), max_size=5).map(lambda rows: torch.tensor(rows, dtype=torch.int64)))
def test_the_ball_of_some_images_is_theirs(ball, rows):
    assert torch.equal(ball.of(rows).radius, ball.radius[rows])
    one = Ball(torch.full((1, 1, 1, 1), 0.5), ball.norm)
    assert one.of(rows) is one


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_verification_notices_what_left_ball_or_range(norm):
    ball = Ball(torch.full((1, 1, 1, 1), 0.1), norm)
    gray = torch.full((5, 3, 6, 8), 0.5)
    far, outside, broken = gray.clone(), gray.clone(), gray.clone()
    far[2, 0, 0, 0] += 0.10001
    outside[0] = 1.0001
    broken[1, 1, 1, 1] = torch.nan
    wide = Ball(torch.full((1, 1, 1, 1), 1.0), "linf")
    for one, images in ((ball, far), (wide, outside), (ball, broken), (wide, broken)):
        with pytest.raises(RuntimeError, match="an attack left its bounds"):
            one.verify(gray, images)
    ball.verify(gray, gray)


@pytest.mark.usefixtures("untyped")
def test_bounds_are_one_number_or_one_an_image():
    assert radius_of(0.5, "linf", IMAGES).shape == (1, 1, 1, 1)
    assert radius_of(torch.full((5,), 0.5), "l2", IMAGES).shape == (5, 1, 1, 1)
    with pytest.raises(InputError, match="step_size must be one number, or one for each of 5 images, got 4"):
        per_image("step_size", torch.ones(4), IMAGES)
