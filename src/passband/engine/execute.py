"""Doing the jobs of a plan, several at a time, so that one that crashes harms no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Literal

from passband.engine.local import Crashed, call_in_process
from passband.engine.plan import Job, longest_first
from passband.engine.run import run as train_run
from passband.errors import InputError, PassbandError
from passband.results.tables import failure, read_record

ATTEMPTS = 2
"""How often a run that crashes is tried; it goes on from its checkpoint."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: The job.
        status: `"found"` in the store, `"trained"` now, or `"failed"`.
        message: Why it failed; empty otherwise.
    """

    job: Job
    status: Literal["found", "trained", "failed"]
    message: str = ""


def execute(
    jobs: Iterable[Job],
    *,
    workers: int = 1,
    device: str = "auto",
    run: Callable[..., Path] = train_run,
    call: Callable[..., Any] = call_in_process,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> dict[str, Outcome]:
    """Do what is left of a plan, each run in one process with one thread.

    Args:
        jobs: From `plan`. Each is done once, however often it comes, and not if the store holds it.
        workers: Runs at a time.
        device: Where they train.
        run: What does one: `passband.engine.run.run`, or a function of the same arguments.
        call: Calls that function in another process.
        on_outcome: Is called with each outcome, in the order in which they come, from one thread.

    Returns:
        The outcomes by the run's id. A run that crashed twice or was refused is among them as failed, as is
        one that diverged.

    Raises:
        InputError: If there is less than one worker.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    jobs = {job.run: job for job in jobs}.values()
    outcomes: dict[str, Outcome] = {}
    stopped = Event()

    def arrived(outcome: Outcome) -> None:
        outcomes[outcome.job.run] = outcome
        if on_outcome is not None:
            on_outcome(outcome)

    for job in jobs:
        if job.done:
            arrived(_finished(job, "found"))
    left = longest_first(job for job in jobs if not job.done)
    with ThreadPoolExecutor(workers) as threads:  # a thread waits for a process
        futures = [threads.submit(_do, job, run, call, device, stopped) for job in left]
        try:
            for future in as_completed(futures):
                arrived(future.result())
        except BaseException:
            stopped.set()  # an interrupt ends the processes too, and they must not be tried again
            threads.shutdown(cancel_futures=True)
            raise
    return outcomes


def _do(job: Job, run: Callable[..., Path], call: Callable[..., Any], device: str, stopped: Event) -> Outcome:
    message = ""
    for _ in range(ATTEMPTS):
        if stopped.is_set():
            break
        try:
            call(run, job.config, job.probe, job.folder, device=device, threads=1)
            return _finished(job, "trained")
        except Exception as error:  # whatever it is, the other runs must go on
            message = str(error) or type(error).__name__
            if isinstance(error, PassbandError) and not isinstance(error, Crashed):
                break  # it would be refused again
        except BaseException:
            stopped.set()
            raise
    return Outcome(job, "failed", message)


def _finished(job: Job, status: Literal["found", "trained"]) -> Outcome:
    message = failure(read_record(job.folder))
    return Outcome(job, status) if message is None else Outcome(job, "failed", message)
