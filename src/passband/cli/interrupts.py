"""Ctrl-C, and the wish of another process that this one ends: it does so within seconds, whatever it is doing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from passband.files import drop_unwritten

INTERRUPTED = 130
"""The exit code: 128 and the number of SIGINT."""

PATIENCE, NUDGE = 3.5, 0.2
"""Seconds until a process that was asked to end is ended, and between looks whether it has heard."""

asked = threading.Event()
"""Whether KeyboardInterrupt was raised here."""

_lost = threading.Event()


def end_when_asked(farewell: Callable[[], None]) -> None:
    """Raise KeyboardInterrupt on SIGINT and SIGTERM; where that leads nowhere, say farewell and end.

    It may lead nowhere since polars has system calls go on after a signal, so that a thread that waits for another never
    hears it; since Python drops what is raised in a callback, of which an import makes many; and since a long computation
    hears it only at its end. SIGINT is heard even where a shell has told its background processes not to.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set() and not _lost.is_set():
            return  # it is on its way
        asked.set()
        _lost.clear()
        raise KeyboardInterrupt

    if os.name != "posix":
        return  # Python's own way is all there is
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    # It is written to at once, while Python may still be busy.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    sys.unraisablehook = _note_lost
    main = threading.get_ident()
    threading.Thread(target=_watch, args=(reader, main, farewell), daemon=True).start()


def _note_lost(dropped: sys.UnraisableHookArgs) -> None:
    """Note that Python has dropped an interrupt, instead of printing it."""
    if dropped.exc_type is KeyboardInterrupt:
        _lost.set()
    else:
        sys.__unraisablehook__(dropped)


def _watch(reader: int, main: int, farewell: Callable[[], None]) -> None:
    number = 0
    while number not in (signal.SIGINT, signal.SIGTERM):
        number = os.read(reader, 1)[0]
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        time.sleep(NUDGE)
        if _lost.is_set() or not asked.is_set():
            signal.siginterrupt(number, True)
            signal.pthread_kill(main, number)
    farewell()
    leave()


def leave() -> NoReturn:
    """End this process and those that it has started, now: to take torch down in good order takes seconds."""
    from multiprocessing import active_children

    for child in active_children():
        child.kill()
    drop_unwritten()  # where the interrupt was not heard, nobody else removes it
    os._exit(INTERRUPTED)
