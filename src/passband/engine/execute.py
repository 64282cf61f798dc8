"""Doing the jobs of a plan, several at a time, so that one that crashes harms no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Any, Literal

from passband.engine.job import Job, longest_first
from passband.engine.local import Crashed, call_in_process
from passband.errors import InputError, PassbandError

ATTEMPTS = 2
"""How often a job that crashes is tried; a run goes on from its checkpoint."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: The job.
        status: `"found"` in the store, `"done"` now, or `"failed"`.
        message: Why it failed; empty otherwise.
    """

    job: Job
    status: Literal["found", "done", "failed"]
    message: str = ""


def execute(
    jobs: Iterable[Job],
    *,
    workers: int = 1,
    device: str = "auto",
    call: Callable[..., Any] = call_in_process,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> dict[str, Outcome]:
    """Do what is left of a plan, each job in one process with one thread, after the job that it needs.

    Args:
        jobs: Each is done once, however often it comes, and not if the store holds it; so is what they need.
        workers: Jobs at a time.
        device: Where they compute.
        call: Calls a job's `do` in another process.
        on_outcome: Is called with each outcome, in the order in which they come, from one thread.
        on_note: Is told, in the job's process, what somebody should know: which process is waited for, what was damaged.
            It must be a function of a module.

    Returns:
        The outcomes by the job's id. A job that crashed twice or was refused is among them as failed, as is a run that
        diverged, and whatever needs a failed one.

    Raises:
        InputError: If there is less than one worker.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    jobs = _with_needs(jobs)
    outcomes: dict[str, Outcome] = {}
    stopped = Event()

    def arrived(outcome: Outcome) -> None:
        outcomes[outcome.job.id] = outcome
        if on_outcome is not None:
            on_outcome(outcome)

    for job in jobs:
        if job.done:
            arrived(_finished(job, "found"))
    left = longest_first(job for job in jobs if job.id not in outcomes)
    running: dict[Future[Outcome], Job] = {}
    with ThreadPoolExecutor(workers) as threads:  # a thread waits for a process
        try:
            while left or running:
                for job in [job for job in left if _needed(job, outcomes) == "failed"]:
                    left.remove(job)
                    arrived(_lost(job, outcomes))
                ready = [job for job in left if _needed(job, outcomes) in ("found", "done")]
                for job in ready[: workers - len(running)]:
                    left.remove(job)
                    running[threads.submit(_do, job, call, device, stopped, on_note)] = job
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[future]
                    arrived(future.result())
        except BaseException:
            stopped.set()  # an interrupt ends the processes too, and they must not be tried again
            threads.shutdown(cancel_futures=True)
            raise
    return outcomes


def _with_needs(jobs: Iterable[Job]) -> list[Job]:
    """Return jobs and what they need, each once."""
    found: dict[str, Job] = {}
    for job in jobs:
        for each in (job.needs, job):
            if each is not None:
                found.setdefault(each.id, each)
    return list(found.values())


def _needed(job: Job, outcomes: Mapping[str, Outcome]) -> str:
    """Return what became of the job that a job needs: nothing to wait for counts as done."""
    if job.needs is None:
        return "done"
    return outcomes[job.needs.id].status if job.needs.id in outcomes else "waiting"


def _lost(job: Job, outcomes: Mapping[str, Outcome]) -> Outcome:
    needed = outcomes[job.needs.id] if job.needs is not None else None
    message = "" if needed is None else f"the run {needed.job.id} that it needs failed: {needed.message}"
    return Outcome(job, "failed", message)


def _do(
    job: Job,
    call: Callable[..., Any],
    device: str,
    stopped: Event,
    on_note: Callable[[str], None] | None,
) -> Outcome:
    message = ""
    for _ in range(ATTEMPTS):
        if stopped.is_set():
            break
        try:
            call(job.do, device=device, threads=1, on_note=on_note)
            return _finished(job, "done")
        except Exception as error:  # whatever it is, the other jobs must go on
            message = str(error) or type(error).__name__
            if isinstance(error, PassbandError) and not isinstance(error, Crashed):
                break  # it would be refused again
        except BaseException:
            stopped.set()
            raise
    return Outcome(job, "failed", message)


def _finished(job: Job, status: Literal["found", "done"]) -> Outcome:
    message = job.failure()
    return Outcome(job, status) if message is None else Outcome(job, "failed", message)
