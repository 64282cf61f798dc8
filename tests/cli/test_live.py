"""What is seen of runs while they are done; the clock is ours."""

from io import StringIO

import pytest
from rich.console import Console

import fake_runs
from fake_runs import FakePlanned
from passband.cli import console, live
from passband.cli.live import LiveTable, Overview, PlainLog
from passband.engine.events import Advance, EpochDone, Note, Started
from passband.engine.execute import Ended
from passband.engine.planned import Planned

Planned.register(FakePlanned)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(live, "time", made)
    return made


@pytest.fixture
def four(tmp_path):
    return [FakePlanned(f"run{i}", tmp_path / f"run{i}", fake_runs.finish, passes=100.0) for i in range(4)]


def epoch(number: int, of: int = 10, accuracy: float | None = 0.5) -> EpochDone:
    return EpochDone(number, of, 1.25, accuracy, 1.0, 100.0)


def test_the_time_left_follows_from_what_was_done_here(clock, four):
    seen = Overview()
    seen.begin(four, {})
    assert seen.left is None
    seen.ended(Ended(four[0], "found"))  # which says nothing about speed
    seen.event(four[1], Started(1))
    clock.now += 50
    seen.event(four[1], epoch(5))
    # Half of a run took 50 seconds where it had gone on from its fourth epoch: 250 passes are left, of which it made 10.
    assert seen.left == pytest.approx(50 / 10 * 250)
    seen.ended(Ended(four[1], "done"))
    assert seen.left == pytest.approx(50 / 60 * 200)
    assert seen.summary() == "2 of 4 done, 1 found; about 2 min 45 s left"


def test_the_time_left_of_a_run_does_not_count_epochs_of_an_earlier_session(clock, four):
    seen = Overview()
    seen.begin(four, {})
    seen.event(four[0], Started(1))
    clock.now += 3
    seen.event(four[0], epoch(6))
    assert seen.running["run0"].left is None
    clock.now += 20
    seen.event(four[0], epoch(8))
    assert seen.running["run0"].left == pytest.approx(20)


def test_another_stage_of_a_measurement_is_timed_anew(clock, four):
    seen = Overview()
    seen.begin(four, {})
    seen.event(four[0], Started(1))
    seen.event(four[0], Advance("attack", 0, 10))
    clock.now += 100
    seen.event(four[0], Advance("attack", 10, 10))
    seen.event(four[0], Advance("checks", 1, 100))
    assert seen.running["run0"].left is None
    clock.now += 9
    seen.event(four[0], Advance("checks", 10, 100))
    assert seen.running["run0"].left == pytest.approx(90)


def test_a_log_has_a_line_for_each_that_ends_and_one_for_all_that_was_found(clock, four, capsys):
    seen = PlainLog()
    seen.begin(four, {"run1": "vanilla, seed 0"})
    seen.ended(Ended(four[0], "found"))
    seen.event(four[1], Started(1))
    seen.event(four[1], Note("waiting for process 7"))
    seen.event(four[1], epoch(1))
    clock.now += 75
    seen.ended(Ended(four[1], "done"))
    seen.event(four[2], Started(1))
    seen.ended(Ended(four[2], "failed", "the loss is inf"))
    seen.finish()
    assert capsys.readouterr().err.splitlines() == [
        "4 runs and measurements, of which the store holds 1",
        "vanilla, seed 0 (run1): waiting for process 7",
        "vanilla, seed 0 (run1) done in 1 min 15 s. 2 of 4 done, 1 found; about 2 min 30 s left",
        "run2 (run2) failed in 0 s: the loss is inf. 3 of 4 done, 1 found, 1 failed; about 1 min 15 s left",
    ]


def test_a_terminal_has_one_table_of_all_that_run(clock, four, monkeypatch):
    screen = StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(live, "log", terminal)
    monkeypatch.setattr(console, "log", terminal)
    seen = LiveTable()
    seen.begin(four, {"run0": "vanilla, seed 0", "run1": "robustness of vanilla [1], seed 0"})
    for one in four[:3]:
        seen.event(one, Started(1))
    seen.event(four[0], epoch(2))
    clock.now += 60
    seen.event(four[0], epoch(4))
    seen.event(four[1], Advance("attack", 5, 40))
    seen.event(four[2], Note("tried again"))
    terminal.print(seen.render())
    shown = screen.getvalue()
    assert "run2 (run2): tried again" in shown
    row = next(line for line in shown.splitlines() if "epoch 4/10" in line)
    assert row[row.index("vanilla") :].split() == [
        "vanilla,",
        "seed",
        "0",
        "epoch",
        "4/10",
        "1.2500",
        "0.500",
        "1",
        "min",
        "3",
        "min",
    ]
    assert "robustness of vanilla [1], seed 0" in shown  # brackets are not markup
    assert "attack 5/40" in shown
    seen.ended(Ended(four[2], "failed", "the loss is inf"))
    seen.finish()
    assert "run2 (run2) failed: the loss is inf" in screen.getvalue()
    assert screen.getvalue().rstrip().endswith("left")
