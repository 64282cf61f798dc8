from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passband.errors import InputError, UnknownNameError
from passband.models.catalog import build_model, list_models
from passband.train.config import RunConfig, model_arguments, run_id
from passband.train.optimizers import OPTIMIZERS

counts = st.integers(1, 10_000)
settings = st.fixed_dictionaries(
    {
        "dataset": st.text(min_size=1),
        "size": st.none() | counts | st.tuples(counts, counts),
        "limit": st.none() | counts,
        "model": st.sampled_from(list_models()),
        "width": st.none() | counts,
        "batch_norm": st.booleans(),
        "dropout": st.floats(0, 1, exclude_max=True),
        "optimizer": st.sampled_from(sorted(OPTIMIZERS)),
        "learning_rate": st.floats(0, 10, exclude_min=True),
        "batch_size": counts,
        "epochs": counts,
        "weight_decay": st.floats(0, 10),
        "seed": st.integers(0, 2**63 - 1),
    }
)


@given(settings)
def test_json_gives_back_an_equal_config(values):
    config = RunConfig(**values)
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    assert run_id(again, "data") == run_id(config, "data")


def test_defaults_are_the_vanilla_setting_of_the_paper():
    config = RunConfig("phantom")
    assert (config.optimizer, config.learning_rate, config.batch_size) == ("adam", 1e-4, 100)
    assert (config.batch_norm, config.dropout, config.weight_decay) == (False, 0.0, 0.0)


OTHER = {
    "dataset": "mnist",
    "size": 32,
    "limit": 10,
    "model": "lenet",
    "width": 3,
    "batch_norm": True,
    "dropout": 0.5,
    "optimizer": "sgd",
    "learning_rate": 1e-3,
    "batch_size": 10,
    "epochs": 6,
    "weight_decay": 1e-4,
    "seed": 1,
}


def test_every_setting_and_the_data_decide_the_id():
    assert OTHER.keys() == {field.name for field in fields(RunConfig)}
    config = RunConfig("phantom")
    ids = {run_id(replace(config, **{name: value}), "data") for name, value in OTHER.items()}
    ids |= {run_id(config, "data"), run_id(config, "other data")}
    assert len(ids) == len(OTHER) + 2
    assert {len(i) for i in ids} == {12}


def test_model_arguments_are_those_of_build_model():
    config = RunConfig("phantom", model="lenet", width=3, batch_norm=True, dropout=0.25)
    model = build_model(**model_arguments(config, num_classes=4, in_channels=1))
    assert model.get_parameter("stem.weight").shape == (3, 1, 5, 5)
    assert model.get_parameter("classifier.weight").shape[0] == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dataset": ""}, "dataset must name a source of data"),
        ({"model": "resnet9"}, "no model named 'resnet9'. Did you mean"),
        ({"optimizer": "adamw"}, "no optimizer named 'adamw'. Did you mean 'adam'?"),
        ({"size": 0}, "size must be a whole number of at least 1, got 0"),
        ({"size": (32, 0)}, "size must be a whole number of at least 1, got 0"),
        ({"limit": 0}, "limit must be a whole number of at least 1, got 0"),
        ({"width": -2}, "width must be a whole number of at least 1, got -2"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, such as 1e-4, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive"),
        ({"learning_rate": float("inf")}, "learning_rate must be positive"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or positive, got -1.0"),
        ({"seed": -1}, "seed must be between 0 and"),
    ],
)
def test_impossible_settings_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        RunConfig(**{"dataset": "phantom", **values})


def test_settings_of_another_kind_are_refused():
    with pytest.raises(UnknownNameError, match="no setting named 'epoch'. Did you mean 'epochs'?"):
        RunConfig.from_dict({"dataset": "phantom", "epoch": 3})
    with pytest.raises(InputError, match="a run's settings are not whole or have a wrong type: .*dataset"):
        RunConfig.from_dict({"epochs": 3})
    with pytest.raises(InputError, match="wrong type"):
        RunConfig.from_dict({"dataset": "phantom", "learning_rate": "fast"})
