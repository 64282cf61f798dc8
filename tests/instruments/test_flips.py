import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import Memory, noise, subject
from listening import Listener
from passband.data.phantom import make_phantom, shape_waves, texture_waves
from passband.frequency.component import FULL, High, Low, lows_and_highs
from passband.instruments.components import Answers
from passband.instruments.flips import FlipPictures, Flips, FoundFlips, clearest, find_flips, flips_by_chance
from passband.instruments.instrument import EXAMPLES, SAMPLES
from passband.serial import read_tensors

DATA = noise()
MODEL = Memory(DATA)
SHOWN = (FULL, *lows_and_highs([4, 8]))


def outcome_of(predictions, labels, confidence=None) -> Answers:
    predictions = torch.tensor(predictions)
    confidence = torch.full(predictions.shape, 0.5) if confidence is None else torch.tensor(confidence)
    samples = torch.arange(len(labels))
    return Answers(
        subject(MODEL, DATA),
        SHOWN,
        samples,
        torch.tensor(labels),
        predictions,
        confidence,
        confidence,
        torch.ones_like(predictions),
        "max",
        1.0,
    )


def test_a_flip_is_right_on_image_and_hfc_and_wrong_on_the_lfc():
    labels = [0, 0, 0, 0]
    outcome = outcome_of([[0, 0, 0, 1], [1, 0, 1, 1], [1, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]], labels)
    assert find_flips(outcome, [4, 8]).tolist() == [
        [True, False, False, False],
        [False, True, False, False],
    ]


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 6), min_size=1, max_size=20))
def test_expected_flips_are_the_mean_over_all_ways_to_hand_out_the_hfc_answers(samples):
    labels, *predictions = zip(*samples, strict=True)
    outcome = outcome_of([list(p) for p in predictions], list(labels))
    expected = flips_by_chance(outcome, [4, 8]).sum(dim=1).float()
    for index, radius in enumerate((4, 8)):
        counts = []
        for shift in range(len(samples)):  # every answer meets every image once
            answers = outcome.predictions[outcome.of(High(radius))].roll(shift)
            low = outcome.correct[outcome.of(Low(radius))]
            counts.append((outcome.correct[0] & ~low & (answers == outcome.labels)).sum().item())
        torch.testing.assert_close(expected[index], torch.tensor(sum(counts) / len(counts)))


def test_a_model_that_calls_every_hfc_the_same_has_no_more_flips_than_expected():
    labels = [0, 1] * 10
    wrong = [1 - label for label in labels]
    outcome = outcome_of([labels, wrong, wrong, [0] * 20, labels], labels)
    assert find_flips(outcome, [4, 8]).sum(dim=1).tolist() == [10, 20]
    assert flips_by_chance(outcome, [4, 8]).sum(dim=1).tolist() == [10, 10]


