import math
from statistics import NormalDist, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from passband import stats
from passband.errors import InputError

Z = NormalDist().inv_cdf(0.975)

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_interval_holds_the_estimate_within_the_unit_range(pair):
    correct, total = pair
    low, high = stats.wilson_interval(correct, total)
    assert 0 <= low <= correct / total + 1e-12
    assert correct / total - 1e-12 <= high <= 1


@given(counts)
def test_wilson_bounds_solve_the_score_equation(pair):
    correct, total = pair
    assert stats.wilson_interval(correct, total) == pytest.approx(
        reference.wilson(correct, total, Z), abs=1e-12
    )


def test_wilson_is_mirrored_and_exact_at_the_ends():
    low, high = stats.wilson_interval(3, 40)
    assert stats.wilson_interval(37, 40) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    assert stats.wilson_interval(0, 7)[0] == 0.0
    assert stats.wilson_interval(7, 7)[1] == 1.0


def test_wilson_is_that_of_newcombes_table():
    """Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3."""
    published = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611), (1, 29): (0.0061, 0.1718)}  # fmt: skip
    for (correct, total), bounds in published.items():
        assert stats.wilson_interval(correct, total) == pytest.approx(bounds, abs=5e-5)


@pytest.mark.parametrize(
    ("degrees", "confidence", "quantile"),
    [(1, 0.95, 12.706), (2, 0.95, 4.303), (5, 0.95, 2.571), (10, 0.99, 3.169), (30, 0.9, 1.697)],
)
def test_students_interval_has_the_quantiles_of_the_tables(degrees, confidence, quantile):
    low, high = stats.student_interval(0.5, 0.01, degrees, confidence)
    assert (low, high) == pytest.approx((0.5 - 0.01 * quantile, 0.5 + 0.01 * quantile), abs=1e-5)


def test_a_mean_has_students_interval():
    values = [0.51, 0.55, 0.48, 0.53]
    half = 3.182446305284263 * stdev(values) / 2
    assert stats.mean_interval(values) == pytest.approx((0.5175 - half, 0.5175 + half), abs=1e-12)


def test_equal_values_have_an_interval_of_no_width():
    assert stats.mean_interval([0.25, 0.25, 0.25]) == (0.25, 0.25)


def test_a_difference_of_two_proportions_is_newcombes_example():
    """Newcombe 1998, table II, contrast (a), method 10: 56/70 - 48/80."""
    first, (low, high) = stats.wilson_interval(56, 70), stats.wilson_interval(48, 80)
    found = stats.sum_interval([56 / 70, -48 / 80], [first, (-high, -low)])
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_interval_of_one_part_is_its_own():
    assert stats.sum_interval([0.3], [(0.1, 0.4)]) == pytest.approx((0.1, 0.4))


def test_a_correlation_has_fishers_interval():
    first, second = [1.0, 2.0, 3.0, 4.0, 5.0], [0.9, 2.5, 2.1, 4.4, 4.2]
    a, b = np.array(first) - np.mean(first), np.array(second) - np.mean(second)
    value = (a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum())
    center, half = math.atanh(value), Z / math.sqrt(2)
    expected = (value, math.tanh(center - half), math.tanh(center + half))
    assert stats.correlation_interval(first, second) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_correlation_has_an_interval_too():
    found = stats.correlation_interval([1, 2, 3, 4], [2, 4, 6, 8])
    assert found == pytest.approx((1, 1, 1), abs=0.01)


def test_a_rank_correlation_has_the_interval_of_another_implementation():
    first = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19]
    second = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51]
    # ci.spear(.05, y, x) of the R package statpsych, by the author of the interval, in its documentation
    assert stats.rank_correlation_interval(first, second) == pytest.approx(
        (0.8699639, 0.5840951, 0.9638297), abs=1e-7
    )
    rescaled = [math.exp(value / 5) for value in second]
    assert stats.rank_correlation_interval(first, rescaled)[0] == pytest.approx(0.8699639, abs=1e-7)


