import math

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import Constant, Memory, Standardized, ask, noise, subject
from passband.errors import InputError
from passband.frequency.component import FULL, High, Low
from passband.frequency.fourier import corner_radius
from passband.frequency.rescale import rescale
from passband.instruments.components import ComponentAccuracy, default_radii, evaluate_components
from passband.models.blocks import set_batch_norm
from passband.rows import COLUMNS, SAMPLE_COLUMNS, to_table
from passband.stats import wilson_interval

DATA = noise()
MODEL = Memory(DATA)
RADII = [1, 3, 5.5]


def test_answers_are_those_of_each_component_shown_alone():
    outcome = ask(MODEL, DATA, RADII, amplitude="max")
    assert outcome.shown[0] == FULL
    assert len(outcome.shown) == 1 + 2 * len(RADII)
    for index, component in enumerate(outcome.shown):
        for sample in (0, 17, 39):
            image = DATA.images[sample : sample + 1] / 255
            if component != FULL:
                image = rescale(component.of(image), "max")
            probability = MODEL(image).softmax(1)[0].detach()
            assert outcome.predictions[index, sample] == probability.argmax()
            assert outcome.confidence[index, sample] == pytest.approx(probability.max().item(), rel=1e-4)
            label = DATA.labels[sample]
            assert outcome.loss[index, sample] == pytest.approx(-math.log(probability[label]), rel=1e-3)


def test_rows_are_means_over_samples_and_over_classes():
    table = evaluate_components(MODEL, DATA, RADII)
    assert table.columns == list(COLUMNS)
    outcome = ask(MODEL, DATA, RADII)
    low = outcome.of(Low(3))
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
    outcome = ask(MODEL, DATA, RADII)
    table = outcome.to_table()
    assert table.schema == SAMPLE_COLUMNS
    assert len(table) == len(DATA) * 7
    right = table.filter(pl.col("component") == "full").select(
        (pl.col("prediction") == pl.col("label")).mean()
    )
    assert right.item() == pytest.approx(outcome.correct[0].float().mean().item())


MANY = noise(samples=60, classes=25)


class Guessing(Memory):
    """Answers by weights that were never fitted."""

    def forward(self, images):
        draws = torch.Generator().manual_seed(0)
        return (images.flatten(1) - 0.5) @ torch.randn(self.weight.shape, generator=draws)


def test_top_5_is_that_of_sorted_logits():
    model = Guessing(MANY)
    outcome = ask(model, MANY, RADII)
    logits = model(MANY.images / 255)
    five = logits.topk(5, dim=1).indices
    assert torch.equal(outcome.top5[0], (five == MANY.labels[:, None]).any(dim=1))
    assert torch.equal(outcome.rank[0] == 1, outcome.correct[0])
    assert outcome.correct[0].sum() < outcome.top5[0].sum() < len(MANY)
    table = to_table(outcome.rows()).filter(metric="top5-accuracy")
    assert table["shown"].to_list() == [str(component) for component in outcome.shown]
    assert table["value"][0] == pytest.approx(outcome.top5[0].double().mean().item())
    ranks = outcome.to_table().filter(component="full")["rank"]
    assert ranks.to_list() == outcome.rank[0].tolist()


def test_equal_logits_earn_no_top_5_by_the_order_of_classes():
    everything_alike = Constant(0, 25)
    everything_alike.logits.zero_()
    outcome = ask(everything_alike, MANY, [])
    assert outcome.correct[0].float().mean() == (MANY.labels == 0).float().mean()  # argmax takes the first
    assert not outcome.top5.any()
    assert outcome.rank.unique().tolist() == [25]
    one_answer = ask(Constant(3, 25), MANY, [])
    assert torch.equal(one_answer.top5[0], MANY.labels == 3)


