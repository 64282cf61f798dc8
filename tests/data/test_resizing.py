from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode

from passband.data.resizing import covering_size, prepare
from passband.preparation import Preparation

SIDES = st.integers(5, 60)
PILLOW = {
    "pillow-bilinear": InterpolationMode.BILINEAR,
    "pillow-bicubic": InterpolationMode.BICUBIC,
    "pillow-lanczos": InterpolationMode.LANCZOS,
    "pillow-box": InterpolationMode.BOX,
    "pillow-hamming": InterpolationMode.HAMMING,
    "pillow-nearest": InterpolationMode.NEAREST,
}


def picture(height: int, width: int, color: bool = True) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3) if color else (height, width))
    return Image.fromarray(pixels.astype(np.uint8))


@given(height=SIDES, width=SIDES, side=st.integers(4, 24), reduced=st.integers(0, 10))
def test_a_crop_is_that_of_torchvision(height, width, side, reduced):
    """Whose presets say to what the shorter side is resized, and how much of it is taken."""
    resized = side + reduced
    how = Preparation((side, side), "crop", "pillow-bicubic", side / resized)
    image = picture(height, width)
    expected = v2.CenterCrop(side)(v2.Resize(resized, InterpolationMode.BICUBIC)(image))
    assert np.array_equal(np.asarray(prepare(image, how)), np.asarray(expected))


@given(
    height=SIDES, width=SIDES, side=st.integers(4, 24), fraction=st.sampled_from([1.0, 0.95, 0.9, 0.875, 0.8])
)
def test_a_crop_is_that_of_timm(height, width, side, fraction):
    from timm.data import create_transform

    transform = create_transform((3, side, side), interpolation="bilinear", crop_pct=fraction, mean=0, std=1)
    image = picture(height, width)
    how = Preparation((side, side), "crop", "pillow-bilinear", fraction)
    expected = (transform(image) * 255).round().byte().permute(1, 2, 0)
    assert np.array_equal(np.asarray(prepare(image, how)), expected.numpy())


@pytest.mark.parametrize("rule", PILLOW)
def test_pillow_filters(rule):
    image = picture(30, 41)
    expected = v2.Resize((12, 17), PILLOW[rule])(image)
    assert np.array_equal(
        np.asarray(prepare(image, Preparation((12, 17), "squash", rule))), np.asarray(expected)
    )


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize(
    ("rule", "mode", "antialias"),
    [
        ("torch", "bilinear", True),
        ("torch-no-antialias", "bilinear", False),
        ("torch-bicubic", "bicubic", True),
    ],
)
def test_torch_filters_are_those_of_interpolate(rule, mode, antialias, color):
    image = picture(30, 41, color)
    found = np.asarray(prepare(image, Preparation((12, 17), "squash", rule)))
    planes = torch.from_numpy(np.atleast_3d(np.asarray(image)).copy()).permute(2, 0, 1)[None].float()
    exact = torch.nn.functional.interpolate(planes, (12, 17), mode=mode, antialias=antialias)
    exact = exact[0].clamp(0, 255).permute(1, 2, 0).numpy().reshape(found.shape)
    assert np.abs(found - exact).max() < 1.5  # integer arithmetic rounds twice


@pytest.mark.parametrize("name", ["linear", "cubic", "area", "nearest"])
def test_opencv_filters(name):
    cv2 = pytest.importorskip("cv2")
    for image in (picture(30, 41), picture(30, 41, color=False)):
        found = prepare(image, Preparation((12, 17), "squash", f"opencv-{name}"))
        flag = getattr(cv2, f"INTER_{name.upper()}")
        expected = cv2.resize(np.asarray(image), (17, 12), interpolation=flag)
        assert np.array_equal(np.asarray(found), expected)


def test_antialiasing_averages_noise():
    left = {
        rule: np.asarray(prepare(picture(80, 80), Preparation((10, 10), "squash", rule))).astype(float).std()
        for rule in ("pillow-bilinear", "torch", "opencv-area", "torch-no-antialias", "opencv-linear")
    }
    assert max(left["pillow-bilinear"], left["torch"], left["opencv-area"]) < 15
    assert min(left["torch-no-antialias"], left["opencv-linear"]) > 30


@given(height=st.integers(1, 400), width=st.integers(1, 400), side=st.tuples(SIDES, SIDES))
def test_what_is_cropped_is_covered_and_keeps_its_aspect(height, width, side):
    how = Preparation(side, crop_fraction=0.9)
    covering = covering_size((height, width), how)
    wanted = [math.floor(each / 0.9) for each in side]
    assert covering[0] >= wanted[0]
    assert covering[1] >= wanted[1]
    assert covering[0] == wanted[0] or covering[1] == wanted[1]
    assert prepare(picture(height, width), how).size == side[::-1]
