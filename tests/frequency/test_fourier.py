import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from passband.errors import InputError
from passband.frequency import fourier
from passband.frequency.fourier import (
    HighPass,
    LowPass,
    corner_radius,
    high_pass,
    low_pass,
    radial_mask,
    split,
    split_many,
)

sizes = st.integers(1, 20)
radii = st.floats(0, 20) | st.integers(0, 20) | st.sampled_from([math.sqrt(2), math.sqrt(5), math.inf])


def random_images(height: int, width: int, channels: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, channels, height, width, dtype=torch.float64, generator=generator)


@given(height=sizes, width=sizes, radius=radii)
def test_split_matches_the_definition(height, width, radius):
    image = random_images(height, width)[0]
    low, high = split(image, radius)
    for channel in range(2):
        expected = torch.from_numpy(reference.low(image[channel].numpy(), radius))
        torch.testing.assert_close(low[channel], expected, atol=1e-10, rtol=0)
        torch.testing.assert_close(high[channel], image[channel] - expected, atol=1e-10, rtol=0)
    low32, _ = split(image.float(), radius)
    torch.testing.assert_close(low32.double(), low, atol=1e-5, rtol=0)


@given(
    height=sizes,
    width=sizes,
    radius=st.floats(0, 25) | st.integers(0, 25),
    geometry=st.sampled_from(["index", "isotropic", "pixel"]),
    inclusive=st.booleans(),
)
def test_every_geometry_keeps_what_its_mask_keeps(height, width, radius, geometry, inclusive):
    if geometry == "pixel":
        radius = radius / max(height, width)  # also at frequencies, such as 3 / 7
    images = random_images(height, width)
    mask = radial_mask(height, width, radius, geometry=geometry, inclusive=inclusive)
    expected = torch.fft.ifft2(torch.fft.fft2(images) * mask).real
    low, high = split(images, radius, geometry=geometry, inclusive=inclusive)
    torch.testing.assert_close(low, expected)
    torch.testing.assert_close(low + high, images)


@given(height=sizes, width=sizes, radius=radii)
def test_mask_matches_the_definition(height, width, radius):
    expected = [[reference.is_low(i, j, height, width, radius) for j in range(width)] for i in range(height)]
    assert radial_mask(height, width, radius).tolist() == expected


@given(height=sizes, width=sizes, radius=radii)
def test_components_sum_to_the_images(height, width, radius):
    images = random_images(height, width)
    low, high = split(images, radius)
    torch.testing.assert_close(low + high, images)


@given(height=sizes, width=sizes, radius=radii)
def test_splitting_a_component_again_changes_nothing(height, width, radius):
    low, high = split(random_images(height, width), radius)
    torch.testing.assert_close(low_pass(low, radius), low)
    torch.testing.assert_close(low_pass(high, radius), torch.zeros_like(high))


@given(height=sizes, width=sizes, radius=radii, factor=st.floats(-3, 3))
def test_split_is_linear(height, width, radius, factor):
    one, other = random_images(height, width), random_images(height, width, seed=1)
    together = low_pass(one + factor * other, radius)
    torch.testing.assert_close(together, low_pass(one, radius) + factor * low_pass(other, radius))


@given(height=sizes, width=sizes, radius=radii)
def test_parseval_components_are_orthogonal(height, width, radius):
    images = random_images(height, width)
    low, high = split(images, radius)
    energy = [t.square().sum() for t in (images, low, high)]
    torch.testing.assert_close(energy[0], energy[1] + energy[2])


@given(height=sizes, width=sizes)
def test_radius_zero_leaves_the_mean_and_the_corner_leaves_everything(height, width):
    images = random_images(height, width)
    mean = images.mean(dim=(-2, -1), keepdim=True).expand_as(images)
    torch.testing.assert_close(low_pass(images, 0), mean)
    torch.testing.assert_close(low_pass(images, corner_radius(height, width)), images)
    torch.testing.assert_close(high_pass(images, math.inf), torch.zeros_like(images))


@given(height=sizes, width=sizes, chosen=st.lists(radii, min_size=1, max_size=5))
def test_many_radii_equal_one_by_one_in_the_order_given(height, width, chosen):
    images = random_images(height, width)
    components = split_many(images, chosen)
    for index, radius in enumerate(chosen):
        low, high = split(images, radius)
        torch.testing.assert_close(components.low[index], low)
        torch.testing.assert_close(components.high[index], high)


