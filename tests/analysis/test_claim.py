import pytest

from made_up import rows_of
from passband.analysis.claim import Claim, Condition
from passband.analysis.contrast import accuracy
from passband.analysis.lookup import NotMeasured
from passband.analysis.measures import difference
from passband.analysis.rule import Rule
from passband.errors import InputError

TRAINED = Condition(
    "the network must be trained", difference(accuracy("a", "train")), Rule("above", 0.8), "more epochs"
)
SURELY = Condition(
    "it must gain", difference(accuracy("a")), Rule("above", 0.5), "another network", surely=True
)


def test_a_condition_holds_where_the_estimate_lies_on_its_side():
    assert TRAINED.unmet(rows_of({"a train": 0.81}, count=20)) == ""  # however unsure
    assert TRAINED.unmet(rows_of({"a train": 0.7}, count=10)) == (
        "the network must be trained: it is 0.700, and not above 0.8. What would test it: more epochs"
    )


def test_what_must_surely_hold_needs_the_whole_interval():
    assert SURELY.unmet(rows_of({"a test": 0.6}, count=10_000)) == ""
    why = SURELY.unmet(rows_of({"a test": 0.6}, count=20))
    assert why.startswith("it must gain: it is 0.600 [0.387, 0.781], and not above 0.5. What would test it")
    assert SURELY.unmet(rows_of({"a test": 0.4}, count=10_000))


def test_a_condition_needs_its_rows_and_evidence():
    with pytest.raises(NotMeasured, match="a has no accuracy on full of train images"):
        TRAINED.unmet(rows_of({"a test": 0.9}))
    estimate_of_old = Condition(
        "it must", lambda rows: difference(accuracy("a"))(rows)(0.95), Rule("above", 0), "this"
    )
    with pytest.raises(InputError, match="a function that takes a coverage .* got Estimate"):
        estimate_of_old.unmet(rows_of({"a test": 0.9}))


def test_a_claim_says_whose_it_is():
    paper = Claim("it holds", "h", difference(accuracy("a")), Rule("above", 0))
    ours = Claim("it holds", "h", difference(accuracy("a")), Rule("above", 0), asked_by="passband")
    assert (paper.quoted, ours.quoted) == ("“it holds”", "Ours, not the paper's: it holds")
    assert (paper.seeds, paper.conditions) == (3, ())
