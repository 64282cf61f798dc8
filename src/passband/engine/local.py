"""This computer as an engine: each run in a process of its own."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Lock, Thread
from typing import TypeVar

from passband.errors import PassbandError
from passband.user_modules import import_again, imported_code, said

Result = TypeVar("Result")

LEAVE = 2.0
"""Seconds that a process has to end once it is asked to."""


class Crashed(PassbandError):
    """A process ended without an answer: it was killed, or ran out of memory."""


class Processes:
    """Calls functions in new processes, and can end those that are running, from another thread.

    A process of its own cannot take other runs along when it crashes. It is spawned, not forked: threads and devices
    do not survive a fork. It ends when this process does, however that ends.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[SpawnProcess] = set()
        self._ended = False

    def call(self, function: Callable[..., Result], *arguments: object, **settings: object) -> Result:
        """Call a function in a new process and return what it returns, or raise what it raises.

        Args:
            function: Of a module, so that the new process can import it.
            *arguments: Are pickled.
            **settings: Likewise.

        Raises:
            Crashed: If the process ended without an answer.
        """
        context = get_context("spawn")
        resource_tracker.ensure_running()  # starting it would let interrupts through again
        receiver, sender = context.Pipe(duplex=False)
        # What is called may hold objects of the user's code, so the new process imports that before it reads the call.
        call = pickle.dumps((function, arguments, settings))
        process = context.Process(target=_answer, args=(sender, imported_code(), call))
        with self._lock:
            if self._ended:
                raise Crashed("it was not started: its process was to end")
            with _interrupts_held_back():
                process.start()
            self._running.add(process)
        sender.close()  # so that the pipe ends when the process does
        try:
            returned, answer, message = receiver.recv()
        except EOFError as error:
            raise Crashed("its process ended without an answer: killed, or out of memory") from error
        finally:
            process.join()
            with self._lock:
                self._running.remove(process)
            receiver.close()
        try:
            found = pickle.loads(answer)
        except Exception as error:  # what was made there cannot be made here
            raise RuntimeError(message) from error
        if not returned:
            raise found
        return found

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


def _answer(sender: Connection, code: Mapping[str, str], call: bytes) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    message = ""
    try:
        import_again(code)
        function, arguments, settings = pickle.loads(call)
        returned, answer = True, pickle.dumps(function(*arguments, **settings))
    except Exception as error:
        returned, message = False, said(error)
        try:
            answer = pickle.dumps(error)
        except Exception:  # an error may hold anything
            answer = b""
    except SystemExit as error:  # it ends one run, not all of them
        returned, answer, message = False, b"", said(error)
    sender.send((returned, answer, message))


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
