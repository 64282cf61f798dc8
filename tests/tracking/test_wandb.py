"""Weights & Biases itself, offline: nothing is sent anywhere. trackio where it is installed."""

from __future__ import annotations

import json
import sqlite3
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from made_up_store import SETTINGS, add_checkpoint, add_run
from passband.errors import InputError, MissingDependencyError
from passband.tracking import wandb_like
from passband.tracking.catalog import make_trackers
from passband.tracking.curves import read_curves
from passband.tracking.recorder import Recorder
from passband.tracking.tracker import Tracked
from passband.tracking.wandb_like import WandbLike


@pytest.fixture
def runs(tmp_path):
    made = []
    for run in ("aaaa", "bbbb"):
        add_run(tmp_path, run)
        made.append(Tracked(run, f"{run}, seed 0", tmp_path / "runs" / run, tmp_path / "tb" / run, SETTINGS))
    return made


@pytest.fixture
def offline(monkeypatch, tmp_path):
    pytest.importorskip("wandb")
    monkeypatch.chdir(tmp_path)
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)


def records(content: bytes) -> Iterator[bytes]:
    """Yield the records of a file in the form of LevelDB's logs, which wandb's are after 7 bytes of their own."""
    place, parts = 7, b""
    while place + 7 <= len(content):
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last of several parts
            yield parts
            parts = b""
        if 2**15 - place % 2**15 < 7:  # a block's last bytes, which hold no header
            place += 2**15 - place % 2**15


def kept(folder: Path) -> dict[str, list[dict]]:
    """Return the history that wandb has kept of each run that has ended, session by session, from its own files."""
    from wandb.proto import wandb_internal_pb2

    found: dict[str, list[dict]] = {}
    for file in sorted(folder.glob("wandb/offline-run-*/run-*.wandb")):
        session = [wandb_internal_pb2.Record.FromString(data) for data in records(file.read_bytes())]
        if not session or session[-1].WhichOneof("record_type") != "exit":
            continue
        for record in session:
            if record.WhichOneof("record_type") == "history":
                items = {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json)
                    for item in record.history.item
                }
                found.setdefault(file.stem.removeprefix("run-"), []).append(items)
    return found


def test_runs_at_a_time_are_each_told_all_of_their_curves(offline, runs, tmp_path, capfd):
    curves = read_curves(runs[0].folder)
    notes = []
    with Recorder([WandbLike("mine", "wandb")], notes.append) as recorder:
        for epoch, values in curves.items():
            for run in runs:
                recorder.epoch(run, epoch, values)
        for run in runs:
            recorder.ended(run, "finished")
    assert notes == []
    until = time.monotonic() + 120
    while len(found := kept(tmp_path)) < 2 and time.monotonic() < until:
        time.sleep(0.1)  # a process of wandb's own writes what a run has handed over when it ended
    assert set(found) == {"aaaa", "bbbb"}
    for history in found.values():
        assert [each["_step"] for each in history] == [1, 2, 3]
        for each in history:
            values = {name: value for name, value in each.items() if not name.startswith("_")}
            assert values == curves[each["_step"]]
    assert capfd.readouterr().out == ""


def test_nobody_who_is_not_logged_in_starts(offline, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(
        InputError, match="wandb is not logged in: run `wandb login`, or set WANDB_MODE=offline"
    ):
        make_trackers("wandb", "mine")


def test_a_library_that_is_not_installed_is_named_with_the_way_to_it(monkeypatch):
    for name, extra in (("wandb", r'"passband\[track\]"'), ("trackio", "trackio")):
        monkeypatch.setitem(wandb_like.sys.modules, name, None)
        with pytest.raises(
            MissingDependencyError, match=f"{name} needs {name}. Install it with: pip install {extra}"
        ):
            make_trackers(name, "mine")


def test_there_is_no_other_tracker():
    with pytest.raises(InputError, match="no tracker named 'wand'. Did you mean 'wandb'"):
        make_trackers("wand", "mine")
    assert [tracker.name for tracker in make_trackers(None, "mine")] == ["tensorboard"]


def test_trackio_is_told_by_the_same_adapter_and_goes_on_where_it_was(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio", reason="trackio wants an older Pillow than the tests have")
    curves = read_curves(runs[0].folder)
    first, second = runs
    notes = []
    add_checkpoint(tmp_path, "aaaa", 2)
    for begun in (False, True):
        with Recorder([WandbLike("mine", "trackio")], notes.append) as recorder:
            for epoch in (3,) if begun else (1,):
                recorder.epoch(first, epoch, curves[epoch])
                recorder.epoch(second, epoch, curves[epoch])
            if begun:
                recorder.ended(first, "finished")
                recorder.ended(second, "finished")
    assert notes == []
    (database,) = (tmp_path / "trackio").glob("*.db")
    rows = (
        sqlite3.connect(database)
        .execute("SELECT run_name, step, metrics FROM metrics ORDER BY step")
        .fetchall()
    )
    for run in runs:
        own = [(step, json.loads(values)) for name, step, values in rows if run.id in name]
        assert own == sorted(curves.items())
