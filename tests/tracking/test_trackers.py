"""Trackers on real runs: in this process, in processes of their own, and by the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl
import pytest

from event_files import as_shown, read
from helpers import sides_source
from passband.cli.main import run as command
from passband.engine.events import EpochDone, Measured, Note
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.plan import plan_runs
from passband.engine.probe import Probe
from passband.engine.watch import Watch
from passband.tracking.tensorboard import TensorBoard
from passband.tracking.trackers import Trackers, values_of
from passband.train.config import RunConfig

SMALL = ("--model", "resnet8", "--width", "4", "--batch-size", "20", "--epochs", "2", "--device", "cpu")


def of_rows(folder: Path):
    """Return the curves that a run's rows hold, by another way than the package's."""
    curves: dict[int, dict[str, float]] = {}
    last = json.loads((folder / "config.json").read_text())["config"]["epochs"]
    for row in pl.read_parquet(folder / "rows.parquet").iter_rows(named=True):
        if row["class"] is None:
            name = f"{row['subset']}/{row['metric']}/{row['shown']}"
            if row["epoch"] is None:
                name = f"final/{name}"
            curves.setdefault(row["epoch"] or last, {})[name] = row["value"]
    return dict(sorted(curves.items()))


def test_an_epoch_is_told_by_the_names_of_rows():
    event = EpochDone(1, 2, 0.5, None, 1.0, 1.0)
    assert values_of(event) == {"train/fit-loss": 0.5}
    doubled = (Measured("a", 1.0), Measured("b", 2.0), Measured("b", 3.0), Measured("c", float("nan")))
    assert values_of(EpochDone(1, 2, 0.5, 0.5, 1.0, 1.0, doubled)) == {"a": 1.0}


@pytest.mark.slow
def test_curves_of_planned_runs_are_their_rows_whichever_process_made_them(tmp_path):
    source, probe = sides_source(tmp_path, train=40, test=20), Probe(radii=(4,), samples=10)
    store = tmp_path / "results"
    config = {"model": "resnet8", "width": 2, "batch_size": 20, "epochs": 2}
    planned = plan_runs([(RunConfig(source, **config, seed=seed), probe) for seed in (0, 1)], store)
    names = {one.id: f"vanilla, seed {one.config.seed}" for one in planned}
    notes: list[str] = []
    for _ in range(2):  # the second time all are found
        watch = Trackers([TensorBoard()], notes.append)
        watch.begin(planned, names)
        with Local(2) as engine:
            execute(planned, engine=engine, device="cpu", on_event=watch.event, on_ended=watch.ended)
        watch.finish()
        for one in planned:
            folder = store / "tensorboard" / f"vanilla-seed-{one.config.seed}-{one.id}"
            found = read(folder)
            assert found == as_shown(of_rows(one.folder))
            assert {"test/accuracy/lfc:4", "train/fit-loss/full", "final/test/accuracy/full"} <= set(found)
            assert len(list(folder.glob("events.*"))) == 1
        with Local(1) as engine:
            assert engine.call(eval, "'tensorboard' in __import__('sys').modules") is False
    assert notes == []
    assert isinstance(watch, Watch)
    watch.event(planned[0], Note("is no epoch"))


@pytest.mark.parametrize("devices", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_command_writes_curves_beside_the_run(tmp_path, monkeypatch, devices):
    monkeypatch.chdir(tmp_path)
    source = sides_source(tmp_path, train=40, test=20)
    line = [
        "train",
        source,
        *SMALL,
        "--probe",
        "full",
        "--probe-radii",
        "4",
        "--devices",
        devices,
        "--out",
        "net",
    ]
    assert command(line) == 0
    assert read(tmp_path / "net.tensorboard") == as_shown(of_rows(tmp_path / "net"))
    assert not any(path.name.startswith("events") for path in (tmp_path / "net").iterdir())
    before = sorted(path.name for path in (tmp_path / "net.tensorboard").iterdir())
    assert command(line) == 0
    assert sorted(path.name for path in (tmp_path / "net.tensorboard").iterdir()) == before


def test_a_tracker_that_is_not_there_is_refused_before_anything_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert command(["train", "fashion-mnist", *SMALL, "--track", "mlflow"]) == 2
    assert 'pip install "passband[track]"' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
