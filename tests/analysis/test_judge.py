import polars as pl
import pytest

from made_up import rows_of
from passband.analysis.claim import Claim, Condition
from passband.analysis.contrast import accuracy
from passband.analysis.estimate import over_seeds
from passband.analysis.judge import judge, judge_claims
from passband.analysis.measures import difference
from passband.analysis.rule import Rule

GAIN = difference(accuracy("a") - accuracy("b"))
TRAINED = Condition(
    "a must be trained", difference(accuracy("a", "train")), Rule("above", 0.8), "more epochs"
)
READY = Condition("b must be trained", difference(accuracy("b", "train")), Rule("above", 0.8), "more images")
CELLS = {"a test": 0.7, "b test": 0.5, "a train": 0.9, "b train": 0.9}


def claim(side="above", margin=0.0, **more) -> Claim:
    return Claim("a is better", "a minus b", GAIN, Rule(side, margin), **more)


@pytest.mark.parametrize(
    ("side", "margin", "verdict"),
    [
        ("above", 0.0, "supported"),
        ("above", 0.3, "contradicted"),
        ("below", 0.2, "undecided"),
        ("below", 0.3, "supported"),
    ],
)
def test_a_claim_is_decided_by_its_rule(side, margin, verdict):
    found = judge(claim(side, margin), rows_of(CELLS, seeds=5))
    assert (found.verdict, found.note) == (verdict, "")
    assert found.estimate.value == pytest.approx(0.2, abs=0.01)
    assert (found.p <= 0.05) == (verdict != "undecided")


@pytest.mark.parametrize(("seeds", "text"), [(1, "one seed"), (2, "2 seeds")])
def test_too_few_seeds_give_no_verdict_and_an_effect(seeds, text):
    found = judge(claim(), rows_of(CELLS, seeds=seeds))
    assert (found.verdict, found.note) == ("no verdict", f"{text}: no verdict, which needs 3")
    assert found.estimate is not None
    assert found.p is None
    assert judge(claim(seeds=1), rows_of(CELLS)).verdict == "supported"  # of a network that is published


def test_all_conditions_that_are_not_met_are_named():
    rows = rows_of(CELLS | {"a train": 0.5, "b train": 0.6}, seeds=5)
    found = judge(claim(conditions=(TRAINED, READY)), rows)
    assert found.verdict == "not tested"
    assert "a must be trained: it is 0.50" in found.note
    assert "b must be trained: it is 0.60" in found.note
    assert found.estimate is not None
    assert judge(claim(conditions=(TRAINED, READY)), rows_of(CELLS, seeds=5)).verdict == "supported"


def test_a_condition_that_was_not_measured_is_not_met_and_the_effect_is_told():
    found = judge(claim(conditions=(TRAINED,)), rows_of({"a test": 0.7, "b test": 0.5}, seeds=5))
    assert (found.verdict, found.note) == ("not tested", "a has no accuracy on full of train images")
    assert found.estimate is not None


def test_what_is_missing_is_named():
    found = judge(claim(), rows_of({"a test": 0.7}, seeds=5))
    assert (found.verdict, found.estimate) == ("not tested", None)
    assert found.note == "no seed has finished runs of all of: a, b"


def test_runs_that_failed_do_not_count():
    rows = pl.concat([rows_of(CELLS, seeds=4), rows_of({"c test": 0.1}, seeds=4)])
    failed = rows.with_columns(failed=(pl.col("label") == "b") & (pl.col("seed") >= 2))
    found = judge(claim(), failed)
    assert (found.verdict, found.estimate.n) == ("no verdict", 2)


def test_a_claim_on_several_contrasts_needs_its_seeds_in_each_of_them():
    from passband.analysis.measures import least_of

    rows = pl.concat([rows_of(CELLS, seeds=5), rows_of({"c test": 0.1})])
    both = least_of(accuracy("a") - accuracy("b"), accuracy("a") - accuracy("c"))
    found = judge(Claim("a is best", "h", both, Rule("above", 0.0)), rows)
    assert (found.verdict, found.note) == ("no verdict", "one seed: no verdict, which needs 3")


def test_a_measure_that_returns_no_evidence_is_told_so_and_nothing_is_lost():
    old = Claim("s", "h", lambda rows: GAIN(rows)(0.95), Rule("above", 0.0))
    for found in (
        judge(old, rows_of(CELLS, seeds=5)),
        *judge_claims([old], rows_of(CELLS, seeds=5), verdicts=False),
    ):
        assert "the measure of a claim returns evidence" in found.note
        assert found.estimate is None


def test_a_preset_without_verdicts_tells_effects():
    (found,) = judge_claims([claim(conditions=(TRAINED,))], rows_of(CELLS, seeds=5), verdicts=False)
    assert (found.verdict, found.p) == ("no verdict", None)
    assert found.note == "this preset only shows that everything runs: no verdict"
    assert found.estimate.n == 5


VALUES = [0.02, 0.05, 0.03, 0.06, 0.04]


def with_p(sentence: str, shift: float, **more) -> Claim:
    return Claim(
        sentence, "h", lambda rows: lambda confidence: over_seeds([value + shift for value in VALUES], confidence),
        Rule("above", 0.0), **more
    )  # fmt: skip


def test_p_values_are_corrected_within_a_sentence_and_within_the_study():
    """By hand, after Holm 1979: the smallest times how many there are, the next times one fewer, none smaller than one before."""
    claims = [
        with_p("one", 0.0), with_p("one", -0.02), with_p("two", -0.01), with_p("two", 0.3, conditions=(TRAINED,)),
        with_p("one", -0.02, asked_by="passband"),
    ]  # fmt: skip
    found = judge_claims(claims, rows_of({"a train": 0.1}))
    first, second, third, untested, ours = (each.p for each in found)
    assert untested is None
    assert first < third < second == ours
    assert [each.p_sentence for each in found] == pytest.approx([2 * first, second, third, None, ours])
    assert [each.p_study for each in found] == pytest.approx(
        [4 * first, 2 * second, 3 * third, None, 2 * ours]
    )
    assert [each.verdict for each in found] == [
        "supported",
        "supported",
        "supported",
        "not tested",
        "supported",
    ]
    assert [each.stands for each in found] == [4 * first <= 0.05, False, 3 * third <= 0.05, False, False]
    assert {found[0].stands, found[1].stands} == {True, False}


def test_a_claim_alone_stands_where_it_is_decided():
    for margin in (0.0, 0.02, 0.0209, 0.03):
        one = Claim("s", "h", with_p("s", 0.0).measure, Rule("above", margin))
        (found,) = judge_claims([one], rows_of({}))
        assert found.stands == (found.verdict != "undecided")
        assert found.p == found.p_sentence == found.p_study
