import math
from statistics import NormalDist, correlation, stdev

import pytest
import torch

from passband.analysis.estimate import (
    Estimate,
    Proportion,
    Statistic,
    farthest,
    greatest,
    least,
    over_parts,
    over_runs,
    over_seeds,
)
from passband.errors import InputError
from passband.stats import rank_correlation_interval


def test_over_seeds_is_students_interval():
    values = [0.51, 0.55, 0.48, 0.53]
    half = 3.182446305284263 * stdev(values) / 2
    estimate = over_seeds(values)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        (0.5175, 0.5175 - half, 0.5175 + half)
    )
    assert (estimate.n, estimate.over) == (4, "seeds")


def test_of_one_proportion_it_is_wilsons_interval():
    estimate = over_parts([Proportion(1, 0.8, 10)])
    assert (estimate.low, estimate.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_of_two_it_is_newcombes_example():
    """Newcombe 1998, table II, contrast (a), method 10: 56/70 - 48/80."""
    estimate = over_parts([Proportion(1, 56 / 70, 70), Proportion(-1, 48 / 80, 80)])
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert estimate.n == 70


def test_of_an_estimate_it_is_students_interval():
    estimate = over_parts([Statistic(1, 0.8, 6, 0.1, "filters"), Statistic(-1, 0.5, 4, 0.0, "filters")])
    half = 2.5705818366147395 * 0.1
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half))
    assert (estimate.n, estimate.over) == (4, "filters")


def test_a_difference_of_differences_covers_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    shares, weights, count = (0.9, 0.6, 0.8, 0.7), (1, -1, -1, 1), 200
    truth = sum(w * p for w, p in zip(weights, shares, strict=True))
    hits = 0
    for _ in range(500):
        drawn = [torch.rand(count, generator=generator).lt(p).double().mean().item() for p in shares]
        parts = [Proportion(w, p, count) for w, p in zip(weights, drawn, strict=True)]
        estimate = over_parts(parts)
        hits += estimate.low <= truth <= estimate.high
    assert 0.92 <= hits / 500 <= 0.99


def test_over_runs_is_the_correlation_with_fishers_interval():
    first, second = [1.0, 2.0, 3.0, 4.0, 5.0], [0.9, 2.5, 2.1, 4.4, 4.2]
    estimate = over_runs(first, second)
    center, half = math.atanh(correlation(first, second)), NormalDist().inv_cdf(0.975) / math.sqrt(2)
    expected = (math.tanh(center), math.tanh(center - half), math.tanh(center + half))
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(expected)
    assert (estimate.n, estimate.over) == (5, "runs")


def test_over_runs_may_be_of_ranks():
    first, second = [1.0, 2.0, 3.0, 4.0, 50.0, 6.0], [0.9, 2.5, 2.1, 4.4, 4.2, 4.3]
    found = over_runs(first, second, ranks=True)
    assert (found.value, found.low, found.high) == rank_correlation_interval(first, second)
    assert found.value != over_runs(first, second).value
    assert (found.n, found.over) == (6, "runs")
    with pytest.raises(InputError, match="at least 4 runs, got 3"):
        over_runs(first[:3], second[:3], ranks=True)


A = Estimate(0.1, -0.1, 0.3, 50, "samples")
B = Estimate(0.2, 0.15, 0.25, 40, "samples")
C = Estimate(-0.3, -0.4, -0.2, 60, "samples")


def test_least_and_farthest():
    assert least([A, B]) == Estimate(0.1, -0.1, 0.25, 40, "samples")
    assert least([A, B, C]) == Estimate(-0.3, -0.4, -0.2, 40, "samples")
    assert farthest([A, B]) == Estimate(0.2, 0.15, 0.3, 40, "samples")
    assert farthest([A, C]) == Estimate(0.3, 0.2, 0.4, 50, "samples")
    assert farthest([A]).low == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: over_seeds([0.3]), "at least 2 of them, got 1"),
        (lambda: over_runs([1, 2, 3], [1, 2, 3]), "at least 4 runs, got 3"),
        (lambda: over_runs([1, 1, 1, 1], [1, 2, 3, 4]), "values that differ"),
    ],
)
def test_too_little_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_greatest_is_the_least_of_the_opposites():
    estimates = [Estimate(0.1, 0.0, 0.3, 10, "samples"), Estimate(0.2, 0.15, 0.25, 8, "samples")]
    opposites = [Estimate(-e.value, -e.high, -e.low, e.n, e.over) for e in estimates]
    found, turned = greatest(estimates), least(opposites)
    assert (found.value, found.low, found.high, found.n) == (0.2, 0.15, 0.3, 8)
    assert (turned.value, turned.high, turned.low) == (-0.2, -0.15, -0.3)