@pytest.mark.parametrize(("classes", "there"), [(20, False), (21, True)])
def test_top_5_is_measured_of_more_than_20_classes(classes, there):
    data = noise(classes=classes)
    outcome = ask(Memory(data), data, [2])
    assert (outcome.top5 is not None) is there
    assert ("top5-accuracy" in to_table(outcome.rows())["metric"].unique()) is there


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_batch_size_does_not_change_a_result(batch_size):
    whole = ask(MODEL, DATA, RADII)
    parts = ask(MODEL, DATA, RADII, batch_size=batch_size)
    assert torch.equal(parts.predictions, whole.predictions)
    torch.testing.assert_close(parts.loss, whole.loss)


def test_the_model_is_left_as_it_was():
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), Memory(DATA), torch.nn.BatchNorm1d(4, affine=False))
    model[0].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ask(model, DATA, [2])
    assert [module.training for module in model] == [False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert next(model.parameters()).grad is None


def test_precision_takes_a_random_sample_and_keeps_its_promise():
    data = noise(samples=3000, classes=2, channels=1, size=(4, 4))
    outcome = ask(Constant(0, 2), data, [1], precision=0.1, batch_size=50, seed=3)
    assert len(outcome.samples) == 381  # an interval around one half is 0.1 wide at about so many
    low, high = wilson_interval(int(outcome.correct[0].sum()), 381)
    assert high - low < 0.1
    table = to_table(outcome.rows())
    assert table["count"].max() == len(outcome.samples)
    again = ask(Constant(0, 2), data, [1], precision=0.1, batch_size=50, seed=3)
    assert torch.equal(again.samples, outcome.samples)
    other = ask(Constant(0, 2), data, [1], precision=0.1, batch_size=50, seed=4)
    assert not torch.equal(other.samples[:50], outcome.samples[:50])
    assert torch.equal(outcome.labels, data.labels[outcome.samples])


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_which_samples_precision_takes_does_not_depend_on_the_batch_size(batch_size):
    data = noise(samples=900, classes=2, channels=1, size=(4, 4))
    model = Memory(data)
    whole = ask(model, data, [1], precision=0.1, batch_size=900, seed=1)
    parts = ask(model, data, [1], precision=0.1, batch_size=batch_size, seed=1)
    assert len(whole.samples) < 900
    assert torch.equal(parts.samples, whole.samples)
    assert torch.equal(parts.predictions, whole.predictions)


def test_precision_out_of_reach_uses_every_sample():
    assert len(ask(MODEL, DATA, [2], precision=0.001).samples) == len(DATA)


def test_progress_is_reported_to_the_end():
    seen = []
    ask(MODEL, DATA, [2], batch_size=15, progress=lambda *args: seen.append(args))
    assert seen == [("components", 15, 40), ("components", 30, 40), ("components", 40, 40)]


@pytest.mark.parametrize(
    ("radii", "settings", "message"),
    [
        ([2, 2.0], {}, "each component is measured once, got full, lfc:2, lfc:2"),
        ([-1], {}, "radius of a component must be 0 or positive, got -1"),
        ([math.nan], {}, "radius of a component must be 0 or positive, got nan"),
        (
            [8],
            {},
            r"radius 8 is not below the corner of the spectrum, which is at 7.8 for images of 12x10",
        ),
        ([2], {"amplitude": "big"}, "no amplitude policy named 'big'"),
        ([2], {"precision": 1.5}, "precision is the width of an interval, between 0 and 1, got 1.5"),
        ([2], {"device": "tpu"}, "device must be"),
    ],
)
def test_impossible_settings_are_refused(untyped, radii, settings, message):
    with pytest.raises(InputError, match=message):
        ask(MODEL, DATA, radii, **settings)


def test_a_model_of_other_classes_is_refused():
    with pytest.raises(
        InputError, match="Constant has 7 outputs and the data set 4 classes.*--class-indices"
    ):
        ask(Constant(0, 7), DATA, [2])


def test_broken_weights_are_refused():
    broken = Memory(DATA)
    broken.weight.data.fill_(math.nan)
    with pytest.raises(InputError, match="Memory returned NaN or infinite logits"):
        ask(broken, DATA, [2])


def test_an_answer_that_is_not_finite_is_refused_with_component_and_radius():
    gray = noise(channels=1)
    with pytest.raises(InputError, match=r"Standardized returned .* of \d+ images shown as lfc:0"):
        ask(Standardized(Memory(gray)), gray, [2, 0], amplitude="clip")


def batch_dependent(dataset) -> torch.nn.Module:
    """Return a network whose BatchNorm uses the statistics of the batch, in evaluation mode too."""
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.BatchNorm2d(6), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten()
    )
    network.append(torch.nn.Linear(24, len(dataset.classes)))
    set_batch_norm(network, batch_statistics=True)
    return network.eval()


