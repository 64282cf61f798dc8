from typing import get_args

import pytest

from passband.errors import InputError, UnknownNameError
from passband.preparation import Change, Preparation, Resize

PUBLISHED = Preparation((224, 224), "crop", "pillow-bicubic", 0.875)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, PUBLISHED),
        ({"size": 96}, Preparation((96, 96), "crop", "pillow-bicubic", 0.875)),
        ({"size": (96, 128)}, Preparation((96, 128), "squash", "pillow-bicubic", 1.0)),
        ({"resize": "opencv-linear"}, Preparation((224, 224), "crop", "opencv-linear", 0.875)),
        ({"crop_fraction": 1.0}, Preparation((224, 224), "crop", "pillow-bicubic", 1.0)),
        ({"size": (96, 128), "crop_fraction": 0.9}, Preparation((96, 128), "crop", "pillow-bicubic", 0.9)),
    ],
)
def test_what_a_user_asks_for_takes_the_place_of_what_a_model_says(asked, expected):
    assert PUBLISHED.changed(**asked) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": (0, 8)}, "size must be a number of pixels >= 1"),
        ({"crop_fraction": 0.0}, "crop fraction must be above 0 and at most 1"),
        ({"crop_fraction": 87.5}, "crop fraction must be above 0 and at most 1"),
        ({"crop_fraction": float("nan")}, "crop fraction must be above 0 and at most 1"),
        ({"fit": "squash", "crop_fraction": 0.9}, "squashed is not cropped"),
    ],
)
def test_impossible_rules_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Preparation(**settings)


def test_a_rule_is_said_in_words():
    assert str(Preparation()) == "as stored"
    assert str(Preparation((8, 6), "squash")) == (
        "squashed to 8x6 by pillow-lanczos (antialiased), decoded by pillow"
    )


def test_filters_say_whether_they_are_antialiased():
    plain = {rule for rule in get_args(Resize) if not Preparation(resize=rule).antialias}
    assert plain == {
        "pillow-nearest",
        "torch-no-antialias",
        "torch-bicubic-no-antialias",
        "torch-nearest",
        "opencv-linear",
        "opencv-cubic",
        "opencv-nearest",
        "opencv-lanczos",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch", Preparation((224, 224), "crop", "torch", 0.875)),
        ("opencv-linear@1", Preparation((224, 224), "crop", "opencv-linear", 1.0)),
        ("@0.5", Preparation((224, 224), "crop", "pillow-bicubic", 0.5)),
        ("@squash", Preparation((224, 224), "squash", "pillow-bicubic", 1.0)),
        (" torch@squash", Preparation((224, 224), "squash", "torch", 1.0)),
    ],
)
def test_a_change_says_what_is_done_otherwise_and_is_read_as_it_is_written(text, expected):
    change = Change.read(text)
    assert change.of(PUBLISHED) == expected
    assert str(change) == text.strip()
    assert Change.between(PUBLISHED, expected).of(PUBLISHED) == expected
    assert Change.between(expected, PUBLISHED).of(expected) == PUBLISHED


def test_a_change_of_the_crop_makes_a_squashed_picture_a_cropped_one():
    squashed = Preparation((96, 128), "squash")
    assert Change.read("@0.875").of(squashed) == Preparation((96, 128), "crop", crop_fraction=0.875)
    assert Change.read("torch").of(squashed) == Preparation((96, 128), "squash", "torch")


def test_changes_that_are_alike_are_equal():
    assert Change.read("torch@1") == Change.read("torch@1.0") == Change("torch", 1)
    assert str(Change.read("torch@1.00")) == "torch@1"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "",
            InputError,
            "nothing is done otherwise: another way of preparing pictures is written as opencv-linear",
        ),
        ("@", InputError, "another way of preparing pictures is written as .*; got '@'"),
        ("torch@half", InputError, "got 'torch@half'"),
        ("torch@nan", InputError, "got 'torch@nan'"),
        ("torch@0", InputError, "crop fraction must be above 0 and at most 1"),
        ("torch@1.5", InputError, "crop fraction must be above 0 and at most 1"),
        ("opencv", UnknownNameError, "no resize rule named 'opencv'"),
    ],
)
def test_impossible_changes_are_refused(text, error, message):
    with pytest.raises(error, match=message):
        Change.read(text)
