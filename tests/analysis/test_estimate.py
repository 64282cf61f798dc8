from statistics import stdev

import numpy as np
import pytest
import torch

from passband.analysis.estimate import (
    Estimate,
    Proportion,
    Statistic,
    all_above,
    all_below,
    all_near,
    fixed,
    mean_of,
    over_parts,
    over_seeds,
)
from passband.analysis.rule import Rule
from passband.errors import InputError
from passband.stats import each_confidence


def test_over_seeds_is_students_interval():
    values = [0.51, 0.55, 0.48, 0.53]
    half = 3.182446305284263 * stdev(values) / 2
    estimate = over_seeds(values)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        (0.5175, 0.5175 - half, 0.5175 + half)
    )
    assert (estimate.n, estimate.over, estimate.seeds) == (4, "seeds", 4)


def test_what_varies_within_seeds_is_added_as_independent_errors_are():
    values = [0.51, 0.55, 0.48, 0.53]
    half = 3.182446305284263 * stdev(values) / 2
    estimate = over_seeds(values, within=(0.5175 - 0.03, 0.5175 + 0.04))
    assert estimate.low == pytest.approx(0.5175 - (half**2 + 0.03**2) ** 0.5)
    assert estimate.high == pytest.approx(0.5175 + (half**2 + 0.04**2) ** 0.5)


def test_the_mean_of_several_has_less_error_only_where_they_have_different_samples():
    four = [Estimate(0.5, 0.4, 0.7, 100, "samples")] * 4
    assert mean_of(four, 1.0) == pytest.approx((0.4, 0.7))
    assert mean_of(four, 4.0) == pytest.approx((0.45, 0.6))


def test_of_one_proportion_it_is_wilsons_interval():
    estimate = over_parts([Proportion(1, 0.8, 10)])
    assert (estimate.low, estimate.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert estimate.seeds == 1


def test_of_two_it_is_newcombes_example():
    """Newcombe 1998, table II, contrast (a), method 10: 56/70 - 48/80."""
    estimate = over_parts([Proportion(1, 56 / 70, 70), Proportion(-1, 48 / 80, 80)])
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert estimate.n == 70


@pytest.mark.parametrize("confidence", [0.001, 0.5, 0.95])
def test_a_share_that_is_no_number_of_samples_lies_in_its_interval_however_narrow(confidence):
    estimate = over_parts([Proportion(1, 0.5333, 10), Proportion(-1, 0.1, 10)], confidence)
    assert estimate.value == pytest.approx(0.4333)
    assert estimate.low <= estimate.value <= estimate.high


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


def test_a_number_that_is_known_has_no_interval():
    assert fixed(0.3)(0.95) == fixed(0.3)(0.5) == Estimate(0.3, 0.3, 0.3, 1, "samples")


def around(value, n=5, over="seeds"):
    """Return evidence whose interval is as wide as its coverage, and the more at its upper end."""
    return lambda confidence: Estimate(value, value - confidence, value + 2 * confidence, n, over)


TOGETHER = each_confidence(3)


def test_all_above_is_corrected_where_one_below_is_enough():
    found = all_above([around(0.3), around(-0.2), around(0.1)])(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((-0.2, -0.2 - 0.95, -0.2 + 2 * TOGETHER))


def test_all_below_is_corrected_where_one_above_is_enough():
    found = all_below([around(0.3), around(-0.2), around(0.1)])(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3 - TOGETHER, 0.3 + 2 * 0.95))


def test_all_near_is_corrected_where_one_far_is_enough():
    found = all_near([around(3.0), around(-2.0), around(0.1)])(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 3 - TOGETHER, 3 + 2 * 0.95))
    found = all_near([around(-4.0), around(-2.0), around(0.1)])(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((4.0, 4 - 2 * TOGETHER, 4 + 0.95))
    assert all_near([around(0.1)])(0.95).low == 0


@pytest.mark.parametrize("gather", [all_above, all_below, all_near])
def test_several_rest_on_no_more_than_the_one_that_rests_on_least(gather):
    one_seed, five = around(0.1, 2_400, "samples"), around(0.2, 5)
    for evidence in ([one_seed, five], [five, one_seed]):
        found = gather(evidence)(0.95)
        assert (found.n, found.over, found.seeds) == (2_400, "samples", 1)
    assert gather([around(0.1, 5), around(0.1, 3), around(0.1, 4)])(0.95).seeds == 3
    with pytest.raises(InputError, match="at least 1 number, got none"):
        gather([])(0.95)


def drawn(rng, means, seeds=5, spread=0.04):
    """Return evidence over seeds of several contrasts, each with its mean."""
    values = [rng.normal(mean, spread, seeds).tolist() for mean in means]
    return [lambda confidence, each=each: over_seeds(each, confidence) for each in values]


def bonferroni(evidence):
    """Return the smallest of several, with intervals that cover all of them at once."""
    estimates = [each(each_confidence(len(evidence))) for each in evidence]
    return min(each.low for each in estimates)


def test_all_are_said_to_lie_above_by_accident_in_no_more_than_a_fortieth():
    """One lies at the margin, where it is hardest, and the others far above; at both sides of it nothing is said."""
    rng = np.random.default_rng(0)
    times, rule = 2_000, Rule("above", 0.0)
    verdicts = [rule.decide(all_above(drawn(rng, (0.0, 0.5, 0.5, 0.5)))(0.95)) for _ in range(times)]
    error = (0.025 * 0.975 / times) ** 0.5
    assert verdicts.count("supported") / times <= 0.025 + 3 * error
    assert verdicts.count("contradicted") / times <= 0.025 / 4 + 3 * error


def test_all_are_found_to_lie_above_more_often_than_with_a_correction():
    rng = np.random.default_rng(1)
    rule, trials = Rule("above", 0.0), [drawn(rng, (0.1,) * 4) for _ in range(500)]
    plain = sum(rule.decide(all_above(evidence)(0.95)) == "supported" for evidence in trials)
    corrected = sum(bonferroni(evidence) > 0 for evidence in trials)
    assert plain > 1.3 * corrected > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: over_seeds([0.3]), "at least 2 of them, got 1"),
        (lambda: all_above([])(0.95), "at least 1 number, got none"),
    ],
)
def test_too_little_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
