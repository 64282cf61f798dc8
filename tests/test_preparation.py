from typing import get_args

import pytest

from passband.errors import InputError
from passband.preparation import Preparation, Resize

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
