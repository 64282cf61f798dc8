import pytest

from engines import Here
from passband.studies import budget as module
from passband.studies.budget import plan_budget
from passband.studies.plan import plan_studies


@pytest.fixture
def planned(tmp_path):
    return plan_studies(["label-shuffle", "optimizers", "kernels"], limit=60, store=tmp_path)


@pytest.fixture
def timed(monkeypatch):
    """Say that each takes ten seconds: real times would depend on what else the machine does."""
    monkeypatch.setattr(module, "estimate_seconds", lambda planned, device: {one.id: 10.0 for one in planned})
    monkeypatch.setattr(module, "measure_peak", lambda run, **_: 2**30)


def test_what_is_shared_counts_once(planned, timed):
    found = plan_budget(planned, engine=Here(2), device="cpu")
    shares = {each.study: each for each in found.shares}
    # The vanilla run is natural, Adam, and natural again.
    assert [(name, each.runs, each.shared) for name, each in shares.items()] == [
        ("label-shuffle", 2, 1),
        ("optimizers", 5, 1),
        ("kernels", 4, 1),
    ]
    assert (found.runs, found.measurements, found.held) == (2 + 5 + 4 - 2, shares["kernels"].measurements, 0)
    assert found.seconds == 10 * (found.runs + found.measurements)
    assert found.wall == found.seconds / 2
    assert shares["optimizers"].seconds == 50
    assert found.memory == 2**30
    assert found.flops > 0
    assert found.gpu_seconds >= found.flops / 1e15


def test_many_workers_take_no_less_than_the_longest(planned, timed):
    assert plan_budget(planned, engine=Here(1000), device="cpu").wall == 10
