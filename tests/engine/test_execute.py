"""What becomes of what is planned, whatever its processes do. In most tests it is done in this process, which is faster."""

from dataclasses import replace
from pathlib import Path

import pytest

import fake_runs
from engines import Here
from fake_runs import FakePlanned
from passband.engine.events import Note, Started
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.planned import Planned
from passband.errors import InputError

Planned.register(FakePlanned)  # not a subclass, so that a new process need not import torch


def runs_in(store: Path, count: int = 2, act=fake_runs.finish) -> list[FakePlanned]:
    return [FakePlanned(f"run{i}", store / f"run{i}", act, passes=1 + i) for i in range(count)]


def measurement_of(
    run: FakePlanned, name: str = "measured", act=fake_runs.finish, passes: float = 9.0
) -> FakePlanned:
    return FakePlanned(name, run.folder.parent / name, act, passes, needs=run)


def log_of(store: Path) -> list[list[str]]:
    return [line.split() for line in (store / "log").read_text().splitlines()]


def status(ended) -> dict[str, str]:
    return {name: one.status for name, one in ended.items()}


def test_runs_are_done_longest_first_each_once_and_found_the_next_time(tmp_path):
    runs = runs_in(tmp_path, 3)
    seen = []
    ended = execute([*runs, runs[0]], engine=Here(), device="cpu", on_ended=seen.append)
    assert status(ended) == {"run0": "done", "run1": "done", "run2": "done"}
    assert [one.planned.id for one in seen] == ["run2", "run1", "run0"]
    assert [line[:3] for line in log_of(tmp_path)] == [[f"run{i}", "cpu", "1"] for i in (2, 1, 0)]
    again = execute(runs_in(tmp_path, 3, fake_runs.raise_anything), engine=Here())
    assert set(status(again).values()) == {"found"}


def test_each_run_has_a_process_of_its_own(tmp_path):
    ended = execute(runs_in(tmp_path), engine=Local(2))
    assert set(status(ended).values()) == {"done"}
    assert len({line[-1] for line in log_of(tmp_path)}) == 2


def test_a_killed_run_is_tried_again_and_the_others_go_on(tmp_path):
    first, second = runs_in(tmp_path)
    ended = execute([first, replace(second, act=fake_runs.killed)], engine=Local(2))
    assert status(ended) == {"run0": "done", "run1": "failed"}
    assert "killed, or out of memory" in ended["run1"].message
    assert len([line for line in log_of(tmp_path) if line[0] == "run1"]) == 2


def test_what_is_killed_once_succeeds(tmp_path):
    (run,) = runs_in(tmp_path, 1)
    ended = execute([run, measurement_of(run, act=fake_runs.killed_once)], engine=Local())
    assert status(ended) == {"run0": "done", "measured": "done"}


def test_whatever_a_run_raises_it_is_tried_twice(tmp_path):
    ended = execute(runs_in(tmp_path, 2, fake_runs.raise_anything), engine=Here())
    assert status(ended) == {"run0": "failed", "run1": "failed"}
    assert ended["run0"].message == "division by zero"
    assert len(log_of(tmp_path)) == 4


def test_a_refused_run_is_not_tried_again(tmp_path):
    ended = execute(runs_in(tmp_path, 1, fake_runs.refuse), engine=Here())
    assert ended["run0"].message == "the batch is too large"
    assert len(log_of(tmp_path)) == 1


def test_a_diverged_run_has_failed_now_and_the_next_time(tmp_path):
    for _ in range(2):
        ended = execute(runs_in(tmp_path, 1, fake_runs.diverge), engine=Here())
        assert status(ended) == {"run0": "failed"}
        assert ended["run0"].message == "the loss is inf"
    assert len(log_of(tmp_path)) == 1


def test_a_measurement_comes_after_its_run_and_before_what_takes_less(tmp_path):
    short, long = runs_in(tmp_path)
    execute([measurement_of(long), short, long], engine=Here())
    assert [line[0] for line in log_of(tmp_path)] == ["run1", "measured", "run0"]


def test_the_run_that_a_measurement_needs_is_made_though_nobody_asked_for_it(tmp_path):
    (run,) = runs_in(tmp_path, 1)
    ended = execute([measurement_of(run)], engine=Here())
    assert status(ended) == {"run0": "done", "measured": "done"}


def test_a_measurement_of_a_run_in_the_store_is_made_and_one_in_the_store_is_found(tmp_path):
    (run,) = runs_in(tmp_path, 1)
    execute([run], engine=Here())
    first = execute([measurement_of(run)], engine=Here())
    assert status(first) == {"run0": "found", "measured": "done"}
    second = execute([measurement_of(run, act=fake_runs.raise_anything)], engine=Here())
    assert status(second) == {"run0": "found", "measured": "found"}


@pytest.mark.parametrize("act", [fake_runs.diverge, fake_runs.refuse])
def test_the_measurements_of_a_failed_run_have_failed_and_say_why(tmp_path, act):
    (run,) = runs_in(tmp_path, 1, act)
    ended = execute([run, measurement_of(run, "a"), measurement_of(run, "b")], engine=Here(2))
    assert set(status(ended).values()) == {"failed"}
    assert "the run run0 that it needs failed: the" in ended["a"].message
    assert not (tmp_path / "a").exists()


def test_an_interrupt_ends_it_all(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(runs_in(tmp_path, 4, fake_runs.interrupt), engine=Here())
    assert len(log_of(tmp_path)) == 1


def test_what_a_run_has_to_say_is_heard(tmp_path):
    heard = []
    execute(runs_in(tmp_path), engine=Here(), on_event=lambda one, event: heard.append((one.id, event)))
    expected = [(f"run{i}", event) for i in (1, 0) for event in (Started(1), Note("it begins"))]
    assert heard == expected
    heard.clear()
    execute(
        runs_in(tmp_path / "far"), engine=Local(), on_event=lambda one, event: heard.append((one.id, event))
    )
    assert heard == expected


def test_a_crash_is_told_and_so_is_the_second_attempt(tmp_path):
    (run,) = runs_in(tmp_path, 1, fake_runs.killed_once)
    told = []
    execute([run], engine=Local(), on_event=lambda one, event: told.append(event))
    assert told == [
        Started(1),
        Note("it begins"),
        Note("run0 is tried once more, since its process ended without an answer: killed, or out of memory"),
        Started(2),
        Note("it begins"),
    ]


def test_several_devices_are_taken_by_turns(tmp_path):
    class TwoDevices(Here):
        def devices(self, device):
            return (f"{device}:0", f"{device}:1")

    runs = runs_in(tmp_path, 4, fake_runs.finish_beside_another)
    execute(runs, engine=TwoDevices(2), device="cuda")
    assert sorted(line[1] for line in log_of(tmp_path)) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]


def test_no_worker_and_no_thread_are_refused(tmp_path):
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        Local(0)
    with pytest.raises(InputError, match="threads must be a whole number of at least 1, got 0"):
        execute(runs_in(tmp_path), engine=Here(), threads=0)
