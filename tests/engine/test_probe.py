import json
from dataclasses import replace

import polars as pl
import pytest
import torch
from torch import nn

from helpers import Constant, Memory, noise
from passband.data.dataset import ImageDataset
from passband.engine.probe import ANSWER_COST, LEAST, SHARE, Probe, spaced
from passband.errors import InputError, UnknownNameError
from passband.instruments.components import evaluate_components
from passband.instruments.kernels import KernelRoughness
from passband.models.blocks import set_batch_norm
from passband.rows import to_table
from passband.stats import wilson_interval

TRAIN = replace(noise(), subset="train")
TEST = noise(seed=1)
BOTH = {"train": TRAIN, "test": TEST}
MODEL = Memory(TRAIN)


def measured(
    probe: Probe, model: nn.Module = MODEL, datasets=BOTH, seed: int = 0, **settings
) -> pl.DataFrame:
    return to_table(probe.measure(model, datasets, 3, "abc", seed, **{"training_batch": 20, **settings}))


def test_rows_are_those_of_the_finished_model_on_everything():
    table = measured(Probe.full(radii=(1, 3)))
    assert set(table["epoch"]) == {3}
    assert set(table["run"]) == {"abc"}
    same = ["component", "radius", "amplitude", "metric", "value", "count"]
    for dataset in (TRAIN, TEST):
        expected = evaluate_components(MODEL, dataset, (1, 3)).filter(pl.col("class").is_null())
        found = table.filter(pl.col("subset") == dataset.subset, pl.col("metric") != "probe-seconds")
        assert found.select(same).equals(expected.select(same))


def test_its_cost_is_a_row_of_each_subset():
    cost = measured(Probe(radii=(1,))).filter(pl.col("metric") == "probe-seconds")
    assert cost["subset"].to_list() == ["train", "test"]
    assert cost["value"].min() > 0
    assert cost["count"].to_list() == [40, 40]


def test_samples_are_those_of_the_seed_at_every_epoch_and_fewer_are_a_part_of_more():
    seen = []

    class Spy(Constant):
        def forward(self, images):
            seen.append(images)
            return super().forward(images)

    probe = Probe(components=(), subsets=("train",), samples=20, along=8)
    for settings in ({"final": True}, {"final": False}, {"final": True}, {"seed": 1}):
        measured(probe, Spy(0, 4), **settings)
    final, along, again, other = seen
    assert (len(final), len(along)) == (20, 8)
    assert torch.equal(final[:8], along)
    assert torch.equal(final, again)
    assert not torch.equal(final, other)


def test_a_subset_is_named_by_its_key_and_only_those_asked_for_are_measured():
    table = measured(Probe(radii=(1,), components=("lfc",), subsets=("train",)), datasets={"train": TEST})
    assert set(table["subset"]) == {"train"}
    assert set(table["component"].drop_nulls()) == {"full", "lfc"}


def test_another_device_than_a_cpu_is_shown_as_many_images_as_suit_it():
    on_cpu, elsewhere = (
        Probe(batch_size=15).subjects(nn.Conv2d(1, 2, 3, device=place), BOTH, "abc", 0)
        for place in ("cpu", "meta")
    )
    assert {subject.batch_size for subject in on_cpu.values()} == {15}
    assert {subject.batch_size for subject in elsewhere.values()} == {None}


def test_batch_size_reaches_the_model():
    sizes = []

    class Spy(Constant):
        def forward(self, images):
            sizes.append(len(images))
            return super().forward(images)

    measured(Probe(components=(), subsets=("test",), batch_size=15), Spy(0, 4))
    assert sizes == [15, 15, 10]


@pytest.mark.parametrize(
    ("epochs", "total", "due"),
    [(1, 4, [1, 2, 3, 4]), (3, 8, [3, 6, 8]), ((1, 4), 6, [1, 4, 6]), ((2, 50), 5, [2, 5])],
)
def test_schedule(epochs, total, due):
    probe = Probe(epochs=epochs)
    assert [epoch for epoch in range(1, total + 1) if probe.is_due(epoch, total)] == due