@given(batch=st.lists(st.integers(1, 3), max_size=3), channels=st.integers(1, 4))
def test_any_leading_shape_equals_images_one_by_one(batch, channels):
    images = torch.rand(*batch, channels, 6, 5)
    low, _ = split(images, 2)
    assert low.shape == images.shape
    for image, image_low in zip(images.reshape(-1, 6, 5), low.reshape(-1, 6, 5), strict=True):
        torch.testing.assert_close(low_pass(image[None], 2)[0], image_low)


@pytest.mark.parametrize("shape", [(33, 33), (32, 32), (7, 12)])
def test_nothing_real_is_discarded_on_any_size(shape):
    """Measuring from n / 2 on odd sizes would leave an imaginary part of 22%; ours is rounding."""
    image = random_images(*shape)[0, 0]
    mask = radial_mask(*shape, 3)
    complex_low = torch.fft.ifft2(torch.fft.fft2(image) * mask)
    assert complex_low.imag.abs().max() < 1e-12
    torch.testing.assert_close(low_pass(image[None], 3)[0], complex_low.real)


def test_coefficients_at_the_radius():
    assert radial_mask(32, 32, 4).sum() == 49  # the paper's text
    assert radial_mask(32, 32, 4, inclusive=False).sum() == 45  # its released code
    strict, _ = split(torch.rand(1, 32, 32), 4, inclusive=False)
    assert (torch.fft.fft2(strict)[0].abs() > 1e-3).sum() == 45


def test_isotropic_geometry_is_equal_cycles_per_pixel():
    wide = radial_mask(16, 64, 4, geometry="isotropic")
    assert wide[4, 0]
    assert not wide[5, 0]
    assert wide[0, 16]  # 16 cycles over 64 pixels are as fine as 4 over 16
    assert not wide[0, 17]
    assert torch.equal(radial_mask(64, 16, 4, geometry="isotropic"), wide.T)
    assert torch.equal(radial_mask(16, 16, 4, geometry="isotropic"), radial_mask(16, 16, 4))


def test_modules_are_the_functions():
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(LowPass(2)(images), low_pass(images, 2))
    assert torch.equal(HighPass(2, inclusive=False)(images), high_pass(images, 2, inclusive=False))
    assert repr(HighPass(2)) == "HighPass(radius=2, geometry='index', inclusive=True)"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    images = torch.rand(2, 3, 9, 8).to(dtype)
    low, high = split(images, 2)
    assert low.dtype == high.dtype == dtype
    assert torch.equal(low, low_pass(images.float(), 2).to(dtype))


def test_gradient_is_the_projection_itself():
    images = random_images(6, 7)[:1].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(split(x, 2)), images)
    assert torch.autograd.gradcheck(lambda x: split_many(x, [1, 3]).low, images)


def test_low_pass_can_be_exported_as_a_layer():
    program = torch.export.export(LowPass(2), (torch.rand(1, 3, 8, 8),))
    images = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(program.module()(images), low_pass(images, 2))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's, of its own script
def test_a_derivative_along_a_direction_is_that_of_a_linear_function():
    images, along = random_images(6, 7), random_images(6, 7, seed=1)
    _, found = torch.func.jvp(lambda x: tuple(split(x, 2)), (images,), (along,))
    torch.testing.assert_close(found, split(along, 2))


@pytest.mark.filterwarnings("ignore")  # of torch's compiler
def test_low_pass_can_be_compiled():
    images = random_images(9, 8)
    compiled = torch.compile(lambda x: split_many(x, [1, 3]).high, backend="aot_eager")
    torch.testing.assert_close(compiled(images), split_many(images, [1, 3]).high)


def test_input_is_left_as_it_was():
    images = torch.rand(1, 8, 8)
    before = images.clone()
    split_many(images, [1, 2])
    assert torch.equal(images, before)


