from statistics import correlation, fmean

import pytest
from scipy import stats

from made_up import rows_of
from passband.analysis.contrast import Contrast, Term, accuracy
from passband.analysis.lookup import NotMeasured
from passband.analysis.measures import (
    correlation_of,
    difference,
    epochs_ratio,
    evidence_by,
    farthest_of,
    greatest_of,
    least_of,
)
from passband.errors import InputError
from passband.stats import correlation_interval

ROWS = rows_of({"a test": 0.5, "b test": 0.2}, seeds=5)
A, B = accuracy("a"), accuracy("b")


def test_one_contrast_is_measured_as_it_is():
    one, both = difference(A)(ROWS)(0.95), least_of(A)(ROWS)(0.95)
    assert one == both
    assert (one.n, one.over) == (5, "seeds")


def test_of_several_the_least_the_greatest_or_the_farthest_decides():
    smallest, largest = difference(B)(ROWS)(0.95), difference(A)(ROWS)(0.95)
    least, greatest = (measure(A, B)(ROWS)(0.95) for measure in (least_of, greatest_of))
    assert (least.value, least.low) == (smallest.value, smallest.low)
    assert least.high > smallest.high
    assert (greatest.value, greatest.high) == (largest.value, largest.high)
    assert greatest.low < largest.low
    negative = Contrast((Term("b", weight=-4.0),))
    farthest = farthest_of(A, negative)(ROWS)(0.95)
    assert farthest.value == pytest.approx(4 * smallest.value)
    assert farthest.low < -difference(negative)(ROWS)(0.95).high


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_an_interval_without_width_is_no_certainty(seeds):
    rows = rows_of({"net roughness-removed rho 1": 0.3}, seeds=seeds, spread=0.0).with_columns(error=0.0)
    removed = Contrast((Term("net", None, None, metric="roughness-removed", rho=1.0, normalized=False),))
    for measure in (difference(removed), least_of(removed), greatest_of(removed), farthest_of(removed)):
        with pytest.raises(NotMeasured, match="say 0.3 alike, so that nothing tells how far others would be"):
            measure(rows)


def test_numbers_that_differ_by_rounding_are_the_same():
    rows = rows_of({"net roughness rho 1": 0.3}, seeds=3, spread=1e-16)
    rough = Contrast((Term("net", None, None, metric="roughness", rho=1.0, normalized=False),))
    with pytest.raises(NotMeasured, match="alike"):
        difference(rough)(rows)


LINE, STEEP = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [0.45, 0.9] + [0.9] * 7


def test_epochs_to_the_same_accuracy_are_counted_as_a_ratio():
    """Both reach nine tenths of 0.9: after 8.1 epochs, and after 1.8."""
    found = epochs_ratio("slow", "fast")(rows_of({"slow fit": LINE, "fast fit": STEEP}, count=10**7))(0.95)
    assert found.value == pytest.approx(8.1 / 1.8)
    assert found.high - found.low < 0.02
    inverse = epochs_ratio("fast", "slow")(rows_of({"slow fit": LINE, "fast fit": STEEP}, count=10**7))(0.95)
    assert inverse.value == pytest.approx(1.8 / 8.1)


def test_the_accuracy_is_one_that_the_worse_of_the_two_reaches():
    worse = [value / 2 for value in LINE]
    found = epochs_ratio("slow", "fast")(rows_of({"slow fit": worse, "fast fit": LINE}, count=10**7))(0.95)
    assert found.value == pytest.approx(8.1 / 4.05, rel=1e-3)


def test_over_seeds_the_ratio_holds_what_varies_between_and_within_them():
    many = rows_of({"slow fit": LINE, "fast fit": STEEP}, count=10**7, seeds=4, spread=0.02)
    few = rows_of({"slow fit": LINE, "fast fit": STEEP}, count=100, seeds=4, spread=0.02)
    sure, unsure = (epochs_ratio("slow", "fast")(rows)(0.95) for rows in (many, few))
    assert (sure.n, sure.over) == (4, "seeds")
    assert sure.value == pytest.approx(unsure.value)
    assert unsure.low < sure.low < sure.value < sure.high < unsure.high


def test_a_curve_that_is_not_there_is_named():
    with pytest.raises(NotMeasured, match="fast has no fit-accuracy"):
        epochs_ratio("slow", "fast")(rows_of({"slow fit": LINE, "fast test": 0.5}))


LABELS = list("abcdef")
FIRST, SECOND = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0.15, 0.1, 0.35, 0.3, 0.55, 0.5)


def of_labels(**settings):
    cells = {f"{label} test": one for label, one in zip(LABELS, FIRST, strict=True)}
    cells |= {f"{label} train": other for label, other in zip(LABELS, SECOND, strict=True)}
    return rows_of(cells, **settings)


def correlated(rows, *, ranks: bool = False, labels=tuple(LABELS)):
    measure = correlation_of(labels, accuracy, lambda label: [accuracy(label, "train")] * 2, ranks=ranks)
    return measure(rows)(0.95)


def test_the_correlation_of_one_seed_is_over_networks():
    found = correlated(of_labels())
    assert (found.value, found.low, found.high) == pytest.approx(correlation_interval(FIRST, SECOND))
    assert (found.n, found.over, found.seeds) == (6, "networks", 1)
    assert correlated(of_labels(), ranks=True).value == pytest.approx(
        stats.spearmanr(FIRST, SECOND).statistic
    )


def test_over_seeds_it_is_the_mean_of_theirs_and_no_surer_than_one_of_so_many_networks():
    rows = of_labels(seeds=5, spread=0.05)
    of_seed = [
        correlation(
            *(
                rows.filter(seed=seed, subset=subset, epoch=4)["value"].to_list()
                for subset in ("test", "train")
            )
        )
        for seed in range(5)
    ]
    found = correlated(rows)
    assert found.value == pytest.approx(fmean(of_seed))
    assert (found.n, found.over) == (5, "seeds")
    means = [
        [rows.filter(label=label, subset=subset, epoch=4)["value"].mean() for label in LABELS]
        for subset in ("test", "train")
    ]
    _, low, high = correlation_interval(*means)
    assert -1 <= found.low <= low
    assert min(high, 1.0) <= found.high <= 1


def test_too_few_networks_or_equal_numbers_have_no_correlation():
    with pytest.raises(InputError, match="at least 4 pairs, got 3"):
        correlated(of_labels(), labels=("a", "b", "c"))
    with pytest.raises(InputError, match="values that differ"):
        correlated(rows_of({f"{label} {subset}": 0.5 for label in LABELS for subset in ("test", "train")}))


@pytest.mark.parametrize("old", [lambda rows: difference(A)(rows)(0.95), lambda rows: None])
def test_a_measure_of_ones_own_that_returns_no_evidence_is_told_what_to_return(old):
    with pytest.raises(InputError, match="a function that takes a coverage .* got (Estimate|NoneType)"):
        evidence_by(old, ROWS)
