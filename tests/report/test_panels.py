import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from passband.report import panels


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (2, "L")])
def test_picture_keeps_stored_bytes(channels, mode):
    stored = torch.randint(256, (1, 5, 7), dtype=torch.uint8).expand(channels, 5, 7)
    picture = panels.picture(stored.float() / 255)
    assert (picture.mode, picture.size) == (mode, (7, 5))
    assert np.array_equal(np.asarray(picture.convert("L")), stored[0].numpy())


def test_picture_clips():
    assert np.asarray(panels.picture(torch.tensor([[[-0.3, 1.4]]]))).tolist() == [[0, 255]]


@given(scale=st.floats(1e-3, 10.0))
def test_visible_uses_the_whole_range_and_keeps_zero_gray(scale):
    high = scale * torch.tensor([[[-1.0, 0.0, 0.5]]])
    torch.testing.assert_close(panels.visible(high), torch.tensor([[[0.0, 0.5, 0.75]]]))


def test_rounding_is_not_made_visible():
    shown = panels.visible(1e-7 * torch.randn(3, 8, 8))
    torch.testing.assert_close(shown, torch.full_like(shown, 0.5), atol=1e-5, rtol=0)
    assert torch.equal(panels.visible(torch.zeros(1, 2, 2)), torch.full((1, 2, 2), 0.5))


def test_data_uri_holds_the_picture():
    picture = panels.picture(torch.rand(3, 6, 4))
    kind, _, text = panels.data_uri(picture).partition(",")
    assert kind == "data:image/png;base64"
    read = Image.open(io.BytesIO(base64.b64decode(text)))
    assert np.array_equal(np.asarray(read), np.asarray(picture))


def test_grid_enlarges_by_a_whole_factor_and_places_rows():
    first, second = (panels.picture(torch.full((1, 30, 20), value)) for value in (0.0, 1.0))
    sheet = np.asarray(panels.grid([[first, second], [second, first]], side=128, gap=8))
    height, width = 30 * 5, 20 * 5  # 150 is the smallest multiple of 30 from 128 on
    assert sheet.shape == (2 * height + 8, 2 * width + 8, 3)
    assert (sheet[:height, :width] == 0).all()
    assert (sheet[:height, width:] == 255).all()
    assert (sheet[height + 8 :, width + 8 :] == 0).all()


def test_grid_leaves_large_pictures_as_they_are():
    picture = panels.picture(torch.rand(3, 200, 160))
    assert np.array_equal(np.asarray(panels.grid([[picture]])), np.asarray(picture))
