from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passband.attacks import PGD
from passband.choices import Precision, Schedule
from passband.errors import InputError, UnknownNameError
from passband.models.catalog import build_model
from passband.models.networks import INITIALIZATIONS, list_models
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig, check_data, model_arguments, run_id
from passband.train.optimizers import OPTIMIZERS
from passband.types import Amplitude

counts = st.integers(1, 10_000)
positive = st.floats(0, 10, exclude_min=True)
components = st.tuples(st.sampled_from(["lfc", "hfc"]), st.floats(0, 99)).map(
    lambda pair: f"{pair[0]}:{pair[1]}"
)


attacks = st.builds(PGD, steps=counts, step_share=st.none() | positive, random_start=st.booleans())
independent = st.fixed_dictionaries(
    {
        "dataset": st.text(min_size=1),
        "size": st.none() | counts | st.tuples(counts, counts),
        "limit": st.none() | counts,
        "model": st.sampled_from(list_models()),
        "width": st.none() | counts,
        "batch_norm": st.booleans(),
        "dropout": st.floats(0, 1, exclude_max=True),
        "mixup": st.none() | positive,
        "optimizer": st.sampled_from(sorted(OPTIMIZERS)),
        "learning_rate": st.none() | positive,
        "batch_size": counts,
        "epochs": counts,
        "initialization": st.sampled_from(sorted(INITIALIZATIONS)),
        "shuffle_labels": st.booleans(),
        "component": st.none() | components,
        "amplitude": st.sampled_from(get_args(Amplitude)),
        "weight_decay": st.floats(0, 10),
        "augment": st.booleans(),
        "seed": st.integers(0, 2**63 - 1),
        "precision": st.sampled_from(get_args(Precision)),
        "schedule": st.sampled_from(get_args(Schedule)),
        "compile": st.none() | st.booleans(),
    }
)


@st.composite
def settings(draw):
    """Any settings that go together."""
    values = draw(independent)
    if values["model"] in ("vit", "convnext"):  # they have LayerNorm, and a width that heads share
        values |= {"batch_norm": False, "width": draw(st.none() | counts.map(lambda count: 4 * count))}
    if values["batch_norm"]:
        values |= {"batch_statistics": draw(st.booleans()), "fixed_affine": draw(st.booleans())}
    if values["mixup"] is None and (values["component"] is None or values["amplitude"] in ("clip", "minmax")):
        values["adversarial"] = draw(
            st.none() | st.builds(Adversary, st.floats(0, 1, exclude_min=True), attacks)
        )
    return values


@given(settings())
def test_json_gives_back_an_equal_config(values):
    config = RunConfig(**values)
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    assert run_id(again, "data") == run_id(config, "data")
    assert run_id(config.resolved(), "data") == run_id(config, "data")
    assert config.resolved().resolved() == config.resolved()


def test_settings_of_version_0_1_are_still_read():
    old = {
        "dataset": "fashion-mnist",
        "size": None,
        "limit": None,
        "model": "resnet8",
        "width": None,
        "batch_norm": False,
        "dropout": 0.0,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "batch_size": 100,
        "epochs": 4,
        "weight_decay": 0.0,
        "seed": 0,
    }
    assert RunConfig.from_dict(old) == RunConfig("fashion-mnist", learning_rate=1e-3, epochs=4)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"adversarial": None, "attack_steps": 7}, None),
        ({"adversarial": 0.1}, Adversary(0.1)),
        ({"adversarial": 0.1, "attack_steps": 7, "attack_step_size": 0.05, "attack_random_start": False},
         Adversary(0.1, PGD(steps=7, step_share=0.5, random_start=False))),
    ],
)  # fmt: skip
def test_adversarial_training_of_version_0_1_is_still_read(said, meant):
    assert RunConfig.from_dict({"dataset": "phantom", **said}).adversarial == meant


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"adversarial": 0.0}, r"adversarial is epsilon .* such as 8/255, and must be in \(0, 1\], got 0.0"),
        ({"adversarial": 8.0}, r"must be in \(0, 1\], got 8.0"),
        ({"adversarial": float("nan")}, r"must be in \(0, 1\], got nan"),
        ({"attack_steps": 0}, "attack_steps must be a whole number of at least 1, got 0"),
        ({"attack_step_size": 0.0}, "attack_step_size must be positive"),
        ({"adversarial": "strong"}, "adversarial is what the network is attacked with"),
    ],
)
def test_impossible_adversarial_training_is_refused(said, message):
    with pytest.raises(InputError, match=message):
        RunConfig.from_dict({"dataset": "phantom", **said})


