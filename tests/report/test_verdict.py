from dataclasses import replace

import polars as pl
import pytest

from helpers import edited
from passband.audit.card import CheckedEntry
from passband.audit.gate import check
from passband.audit.requirement import parse_requirement
from passband.notices import Notice
from passband.report.verdict import caution, gate, next_steps, verdict


def held(met: bool) -> CheckedEntry:
    return CheckedEntry("clean >= 0.8", met, 0.9, 0.8, 1.0, "0.9")


@pytest.mark.parametrize(
    ("met", "sentence"),
    [
        ([], None),
        ([True], "It meets its one requirement."),
        ([False], "It does not meet its one requirement."),
        ([True, True], "It meets all 2 requirements."),
        ([False, False], "It meets none of 2 requirements."),
        ([True, False, False], "It does not meet 2 of 3 requirements."),
    ],
)
def test_the_gate_is_one_sentence(met, sentence):
    assert gate([held(each) for each in met]) == sentence


def test_the_verdict_says_what_is_lost_with_what_little_contrast_and_that_nobody_attacked(card_of):
    first, of_hfc, last = verdict(card_of())
    assert "91.2% of whole images right (88.9–93.5%, n = 600)" in first
    # Between the radii 2 and 4 the made-up LFC holds 63.2% and 86.5% of the energy: at 3.7, 83.0%.
    assert "half as many once waves beyond radius 3.7 are removed, which hold 17.0% of the contrast" in first
    assert of_hfc.startswith("From waves beyond radius ")
    assert last == "It was not attacked: its robustness is unknown."


def test_of_a_model_at_chance_the_verdict_says_only_that_and_the_first_step_is_why(card_of):
    card = card_of(clean=0.26)
    (only,) = verdict(card)
    assert "not measurably better than always naming the most frequent class (26.0%)" in only
    (step,) = next_steps(card)
    assert "--class-indices" in (step.how or "")


def test_a_model_that_no_radius_halves_claims_none(card_of):
    none = {"radius": None, "note": "not reached within the radii measured"}
    first, *_ = verdict(edited(card_of(), "critical_radius.half", none))
    assert first.endswith("n = 600).")


def test_there_are_never_more_than_three_steps_and_the_attack_is_first(card_of):
    steps = next_steps(card_of())
    assert len(steps) == 3
    assert steps[0].how == "--attack pgd --epsilon 8/255"


def test_an_onnx_file_is_not_told_to_be_attacked(card_of):
    (first, *_) = next_steps(edited(card_of(), "model.source", "onnx:model.onnx"))
    assert first.how is None
    assert "gives no gradients" in first.what


def test_the_requirement_that_is_proposed_is_met_by_this_audit(card_of):
    card = card_of(flips=0)
    (how,) = [step.how for step in next_steps(card) if "--require" in (step.how or "")]
    requirement = parse_requirement(how.removeprefix("--require '").removesuffix("'"))
    assert requirement.sure
    assert check(requirement, card, None, pl.DataFrame()).met


def test_a_wide_interval_asks_for_more_images(card_of):
    wide = {"value": 0.9, "low": 0.8, "high": 0.95, "count": 40}
    card = edited(card_of(), "clean.accuracy", wide)
    assert any("Audit more images: with 40" in step.what for step in next_steps(card))


def test_what_makes_numbers_less_than_they_seem_is_said_in_a_line(card_of):
    card = card_of()
    assert caution(card) is None
    card = replace(card, notices=(Notice("data", "x"), Notice("data", "y", warning=False)))
    assert caution(card) == "there is a warning"


def test_what_is_not_better_than_guessing_is_not_read_from_the_hfc(card_of):
    assert "at no radius measurably better than guessing" in verdict(card_of(high=0.27))[1]
