"""Memory that is freed: kept for what comes next, or given back to the system."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from threading import Lock

# Of malloc.h. glibc begins with 128 KiB for either, and raises them along with what is freed up to these.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
USUAL = {M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20}
KEEPING = {M_MMAP_THRESHOLD: 2**30, M_TRIM_THRESHOLD: 2**31 - 1}


def give_back() -> None:
    """Give what is freed back to the system, where the C library would keep it.

    glibc's allocator keeps freed pieces of a few megabytes, tensors of images among them, in heaps that live pieces hold apart:
    the process grows with the number of images, though what it uses does not.
    """
    trim = _of_c_library("malloc_trim")
    if trim is not None:
        trim(0)


@contextmanager
def kept() -> Generator[None]:
    """Keep what is freed for what is allocated next, where the C library would give it back.

    A step of training allocates and frees the same hundreds of megabytes as the last one. Where glibc's allocator gives them
    back in between, the system hands them out anew page by page, each filled with zeros first. It changes no
    number, and does nothing with another C library.

    May be entered again inside, and in several threads.
    """
    _change(1)
    try:
        yield
    finally:
        _change(-1)


_inside, _lock = 0, Lock()


def _change(by: int) -> None:
    global _inside
    set_option = _of_c_library("mallopt")
    with _lock:
        before, _inside = _inside, _inside + by
        if set_option is not None and not (before and _inside):
            for option, value in (KEEPING if _inside else USUAL).items():
                set_option(option, value)
            if not _inside:
                give_back()


@cache
def _of_c_library(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None where it has none of this name."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
