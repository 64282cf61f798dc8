import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from passband.errors import InputError
from passband.frequency.degradation import add_noise, compress, gaussian_blur, reduce_and_enlarge

IMAGES = torch.rand(3, 3, 20, 17, generator=torch.Generator().manual_seed(0))
STORED = (IMAGES * 255).round() / 255


def picture(image):
    pixels = (image * 255).round().byte().permute(1, 2, 0).squeeze(-1).numpy()
    return Image.fromarray(pixels)


def pixels_of(found):
    pixels = np.array(found)
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1) / 255


@pytest.mark.parametrize("sigma", [0.3, 1, 2.6, 7, 20])
def test_a_blur_is_scipys_at_any_width_up_to_the_images_own(sigma):
    images = IMAGES.double()
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, sigma, sigma), mode="mirror")
    torch.testing.assert_close(gaussian_blur(images, sigma), torch.from_numpy(expected))
    torch.testing.assert_close(gaussian_blur(IMAGES, sigma), torch.from_numpy(expected).float())


def test_a_blur_damps_a_wave_by_the_transform_of_its_gaussian():
    wave = torch.cos(2 * math.pi * 0.1 * torch.arange(400, dtype=torch.float64)).expand(1, 1, 400)
    middle = gaussian_blur(wave, 2.5)[..., 150:250] / wave[..., 150:250]
    damped = math.exp(-2 * (math.pi * 2.5 * 0.1) ** 2)
    torch.testing.assert_close(middle, torch.full_like(middle, damped), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("length", [1, 2])
def test_the_smallest_images_are_blurred_and_keep_what_is_even(length):
    even = torch.full((1, length, length), 0.3)
    torch.testing.assert_close(gaussian_blur(even, float(length)), even)


@pytest.mark.parametrize("side", [1, 5, 10, 16])
def test_reducing_and_enlarging_is_pillows_but_for_rounding(side):
    shorter = [max(1, round(length * side / 17)) for length in (20, 17)]
    for image, found in zip(STORED, reduce_and_enlarge(STORED, side), strict=True):
        small = picture(image).resize(shorter[::-1], Image.Resampling.BILINEAR)
        expected = pixels_of(small.resize((17, 20), Image.Resampling.BILINEAR))
        torch.testing.assert_close(found, expected, atol=1.6 / 255, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [1, 22, 90, 100])
@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
def test_jpeg_is_torchvisions(channels, quality):
    codec = pytest.importorskip("torchvision.io")
    if not hasattr(codec, "encode_jpeg"):
        pytest.skip("this torchvision has no codec any more")
    images = STORED[:, :channels]
    for image, found in zip(images, compress(images, quality), strict=True):
        expected = codec.decode_jpeg(codec.encode_jpeg((image * 255).round().byte(), quality))
        torch.testing.assert_close(found, expected / 255, atol=2 / 255, rtol=0)


def test_jpeg_clips_what_is_outside_and_rounds_to_bytes():
    outside = STORED * 3 - 1
    assert torch.equal(compress(outside, 50), compress(outside.clamp(0, 1), 50))
    found = compress(IMAGES, 50) * 255
    torch.testing.assert_close(found, found.round())


def test_noise_has_its_deviation_and_no_mean_and_is_clipped():
    gray = torch.full((1, 3, 200, 200), 0.5)
    noise = add_noise(gray, 0.1) - gray
    assert noise.std().item() == pytest.approx(0.1, rel=0.01)
    assert noise.mean().item() == pytest.approx(0, abs=0.002)
    strong = add_noise(STORED, 5.0)
    assert 0 == strong.min() < strong.max() == 1


def test_noise_depends_on_the_image_and_the_seed_and_on_nothing_beside_it():
    together = add_noise(STORED, 0.1)
    for image, found in zip(STORED, together, strict=True):
        assert torch.equal(add_noise(image, 0.1), found)
    assert torch.equal(add_noise(STORED.flip(0), 0.1), together.flip(0))
    assert not torch.equal(add_noise(STORED, 0.1, seed=1), together)
    gray = torch.full((2, 1, 9, 9), 128 / 255)
    gray[1, 0, 0, 0] = 129 / 255
    one, two = add_noise(gray, 0.01) - gray
    # Images that differ in one pixel have noise that has nothing in common.
    assert abs(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1]) < 0.4


def test_noise_of_another_strength_is_the_same_noise():
    gray = torch.full((1, 3, 8, 8), 0.5)
    torch.testing.assert_close((add_noise(gray, 0.02) - gray) * 2, add_noise(gray, 0.04) - gray)


def test_randomness_elsewhere_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    add_noise(STORED, 0.1)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    "degrade",
    [
        lambda images: gaussian_blur(images, 1.0),
        lambda images: reduce_and_enlarge(images, 8),
        lambda images: compress(images, 50),
        lambda images: add_noise(images, 0.1),
    ],
    ids=["blur", "size", "jpeg", "noise"],
)
def test_a_batch_is_its_images_one_by_one_and_batches_may_have_any_shape(degrade):
    together = degrade(STORED)
    torch.testing.assert_close(together, torch.stack([degrade(image) for image in STORED]))
    assert together.dtype == STORED.dtype
    torch.testing.assert_close(degrade(STORED[:, None]), together[:, None])
    assert degrade(STORED[:0]).shape == STORED[:0].shape


@pytest.mark.parametrize(
    ("degrade", "message"),
    [
        (lambda: gaussian_blur(IMAGES, 0.0), "sigma of a blur must be positive"),
        (lambda: gaussian_blur(IMAGES, math.nan), "sigma of a blur must be positive"),
        (lambda: gaussian_blur(IMAGES, 21.0), "at most the longer side, 20 pixels, got 21"),
        (lambda: reduce_and_enlarge(IMAGES, 17), "fewer than their own 17, got 17"),
        (lambda: reduce_and_enlarge(IMAGES, 0), "at least 1 pixel"),
        (lambda: compress(IMAGES, 0), "from 1 to 100, got 0"),
        (lambda: compress(IMAGES, 101), "from 1 to 100, got 101"),
        (lambda: compress(IMAGES[:, :2], 50), "1 or 3 channels, got 2"),
        (lambda: add_noise(IMAGES, -0.1), "standard deviation of noise must be positive"),
    ],
)
def test_impossible_strengths_are_refused(degrade, message):
    with pytest.raises(InputError, match=message):
        degrade()
