"""Standard streams that take whatever is written to them: their reader may go, they may be closed, or know no such letter."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class Buffered(io.BufferedWriter):
    """Known again when the streams are opened twice."""


class Output(io.FileIO):
    """A stream whose reader may go away, as `head` does: what is written after that is dropped, and nobody is to blame."""

    def write(self, data: Any, /) -> int:
        """Write, as long as somebody reads; what cannot be written is tried once."""
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if not isinstance(error, BrokenPipeError):  # a full disk
                raise
            return memoryview(data).nbytes


def open_streams() -> None:
    """Make standard output and standard error of this process, where they are its own, such streams."""
    if os.name != "posix":
        return
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file to be opened would become the standard stream
            os.open(os.devnull, os.O_RDWR)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__") or isinstance(getattr(stream, "buffer", None), Buffered):
            continue
        encoding = "utf-8" if stream is None else stream.encoding
        if stream is not None:
            stream.flush()
        whole = number == 1 and not os.isatty(number)
        made = io.TextIOWrapper(
            Buffered(Output(number, "w", closefd=False)),
            encoding=encoding,
            errors="replace",
            line_buffering=not whole,
        )
        setattr(sys, name, made)