def test_defaults_are_the_vanilla_setting_of_the_paper():
    config = RunConfig("phantom")
    assert (config.optimizer, config.rate, config.batch_size) == ("adam", 1e-4, 100)
    assert (config.batch_norm, config.dropout, config.weight_decay) == (False, 0.0, 0.0)
    assert config.resolved().initialization == "xavier"
    assert (config.mixup, config.adversarial, config.component, config.shuffle_labels) == (None,) * 3 + (
        False,
    )


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 1e-4), ("sgd", 1e-2), ("adadelta", 1e-1)])
def test_rates_that_are_not_given_are_those_of_the_paper_and_its_code(optimizer, rate):
    assert RunConfig("phantom", optimizer=optimizer).rate == rate
    assert replace(RunConfig("phantom"), optimizer=optimizer).rate == rate  # Adam's is not kept
    assert RunConfig("phantom", optimizer=optimizer, learning_rate=0.5).rate == 0.5


OTHER = {
    "dataset": "mnist",
    "size": 32,
    "limit": 10,
    "model": "lenet",
    "width": 3,
    "batch_norm": False,
    "batch_statistics": True,
    "fixed_affine": True,
    "dropout": 0.5,
    "mixup": 0.5,
    "adversarial": Adversary(8 / 255),
    "optimizer": "sgd",
    "learning_rate": 1e-3,
    "batch_size": 10,
    "epochs": 6,
    "initialization": "code",
    "shuffle_labels": True,
    "component": "lfc:8",
    "weight_decay": 1e-4,
    "augment": True,
    "seed": 1,
    "precision": "bf16-mixed",
    "schedule": "cosine",
    "compile": True,
}
ATTACKS = (PGD(), PGD(steps=7), PGD(steps=10, step_share=0.1), PGD(steps=10, random_start=False))


def test_every_setting_and_the_data_and_the_probe_decide_the_id():
    assert OTHER.keys() | {"amplitude"} == {field.name for field in fields(RunConfig)}
    plain = RunConfig("phantom", batch_norm=True)
    part = replace(plain, component="hfc:8")
    configs = [plain, part, replace(part, amplitude="rms")]
    configs += [replace(plain, **{name: value}) for name, value in OTHER.items() if name != "compile"]
    configs += [replace(plain, adversarial=Adversary(0.03, attack)) for attack in ATTACKS]
    ids = {run_id(config, "data") for config in configs}
    ids |= {run_id(plain, "other data"), run_id(plain, "data", {"radii": [4]})}
    assert len(ids) == len(configs) + 2
    assert {len(i) for i in ids} == {12}


def test_what_makes_no_difference_does_not_decide_the_id():
    plain = RunConfig("phantom")
    attack = RunConfig("phantom", adversarial=Adversary(0.1))
    for config, same in (
        (plain, replace(plain, learning_rate=1e-4)),
        (plain, replace(plain, amplitude="rms")),
        (attack, replace(attack, adversarial=Adversary(0.1, PGD(steps=10, step_share=0.25)))),
        (plain, replace(plain, compile=True)),
        (plain, replace(plain, compile=False)),
        (replace(plain, component="lfc:8"), replace(plain, component="lfc:8.0")),
        (replace(plain, component="lfc:2.123456789"), replace(plain, component="lfc:02.123456789")),
    ):
        assert config != same
        assert run_id(config, "data") == run_id(same, "data")


def test_ids_are_those_of_stores_that_were_filled_before_compilation_was_decided_by_itself():
    assert run_id(RunConfig("phantom"), "data") == "b78f0de1bc67"


