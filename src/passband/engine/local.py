"""This computer as an engine: each call in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Lock, Thread

from passband.checks import check_workers
from passband.engine.calls import Answer, Call
from passband.engine.engine import Crashed, Engine, Result
from passband.engine.events import Tell

LEAVE = 2.0
"""Seconds that a process has to end once it is asked to."""


class Local(Engine):
    """Calls functions in new processes of this computer, so many at a time.

    A process of its own cannot take other runs along when it crashes. It is spawned, not forked: threads and devices
    do not survive a fork. It ends when this process does, however that ends.

    Args:
        workers: How many processes there are at a time.

    Raises:
        InputError: If there is less than one.
    """

    def __init__(self, workers: int = 1) -> None:
        check_workers(workers)
        self.at_once = workers
        self._lock = Lock()
        self._running: set[SpawnProcess] = set()
        self._ended = False

    def call(
        self,
        function: Callable[..., Result],
        *arguments: object,
        tell: Tell | None = None,
        **settings: object,
    ) -> Result:
        """Call a function in a new process: see `Engine`."""
        context = get_context("spawn")
        resource_tracker.ensure_running()  # starting it would let interrupts through again
        receiver, sender = context.Pipe(duplex=False)
        call = Call.of(function, arguments, settings)
        process = context.Process(target=_answer, args=(sender, call, tell is not None))
        with self._lock:
            if self._ended:
                raise Crashed("it was not started: its process was to end")
            with _interrupts_held_back():
                process.start()
            self._running.add(process)
        sender.close()  # so that the pipe ends when the process does
        try:
            while not isinstance(received := receiver.recv(), Answer):
                assert tell is not None
                tell(received)
        except EOFError as error:
            raise Crashed("its process ended without an answer: killed, or out of memory") from error
        finally:
            receiver.close()
            process.join()
            with self._lock:
                self._running.remove(process)
        return received.read()

    def end(self) -> None:
        """End all processes and start no others."""
        with self._lock:
            self._ended = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            process.join(LEAVE)
            process.kill()

    def devices(self, device: str) -> Sequence[str]:
        """Return all GPUs where any may be taken.

        Raises:
            InputError: If this computer has no such device.
        """
        import torch  # which a process that only reads its first call need not import

        from passband.environment import choose_device

        choose_device(device)
        if device in ("auto", "cuda") and (count := torch.cuda.device_count()) > 1:
            return tuple(f"cuda:{index}" for index in range(count))
        return (device,)


def _answer(sender: Connection, call: Call, telling: bool) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    sender.send(call.answer(sender.send if telling else None))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _interrupts_held_back() -> Generator[None]:
    """Let what is started here not hear Ctrl-C, which a terminal sends to all: this process hears it, and ends the others."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
