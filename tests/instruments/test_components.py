import math

import polars as pl
import pytest
import torch

from helpers import Constant, Memory, noise
from passband.errors import InputError
from passband.frequency.fourier import split
from passband.frequency.rescale import rescale
from passband.instruments.components import Condition, evaluate_components, outcome_rows, probe_components
from passband.rows import COLUMNS, SAMPLE_COLUMNS, to_table

DATA = noise()
MODEL = Memory(DATA)
RADII = [1, 3, 5.5]


def test_answers_are_those_of_each_component_shown_alone():
    outcome = probe_components(MODEL, DATA, RADII, amplitude="max")
    assert outcome.conditions[0] == Condition("full")
    assert len(outcome.conditions) == 1 + 2 * len(RADII)
    for index, (component, radius) in enumerate(outcome.conditions):
        for sample in (0, 17, 39):
            image = DATA.images[sample : sample + 1] / 255
            if component != "full":
                low, high = split(image, radius)
                image = rescale(low if component == "lfc" else high, "max")
            probability = MODEL(image).softmax(1)[0].detach()
            assert outcome.predictions[index, sample] == probability.argmax()
            assert outcome.confidence[index, sample] == pytest.approx(probability.max().item(), rel=1e-4)
            label = DATA.labels[sample]
            assert outcome.loss[index, sample] == pytest.approx(-math.log(probability[label]), rel=1e-3)


def test_rows_are_means_over_samples_and_over_classes():
    table = evaluate_components(MODEL, DATA, RADII)
    assert table.columns == list(COLUMNS)
    outcome = probe_components(MODEL, DATA, RADII)
    low = outcome.of("lfc", 3)
    row = table.filter(pl.col("component") == "lfc", pl.col("radius") == 3, pl.col("metric") == "accuracy")
    overall = row.filter(pl.col("class").is_null())
    assert overall["value"].item() == pytest.approx(outcome.correct[low].float().mean().item())
    assert overall["count"].item() == len(DATA)
    classes = row.filter(pl.col("class").is_not_null())
    assert classes["count"].sum() == len(DATA)
    assert (classes["value"] * classes["count"]).sum() == pytest.approx(outcome.correct[low].sum().item())
    full = table.filter(pl.col("component") == "full", pl.col("metric") == "agreement")
    assert full["value"].item() == 1
    assert full["radius"].item() is None
    assert full["amplitude"].item() is None


def test_samples_table_has_one_row_a_sample_and_condition():
    outcome = probe_components(MODEL, DATA, RADII)
    table = outcome.to_table()
    assert table.schema == SAMPLE_COLUMNS
    assert len(table) == len(DATA) * 7
    right = table.filter(pl.col("component") == "full").select(
        (pl.col("prediction") == pl.col("label")).mean()
    )
    assert right.item() == pytest.approx(outcome.correct[0].float().mean().item())


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_batch_size_does_not_change_a_result(batch_size):
    whole = probe_components(MODEL, DATA, RADII)
    parts = probe_components(MODEL, DATA, RADII, batch_size=batch_size)
    assert torch.equal(parts.predictions, whole.predictions)
    torch.testing.assert_close(parts.loss, whole.loss)


def test_the_model_is_left_as_it_was():
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), Memory(DATA), torch.nn.BatchNorm1d(4, affine=False))
    model[0].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    probe_components(model, DATA, [2])
    assert [module.training for module in model] == [False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert next(model.parameters()).grad is None


def test_precision_stops_early_on_a_random_sample_and_keeps_its_promise():
    data = noise(samples=3000, classes=2, channels=1, size=(4, 4))
    outcome = probe_components(Constant(0, 2), data, [1], precision=0.1, batch_size=50, seed=3)
    assert 300 < len(outcome.samples) < 500  # an interval around one half is 0.1 wide at about 380 samples
    table = to_table(outcome_rows(outcome, data, run="r"))
    assert table["count"].max() == len(outcome.samples)
    again = probe_components(Constant(0, 2), data, [1], precision=0.1, batch_size=50, seed=3)
    assert torch.equal(again.samples, outcome.samples)
    other = probe_components(Constant(0, 2), data, [1], precision=0.1, batch_size=50, seed=4)
    assert not torch.equal(other.samples[:50], outcome.samples[:50])
    assert torch.equal(outcome.labels, data.labels[outcome.samples])


def test_precision_out_of_reach_uses_every_sample():
    assert len(probe_components(MODEL, DATA, [2], precision=0.001).samples) == len(DATA)


def test_progress_is_reported_to_the_end():
    seen = []
    probe_components(MODEL, DATA, [2], batch_size=15, progress=lambda *args: seen.append(args))
    assert seen == [("components", 15, 40), ("components", 30, 40), ("components", 40, 40)]


@pytest.mark.parametrize(
    ("radii", "settings", "message"),
    [
        ([], {}, "at least one radius is needed"),
        ([2, 2.0], {}, "each radius is measured once, got 2, 2"),
        ([-1], {}, "radius must be >= 0, got -1"),
        ([math.nan], {}, "radius must be >= 0, got nan"),
        ([8], {}, r"radius 8 is not below the corner of the spectrum, which is at 7.8 for images of 12x10"),
        ([2], {"amplitude": "big"}, "no amplitude policy named 'big'"),
        ([2], {"components": ("low",)}, "no component named 'low'"),
        ([2], {"precision": 1.5}, "precision is the width of an interval, between 0 and 1, got 1.5"),
        ([2], {"device": "tpu"}, "device must be"),
    ],
)
def test_impossible_settings_are_refused(untyped, radii, settings, message):
    with pytest.raises(InputError, match=message):
        probe_components(MODEL, DATA, radii, **settings)


def test_a_model_of_other_classes_is_refused():
    with pytest.raises(
        InputError, match="Constant has 7 outputs and the data set 4 classes.*--class-indices"
    ):
        probe_components(Constant(0, 7), DATA, [2])


def test_broken_weights_are_refused():
    broken = Memory(DATA)
    broken.weight.data.fill_(math.nan)
    with pytest.raises(InputError, match="Memory returned NaN or infinite logits"):
        probe_components(broken, DATA, [2])
