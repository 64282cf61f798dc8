"""The server ends on every interrupt, also on one that uvicorn takes for a fault of the app."""

import threading
import urllib.request
from http.client import RemoteDisconnected
from urllib.error import HTTPError

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from passband.explorer.serve import address_of, listen, serve


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_while_a_request_is_answered_ends_it(when, caplog):
    interrupted = threading.Event()

    class Interrupting(Response):
        """Is interrupted before its answer, or once the client has it."""

        async def __call__(self, scope, receive, send):
            if when == "after":
                await super().__call__(scope, receive, send)
            interrupted.set()
            raise KeyboardInterrupt

    listening = listen("127.0.0.1", 0)
    ended = []

    def run():
        try:
            serve(app, listening, interrupted=interrupted.is_set)
        except BaseException as error:
            ended.append(type(error))

    async def answer(_request):
        return Interrupting("all of it")

    app = Starlette(routes=[Route("/", answer)])
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if when == "after":
        with urllib.request.urlopen(address_of(listening, "127.0.0.1")) as answered:
            assert answered.read() == b"all of it"
    else:
        with pytest.raises((HTTPError, RemoteDisconnected)):
            urllib.request.urlopen(address_of(listening, "127.0.0.1"))
    thread.join(10)
    listening.close()
    assert ended == [KeyboardInterrupt]
    assert not caplog.records
