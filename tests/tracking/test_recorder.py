from __future__ import annotations

import dataclasses
import threading
import time

import pytest

from made_up_store import SETTINGS, add_checkpoint, add_run, rows_of
from passband.rows import to_table
from passband.tracking.curves import curves_of
from passband.tracking.recorder import Recorder
from passband.tracking.tracker import Session, Tracked, Tracker


class Memory(Tracker):
    """Remembers what it is told, and may fail, wait or have epochs already."""

    def __init__(self, name: str = "memory", *, fails: str = "", has: int = 0, until=None):
        self.name, self.fails, self.has, self.until = name, fails, has, until
        self.told = []

    @property
    def place(self):
        return self.name

    def check(self):
        pass

    def start(self, run):
        self.note("start", run.id)
        return Told(self, run.id), self.has

    def note(self, what, *values):
        if self.until is not None:
            self.until.wait(60)
        if what == self.fails:
            raise ConnectionError("no route to host")
        self.told.append((what, *values))


class Told(Session):
    def __init__(self, tracker, run):
        self.tracker, self.run = tracker, run

    def log(self, epoch, values):
        self.tracker.note("log", self.run, epoch, dict(values))

    def finish(self, outcome):
        self.tracker.note("finish", self.run, outcome)


@pytest.fixture
def run(tmp_path):
    return Tracked("aaaa", "vanilla, seed 0", tmp_path / "runs" / "aaaa", tmp_path / "curves", SETTINGS)


def expected(run: Tracked):
    return curves_of(to_table(rows_of(run.id, 3, accuracy=0.75)))


def recorded(run, tracker, *, since=1, until=3, end=None, notes=None):
    with Recorder([tracker], (notes if notes is not None else []).append) as recorder:
        for epoch in range(since, until + 1):
            recorder.epoch(run, epoch, expected(run)[epoch])
        if end is not None:
            recorder.ended(run, end)
    return [(what[2], what[3]) for what in tracker.told if what[0] == "log"]


def test_a_run_is_told_epoch_by_epoch_and_then_its_end(run, tmp_path):
    add_run(tmp_path, "aaaa")
    tracker = Memory()
    assert recorded(run, tracker, end="finished") == sorted(expected(run).items())
    assert [told[0] for told in tracker.told] == ["start", "log", "log", "log", "finish"]
    assert tracker.told[-1] == ("finish", "aaaa", "finished")
    assert expected(run)[1] == {
        "train/fit-loss/full": 1.0,
        "train/fit-accuracy/full": 0.1,
        "test/accuracy/full": 0.05,
    }
    assert expected(run)[3]["final/test/accuracy/full"] == 0.75


def test_a_run_that_is_resumed_has_no_epoch_lost_or_doubled(run, tmp_path):
    first = Memory()
    recorded(run, first, until=1)
    assert first.told[-1] == ("finish", "aaaa", "interrupted")
    add_checkpoint(tmp_path, "aaaa", 2)  # the second epoch was never told
    again = Memory()
    told = recorded(run, again, since=3, until=3)
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    assert told[1][1] == expected(run)[2]
    kept = Memory(has=1)
    assert [epoch for epoch, _ in recorded(run, kept, since=3, until=3)] == [2, 3]


def test_epochs_that_are_told_when_the_checkpoint_has_gone_are_read_from_the_rows(run, tmp_path):
    add_run(tmp_path, "aaaa")
    assert recorded(run, Memory(), since=3) == sorted(expected(run).items())


def test_what_nobody_knew_while_it_trained_is_told_when_it_has_ended(run, tmp_path):
    tracker = Memory()
    with Recorder([tracker], print) as recorder:
        recorder.epoch(run, 3, expected(run)[3])
        while len(tracker.told) < 2:
            time.sleep(0.01)
        add_run(tmp_path, "aaaa")
        recorder.ended(run, "finished")
    assert [told[2] for told in tracker.told if told[0] == "log"] == [3, 1, 2, 3]
    assert [told[0] for told in tracker.told].count("start") == 2


def test_a_run_that_is_found_is_told_once(run, tmp_path):
    add_run(tmp_path, "aaaa")
    first, second, other = Memory(), Memory(), Memory("other")
    assert recorded(run, first, until=0, end="finished") == sorted(expected(run).items())
    assert recorded(run, second, until=0, end="finished") == []
    assert second.told == []
    assert len(recorded(run, other, until=0, end="finished")) == 3
    failed = dataclasses.replace(run, id="bbbb", folder=tmp_path / "runs" / "bbbb", curves=tmp_path / "b")
    add_run(tmp_path, "bbbb", failure="the loss is nan")
    tracker = Memory()
    assert [epoch for epoch, _ in recorded(failed, tracker, until=0, end="failed")] == [1]
    assert tracker.told[-1] == ("finish", "bbbb", "failed")


def test_a_run_that_crashed_and_left_nothing_is_told_as_far_as_it_came(run):
    tracker = Memory()
    assert recorded(run, tracker, until=0, end="failed") == []
    assert tracker.told == []
    recorded(run, tracker, until=1, end="failed")
    assert tracker.told[-1] == ("finish", "aaaa", "failed")
    assert not (run.curves / ".memory").exists()


@pytest.mark.parametrize("moment", ["start", "log", "finish"])
def test_a_tracker_that_fails_harms_nobody_is_noted_once_and_told_later(run, tmp_path, moment):
    add_run(tmp_path, "aaaa")
    other = dataclasses.replace(run, id="bbbb", curves=tmp_path / "other")
    broken, whole, notes = Memory("broken", fails=moment), Memory("whole"), []
    with Recorder([broken, whole], notes.append) as recorder:
        for each in (run, other):
            for epoch in (1, 2, 3):
                recorder.epoch(each, epoch, expected(run)[epoch])
        recorder.ended(run, "finished")
        recorder.ended(other, "finished")
    (note,) = notes
    assert note.startswith("broken failed (ConnectionError: no route to host) and lacks curves now")
    assert [told[0] for told in whole.told].count("log") == 6
    again = Memory("broken")
    assert recorded(run, again, until=0, end="finished") == sorted(expected(run).items())


def test_nobody_waits_for_a_tracker_but_at_the_end_and_then_not_for_long(run):
    notes, network = [], threading.Event()
    slow = Memory("slow", until=network)
    recorder = Recorder([slow], notes.append)
    for epoch in range(1, 4):
        recorder.epoch(run, epoch, {"x": 1.0})
    recorder.close(patience=0.1)
    assert slow.told == []  # nobody has waited for it
    assert "slow did not take all curves within 0 s" in notes[0]
    network.set()