@pytest.mark.parametrize("pairs", [4, 7, 30])
def test_a_rank_correlation_is_that_of_ranks_and_turns_its_sign_with_the_values(pairs):
    draws = np.random.default_rng(pairs)
    first, second = draws.standard_normal(pairs), draws.integers(0, 3, pairs) + np.arange(pairs) // 3
    value, low, high = stats.rank_correlation_interval(first.tolist(), second.tolist())
    ranks = [
        [
            sum(other < each for other in values) + sum(other == each for other in values) / 2
            for each in values
        ]
        for values in (first, second)
    ]
    assert value == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert low < value < high
    turned = stats.rank_correlation_interval(first.tolist(), (-second).tolist())
    assert turned == pytest.approx((-value, -high, -low))


def test_ranks_that_agree_throughout_are_no_certainty():
    four, five, eight, fifty = (
        stats.rank_correlation_interval(list(range(count)), list(range(count))) for count in (4, 5, 8, 50)
    )
    assert four[0] == eight[0] == pytest.approx(1)
    assert [found[2] for found in (four, five, eight, fifty)] == pytest.approx([1] * 4)
    assert four[1] < five[1] < 0 < eight[1] < fifty[1] < 1  # one of 24 orders does so by chance
    swapped = stats.rank_correlation_interval(list(range(8)), [1, 0, *range(2, 8)])
    assert swapped[1] == pytest.approx(eight[1])


@pytest.mark.parametrize(("pairs", "correlation"), [(4, 0.0), (8, 0.0), (8, 0.8), (20, 0.5)])
def test_the_interval_of_a_rank_correlation_covers_that_of_all_pairs(pairs, correlation):
    draws, truth = np.random.default_rng(0), 6 / math.pi * math.asin(correlation / 2)  # of normal pairs
    covers = 0
    for _ in range(400):
        first, other = draws.standard_normal((2, pairs))
        second = correlation * first + math.sqrt(1 - correlation**2) * other
        _, low, high = stats.rank_correlation_interval(first.tolist(), second.tolist())
        covers += low <= truth <= high
    assert covers >= 0.93 * 400


def test_bootstrap_interval_is_that_of_all_resamples_there_are():
    second = np.array([0.0, 0.1, 0.4, 0.9, 1.6])
    means = reference.bootstrap_means(list(second))
    low, high = (means[round(share * (len(means) - 1))] for share in (0.025, 0.975))
    found = stats.bootstrap_difference(np.zeros(5), second, resamples=40_000)
    assert found == pytest.approx((0.6, low, high), abs=0.02)


def test_bootstrap_interval_holds_a_constant_difference_and_repeats():
    draw = np.random.default_rng(0)
    first = draw.random(50)
    assert stats.bootstrap_difference(first, first + 0.25) == pytest.approx((0.25, 0.25, 0.25))
    noisy = first + draw.normal(size=50)
    difference, low, high = stats.bootstrap_difference(first, noisy)
    assert low < difference < high
    assert stats.bootstrap_difference(first, noisy) == (difference, low, high)
    assert stats.bootstrap_difference(first, noisy, seed=1) != (difference, low, high)


def test_bootstrap_takes_right_and_wrong_answers():
    first, second = np.array([True, True, False, False]), np.array([False, True, True, True])
    assert stats.bootstrap_difference(first, second)[0] == 0.25


def test_bootstrap_draws_the_same_whatever_is_drawn_at_once(monkeypatch):
    draw = np.random.default_rng(0)
    first, second = draw.random(30), draw.random(30)
    found = stats.bootstrap_difference(first, second)
    monkeypatch.setattr(stats, "DRAWN_AT_ONCE", 100)
    assert stats.bootstrap_difference(first, second) == pytest.approx(found)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = [0.2, 0.9, 0.4, 0.7, 0.1]
    without = [(sum(values) - value) / 4 for value in values]
    assert stats.jackknife_error(without) == pytest.approx(stdev(values) / math.sqrt(5), abs=1e-12)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(first, second):
    assert stats.mcnemar(first, second) == pytest.approx(reference.sign_test(first, second), abs=1e-12)
    assert stats.mcnemar(second, first) == pytest.approx(stats.mcnemar(first, second), abs=1e-12)


