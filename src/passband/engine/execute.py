"""Doing what is planned, several runs or measurements at a time, so that one that crashes harms no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Event as Signal
from threading import Lock
from typing import Literal

from passband.checks import check_at_least_one
from passband.engine.engine import Crashed, Engine
from passband.engine.events import Event, Note, Started, Tell
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
        held: Whether the store holds it: a run that diverged is there, and what crashed or was refused is not.
    """

    planned: Planned
    status: Literal["found", "done", "failed"]
    message: str = ""
    held: bool = True


def execute(
    planned: Iterable[Planned],
    *,
    engine: Engine,
    device: str = "auto",
    threads: int = 1,
    on_event: Callable[[Planned, Event], None] | None = None,
    on_ended: Callable[[Ended], None] | None = None,
) -> dict[str, Ended]:
    """Do what is left of a plan, each run or measurement in one process, after what it needs.

    Args:
        planned: Each is done once, however often it comes, and not if the store holds it; so is what they need.
        engine: Where it is done, and how many at a time. An interrupt ends it.
        device: Where they compute: see `Engine.devices` for several of them.
        threads: With how many threads each; they decide how sums are rounded.
        on_event: Is called with what each of them tells along the way, by one thread at a time.
        on_ended: Is called with what became of each, in the order in which they end, likewise.

    Returns:
        What became of each, by its id. What crashed twice or was refused is among them as failed, as is a run that
        diverged, and whatever needs a failed one.

    Raises:
        InputError: If there is less than one thread.
    """
    check_at_least_one("threads", threads)
    everything = _with_needs(planned)
    ended: dict[str, Ended] = {}
    stopped, one_at_a_time = Signal(), Lock()

    def arrived(one: Ended) -> None:
        ended[one.planned.id] = one
        if on_ended is not None:
            with one_at_a_time:
                on_ended(one)

    def told(one: Planned, event: Event) -> None:
        if on_event is not None:
            with one_at_a_time:
                on_event(one, event)

    for one in everything:
        if one.done:
            arrived(finished(one, "found"))
    left = longest_first(one for one in everything if one.id not in ended)
    if not left:
        return ended
    places = engine.devices(device)
    free = deque(places[index % len(places)] for index in range(engine.at_once))
    running: dict[Future[Ended], str] = {}
    with ThreadPoolExecutor(engine.at_once) as waiting:  # a thread waits for a process
        try:
            while left or running:
                for one in [one for one in left if _needed(one, ended) == "failed"]:
                    left.remove(one)
                    arrived(_lost(one, ended))
                ready = [one for one in left if _needed(one, ended) in ("found", "done")]
                for one in ready[: len(free)]:
                    left.remove(one)
                    place = free.popleft()
                    work = partial(
                        engine.call, one.do, device=place, threads=threads, tell=partial(told, one)
                    )
                    running[waiting.submit(_do, one, work, stopped, partial(told, one))] = place
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    free.append(running.pop(future))
                    arrived(future.result())
        except BaseException:
            stopped.set()  # what an interrupt ends must not be tried again
            engine.end()
            waiting.shutdown(cancel_futures=True)
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
    return Ended(one, "failed", message, held=False)


def _do(one: Planned, work: Callable[[], object], stopped: Signal, tell: Tell) -> Ended:
    message = ""
    for attempt in range(1, ATTEMPTS + 1):
        if stopped.is_set():
            break
        tell(Started(attempt))
        try:
            work()
            return finished(one, "done")
        except Exception as error:  # whatever it is, the others must go on
            message = str(error) or type(error).__name__
            if isinstance(error, PassbandError) and not isinstance(error, Crashed):
                break  # it would be refused again
            if attempt < ATTEMPTS and not stopped.is_set():
                tell(Note(f"{one.id} is tried once more, since {message}"))
        except BaseException:
            stopped.set()
            raise
    return Ended(one, "failed", message, held=False)


def finished(one: Planned, status: Literal["found", "done"]) -> Ended:
    """Return what became of what the store holds: it counts as failed where its training did not come to its end."""
    message = one.failure()
    return Ended(one, status) if message is None else Ended(one, "failed", message)
