"""MLflow itself, with a store of files."""

from __future__ import annotations

import pytest

from made_up_store import SETTINGS, add_checkpoint, add_run
from passband.errors import InputError
from passband.tracking.catalog import make_trackers
from passband.tracking.curves import read_curves
from passband.tracking.mlflow import MLflow
from passband.tracking.recorder import Recorder
from passband.tracking.tracker import Tracked

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture
def client(monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.setenv(name, "1")
    return mlflow.MlflowClient()


@pytest.fixture
def run(tmp_path):
    return Tracked("aaaa", "vanilla, seed 0", tmp_path / "runs" / "aaaa", tmp_path / "tb" / "aaaa", SETTINGS)


def kept(client):
    """Return the runs of the experiment, each with its status and its curves."""
    place = client.get_experiment_by_name("mine").experiment_id
    return [
        (
            run.info.status,
            run.data.params,
            {
                name: [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            },
        )
        for run in client.search_runs([place])
    ]


def by_name(curves):
    found = {}
    for epoch, values in curves.items():
        for name, value in values.items():
            found.setdefault(name, []).append((epoch, value))
    return found


def test_a_run_that_is_resumed_is_one_run_with_all_of_its_curves_once(client, run, tmp_path):
    add_run(tmp_path, "whole")
    curves, notes = read_curves(tmp_path / "runs" / "whole"), []
    with Recorder([MLflow("mine")], notes.append) as recorder:
        recorder.epoch(run, 1, curves[1])
    ((status, params, _),) = kept(client)
    assert (status, params["model"], params["epochs"]) == ("KILLED", "lenet", "3")
    add_checkpoint(tmp_path, "aaaa", 2)
    with Recorder([MLflow("mine")], notes.append) as recorder:
        recorder.epoch(run, 3, curves[3])
    add_run(tmp_path, "aaaa")
    with Recorder([MLflow("mine")], notes.append) as recorder:
        recorder.ended(run, "finished")
    assert notes == []
    ((status, _, found),) = kept(client)
    assert (status, found) == ("FINISHED", by_name(curves))


def test_a_place_that_cannot_be_written_is_refused_before_anything_starts(client, monkeypatch):
    assert [tracker.name for tracker in make_trackers("mlflow", "mine")] == ["tensorboard", "mlflow"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "gopher://nowhere")
    with pytest.raises(InputError, match="MLflow cannot write where it is told to: .*gopher"):
        make_trackers("mlflow", "mine")


def test_a_server_that_is_away_is_noted_and_the_run_goes_on(client, run, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    add_run(tmp_path, "aaaa")
    notes = []
    with Recorder(make_trackers("mlflow", "mine"), notes.append) as recorder:
        recorder.ended(run, "finished")
    (note,) = notes
    assert note.startswith("mlflow failed (MlflowException: ")
    assert list(run.curves.glob("events.*")) != []
