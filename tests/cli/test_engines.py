"""Where a command has its work done."""

import pytest

from passband.cli.engines import EngineOptions, ShardOptions
from passband.engine import cluster
from passband.errors import InputError


def test_a_cluster_is_given_what_was_asked_for(monkeypatch):
    given = []
    monkeypatch.setattr(
        cluster, "Cluster", lambda *arguments, **settings: given.append((arguments, settings))
    )
    EngineOptions(engine="ray").open()
    EngineOptions(engine="ray", address="head:6379", workers=8, threads=2, gpus=0.5, shared="s3://x").open()
    assert given == [
        ((None,), {"at_once": None, "threads": 1, "gpus": 0, "shared": None}),
        (("head:6379",), {"at_once": 8, "threads": 2, "gpus": 0.5, "shared": "s3://x"}),
    ]


def test_this_computer_has_two_processes_for_studies_and_one_for_an_audit():
    assert EngineOptions().open().at_once == 2
    assert EngineOptions(workers=5).open().at_once == 5
    assert ShardOptions().alone
    assert not ShardOptions(workers=2).alone
    assert not ShardOptions(engine="ray").alone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "auto"}, "--address is of a Ray cluster: add --engine ray"),
        ({"gpus": 0.5}, "--gpus is of a Ray cluster"),
        ({"shared": "s3://x"}, "--shared is of a Ray cluster"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"threads": 0}, "threads must be"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        EngineOptions(**options).check()