@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (2, 1, 7, 12), (2, 3, 33, 5), (1, 1, 1)])
@pytest.mark.parametrize("geometry", ["index", "isotropic", "pixel"])
def test_transforms_of_all_columns_at_once_are_those_of_some(monkeypatch, shape, geometry):
    images = torch.rand(shape, dtype=torch.float64)
    radii = [1, 0, 5.5, 2] if geometry != "pixel" else [0.1, 0, 0.6, 0.25]
    found = []
    for whole in (False, True):
        monkeypatch.setattr(fourier, "_is_whole", lambda _, whole=whole: whole)
        pixels = images.clone().requires_grad_()
        low, high = split_many(pixels, radii, geometry=geometry)
        (low.square() * torch.arange(4.0).view(-1, *[1] * images.dim()) + high).sum().backward()
        alone = torch.stack([low_pass(images, radius, geometry=geometry) for radius in radii])
        found.append((low, high, alone, pixels.grad))
    torch.testing.assert_close(*found, atol=1e-12, rtol=1e-9)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    images = torch.rand(2, 3, 33, 32)
    torch.testing.assert_close(split(images.cuda(), 5)[0].cpu(), split(images, 5)[0], atol=1e-5, rtol=0)


IMAGE = torch.rand(1, 8, 8)


@pytest.mark.parametrize(
    ("images", "radius", "message"),
    [
        (IMAGE, -1, "radius must be >= 0, got -1"),
        (IMAGE, math.nan, "radius must be >= 0, got nan"),
        (IMAGE.mul(255).byte(), 1, "floating-point pixels, got torch.uint8. Convert bytes with images / 255"),
        (IMAGE[0], 1, r"got \(8, 8\). For one gray image use image\[None\]"),
        (IMAGE[:, 0, 0], 1, r"must have shape \(..., channels, height, width\); got \(1,\)"),
        (torch.empty(0, 3, 8, 8), 1, r"must not be empty, got shape \(0, 3, 8, 8\)"),
        (torch.full((1, 2, 2), math.nan), 1, "images must be finite, got NaN or infinite pixels"),
        (torch.tensor([[[0.0, math.inf]]]), 1, "images must be finite"),
        (np.zeros((1, 8, 8)), 1, "images must be a torch.Tensor, got ndarray"),
    ],
)
def test_bad_input_is_refused(untyped, images, radius, message):
    with pytest.raises(InputError, match=message):
        split(images, radius)


def test_no_radii_are_refused():
    with pytest.raises(InputError, match="at least one radius is needed"):
        split_many(IMAGE, [])


def test_a_mask_needs_a_size_and_a_known_geometry(untyped):
    with pytest.raises(InputError, match="at least 1x1 pixels, got 0x3"):
        radial_mask(0, 3, 1)
    with pytest.raises(InputError, match="geometry must be 'index', 'isotropic' or 'pixel', got 'round'"):
        radial_mask(3, 3, 1, geometry="round")


@pytest.mark.parametrize("size", [(32, 32), (48, 64), (33, 50)])
def test_a_radius_in_cycles_per_pixel_is_the_same_frequency_in_every_size(size):
    height, width = size
    for radius in (0.1, 0.25, 0.5):
        down, across = torch.fft.fftfreq(height), torch.fft.fftfreq(width)
        expected = (down[:, None].double().square() + across.double().square()).sqrt() <= radius + 1e-9
        assert torch.equal(radial_mask(height, width, radius, geometry="pixel"), expected)


@pytest.mark.parametrize("shape", [(7, 3, 8, 6), (2, 3, 1, 5, 4), (1, 9, 9)])
@pytest.mark.parametrize("at_once", [1, 300, 10**6])
def test_images_are_transformed_some_at_a_time_which_changes_nothing(monkeypatch, shape, at_once):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    whole = split_many(images, [3, 0, 2])
    monkeypatch.setattr(fourier, "VALUES_AT_ONCE", at_once)
    pieces = split_many(images, [3, 0, 2])
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    torch.testing.assert_close(low_pass(images, 2), whole.low[2], rtol=0, atol=1e-6)


def test_a_gradient_passes_a_batch_of_any_size_also_after_images_without_one(monkeypatch):
    monkeypatch.setattr(fourier, "VALUES_AT_ONCE", 50)
    images = torch.rand(6, 3, 7, 5)
    with torch.inference_mode():
        low_pass(images, 2)  # what is kept of it must not be without a gradient
    images.requires_grad_()
    low, high = split(images, 2)
    (gradient,) = torch.autograd.grad((low * high.detach() + low).sum(), images)
    torch.testing.assert_close(gradient, low_pass(high.detach() + 1, 2))


def test_one_image_that_is_not_finite_is_noticed_wherever_it_is(monkeypatch):
    monkeypatch.setattr(fourier, "VALUES_AT_ONCE", 50)
    images = torch.rand(9, 3, 7, 5)
    images[7, 1, 3, 3] = float("inf")
    with pytest.raises(InputError, match="images must be finite"):
        split(images, 2)
