"""Doing what is planned, several runs or measurements at a time, so that one that crashes harms no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Any, Literal

from passband.checks import check_workers
from passband.engine.local import Crashed, Processes
from passband.engine.planned import Planned, longest_first
from passband.errors import PassbandError

ATTEMPTS = 2
"""How often a run or a measurement that crashes is tried; a run goes on from its checkpoint."""


@dataclass(frozen=True)
class Ended:
    """What became of a run or a measurement.

    Attributes:
        planned: The run or measurement.
        status: `"found"` in the store, `"done"` now, or `"failed"`.
        message: Why it failed; empty otherwise.
    """

    planned: Planned
    status: Literal["found", "done", "failed"]
    message: str = ""


def execute(
    planned: Iterable[Planned],
    *,
    workers: int = 1,
    device: str = "auto",
    call: Callable[..., Any] | None = None,
    on_ended: Callable[[Ended], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> dict[str, Ended]:
    """Do what is left of a plan, each run or measurement in one process with one thread, after what it needs.

    Args:
        planned: Each is done once, however often it comes, and not if the store holds it; so is what they need.
        workers: How many at a time.
        device: Where they compute.
        call: Calls a `do`; None does so in a process of its own, which an interrupt ends at once.
        on_ended: Is called with what became of each, in the order in which they end, from one thread.
        on_note: Is told, in that process, what somebody should know: which process is waited for, what was damaged.
            It must be a function of a module.

    Returns:
        What became of each, by its id. What crashed twice or was refused is among them as failed, as is a run that
        diverged, and whatever needs a failed one.

    Raises:
        InputError: If there is less than one worker.
    """
    check_workers(workers)
    everything = _with_needs(planned)
    ended: dict[str, Ended] = {}
    stopped, processes = Event(), Processes()
    call = call or processes.call

    def arrived(one: Ended) -> None:
        ended[one.planned.id] = one
        if on_ended is not None:
            on_ended(one)

    for one in everything:
        if one.done:
            arrived(_finished(one, "found"))
    left = longest_first(one for one in everything if one.id not in ended)
    running: dict[Future[Ended], Planned] = {}
    with ThreadPoolExecutor(workers) as threads:  # a thread waits for a process
        try:
            while left or running:
                for one in [one for one in left if _needed(one, ended) == "failed"]:
                    left.remove(one)
                    arrived(_lost(one, ended))
                ready = [one for one in left if _needed(one, ended) in ("found", "done")]
                for one in ready[: workers - len(running)]:
                    left.remove(one)
                    running[threads.submit(_do, one, call, device, stopped, on_note)] = one
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[future]
                    arrived(future.result())
        except BaseException:
            stopped.set()  # what an interrupt ends must not be tried again
            processes.end()
            threads.shutdown(cancel_futures=True)
            raise
    return ended


def _with_needs(planned: Iterable[Planned]) -> list[Planned]:
    """Return what is planned and what that needs, each once."""
    found: dict[str, Planned] = {}
    for one in planned:
        for each in (one.needs, one):
            if each is not None:
                found.setdefault(each.id, each)
    return list(found.values())


def _needed(one: Planned, ended: Mapping[str, Ended]) -> str:
    """Return what became of what it needs: nothing to wait for counts as done."""
    if one.needs is None:
        return "done"
    return ended[one.needs.id].status if one.needs.id in ended else "waiting"


def _lost(one: Planned, ended: Mapping[str, Ended]) -> Ended:
    needed = ended[one.needs.id] if one.needs is not None else None
    message = "" if needed is None else f"the run {needed.planned.id} that it needs failed: {needed.message}"
    return Ended(one, "failed", message)


def _do(
    one: Planned,
    call: Callable[..., Any],
    device: str,
    stopped: Event,
    on_note: Callable[[str], None] | None,
) -> Ended:
    message = ""
    for _ in range(ATTEMPTS):
        if stopped.is_set():
            break
        try:
            call(one.do, device=device, threads=1, on_note=on_note)
            return _finished(one, "done")
        except Exception as error:  # whatever it is, the others must go on
            message = str(error) or type(error).__name__
            if isinstance(error, PassbandError) and not isinstance(error, Crashed):
                break  # it would be refused again
        except BaseException:
            stopped.set()
            raise
    return Ended(one, "failed", message)


def _finished(one: Planned, status: Literal["found", "done"]) -> Ended:
    message = one.failure()
    return Ended(one, status) if message is None else Ended(one, "failed", message)
