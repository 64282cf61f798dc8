from dataclasses import replace

import pytest

from made_up_detector import VIEWS, make_detector_card, measured
from passband.detection.view import View, all_views
from passband.report import detector_words as said


def lost(card, kind, value, width=0.01):
    """Return a card on whose key view of a kind so much is lost."""
    key = said.key_view(card, kind).view
    views = [
        replace(entry, lost=entry.lost | {"map": measured(value, width=width)})
        if entry.view == key
        else entry
        for entry in card.views
    ]
    return replace(card, views=tuple(views))


def test_the_summary_tells_what_is_kept_lost_and_gained():
    text = " ".join(said.summary(make_detector_card()))
    assert text.startswith(
        "retinanet has an mAP of 35.6% (34.6–36.6%) on 4,952 whole images, and 35.6% where"
    )
    assert (
        "frequencies up to 128 cycles per image (LFC), 8.1 points of mAP (7.1 to 9.1) are lost; 27.5% is left."
        in text
    )
    assert (
        "those up to 128 cycles per image removed (HFC), 24.9 points of mAP (23.9 to 25.9) are lost; 10.7% is left."
        in text
    )
    assert "It needs the frequencies up to 128 cycles per image more than those beyond." in text
    assert (
        "On that LFC 1,684 of 4,952 images with objects have a higher AP of their own than as a whole (34.0%)"
        in text
    )
    assert (
        "17.0% gain: on the LFC more images gain than luck explains (difference +17.0 points; 16.0 to 18.0; p < 0.0001)."
        in text
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.004, "no measurable mAP is lost (0.4 points, -0.6 to 1.4)"),
        (-0.05, "5.0 points of mAP are gained (lost: -6.0 to -4.0)"),
        (0.05, "5.0 points of mAP (4.0 to 6.0) are lost"),
    ],
)
def test_a_loss_is_told_only_where_its_interval_says_so(value, words):
    assert words in " ".join(said.summary(lost(make_detector_card(), "lfc", value)))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.05, 0.2, "It needs the frequencies up to 128 cycles per image more than those beyond."),
        (0.2, 0.05, "It needs the frequencies beyond 128 cycles per image more than those up to there."),
        (0.1, 0.115, "cannot be told from these images"),
    ],
)
def test_which_half_matters_more_follows_from_both_intervals(low, high, words):
    card = lost(lost(make_detector_card(), "lfc", low), "hfc", high)
    assert words in " ".join(said.summary(card))


@pytest.mark.parametrize(
    ("difference", "p", "sign"),
    [
        (measured(0.04), 1e-6, 1),
        (measured(-0.04), 1e-6, -1),
        (measured(0.04), 0.2, 0),  # the interval alone is not enough
        (measured(0.004), 0.01, 0),  # nor the p-value
        (measured(0.04, width=None), 0.01, 0),
    ],
)
def test_gains_are_beyond_luck_only_if_interval_and_test_agree(difference, p, sign):
    card = make_detector_card(beyond=difference, p=p)
    assert [said.beyond_chance(entry) for entry in card.chance] == [sign] * 4
    assert said.VERDICTS[sign] in " ".join(said.summary(card))


def test_without_a_control_luck_is_not_ruled_out():
    card = make_detector_card(views=all_views([32, 128], [], control=False))
    text = " ".join(said.summary(card))
    assert "Without a control it cannot be told how many of the gains are luck." in text
    assert said.key_chance(card) is None
    assert "Gains beyond chance, in points" not in [tile.name for tile in said.tiles(card)]


def test_no_gain_needs_no_control():
    text = " ".join(said.summary(make_detector_card(gain=0, p=1.0)))
    assert "On that LFC none of 4,952 images with objects has a higher AP" in text
    assert "luck" not in text


def test_a_detector_that_finds_nothing_has_nothing_to_lose():
    card = make_detector_card()
    whole = replace(card.views[0], numbers=card.views[0].numbers | {"map": measured(0.004, width=0.002)})
    (text,) = said.summary(replace(card, views=(whole, *card.views[1:])))
    assert "finds next to nothing" in text


def test_one_image_has_no_intervals_and_the_words_say_so():
    card = make_detector_card(images=1, gain=0, width=None, p=1.0)
    text = " ".join(said.summary(card))
    assert "on 1 whole image, and" in text
    assert "without an interval that would say how surely" in text
    assert "None" not in text
    assert "more than those" not in text
    assert said.tiles(card)[0].note.startswith("no interval")
    assert not any("None" in tile.note + tile.value for tile in said.tiles(card))


def test_the_key_view_is_the_largest_per_image_else_per_pixel():
    def keys(*views):
        card = make_detector_card(views=(View("full"), *views))
        return [key and key.view for key in (said.key_view(card), said.key_view(card, "hfc"))]

    index, pixel = ("index", 32.0), ("pixel", 0.4)
    low, high = (lambda at: View("lfc", at[1], at[0])), (lambda at: View("hfc", at[1], at[0]))
    assert keys(low(index), low(pixel), high(pixel), high(index)) == ["lfc:32", "hfc:32"]
    assert keys(low(pixel), high(pixel)) == ["lfc:0.4px", "hfc:0.4px"]
    assert keys(low(index), high(pixel)) == ["lfc:32", "hfc:0.4px"]
    assert keys(high(index)) == [None, "hfc:32"]
    assert keys(low(index)) == ["lfc:32", None]


def test_two_cut_offs_are_not_compared():
    views = (View("full"), View("lfc", 128, "index"), View("hfc", 32, "index"))
    text = " ".join(said.summary(make_detector_card(views=views)))
    assert "more than those" not in text
    assert "cannot be told from these images" not in text


def test_tiles_name_the_cut_off_and_its_unit():
    tiles = {tile.name: tile for tile in said.tiles(make_detector_card(views=VIEWS))}
    assert tiles["mAP lost on the LFC, in points"].value == "8.1"
    assert "128 cycles per image are left" in tiles["mAP lost on the LFC, in points"].note
    assert tiles["Images that gain on the LFC"].value == "1,684"
    assert tiles["Objects lost on the LFC"].value == "6,000"
    tiles = {tile.name: tile for tile in said.tiles(make_detector_card(views=all_views([], [0.2])))}
    assert "0.2 cycles per pixel are left" in tiles["mAP lost on the LFC, in points"].note
