"""This computer as an engine: each run in a process of its own."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from passband.errors import PassbandError
from passband.user_modules import import_again, imported_code

Result = TypeVar("Result")


class Crashed(PassbandError):
    """A process ended without an answer: it was killed, or ran out of memory."""


def call_in_process(function: Callable[..., Result], *arguments: object, **settings: object) -> Result:
    """Call a function in a new process and return what it returns, or raise what it raises.

    A process of its own cannot take other runs along when it crashes. It is spawned, not forked: threads and devices
    do not survive a fork.

    Args:
        function: Of a module, so that the new process can import it.
        *arguments: Are pickled.
        **settings: Likewise.

    Raises:
        Crashed: If the process ended without an answer.
    """
    # What is called may hold objects of the user's code, so the new process imports that before it reads the call.
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        try:
            call = pickle.dumps((function, arguments, settings))
            return process.submit(_call, imported_code(), call).result()
        except BrokenProcessPool as error:
            raise Crashed("its process ended without an answer: killed, or out of memory") from error


def _call(code: Mapping[str, str], call: bytes) -> Any:
    import_again(code)
    function, arguments, settings = pickle.loads(call)
    return function(*arguments, **settings)