def test_a_network_that_depends_on_the_batch_is_asked_in_full_shuffled_batches():
    data, seen = noise(samples=25), []
    network = batch_dependent(data)
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    found = ask(network, data, [], training_batch=10, seed=4)
    assert [len(images) for images in seen] == [10, 10, 10]
    order = torch.randperm(25, generator=torch.Generator().manual_seed(4))
    visited = torch.cat([order, order[:5]])  # the last batch is filled up, and those answers are dropped
    torch.testing.assert_close(torch.cat(seen), data.images[visited] / 255)
    assert torch.equal(found.samples, order)
    with torch.no_grad():
        expected = torch.cat([network(data.images[part] / 255) for part in visited.split(10)])[:25]
    assert torch.equal(found.predictions[0], expected.argmax(dim=1))


def test_sorting_the_data_by_class_does_not_bias_a_network_that_depends_on_the_batch():
    data = noise(samples=200, classes=4)
    data.images[:] = (
        data.images // 4 + 40 * data.labels[:, None, None, None].byte()
    )  # a class is its brightness
    network = batch_dependent(data)
    by_class = data.take(data.labels.argsort())
    one, other = (ask(network, each, [], training_batch=50).confidence[0].mean() for each in (data, by_class))
    alone = torch.stack(
        [network(part / 255).softmax(1).amax(1).mean() for part in by_class.images.split(50)]
    ).mean()
    assert abs(one - other) < 0.1 * abs(one - alone)


def test_a_network_that_depends_on_the_batch_is_refused_where_its_training_is_not_known():
    network = batch_dependent(DATA)
    with pytest.raises(InputError, match="answers of Sequential depend on the other images of the batch"):
        ask(network, DATA, [2])
    with pytest.raises(InputError, match="answers of Sequential depend on the other images of the batch"):
        evaluate_components(network, DATA, [2], batch_size=10)


def test_components_of_several_kinds_are_rows_that_a_reader_can_filter():
    found = ComponentAccuracy((High(3), Low(2.5))).measure(subject(MODEL, DATA))
    table = to_table(found.rows()).filter(pl.col("class").is_null(), pl.col("metric") == "accuracy")
    assert table.select("component", "radius", "shown").rows() == [
        ("full", None, "full"),
        ("hfc", 3.0, "hfc:3"),
        ("lfc", 2.5, "lfc:2.5"),
    ]
    with pytest.raises(InputError, match="at least one radius is needed, got none"):
        evaluate_components(MODEL, DATA, [])
    with pytest.raises(InputError, match="no component named 'low'"):
        evaluate_components(MODEL, DATA, [2], components=("low",))


@given(st.integers(1, 300), st.integers(1, 300))
def test_default_radii_are_measurable_on_any_size(height, width):
    radii = default_radii((height, width))
    assert radii == sorted(set(radii))
    assert 1 <= len(radii) <= 9
    assert all(0 <= radius < max(corner_radius(height, width), 1) for radius in radii)


def test_default_radii_at_32_pixels_hold_those_of_the_paper():
    assert {4, 8, 12, 16} <= set(default_radii((32, 32)))