def test_where_data_lie_does_not_decide_the_id_and_which_they_are_does():
    here, there = RunConfig("parquet:/data/cats"), RunConfig("parquet:../elsewhere/dogs")
    assert run_id(here, "data") == run_id(there, "data")
    assert run_id(here, "data") != run_id(here, "other data")
    assert run_id(RunConfig("phantom:shape=0"), "data") != run_id(RunConfig("phantom:shape=1"), "data")


def test_model_arguments_are_those_of_build_model():
    config = RunConfig("phantom", model="lenet", width=3, batch_norm=True, dropout=0.25)
    model = build_model(**model_arguments(config, num_classes=4, in_channels=1))
    assert model.get_parameter("stem.weight").shape == (3, 1, 5, 5)
    assert model.get_parameter("classifier.weight").shape[0] == 4
    config = replace(config, batch_statistics=True, fixed_affine=True)
    model = build_model(**model_arguments(config, num_classes=4, in_channels=1))
    assert not [name for name in model.state_dict() if "running" in name]


@pytest.mark.usefixtures("untyped")
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
        (
            {"batch_statistics": True},
            "batch_statistics says how BatchNorm works, and the network has none.*--batch-norm",
        ),
        ({"fixed_affine": True}, "fixed_affine says how BatchNorm works, and the network has none"),
        ({"mixup": 0.0}, "mixup is the alpha of .* must be positive, got 0.0"),
        ({"mixup": float("nan")}, "mixup is the alpha"),
        (
            {"adversarial": 0.1},
            r"adversarial is what the network is attacked with, such as Adversary\(8 / 255\), got 0.1",
        ),
        ({"adversarial": Adversary(0.1), "mixup": 0.5}, "mixup and adversarial training do not go together"),
        (
            {"adversarial": Adversary(0.1), "component": "hfc:4"},
            "a component rescaled by 'max' has not. Choose .* 'clip' or 'minm",
        ),
        (
            {"component": "mfc:4"},
            "no component named 'mfc'. Did you mean 'lfc'",
        ),
        ({"component": "lfc"}, "is written lfc:RADIUS, such as lfc:8, got 'lfc'"),
        ({"component": "lfc:-1"}, "must be 0 or positive, got -1"),
        ({"component": "lfc:inf"}, "is written lfc:RADIUS"),
        ({"amplitude": "loud"}, "no amplitude policy named 'loud'"),
        ({"initialization": "glorot"}, "no initialization named 'glorot'. Known: code, default, xavier"),
        ({"compile": "yes"}, "compile must be true, false or None, got 'yes'"),
        ({"precision": "16"}, "no precision named '16'. Known: 16-mixed, 32, bf16-mixed"),
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
    with pytest.raises(InputError, match="the setting batch_norm must be true or false, got 'no'"):
        RunConfig.from_dict({"dataset": "phantom", "batch_norm": "no"})
    with pytest.raises(InputError, match="wrong type"):
        RunConfig.from_dict({"dataset": "phantom", "learning_rate": "fast"})


@pytest.mark.parametrize(
    ("values", "devices", "message"),
    [
        ({"batch_size": 41}, 1, "batch_size must be at most the number of training images, 40, got 41"),
        ({"batch_size": 2}, 3, "batch_size must be at least the number of devices, 3, got 2"),
        ({"batch_size": 13}, 2, "the last batch of an epoch has 1 image, too few for 2 devices"),
        (
            {"component": "hfc:22.7"},
            1,
            "radius 22.7 is not below the corner.* at 22.6 .* 32x32.*'hfc:22.7'",
        ),
    ],
)
def test_what_the_data_make_impossible_is_refused(values, devices, message):
    config = RunConfig("phantom", **{"batch_size": 10, **values})
    with pytest.raises(InputError, match=message):
        check_data(config, samples=40, size=(32, 32), devices=devices)


def test_what_the_data_allow():
    check_data(RunConfig("phantom", batch_size=40, component="lfc:22.6"), samples=40, size=(32, 32))
    check_data(RunConfig("phantom", batch_size=13), samples=40, size=(32, 32))  # one image, one device
    check_data(RunConfig("phantom", batch_size=10), samples=40, size=(32, 32), devices=2)
