"""The study of gradients: it trains nothing of its own, and says why where it cannot tell."""

import pytest

from made_up import rows_of
from passband.analysis.judge import judge
from passband.studies.catalog import STUDIES
from passband.studies.presets import PRESETS, find_setting
from passband.studies.study import distinct

NETWORKS = tuple(STUDIES["input-gradient"].runs(find_setting("laptop", "fashion-mnist")))


@pytest.mark.parametrize("source", ["text", "code"])
@pytest.mark.parametrize("preset", PRESETS)
def test_its_networks_are_those_of_two_other_studies_each_once(preset, source):
    setting = find_setting(preset, "fashion-mnist", source)
    others = distinct(STUDIES[name].runs(setting) for name in ("heuristics", "architectures"))
    runs = STUDIES["input-gradient"].runs(setting)
    assert tuple(runs) == tuple(label for label in NETWORKS if label in runs)
    assert len(runs) >= len(NETWORKS) - (
        3 if preset == "paper" else 1
    )  # the ResNet may be the vanilla network
    left_out = others - distinct([runs])
    assert distinct([runs]) < others
    assert len(distinct([runs])) == len(runs)
    assert {config.batch_statistics for config in left_out} == {True}


def judged(shares, accuracies, *, seeds: int = 5, **settings):
    """Return what comes of the claim on the HFC at r = 4, of a share and an accuracy for each of the first networks."""
    cells = {
        f"{label} {place}": value
        for label, *values in zip(NETWORKS, shares, accuracies, strict=False)
        for place, value in zip(("gradient-energy-beyond 4", "test hfc 4"), values, strict=True)
    }
    cells |= {f"{label} train": 0.9 for label in NETWORKS[: len(shares)]}
    claim = STUDIES["input-gradient"].claims(find_setting("laptop", "fashion-mnist"))[2]
    assert "(r = 4)" in claim.sentence
    return judge(claim, rows_of(cells, seeds=seeds, **settings))


RISING = [0.05 + 0.07 * rank**1.1 for rank in range(len(NETWORKS))]


def test_the_correlation_is_of_ranks_over_all_networks_seed_by_seed():
    found = judged(RISING, [value**5 for value in RISING], spread=1e-9)
    assert found.estimate is not None
    assert (found.estimate.value, found.estimate.n, found.estimate.over) == (pytest.approx(1), 5, "seeds")
    assert found.verdict == "supported"
    assert judged(RISING, RISING[::-1]).verdict == "contradicted"
    one = judged(RISING, RISING, seeds=1)
    assert one.estimate is not None
    assert (one.verdict, one.estimate.n, one.estimate.over) == ("no verdict", len(NETWORKS), "networks")


def test_it_is_not_tested_where_a_number_is_missing_or_all_are_the_same():
    missing = judged(RISING[:-1], RISING[:-1])
    assert f"no seed has finished runs of all of: {', '.join(NETWORKS)}"[:30] in missing.note
    constant = judged(RISING, [0.1] * len(NETWORKS), spread=0.0)
    assert (constant.verdict, constant.estimate) == ("not tested", None)
    assert "values that differ" in constant.note
