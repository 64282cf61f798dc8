"""The study of gradients: it trains nothing of its own, and says why where it cannot tell."""

import pytest

from made_up import rows_of
from passband.analysis.claim import judge
from passband.studies.catalog import STUDIES
from passband.studies.presets import PRESETS, find_setting
from passband.studies.study import distinct

NETWORKS = ("vanilla", "dropout", "mixup", "batchnorm", "adversarial", "LeNet", "AlexNet", "VGG")


@pytest.mark.parametrize("source", ["text", "code"])
@pytest.mark.parametrize("preset", PRESETS)
def test_its_networks_are_those_of_two_other_studies_each_once(preset, source):
    setting = find_setting(preset, "fashion-mnist", source)
    others = distinct(STUDIES[name].runs(setting) for name in ("heuristics", "architectures"))
    runs = STUDIES["input-gradient"].runs(setting)
    assert tuple(runs) == NETWORKS
    left_out = others - distinct([runs])
    assert distinct([runs]) < others
    assert len(distinct([runs])) == len(runs)
    assert {config.batch_statistics for config in left_out} == {True}


def judged(shares, accuracies, **settings):
    """Return what comes of the claim on the HFC at r = 4, of a share and an accuracy for each of the first networks."""
    cells = {
        f"{label} {place}": value
        for label, *values in zip(NETWORKS, shares, accuracies, strict=False)
        for place, value in zip(("gradient-energy-beyond 4", "test hfc 4"), values, strict=True)
    }
    claim = STUDIES["input-gradient"].claims(find_setting("smoke", "fashion-mnist"))[2]
    assert "(r = 4)" in claim.sentence
    return judge(claim, rows_of(cells, **settings))


def test_the_correlation_is_of_ranks_over_all_runs():
    rising = [0.1, 0.11, 0.12, 0.2, 0.5, 0.6, 0.61, 0.9]
    found = judged(rising, [value**5 for value in rising])
    assert found.estimate is not None
    assert (found.estimate.value, found.estimate.n, found.estimate.over) == (pytest.approx(1), 8, "runs")
    assert found.verdict == "supported"
    assert judged(rising, rising[::-1]).verdict == "contradicted"
    several = judged(rising, rising, seeds=3, spread=0.0001).estimate
    assert several is not None
    assert several.n == 24


def test_it_is_left_open_where_a_number_is_missing_or_all_are_the_same():
    rising = [0.1 * rank for rank in range(1, 9)]
    assert "no seed has finished runs of all of: VGG" in judged(rising[:7], rising[:7]).note
    constant = judged(rising, [0.1] * 8)
    assert (constant.verdict, constant.estimate) == ("undecided", None)
    assert "values that differ" in constant.note
