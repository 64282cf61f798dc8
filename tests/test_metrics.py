import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passband import metrics
from passband.errors import InputError

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_interval_holds_the_estimate_within_the_unit_range(pair):
    correct, total = pair
    low, high = metrics.wilson_interval(correct, total)
    assert 0 <= low <= correct / total + 1e-12
    assert correct / total - 1e-12 <= high <= 1


@given(counts)
def test_wilson_bounds_solve_the_score_equation(pair):
    """At either bound p, the estimate lies z standard errors *of p* away: Wilson's definition."""
    correct, total = pair
    for bound in metrics.wilson_interval(correct, total):
        if 0 < bound < 1:
            z = (correct / total - bound) / math.sqrt(bound * (1 - bound) / total)
            assert abs(abs(z) - 1.959964) < 1e-4


def test_wilson_is_mirrored():
    low, high = metrics.wilson_interval(3, 40)
    assert metrics.wilson_interval(37, 40) == pytest.approx((1 - high, 1 - low))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(first, second):
    total, fewer = first + second, min(first, second)
    exact = min(1.0, 2 * sum(math.comb(total, k) for k in range(fewer + 1)) / 2**total)
    assert metrics.mcnemar(first, second) == pytest.approx(exact)
    assert metrics.mcnemar(second, first) == metrics.mcnemar(first, second)


def test_mcnemar_stands_large_counts():
    assert 0 < metrics.mcnemar(40_000, 41_000) < 0.001


def test_bootstrap_interval_holds_a_constant_difference_and_repeats():
    first = torch.rand(50)
    assert metrics.bootstrap_difference(first, first + 0.25) == pytest.approx((0.25, 0.25, 0.25), abs=1e-6)
    noisy = first + torch.randn(50)
    difference, low, high = metrics.bootstrap_difference(first, noisy)
    assert low < difference < high
    assert metrics.bootstrap_difference(first, noisy) == (difference, low, high)


def test_counting():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1])
    correct = metrics.count_correct(logits, labels)
    assert (correct, metrics.accuracy(correct, 3)) == (2, pytest.approx(2 / 3))
    assert metrics.generalization_gap(0.9, 0.6) == pytest.approx(0.3)
    yes, no = torch.tensor([True, True, False]), torch.tensor([False, True, False])
    assert metrics.paired_counts(yes, no) == (1, 0)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_name_no_class(broken):
    logits = torch.tensor([[1.0, broken], [0.0, 1.0]])
    with pytest.raises(InputError, match="the model returned NaN or infinite logits for 1 of 2 images"):
        metrics.count_correct(logits, torch.tensor([0, 1]))
    assert metrics.predict(logits[1:], "the model").tolist() == [1]


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_impossible_counts_are_refused(correct, total):
    with pytest.raises(InputError, match=f"got {correct} of {total}"):
        metrics.wilson_interval(correct, total)


def test_unpaired_samples_are_refused(untyped):
    with pytest.raises(InputError, match="got 2 and 3"):
        metrics.bootstrap_difference(torch.rand(2), torch.rand(3))
    with pytest.raises(InputError, match="confidence must lie between 0 and 1"):
        metrics.wilson_interval(1, 2, confidence=95)
    with pytest.raises(InputError, match="counts must be >= 0"):
        metrics.mcnemar(-1, 2)
