import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers import edited
from passband.attacks import PGD
from passband.audit.card import AttackEntry, AttackPoint, Share
from passband.report import words

fractions = st.floats(0.0, 1.0)


def said(card) -> str:
    return " ".join(words.summary(card))


def values(card) -> dict[str, str]:
    return {tile.name: tile.value for tile in words.tiles(card)}


def attacked(card):
    """Return a card that carries PGD at two epsilons."""
    clean = card.clean.accuracy
    points = tuple(
        AttackPoint(
            epsilon=epsilon,
            accuracy=Share(left, left, left + 0.01, 600),
            median_distance=0.01,
            energy=(0.0, 1.0),
            ceiling=None,
        )
        for epsilon, left in ((2 / 255, 0.3), (8 / 255, 0.0))
    )
    entry = AttackEntry(
        measure="pgd",
        label="PGD",
        attack=PGD(),
        norm="linf",
        epsilons=(2 / 255, 8 / 255),
        samples=600,
        clean=clean,
        points=points,
        classes=(),
        sanity_samples=0,
        findings=(),
        seconds=1.0,
    )
    return replace(card, attacks=(entry,))


def test_every_epsilon_of_an_attack_is_among_its_key_numbers(card_of):
    (tile,) = [tile for tile in words.tiles(attacked(card_of())) if tile.name == "Right under PGD"]
    assert tile.value == "30.0%"
    assert "2/255" in tile.note
    assert "0.0% at 8/255 (0.0–1.0%)" in tile.note


def test_every_key_number_says_on_how_many_images_it_rests(card_of):
    for tile in words.tiles(attacked(card_of())):
        assert re.search(r"n = \d|of at most|of \d", tile.note), tile


def test_flips_stand_beside_what_chance_makes(card_of):
    (tile,) = [tile for tile in words.tiles(card_of()) if tile.name.endswith("follow the HFC")]
    assert (tile.value, "beside 1 by chance" in tile.note) == ("4", True)


def test_flips_that_chance_explains_are_not_told_as_more(card_of):
    card = card_of()
    by_radius = tuple(replace(point, expected=point.count) for point in card.flips.by_radius)
    card = replace(card, flips=replace(card.flips, by_radius=by_radius))
    assert "no more than chance makes: 12 pairs of image and radius, beside 12" in said(card)
    (tile,) = [tile for tile in words.tiles(card) if tile.name.endswith("follow the HFC")]
    assert "chance explains them" in tile.note


def test_summary_of_an_ordinary_audit(card_of):
    text = said(card_of(high=0.5))
    assert (
        "resnet8 answers 91.2% of 600 whole images right; guessing the most frequent class would give 26.0%."
        in text
    )
    assert "up to 3.7 cycles per image, waves about 8.65 pixels long" in text
    assert "With everything up to radius 1 removed, it still answers 50.0% right" in text
    assert "stays so up to radius 22.6" in text
    assert "For 12 of the 547 images answered right" in text


def test_summary_of_a_model_that_guesses_claims_nothing_else(card_of):
    sentences = words.summary(card_of(clean=0.26))
    assert len(sentences) == 1
    assert "not measurably better than guessing the most frequent class (26.0%)" in sentences[0]


def test_half_of_the_accuracy_that_guessing_reaches_names_no_radius(card_of):
    none = {"radius": None, "note": "guessing alone would reach it"}
    card = edited(card_of(clean=0.5), "critical_radius.half", none)
    assert "no more than guessing gives" in said(card)
    assert values(card)["Half of it is kept from radius"] == "–"
    assert values(card)["95% of it is kept from radius"] == "14.1"


@pytest.mark.parametrize(
    ("half", "sentence"),
    [
        (
            {"radius": None, "note": "not reached within the radii measured"},
            "No low-frequency component measured keeps half of that.",
        ),
        (
            {"radius": 1.0, "note": "at or below the smallest radius measured"},
            "keeps at least half of that even when only frequencies up to 1 cycles per image are left.",
        ),
    ],
)
def test_critical_radius_outside_the_radii_measured(card_of, half, sentence):
    card = edited(card_of(), "critical_radius.half", half)
    assert sentence in said(card)
    tile = next(tile for tile in words.tiles(card) if tile.name.startswith("Half"))
    assert tile.note == half["note"]