def test_two_thousand_four_hundred_samples_are_within_two_points_at_any_accuracy():
    for correct in range(0, 2401, 100):
        low, high = wilson_interval(correct, Probe().samples)
        assert max(high - correct / 2400, correct / 2400 - low) <= 0.02


@pytest.mark.parametrize(("epochs", "images"), [(16, 9469), (100, 9469), (100, 50_000), (40, 20_000)])
def test_the_default_stays_below_its_share_of_the_training_time(epochs, images):
    answers = Probe.affordable(epochs, images).count_answers(epochs, {"train": images, "test": 10_000})
    assert ANSWER_COST * answers <= SHARE * epochs * images


@pytest.mark.parametrize(("epochs", "images"), [(12, 9469), (15, 3000), (40, 3000), (3, 9469), (100, 50_000)])
def test_a_probe_that_is_reduced_stays_within_its_share_and_shrinks_no_more_than_it_must(epochs, images):
    probe, subsets = Probe(epochs=(1, 2, 4, 8), along=400), {"train": images, "test": 10_000}
    reduced = probe.within(epochs, images)
    taken = ANSWER_COST * reduced.count_answers(epochs, subsets) / (epochs * images)
    asked = ANSWER_COST * probe.count_answers(epochs, subsets) / (epochs * images)
    assert taken <= SHARE
    assert taken > 0.97 * min(SHARE, asked)
    assert replace(reduced, samples=2400, along=400) == probe
    assert reduced.samples / reduced.along == pytest.approx(6, rel=0.02)


def test_a_probe_of_fewer_images_than_it_asks_for_stays_within_its_share_too():
    reduced = Probe(epochs=(1, 2, 4, 8)).within(60, 1000)
    taken = ANSWER_COST * reduced.count_answers(60, {"train": 1000, "test": 1000}) / (60 * 1000)
    assert 0.97 * SHARE < taken <= SHARE


def test_a_probe_that_fits_is_left_as_it_is():
    probe = Probe(samples=40, radii=(1,))
    assert probe.within(100, 1000) is probe
    assert Probe(samples=None, radii=(1,), components=("lfc",)).within(12, 1000).samples < 1000


def test_a_probe_is_never_reduced_to_next_to_nothing():
    assert Probe(along=400).within(1, 60) == Probe(samples=LEAST, along=LEAST)
    assert Probe(samples=30).within(1, 60) == Probe(samples=30)
    assert Probe(samples=None).within(1, 20).samples == 20


def test_answers_are_counted_as_they_are_given():
    seen = 0

    class Spy(Constant):
        def forward(self, images):
            nonlocal seen
            seen += len(images)
            return super().forward(images)

    probe = Probe(radii=(1, 3), components=("lfc",), epochs=(1, 3), samples=30, along=7)
    datasets = {"train": TRAIN, "test": TEST.take(slice(20))}
    for epoch in range(1, 6):
        if probe.is_due(epoch, 5):
            list(probe.measure(Spy(0, 4), datasets, epoch, "abc", 0, training_batch=20, final=epoch == 5))
    assert seen == probe.count_answers(5, {"train": 40, "test": 20}) == 3 * (7 + 7 + 7 + 7 + 30 + 20)


def test_a_run_too_short_for_its_last_epoch_to_be_measured_has_no_default():
    assert Probe.affordable(3, 100) is None


def test_radii_that_were_asked_for_are_measured_at_any_cost():
    assert Probe.default(3, 100, (16, 16)) is None
    assert Probe.default(3, 100, (16, 16), radii=(5,)) == Probe(radii=(5,), epochs=(3,))
    assert Probe.default(20_000, 100, (16, 16)).radii == (4, 8)  # the corner is at 11.3


def test_4_and_4_point_0_are_one_probe():
    assert json.dumps(Probe((4,)).to_dict()) == json.dumps(Probe((4.0,)).to_dict())


