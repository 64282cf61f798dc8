"""In a process of a node: one call, with the data and the user's files that came with it."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from threading import Thread
from typing import no_type_check

from passband.engine.calls import Answer, Call
from passband.engine.events import Event, Tell, keep_quiet
from passband.engine.nodes import check_alike, numbers_depend_on
from passband.engine.plan import PlannedMeasurement, PlannedRun
from passband.engine.planned import Planned
from passband.engine.shared import Shared, do_apart
from passband.engine.travel import Packed, unpack
from passband.errors import InputError
from passband.user_modules import bring_files, said

_packed: list[Packed | None] = [None]  # the data that came with this process's only call


@no_type_check  # Ray wants a generator, which one that is wrapped to be checked is not
def answer(
    call: Call,
    packed: Packed | None,
    alike: Mapping[str, str],
    files: Mapping[str, bytes],
    folder: str,
    telling: bool,
) -> Generator[Event | Answer]:
    """Yield what a call tells, and its answer at last.

    Args:
        call: The call.
        packed: The data that came with it.
        alike: What numbers depend on, as it is where the call comes from.
        files: The user's files that were imported there.
        folder: The working folder there.
        telling: Whether what is called has something to tell.
    """
    with suppress(OSError):
        os.chdir(folder)  # for relative paths, where nodes have the same folders
    bring_files(files, folder)
    _packed[0] = packed
    told: SimpleQueue[Event | Answer] = SimpleQueue()

    def work() -> None:
        try:
            check_alike(numbers_depend_on(), alike, socket.gethostname())
            told.put(call.answer(told.put if telling else None))
        except BaseException as error:  # or nobody would hear of it
            told.put(Answer(False, pickle.dumps(error), said(error)))

    Thread(target=work, daemon=True).start()
    while True:
        received = told.get()
        yield received
        if isinstance(received, Answer):
            return


def do_there(
    planned: Planned, shared: Shared | None = None, *, device: str, threads: int, tell: Tell = keep_quiet
) -> None:
    """Do what is planned, with the data that came with it.

    Raises:
        InputError: If data that could not come are not there, or what is planned is refused.
    """
    (packed,) = _packed
    try:
        if packed is not None:
            planned = _with_data(planned, packed)
        if shared is None:
            planned.do(device=device, threads=threads, tell=tell)
        else:
            do_apart(planned, shared, device=device, threads=threads, tell=tell)
    except InputError as error:
        if packed is not None:
            raise
        raise InputError(
            f"{error} This was on the node {socket.gethostname()}. Data that do not travel (too many for memory, or of detectors) "
            "must lie at the same path on every node."
        ) from error


def _with_data(planned: Planned, packed: Packed) -> Planned:
    datasets = unpack(packed)
    if isinstance(planned, PlannedMeasurement):
        return replace(planned, images=datasets[planned.measurement.subset])
    assert isinstance(planned, PlannedRun)
    return replace(planned, datasets=datasets)
