"""Images that are too many for memory: decoded by worker processes whenever they are looked at, and forgotten."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from passband.brief import Brief
from passband.errors import InputError, PassbandError
from passband.files import Digest
from passband.types import ByteImages

Decode = Callable[[Any, str], UInt8[np.ndarray, "channels height width"]]
"""Takes a stored image and its name, and returns its pixels; picklable, as what is stored is."""


@runtime_checkable
class Indexed(Protocol):
    """Stored images: a list of them, or what reads each from a file when it is asked for, and keeps few.

    It is asked from one thread at a time, never from a worker, for one image after another and mostly in ascending order.
    """

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """Return one as it is stored: a file's content or path, or its pixels."""
        ...


TASK_BYTES, LARGEST_TASK = 2**20, 64
"""Pixels that a worker decodes at a time: so few that those on their way take little shared memory, so many images that it
does not cost as much to send them as to decode them."""

HELD_BYTES = 2**28
"""Encoded images that are held at most, so that an order which is not that of the file can be read in that of the file."""

FEW = 64
"""Images that are decoded before worker processes have started."""

MOST_WORKERS = 8
"""Worker processes where nobody says how many: they decode some thousand photographs a second."""


@dataclass(eq=False)
class StreamedImages(Brief):
    """Images of one size that are decoded when they are asked for.

    Attributes:
        stored: What is decoded.
        names: What each is called in an error message.
        decode: Makes the pixels of one.
        shape: Samples, channels, height and width.
        stored_bytes: What a stored image takes in this process's memory, on average.
        num_workers: Processes that decode; 0 decodes in this one.
        positions: Which of the stored images these are, and in which order.
        folder: Where relative paths begin. Workers have another working folder, and this process may come to.
        sizes: Heights and widths that stored images have.
    """

    stored: Indexed
    names: Sequence[str]
    decode: Decode
    shape: torch.Size
    stored_bytes: float
    num_workers: int
    positions: Int64[Tensor, " samples"]
    folder: Path = field(default_factory=Path.cwd)
    sizes: frozenset[tuple[int, int]] = frozenset()
    _digest: Digest | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Return the number of images."""
        return self.shape[0]

    def __getitem__(self, key: int | slice | Tensor) -> UInt8[Tensor, "*samples channels height width"]:
        """Decode one image, shaped (channels, height, width), or those at some positions, as a tensor has them.

        Raises:
            InputError: If one cannot be decoded.
        """
        if isinstance(key, int):
            return self[torch.arange(len(self))[key, None]][0]
        order = torch.arange(len(self))[key]
        return torch.cat([torch.empty(0, *self.shape[1:], dtype=torch.uint8), *self.read(order)])

    def take(self, indices: Tensor | slice) -> StreamedImages:
        """Return the images at `indices`, not decoded yet."""
        positions = self.positions[indices]
        shape = torch.Size((len(positions), *self.shape[1:]))
        return replace(self, positions=positions, shape=shape, _digest=None)

    def digest(self) -> Digest:
        """Return the digest of shape and pixels, as if all were in memory.

        It comes with the first visit of all images in their order; if there was none, this is one.
        """
        if self._digest is None:
            for _ in self.read(torch.arange(len(self))):
                pass
        assert self._digest is not None
        return self._digest.copy()

    def read(self, order: Int64[Tensor, " visited"], batch_size: int = 1) -> Generator[ByteImages]:
        """Decode images ahead of whoever looks at them.

        Args:
            order: Positions to visit.
            batch_size: How many are looked at together: so many are decoded meanwhile.

        Yields:
            Some images after the others, as many as is convenient.

        Raises:
            InputError: If one cannot be decoded, or a process that decodes was killed.
        """
        size = min(max(TASK_BYTES // math.prod(self.shape[1:]), 1), LARGEST_TASK)
        alone = len(order) <= FEW or multiprocessing.current_process().daemon  # which may have no children
        workers = 0 if alone else min(self.num_workers, math.ceil(len(order) / size))
        complete = self._digest is None and torch.equal(order, torch.arange(len(self)))
        digest, seen = Digest(), 0
        if complete:
            digest.add(repr(tuple(self.shape)).encode())
            digest.begin(math.prod(self.shape))
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "This DataLoader will create"
            )  # more workers than processors: as asked
            loader = DataLoader(
                _Worker(self.decode, tuple(self.shape[1:])),
                batch_size=None,
                sampler=self._tasks(self.positions[order], size),
                num_workers=workers,
                prefetch_factor=max(2, math.ceil(batch_size / (size * workers))) if workers else None,
                multiprocessing_context=_context() if workers else None,
                worker_init_fn=_begin,
                generator=torch.Generator(),  # or it would draw from torch's, of which results may depend
            )
        for images in _decoded(loader):
            seen += len(images)
            if complete:
                digest.extend(memoryview(images.numpy()).cast("B"))
                if seen == len(self):  # whoever has all images does not come back
                    self._digest = digest
            yield images

    def _tasks(self, positions: Int64[Tensor, " visited"], size: int) -> Iterator[list[tuple[Any, str]]]:
        """Yield what is to be decoded, a list for a worker.

        Where stored images are read from one file, to jump in it for each would read it many times over: so the images of
        many tasks are read together, in the order of the file.
        """
        ascending = bool((positions.diff() >= 0).all())
        held = size if ascending else max(size, int(HELD_BYTES // max(self.stored_bytes, 1)) // size * size)
        for together in positions.split(held) if len(positions) else ():
            found = {position: self._stored(position) for position in together.unique().tolist()}
            for task in together.split(size):
                yield [(found[position], self.names[position]) for position in task.tolist()]

    def _stored(self, position: int) -> Any:
        stored = self.stored[position]
        return self.folder / stored if isinstance(stored, Path) else stored


def choose_workers(asked: int | None) -> int:
    """Return how many processes decode: as many as were asked for, or one for each processor, but not too many.

    Raises:
        InputError: If it is less than 0.
    """
    if asked is None:
        return min(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            MOST_WORKERS,
        )
    if asked < 0:
        raise InputError(f"num_workers must be at least 0, got {asked}")
    return asked


@dataclass(frozen=True)
class _Worker(Dataset):
    """What a worker does; an image that cannot be decoded is a value, since only those keep their message on the way."""

    decode: Decode
    shape: tuple[int, ...]

    def __getitem__(self, index: list[tuple[Any, str]]) -> np.ndarray | PassbandError:
        pixels = np.empty((len(index), *self.shape), np.uint8)  # laid out as they are in memory
        try:
            for place, (stored, name) in zip(pixels, index, strict=True):
                place[:] = self._decoded(stored, name)
        except PassbandError as error:
            return error
        return pixels

    def _decoded(self, stored: Any, name: str) -> np.ndarray:
        pixels = self.decode(stored, name)
        if pixels.shape != self.shape:
            raise InputError(
                f"{name} has changed since the data set was loaded. Leave the files alone meanwhile."
            )
        return pixels


def _decoded(loader: DataLoader) -> Generator[ByteImages]:
    with _undisturbed():
        tasks = iter(loader)
    try:
        while True:
            try:
                found = next(tasks, None)
            except (RuntimeError, OSError, EOFError) as error:
                if loader.num_workers == 0:
                    raise
                raise InputError(
                    f"a process that decodes images ended unexpectedly, perhaps for lack of memory ({error}). Fewer of them "
                    "need less: --num-workers 1 (num_workers=), or 0 for none."
                ) from error
            if found is None:
                return
            if isinstance(found, PassbandError):
                raise found
            yield found
    finally:  # not when the last trace of an error is gone, as torch would by itself
        if loader.num_workers:
            tasks._shutdown_workers()  # ty: ignore[missing-attribute]


def _context() -> str:
    """Return how workers start: from a process that has nothing but what they need.

    A copy of this one (fork) would have the locks, but not the threads, of the libraries in it.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    multiprocessing.set_forkserver_preload(["torch", "PIL.Image"])  # what takes long to import
    return "forkserver"


def _begin(worker: int) -> None:
    """Let a worker end when the process that it works for is killed; torch looks after the one that it was started from."""
    sys.excepthook = lambda *_: (
        None
    )  # what fails in a task is handed over; a connection may be cut off by an interrupt
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _undisturbed() -> Generator[None]:
    """Let workers start that know nothing of the main module, and that Ctrl-C does not reach.

    The main module would be imported in each of them: a script without `if __name__ == "__main__"` would run again. Ctrl-C
    reaches all processes of a terminal; this one ends the others. What it leaves to be cleaned up when it ends at once, Python's
    resource tracker cleans up, and need not complain of.
    """
    given = os.environ.get("PYTHONWARNINGS")
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [given, "ignore:resource_tracker"]))
    masked = None
    if hasattr(signal, "pthread_sigmask"):
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which they inherit
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if given is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = given
        if masked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
