import pytest
from scipy import stats

from passband.analysis.estimate import Estimate, all_above, all_near, fixed, over_seeds
from passband.analysis.rule import LEAST_ALPHA, Rule
from passband.stats import CONFIDENCE, student_interval


@pytest.mark.parametrize(
    ("side", "low", "high", "verdict"),
    [
        ("above", 0.11, 0.2, "supported"),
        ("above", 0.1, 0.2, "undecided"),
        ("above", 0.0, 0.09, "contradicted"),
        ("above", 0.0, 0.1, "undecided"),
        ("below", 0.0, 0.09, "supported"),
        ("below", 0.11, 0.2, "contradicted"),
        ("below", 0.05, 0.15, "undecided"),
    ],
)
def test_the_rule_decides_by_the_whole_interval(side, low, high, verdict):
    assert Rule(side, 0.1).decide(Estimate(0.1, low, high, 10, "samples")) == verdict


def test_a_number_holds_on_the_side_and_at_the_margin():
    assert [Rule("above", 0.8).holds(value) for value in (0.79, 0.8, 0.81)] == [False, True, True]
    assert [Rule("below", 0.8).holds(value) for value in (0.79, 0.8, 0.81)] == [True, True, False]
    assert not Rule("above", 0.8).holds(float("nan"))


def test_the_rule_says_itself():
    assert str(Rule("below", 0.05)) == (
        "supported if the whole 95% interval lies below 0.05, contradicted if the whole interval lies above it, "
        "else undecided"
    )


VALUES = [0.06, 0.02, 0.11, 0.05, 0.04]


def of_seeds(values, shift=0.0):
    return lambda confidence: over_seeds([value + shift for value in values], confidence)


@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.03, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("side", ["above", "below"])
def test_the_p_value_of_values_by_seed_is_students(side, margin):
    expected = stats.ttest_1samp(VALUES, margin).pvalue
    assert Rule(side, margin).p_value(of_seeds(VALUES)) == pytest.approx(expected, rel=2e-3)


def test_of_several_at_once_the_supporting_side_needs_no_correction_and_the_other_does():
    both = all_above([of_seeds(VALUES), of_seeds(VALUES, 0.5)])
    plain = stats.ttest_1samp(VALUES, 0.0).pvalue
    assert Rule("above", 0.0).p_value(both) == pytest.approx(plain, rel=2e-3)
    above = stats.ttest_1samp(VALUES, 0.2).pvalue
    assert Rule("above", 0.2).p_value(both) == pytest.approx(2 * above, rel=2e-3)


def test_a_p_value_is_at_most_a_twentieth_exactly_where_the_interval_decides():
    for step in range(-40, 41):
        margin = over_seeds(VALUES).low * (1 + step * 1e-5)  # around the margin at which the verdict changes
        rule = Rule("above", margin)
        assert (rule.p_value(of_seeds(VALUES)) <= 1 - CONFIDENCE) == (
            rule.decide(over_seeds(VALUES)) != "undecided"
        )


@pytest.mark.parametrize("gather", [all_above, all_near])
def test_the_farther_the_margin_the_smaller_the_p_value(gather):
    evidence = gather([of_seeds(VALUES), of_seeds(VALUES, 0.02)])
    found = [Rule("above", margin).p_value(evidence) for margin in (0.03, 0.01, 0.0, -0.05, -0.5)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.01


def test_what_never_decides_has_one_and_what_always_does_has_the_least():
    def wide(confidence):
        return Estimate(0.1, *student_interval(0.1, 1e6, 2, confidence), 3, "seeds")

    assert Rule("above", 0.1).p_value(wide) == 1
    assert Rule("above", 0.0).p_value(fixed(0.1)) == LEAST_ALPHA
