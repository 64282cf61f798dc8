from dataclasses import replace

from made_up_detector import make_detector_card
from passband.audit.detector_gate import check_detector
from passband.audit.detector_requirement import parse_detector_requirement
from passband.report.detector_verdict import next_steps


def proposed(card) -> str:
    (how,) = [step.how for step in next_steps(card) if "--require" in (step.how or "")]
    return how.removeprefix("--require '").removesuffix("'")


def with_map(card, view: str, value: float):
    """Return the card with another mAP in a view, and an interval around it."""
    views = tuple(
        replace(
            entry,
            numbers=entry.numbers
            | {"map": replace(entry.numbers["map"], value=value, low=0.9 * value, high=1.1 * value)},
        )
        if entry.view == view
        else entry
        for entry in card.views
    )
    return replace(card, views=views)


def test_the_requirement_that_is_proposed_is_met_by_this_audit():
    card = make_detector_card()
    text = proposed(card)
    assert text.startswith("map-lfc@")
    assert check_detector(parse_detector_requirement(text), card).met


def test_where_nothing_is_left_on_the_lfc_it_is_about_whole_images():
    card = make_detector_card()
    for entry in card.views:
        if entry.view.startswith("lfc"):
            card = with_map(card, entry.view, 0.001)
    text = proposed(card)
    assert text.startswith("map >= ")
    assert check_detector(parse_detector_requirement(text), card).met


def test_a_detector_that_finds_nothing_is_asked_about_its_labels_alone():
    (step,) = next_steps(with_map(make_detector_card(), "full", 0.001))
    assert step.how == "--label-ids"


def test_without_a_control_it_is_to_be_measured():
    card = replace(make_detector_card(), chance=())
    assert any("control" in step.what for step in next_steps(card))
