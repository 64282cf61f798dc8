import pytest

from passband.errors import InputError
from passband.studies.study import distinct, shortened, with_seeds
from passband.train.config import RunConfig

RUNS = {
    "a": RunConfig("phantom", epochs=100, limit=5_000),
    "b": RunConfig("phantom", epochs=1),
}


def test_every_run_has_every_seed():
    found = with_seeds(RUNS, 2)
    assert [(label, config.seed) for label, config in found] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    with pytest.raises(InputError, match="at least 1, got 0"):
        with_seeds(RUNS, 0)


def test_runs_are_cut_and_never_made_longer():
    cut = shortened(RUNS, epochs=2, limit=2_000)
    assert [(config.epochs, config.limit) for config in cut.values()] == [(2, 2_000), (1, 2_000)]
    cut = shortened(RUNS, limit=8_000)
    assert [(config.epochs, config.limit) for config in cut.values()] == [(100, 5_000), (1, 8_000)]
    assert shortened(RUNS) == RUNS


def test_equal_runs_count_once():
    same = {"c": RunConfig("phantom", epochs=1, learning_rate=1e-4)}  # Adam's own rate
    assert len(distinct([RUNS, same])) == 2
