"""A Ray cluster as an engine: each call a task of its own, on whichever node has room for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from passband.checks import check_at_least_one
from passband.engine.calls import Answer, Call
from passband.engine.engine import Crashed, Engine, Result
from passband.engine.events import Note, Tell, keep_quiet
from passband.engine.measure import measured_images
from passband.engine.nodes import alive, check_nodes, join, numbers_depend_on, room
from passband.engine.plan import PlannedMeasurement, PlannedRun
from passband.engine.planned import Planned
from passband.engine.run import load_datasets
from passband.engine.shared import Shared, absolute_place, bring, moved, open_place, prepare
from passband.engine.task import answer, do_there
from passband.engine.travel import pack
from passband.errors import InputError, PassbandError
from passband.results.tables import read_description
from passband.user_modules import imported_files, said

LOSSES = 5
"""How many nodes may be lost under one call. It is no fault of what was called, unless it is what takes them down."""

PATIENCE = 20.0
"""Seconds after which somebody should know that a call still waits for a node with room."""

LATEST = 120.0
"""Seconds after which all nodes see a file that one has written, on file systems that computers share."""


class Cluster(Engine):
    """Calls functions on the nodes of a Ray cluster, each in a process of its own.

    What is planned works there as it does on one computer: data sets that are in memory travel once to each node, results are
    written to the store, which all nodes see, or come back through a shared place. When a node is lost, its work goes on elsewhere
    from the last checkpoint. Rows are bit for bit those of this computer where nodes have the same processor, or GPU.

    Args:
        address: `HOST:PORT` of a cluster that this computer is part of, or `"auto"`; None starts one that is this computer alone.
        at_once: How many calls at a time; None is as many as its nodes have room for now.
        threads: Processor cores that each takes.
        gpus: GPUs that each takes: 0.25 lets four share one. Without any, `"auto"` is the processor.
        shared: A path or fsspec URL, such as `s3://bucket/folder`, through which results come back where nodes do not see the store.

    Raises:
        InputError: If the cluster cannot be joined, has no room, or the shared place cannot be opened.
        MissingDependencyError: If ray is not installed.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        at_once: int | None = None,
        threads: int = 1,
        gpus: float = 0,
        shared: str | None = None,
    ) -> None:
        check_at_least_one("calls at a time", at_once)
        check_at_least_one("threads", threads)
        if gpus < 0 or (gpus > 1 and gpus != int(gpus)):
            raise InputError(f"GPUs of a call must be a share of one, or a whole number, got {gpus}")
        self._shared = None if shared is None else Shared(absolute_place(shared))
        if self._shared is not None:
            open_place(self._shared.url)
        self._gpus, self._threads = gpus, threads
        self._ray = join(address)
        there = sum(room(node, threads=threads, gpus=gpus) for node in alive(self._ray))
        if at_once is None and there == 0:
            self._ray.shutdown()
            raise InputError(
                f"no node of the cluster has {threads} processor core(s)"
                + f" and {gpus:g} GPU(s)" * (gpus > 0)
            )
        self.at_once = at_once or there
        once = self._ray.remote(max_retries=0, max_calls=1)  # a process has one call, as on one computer
        self._task = once(answer).options(
            num_returns="streaming", num_cpus=threads, num_gpus=gpus, scheduling_strategy="SPREAD"
        )
        self._lock, self._checking, self._loading = Lock(), Lock(), Lock()
        self._running: list[Any] = []
        self._ended = False
        self._checked: set[tuple[str, str]] = set()
        self._stores: set[Path] = set()
        self._data: dict[tuple, Any] = {}

    def call(
        self,
        function: Callable[..., Result],
        *arguments: object,
        tell: Tell | None = None,
        **settings: object,
    ) -> Result:
        """Call a function on a node: see `Engine`.

        Raises:
            InputError: If a node is not fit for it, or does not see where results are written.
        """
        planned = getattr(function, "__self__", None)
        if isinstance(planned, Planned) and function == planned.do and not arguments:
            return self._do(planned, tell or keep_quiet, settings)
        return self._call(Call.of(function, arguments, settings), None, tell)

    def check(self, store: Path) -> None:
        """Refuse nodes that are not fit for our work, before any is given to them.

        Args:
            store: Where results will be, or a folder in it.

        Raises:
            InputError: If one has other versions than this computer, or does not see what is written here.
        """
        store = store.absolute()
        within = (
            {str(each) for each in (store, *store.parents)} if self._shared is None else {self._shared.url}
        )
        place = str(store) if self._shared is None else self._shared.url
        with self._checking:
            known = {node for node, seen in self._checked if seen in within}
            nodes = [node for node in alive(self._ray) if node["NodeID"] not in known]
            if nodes:
                check_nodes(self._ray, nodes, place, is_store=self._shared is None)
            self._checked.update((node["NodeID"], place) for node in nodes)

    def end(self) -> None:
        """End all calls and take no others."""
        with self._lock:
            self._ended = True
            running = list(self._running)
        for stream in running:
            self._cancel(stream)

    def devices(self, device: str) -> Sequence[str]:
        """Return the device as a process on a node sees it.

        Raises:
            InputError: If a GPU is asked for by its number, which Ray decides, or without saying how much of it.
        """
        if device == "auto":
            return ("cuda" if self._gpus else "cpu",)
        if device.startswith("cuda:"):
            raise InputError(f"Ray chooses among the GPUs of a node: use --device cuda instead of {device}")
        if device == "cuda" and not self._gpus:
            raise InputError("say how many GPUs each run takes, or which share of one: --gpus 1, --gpus 0.25")
        return (device,)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what still runs, and leave the cluster."""
        self.end()
        self._ray.shutdown()
        if self._shared is not None:
            for store in self._stores:
                self._shared.of(store).tidy(store)

    def _do(self, planned: Planned, tell: Tell, settings: Mapping[str, object]) -> Any:
        """Do what is planned on a node, and see that its result is in the store."""
        planned = moved(planned, Path.absolute)  # whatever the working folder is there
        self.check(planned.folder.parent)
        if self._shared is None:
            data = self._put_data(planned)
            self._call(Call.of(do_there, (planned,), settings), data, tell)
            self._wait_for(planned)
        else:
            store = planned.folder.parents[1]
            self._stores.add(store)
            shared = self._shared.of(store)
            prepare(planned, shared)
            data = self._put_data(planned)
            self._call(Call.of(do_there, (planned, shared), settings), data, tell)
            bring(planned, shared)
        return planned.folder

    def _put_data(self, planned: Planned) -> Any:
        """Return a reference to data, which are put into the cluster's memory once; None if they do not travel."""
        if isinstance(planned, PlannedRun):
            run, measured = planned, None
        elif isinstance(planned, PlannedMeasurement):
            run, measured = planned.run, planned.measurement.subset
        else:
            return None
        config = run.config
        key = (config.dataset, config.size, config.limit, run.test_limit, measured)
        with self._loading:
            if key not in self._data:
                if measured is None:
                    datasets = load_datasets(config, run.test_limit)
                else:
                    description = read_description(run.folder)
                    datasets = {measured: measured_images(description, measured, run.test_limit)}
                packed = pack(datasets)
                self._data[key] = None if packed is None else self._ray.put(packed)
            return self._data[key]

    def _call(self, call: Call, data: Any, tell: Tell | None) -> Any:
        """Have a task do it, another one if its node is lost, and return what it returns."""
        for _ in range(LOSSES):
            with self._lock:
                if self._ended:
                    raise Crashed("it was not started: its process was to end")
                stream = self._task.remote(
                    call, data, numbers_depend_on(), imported_files(), os.getcwd(), tell is not None
                )
                self._running.append(stream)
            try:
                answer = self._listen(stream, tell)
            except self._ray.exceptions.NodeDiedError as error:
                lost = error
                if tell is not None:
                    tell(Note("its node was lost: it goes on elsewhere, from its last checkpoint"))
                continue
            except self._ray.exceptions.RayTaskError as error:  # before anything of ours ran there
                raise RuntimeError(said(error.cause or error)) from error
            except self._ray.exceptions.RayError as error:
                raise Crashed(
                    f"its process ended without an answer: {said(error).splitlines()[0]}"
                ) from error
            except BaseException:  # of whoever listens
                self._cancel(stream)
                raise
            finally:
                with self._lock:
                    self._running.remove(stream)
            return answer.read()
        raise Crashed(f"{LOSSES} nodes were lost under it") from lost

    def _cancel(self, stream: Any) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):  # it may have ended by now
            self._ray.cancel(stream, force=True)

    def _listen(self, stream: Any, tell: Tell | None) -> Answer:
        """Hand on what a call tells, and return its answer."""
        patience: float | None = PATIENCE
        while True:
            if not self._ray.wait([stream], timeout=patience, fetch_local=False)[0]:
                if tell is not None and not self._has_room():
                    tell(Note("it waits for a node that has the processor cores and GPUs which it takes"))
            else:
                received = self._ray.get(next(stream))
                if isinstance(received, Answer):
                    return received
                assert tell is not None
                tell(received)
            patience = None

    def _has_room(self) -> bool:
        return any(room(node, threads=self._threads, gpus=self._gpus) for node in alive(self._ray))

    def _wait_for(self, planned: Planned) -> None:
        """Wait until this computer sees what a node has written.

        Raises:
            PassbandError: If it does not.
        """
        latest = time.monotonic() + LATEST
        while not planned.done and not self._ended:
            if time.monotonic() > latest:
                raise PassbandError(
                    f"a node has written {planned.folder}, and this computer does not see it. Is it on a file system that all share?"
                )
            with suppress(OSError):
                os.listdir(planned.folder.parent)  # which asks again what is there
            time.sleep(0.2)
