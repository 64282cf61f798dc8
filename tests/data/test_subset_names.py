from __future__ import annotations

import pytest

from passband.data.subset_names import subset_kind


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "train",
            "train TRAIN Training training_set train_images images_train train2017 trainval train-data Train_Set",
        ),
        ("test", "test Testing test_set testset TEST test-images img_test"),
        ("val", "val valid Validation val2017 val_images imagesVal validation-set"),
        ("dev", "dev dev_set development"),
        ("eval", "eval Evaluation"),
        (
            None,
            "trains steam_train valve value developer testimony trainer evaluate_me n01440764 0 validity restrain",
        ),
    ],
)
def test_what_a_name_stands_for(kind, names):
    assert {name: subset_kind(name) for name in names.split()} == dict.fromkeys(names.split(), kind)