def test_the_clearest_is_sure_of_all_three_answers_and_keeps_the_energy():
    labels = [0, 0, 0]
    predictions = [[0, 0, 0], [1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    confidence = [[0.9, 0.9, 0.9], [0.9, 0.5, 0.9], [0.8, 0.9, 0.9], [0.9, 0.9, 0.2], [0.9, 0.9, 0.9]]
    outcome = outcome_of(predictions, labels, confidence)
    found = find_flips(outcome, [4, 8])
    # Sample 0: 0.9 * 0.5 at radius 4, 0.8 * 1 at radius 8. Sample 1: 0.25, 0.9. Sample 2: 0.1 at radius 4 alone.
    assert clearest(outcome, [4, 8], found, torch.tensor([0.5, 1.0])) == [(1, 8), (0, 8), (2, 4)]
    assert clearest(outcome, [4, 8], found, torch.tensor([0.5, 1.0]), count=1) == [(1, 8)]
    assert clearest(outcome, [4, 8], torch.zeros_like(found), torch.tensor([0.5, 1.0])) == []


def test_rows_are_shares_of_all_samples_beside_those_that_chance_would_make():
    who = subject(MODEL, DATA)
    found = who.read(Flips((2.0, 4.0), "raw"))
    rows = {(row.metric, row.component.cutoff): row for row in found.rows()}
    flips, by_chance = (each(found.answers, (2.0, 4.0)).double() for each in (find_flips, flips_by_chance))
    for index, radius in enumerate((2.0, 4.0)):
        assert rows["flips", radius].value == flips[index].mean()
        assert rows["flips-by-chance", radius].value == by_chance[index].mean()
        assert rows["flips-beyond-chance", radius].value == pytest.approx((flips - by_chance)[index].mean())
        assert rows["flips", radius].count == 40
    beyond = (flips - by_chance).mean(dim=0)
    row = rows["flips-beyond-chance", None]
    assert (row.value, str(row.component)) == (pytest.approx(beyond.mean()), "hfc")
    assert row.error == pytest.approx(beyond.std() / 40**0.5)
    assert row.each == pytest.approx(beyond.float())


def test_rows_of_the_same_images_in_the_same_order_can_be_paired():
    def images(dataset, indices=None):
        (which,) = {row.images for row in subject(MODEL, dataset, indices=indices).read(Flips((2.0,))).rows()}
        return which

    assert images(DATA) == images(noise()) == images(DATA, torch.arange(40))
    assert (
        len(
            {
                images(DATA),
                images(noise(seed=1)),
                images(DATA, torch.arange(40).flip(0)),
                images(DATA, torch.arange(9)),
            }
        )
        == 4
    )


def test_flips_read_answers_that_were_given_already():
    who, calls = subject(MODEL, DATA), []
    hook = MODEL.register_forward_hook(lambda *_: calls.append(1))
    who.read(Flips((2.0,)))
    asked = len(calls)
    who.read(Flips((2.0,)).answers_needed(DATA.size))
    who.read(Flips((2.0,)))
    hook.remove()
    assert len(calls) == asked > 0


def test_all_flips_are_told_the_surest_first():
    labels = [0, 0, 1]
    predictions = [[0, 0, 1], [1, 2, 0], [1, 0, 1], [0, 0, 1], [0, 1, 1]]
    confidence = [[0.9, 0.9, 0.9], [0.9, 0.5, 0.9], [0.8, 0.9, 0.9], [0.9, 0.9, 0.7], [0.9, 0.9, 0.9]]
    outcome = outcome_of(predictions, labels, confidence)
    found = FoundFlips(outcome, (4.0, 8.0), find_flips(outcome, (4, 8)), flips_by_chance(outcome, (4, 8)))
    table = found.to_table()
    assert table.select("sample", "radius", "class", "lfc_prediction").rows() == [
        (0, 4.0, "a", "b"),
        (0, 8.0, "a", "b"),
        (2, 4.0, "b", "a"),
        (1, 4.0, "a", "c"),
    ]
    assert table["least"].to_list() == pytest.approx([0.9, 0.8, 0.7, 0.5])
    assert table.select("confidence", "lfc_confidence", "hfc_confidence").row(2) == pytest.approx(
        (0.9, 0.9, 0.7)
    )


def test_what_is_saved_is_read_again(tmp_path):
    found = subject(MODEL, DATA).read(Flips((2.0, 3.0), "raw"))
    found.save(tmp_path)
    assert pl.read_parquet(tmp_path / SAMPLES).equals(found.to_table())
    pictures = read_tensors(tmp_path / EXAMPLES, FlipPictures)
    assert pictures.classes == DATA.classes
    assert {(each.sample, each.radius) for each in pictures.examples} <= set(
        found.to_table().select("sample", "radius").rows()
    )
    assert len(pictures.examples) == min(8, found.to_table()["sample"].n_unique()) > 0
    for each in pictures.examples:
        whole, low, high = each.probabilities.argmax(dim=1).tolist()
        assert whole == high == each.label != low


@pytest.mark.parametrize(("cue", "share", "by_chance"), [("texture", 3 / 4, 3 / 16), ("shape", 0, 0)])
def test_images_told_by_their_texture_alone_follow_the_hfc_and_those_told_by_their_shape_do_not(
    cue, share, by_chance
):
    texture = cue == "texture"
    waves = texture_waves(4, (32, 32)) if texture else shape_waves(4)
    data = make_phantom(80, shape=float(not texture), texture=float(texture))
    found = subject(Listener(waves), data).read(Flips((8.0,)))
    rows = {row.metric: row.value for row in found.rows()}
    # On an LFC without its texture nothing is heard, and the first of four classes is named.
    assert rows["flips"] == share
    assert rows["flips-by-chance"] == pytest.approx(by_chance)
    assert rows["flips-beyond-chance"] == pytest.approx(share - by_chance)
