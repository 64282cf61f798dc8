"""What becomes of jobs, whatever their processes do. In most tests a run is called in this process, which is faster."""

from pathlib import Path

import pytest

import fake_runs
from passband.engine.execute import execute
from passband.engine.plan import Job
from passband.errors import InputError
from passband.train.config import RunConfig


def jobs_in(store: Path, count: int = 2) -> list[Job]:
    return [
        Job(
            run=f"run{seed}",
            config=RunConfig("made-up", seed=seed, epochs=1 + seed),
            probe=None,
            folder=store / f"run{seed}",
            images={"train": 100, "test": 10},
            shape=(3, 32, 32),
            classes=4,
        )
        for seed in range(count)
    ]


def here(function, *arguments, **settings):
    return function(*arguments, **settings)


def log_of(store: Path) -> list[list[str]]:
    return [line.split() for line in (store / "log").read_text().splitlines()]


def status(outcomes) -> dict[str, str]:
    return {run: outcome.status for run, outcome in outcomes.items()}


def test_runs_are_done_longest_first_each_once_and_found_the_next_time(tmp_path):
    jobs = jobs_in(tmp_path, 3)
    seen = []
    outcomes = execute(
        [*jobs, jobs[0]], run=fake_runs.finish, call=here, device="cpu", on_outcome=seen.append
    )
    assert status(outcomes) == {"run0": "trained", "run1": "trained", "run2": "trained"}
    assert [outcome.job.run for outcome in seen] == ["run2", "run1", "run0"]
    assert [line[:4] for line in log_of(tmp_path)] == [[f"run{s}", str(s), "cpu", "1"] for s in (2, 1, 0)]
    again = execute(jobs, run=fake_runs.raise_anything, call=here)
    assert set(status(again).values()) == {"found"}


def test_each_run_has_a_process_of_its_own(tmp_path):
    outcomes = execute(jobs_in(tmp_path), workers=2, run=fake_runs.finish)
    assert set(status(outcomes).values()) == {"trained"}
    assert len({line[-1] for line in log_of(tmp_path)}) == 2


def test_a_killed_run_is_tried_again_and_the_others_go_on(tmp_path):
    outcomes = execute(jobs_in(tmp_path), workers=2, run=fake_runs.killed_with_seed_1)
    assert status(outcomes) == {"run0": "trained", "run1": "failed"}
    assert "killed, or out of memory" in outcomes["run1"].message
    assert len([line for line in log_of(tmp_path) if line[0] == "run1"]) == 2


def test_a_run_that_is_killed_once_succeeds(tmp_path):
    outcomes = execute(jobs_in(tmp_path, 1), run=fake_runs.killed_once)
    assert status(outcomes) == {"run0": "trained"}


def test_whatever_a_run_raises_it_is_tried_twice(tmp_path):
    outcomes = execute(jobs_in(tmp_path, 2), run=fake_runs.raise_anything, call=here)
    assert status(outcomes) == {"run0": "failed", "run1": "failed"}
    assert outcomes["run0"].message == "division by zero"
    assert len(log_of(tmp_path)) == 4


def test_a_refused_run_is_not_tried_again(tmp_path):
    outcomes = execute(jobs_in(tmp_path, 1), run=fake_runs.refuse, call=here)
    assert outcomes["run0"].message == "the batch is too large"
    assert len(log_of(tmp_path)) == 1


def test_a_diverged_run_has_failed_now_and_the_next_time(tmp_path):
    for _ in range(2):
        outcomes = execute(jobs_in(tmp_path, 1), run=fake_runs.diverge, call=here)
        assert status(outcomes) == {"run0": "failed"}
        assert outcomes["run0"].message == "the loss is inf"
    assert len(log_of(tmp_path)) == 1


def test_an_interrupt_ends_it_all(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(jobs_in(tmp_path, 4), run=fake_runs.interrupt, call=here)
    assert len(log_of(tmp_path)) == 1


def test_no_worker_is_refused(tmp_path):
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        execute(jobs_in(tmp_path), workers=0)