def test_wave_length_is_left_out_where_the_sides_differ(card_of):
    assert "pixels long" not in said(card_of(size=(32, 48)))


def test_no_flips_are_not_mentioned(card_of):
    assert "there is a radius" not in said(card_of(flips=0))


def test_hfc_that_falls_to_guessing_and_rises_again_is_not_said_to_stay(card_of):
    card = card_of(high=0.5)
    third = card.curves.index(card.curve("hfc")[2])
    card = edited(card, f"curves.{third}.accuracy", {"value": 0.25, "low": 0.2, "high": 0.3, "count": 600})
    assert "stays so up to radius 2." in said(card)


@given(clean=fractions, low=fractions, high=fractions)
@example(clean=0.9, low=0.5, high=0.28)  # above guessing, its interval not wholly
@example(clean=0.28, low=0.5, high=0.9)
def test_better_than_guessing_is_claimed_only_with_the_whole_interval_above(card_of, clean, low, high):
    card = card_of(clean=clean, low=low, high=high)
    floor = card.baselines.majority
    text = said(card)
    claimed = re.search(r"right, measurably better than guessing", text) is not None
    best = max(point.accuracy.low for point in card.curve("hfc"))
    assert claimed == (best > floor and card.clean.accuracy.low > floor)


def test_ceiling_is_taken_at_the_nearest_epsilon_below(card_of):
    curve = [{"epsilon": e / 255, "accuracy": 1 - e / 100} for e in (0, 5, 8, 9)]
    card = edited(card_of(), "ceiling.linf", curve)
    assert words.ceiling_at(card, "linf", 8 / 255).accuracy == pytest.approx(0.92)
    assert words.ceiling_at(card, "linf", 7 / 255).accuracy == pytest.approx(0.95)
    assert values(attacked(card))["No attack can leave more than"] == "92.0%"


def test_alone_a_ceiling_is_no_key_number_and_robustness_is_unknown(card_of):
    found = values(card_of())
    assert not any(name.startswith("No attack") for name in found)
    assert found["Robust accuracy"] == "unknown"


def test_without_a_ceiling_there_is_no_tile_for_it(card_of):
    card = card_of(ceiling=False)
    assert words.ceiling_at(card, "linf", 8 / 255) is None
    assert "No attack can leave more than" not in values(attacked(card))


def test_top_5_has_a_tile_where_it_was_measured(card_of):
    assert "Top-5 accuracy" not in values(card_of())
    share = {"value": 0.987, "low": 0.97, "high": 0.99, "count": 600}
    assert values(edited(card_of(), "clean.top5", share))["Top-5 accuracy"] == "98.7%"


def test_every_amplitude_policy_has_words():
    from typing import get_args

    from passband.choices import ViewAmplitude

    assert set(words.POLICIES) == set(get_args(ViewAmplitude))


def test_what_the_ceiling_rests_on_is_said_in_full(card_of):
    card = edited(card_of(), "ceiling.samples", 600)
    exact = words.corollary(card)
    assert exact == (
        "Of 600 images, 547 are answered right, and 400 of these have such an LFC among the 22 radii tried. "
        "In the median of these 400 the nearest one known lies 2.1 away in L2 and 0.2 in L∞."
    )
    bounded = words.corollary(edited(edited(card, "ceiling.search", "bounded"), "ceiling.samples", 100))
    assert "Of 100 images drawn at random from the 600 evaluated, 547" in bounded
    assert "among the 22 radii tried and those between two of them that halving led to" in bounded
    assert "--ceiling exact" in bounded
    none = edited(edited(card, "ceiling.median_l2", None), "ceiling.median_linf", None)
    assert "median" not in words.corollary(none)
    (tile,) = [tile for tile in words.tiles(attacked(card)) if tile.name.startswith("No attack")]
    assert tile.note.endswith("%, n = 600")
    assert words.corollary(card_of(ceiling=False)) == ""
