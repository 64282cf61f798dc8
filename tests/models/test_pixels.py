from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers import Constant, Memory, Standardized, noise
from passband.errors import InputError
from passband.models.pixels import PixelModel, answers, as_pixel_model

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


class Fails(nn.Module):
    """Raises what it is made with."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise self.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("size mismatch\nand a long trace"), r"RuntimeError: size mismatch\)"),
        (KeyError("checkpoint"), "KeyError: 'checkpoint'"),
        (AssertionError(), r"\(AssertionError\)"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_a_network_that_fails_is_named_with_the_batch_and_its_own_words(error, said):
    model = PixelModel(Fails(error), name="mine")
    with pytest.raises(InputError, match=rf"mine failed on 5 images shaped \(3, 12, 10\) \(?{said}"):
        model(DATA.images / 255)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("full"), MemoryError(), KeyboardInterrupt(), InputError("ours")],
    ids=repr,
)
def test_other_errors_pass_as_they_are(error):
    with pytest.raises(type(error)) as caught:
        PixelModel(Fails(error), name="mine")(DATA.images / 255)
    assert caught.value is error


@pytest.mark.parametrize("output", [torch.zeros(4), torch.zeros(5, 4, 1), torch.zeros(3, 4), {"logits": 0}])
def test_an_untried_model_returns_logits_or_is_refused(output):
    body = nn.Module()
    body.forward = lambda images: output
    with pytest.raises(InputError, match="mine must return"):
        PixelModel(body, name="mine")(DATA.images / 255)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([127.5], [127.5], "got mean 127.5 and std 127.5, which .* --mean 0.5 --std 0.5"),
        ([0, 0, 0], [255, 255, 255], "Divide by 255: --mean 0 0 0 --std 1 1 1"),
        ([103.939, 116.779, 123.68], [1.0], "--mean 0.407604 0.457957 0.48502 --std 0.00392157"),
        (
            [0.485],
            [58.395],
            "the std is of pixels from 0 to 255, the mean is not. Divide by 255: --std 0.229",
        ),
        (
            [123.675],
            [0.229],
            "the mean is of pixels from 0 to 255, the std is not. Divide by 255: --mean 0.485$",
        ),
        (None, [57.0], "--mean 0 --std 0.223529"),
        ([-0.5], None, "mean must not be negative"),
        ([0.5], [-0.5], "std must be positive in every channel, got -0.5"),
        ([float("nan")], None, "mean must be finite"),
        ([0.5, 0.5, 0.5, 0.5], None, "mean must have 1 or 3 values"),
    ],
)
def test_numbers_that_are_not_of_pixels_in_0_1_are_refused_with_those_that_are(mean, std, message):
    with pytest.raises(InputError, match=message):
        PixelModel(nn.Identity(), name="mine", mean=mean, std=std)


def test_usual_normalizations_are_taken():
    for mean, std in (
        ([0.5], [0.5]),
        ([0.0], [1 / 255]),
        ([0.498], [0.50196]),
        ([0.0], [1.0]),
        ([1.0], None),
    ):
        PixelModel(nn.Identity(), name="mine", mean=mean, std=std)
