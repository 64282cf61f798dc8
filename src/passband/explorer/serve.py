"""Serving the page until Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import socket
import webbrowser
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from passband.errors import InputError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0 takes one that is free.

    Raises:
        InputError: If the address is none of this machine's, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise InputError(f"{host} is no address of this machine ({error}). Choose another --host.") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        why = error.strerror or str(error)
        raise InputError(
            f"cannot listen on {host}, port {port} ({why}). Choose another --port, or --port 0 for one that is free."
        ) from error
    return listening


def address_of(listening: socket.socket, host: str, token: str | None = None) -> str:
    """Return what to open in a browser."""
    port = listening.getsockname()[1]
    named = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    written = f"[{named}]" if ":" in named else named
    return f"http://{written}:{port}/" + ("" if token is None else f"?token={token}")


class _Server(uvicorn.Server):
    """Leaves signals to the program, and tells when it answers."""

    def __init__(
        self, app: Starlette, started: Callable[[], object], interrupted: Callable[[], bool]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app, log_level="error", access_log=False, ws="none", lifespan="off", server_header=False
            )
        )
        logging.getLogger("uvicorn.error").addFilter(_is_a_fault)
        self._tell = started
        self._interrupted = interrupted

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Do not: an interrupt ends the program as it ends every other command."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then tell."""
        await super().startup(sockets=sockets)
        self._tell()

    async def on_tick(self, counter: int) -> bool:
        """End on an interrupt that came while a request was answered: uvicorn takes it for a fault of the app, and goes on."""
        if self._interrupted():
            raise KeyboardInterrupt
        return await super().on_tick(counter)


def _is_a_fault(record: logging.LogRecord) -> bool:
    """Return whether a line of the log is of a fault: an interrupt cancels what is under way, and that is none."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, (asyncio.CancelledError, KeyboardInterrupt))


def serve(
    app: Starlette,
    listening: socket.socket,
    *,
    interrupted: Callable[[], bool],
    open_at: str | None = None,
) -> None:
    """Serve until the program is interrupted.

    Args:
        app: What answers.
        listening: Where.
        interrupted: Whether the program was interrupted, asked several times a second.
        open_at: The address that a browser is told to open; None opens none.

    Raises:
        KeyboardInterrupt: When it is.
    """
    started = (lambda: None) if open_at is None else lambda: webbrowser.open(open_at)
    server_for(app, started, interrupted).run(sockets=[listening])


def server_for(
    app: Starlette,
    started: Callable[[], object] = lambda: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> uvicorn.Server:
    """Return a server that has not begun; `run(sockets=[listening])` begins, and setting `should_exit` ends it."""
    return _Server(app, started, interrupted)