def test_spaced_epochs_end_at_the_last():
    assert spaced(16, 5) == (1, 2, 4, 8, 16)
    assert spaced(3, 100) == (1, 2, 3)


def test_json_holds_a_probe():
    probe = Probe(epochs=(1, 2), along=5, components=(), instruments=(KernelRoughness(),))
    settings = json.loads(json.dumps(probe.to_dict()))
    assert settings["epochs"] == [1, 2]
    assert settings["instruments"] == [{"instrument": "kernels", "rhos": [0.0]}]
    assert hash(probe) == hash(replace(probe)) != hash(replace(probe, instruments=()))


def test_any_instrument_can_look_along():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    table = measured(Probe(radii=(1,), instruments=(KernelRoughness(),)), network)
    rough = table.filter(pl.col("metric") == "roughness")
    assert rough.select("epoch", "subset", "run").rows() == [(3, None, "abc")]  # of the network, once


def test_a_network_that_depends_on_the_batch_is_probed_in_the_batches_it_trains_with():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    set_batch_norm(network, batch_statistics=True)
    seen = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    measured(Probe(components=(), subsets=("train",)), network, training_batch=16)
    assert seen == [16, 16, 16]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"components": ("low",)}, UnknownNameError, "no component named 'low'"),
        ({"subsets": ("val",)}, UnknownNameError, "no subset named 'val'"),
        ({"amplitude": "big"}, UnknownNameError, "no amplitude policy named 'big'"),
        ({"subsets": ()}, InputError, "at least one subset"),
        ({"radii": ()}, InputError, "at least one radius"),
        ({"samples": 0}, InputError, "samples of a probe must be at least 1, got 0"),
        ({"along": 0}, InputError, "along of a probe must be at least 1, got 0"),
        ({"epochs": 0}, InputError, "epochs are counted from 1 on, got 0"),
        ({"epochs": (1, -2)}, InputError, "epochs are counted from 1 on, got -2"),
    ],
)
def test_impossible_settings_are_refused(untyped, settings, error, message):
    with pytest.raises(error, match=message):
        Probe(**settings)


def test_radii_are_checked_against_the_images_before_training():
    with pytest.raises(InputError, match="radius 8 is not below the corner"):
        Probe().check_fits((12, 10))
    Probe().check_fits((32, 32))
    Probe(components=()).check_fits((4, 4))


def test_gpu_or_not_the_model_stays_where_it_is():
    model = nn.Sequential(nn.Flatten(), nn.Linear(360, 4))
    dataset = ImageDataset(TRAIN.images, TRAIN.labels, TRAIN.classes, "noise")
    measured(Probe(radii=(1,), subsets=("train",)), model, {"train": dataset})
    assert model[1].weight.device.type == "cpu"
    assert model.training


def test_the_last_epochs_are_measured_on_all_samples_and_image_by_image():
    probe = Probe(radii=(1,), samples=8, along=3, last=2, epochs=(1,))
    assert [epoch for epoch in range(1, 7) if probe.is_due(epoch, 6)] == [1, 5, 6]
    assert probe.count_answers(6, {"train": 20, "test": 20}) == probe.conditions * 2 * (3 + 8 + 8)
    earlier, later = (measured(probe, final=final) for final in (False, True))
    assert set(earlier["each"].is_null()) == {True}
    of_all = later.filter(pl.col("metric") == "accuracy", pl.col("class").is_null())
    assert [len(each) for each in of_all["each"]] == [8] * len(of_all)
    torch.testing.assert_close([sum(each) / 8 for each in of_all["each"]], of_all["value"].to_list())
    assert of_all.group_by("subset").agg(pl.col("images").n_unique())["images"].to_list() == [1, 1]
    assert of_all["images"].n_unique() == 2


def test_a_probe_of_one_last_epoch_is_written_as_before_there_were_more():
    assert "last" not in Probe().to_dict()
    assert Probe(last=3).to_dict()["last"] == 3
    with pytest.raises(InputError, match="last of a probe must be at least 1, got 0"):
        Probe(last=0)