def test_mcnemar_stands_large_counts():
    assert 0 < stats.mcnemar(40_000, 41_000) < 0.001
    assert stats.mcnemar(0, 0) == 1


def test_holm_steps_down():
    """Each p-value times the number of those not smaller, and never below one that is smaller."""
    assert stats.holm([0.005, 0.011, 0.02, 0.04, 0.13]) == pytest.approx([0.025, 0.044, 0.06, 0.08, 0.13])
    assert stats.holm([0.9, 0.01, 0.8]) == pytest.approx([1.0, 0.03, 1.0])
    assert stats.holm([]) == []


def test_several_intervals_are_wider_each():
    assert stats.each_confidence(1) == 0.95
    assert math.isclose(stats.each_confidence(5), 0.99)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.wilson_interval(0, 0), "got 0 of 0"),
        (lambda: stats.wilson_interval(-1, 3), "got -1 of 3"),
        (lambda: stats.wilson_interval(4, 3), "got 4 of 3"),
        (lambda: stats.wilson_interval(1, 2, confidence=95), "confidence must lie between 0 and 1, got 95"),
        (lambda: stats.student_interval(0.5, 0.1, 0), "degrees >= 1, got 0.1 and 0"),
        (lambda: stats.student_interval(0.5, math.nan, 3), "standard error >= 0 .* got nan"),
        (lambda: stats.mean_interval([0.3]), "at least 2 values, got 1"),
        (lambda: stats.sum_interval([0.3, 0.2], [(0.1, 0.4)]), "an interval for each of 2 values, got 1"),
        (lambda: stats.sum_interval([0.5], [(0.1, 0.4)]), "lie in its interval, got 0.5"),
        (lambda: stats.correlation_interval([1, 2, 3], [1, 2, 3]), "at least 4 pairs, got 3 and 3"),
        (lambda: stats.correlation_interval([1, 1, 1, 1], [1, 2, 3, 4]), "values that differ"),
        (lambda: stats.correlation_interval([1, 2, 3, 4], [0.1, 0.1, 0.1, 0.1 + 1e-16]), "values that differ"),
        (lambda: stats.rank_correlation_interval([1, 2, 3], [1, 2, 3]), "at least 4 pairs, got 3 and 3"),
        (lambda: stats.rank_correlation_interval([1, 2, 3, 4], [1, 2, 3]), "at least 4 pairs, got 4 and 3"),
        (lambda: stats.rank_correlation_interval([1, 1, 1, 1], [1, 2, 3, 4]), "values that differ"),
        (lambda: stats.rank_correlation_interval([1, 2, 3, 4], [4, 3, 2, 1], 95), "confidence must lie between"),
        (lambda: stats.bootstrap_difference(np.zeros(1), np.zeros(1)), "at least 2, got 1 and 1"),
        (lambda: stats.jackknife_error([1.0]), "at least 2 parts, got 1"),
        (lambda: stats.mcnemar(-1, 2), "counts must be >= 0, got -1 and 2"),
        (lambda: stats.holm([0.1, math.nan]), "a p-value lies between 0 and 1, got nan"),
        (lambda: stats.each_confidence(0), "at least 1 interval, got 0"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_unpaired_samples_are_refused(untyped):
    with pytest.raises(InputError, match="got 2 and 3"):
        stats.bootstrap_difference(np.zeros(2), np.zeros(3))


@given(st.floats(0.08, 0.999))
def test_no_interval_is_as_wide_as_was_asked_for_and_two_samples_fewer_are_too_few(width):
    count = stats.samples_for_width(width)

    def widest(total: int) -> float:
        intervals = (stats.wilson_interval(correct, total) for correct in range(total + 1))
        return max(high - low for low, high in intervals)

    assert widest(count) < width
    if count > 2:  # the interval of one half needs an even number
        assert widest(count - 1) >= width or widest(count - 2) >= width


def test_a_tiny_width_needs_very_many_samples_and_an_impossible_one_is_refused():
    assert stats.samples_for_width(1e-200) > 10**399
    for width in (0, 1, math.nan):
        with pytest.raises(InputError, match="the width of an interval lies between 0 and 1, got"):
            stats.samples_for_width(width)
