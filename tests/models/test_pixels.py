from __future__ import annotations

import pytest
import torch

from helpers import Constant, Memory, Standardized, noise
from passband.errors import InputError
from passband.models.pixels import answers, as_pixel_model

DATA = noise(samples=5)


def test_answers_are_the_models_logits():
    model = as_pixel_model(Memory(DATA))
    assert torch.equal(answers(model, DATA.images / 255, 4), model(DATA.images / 255))


def test_what_is_no_answer_is_refused_with_what_was_shown():
    images = DATA.images / 255
    images[1:3] = 0.5
    standardized = as_pixel_model(Standardized(Memory(DATA)))
    with pytest.raises(
        InputError, match="Standardized returned NaN or infinite logits for 2 of 5 LFCs at radius 0"
    ):
        answers(standardized, images, 4, "LFCs at radius 0")
    with pytest.raises(InputError, match="Constant has 7 outputs and the data set 4 classes"):
        answers(as_pixel_model(Constant(1, 7)), images, 4)
