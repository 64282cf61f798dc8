"""Memory that is freed and that the process keeps all the same."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Give what is freed back to the system, where the C library would keep it.

    glibc's allocator keeps freed pieces of a few megabytes, tensors of images among them, in heaps that live pieces hold apart:
    the process grows with the number of images, though what it uses does not.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """Return `malloc_trim` of the C library; None where it has none."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
