"""What the explorer's server answers: the page, and what the page asks for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from itertools import chain
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from passband.errors import InputError, PassbandError
from passband.explorer.explored import Explored
from passband.explorer.safety import Guard
from passband.explorer.uploads import MOST_BYTES, Uploads
from passband.explorer.wire import Frame

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
FRAMES = "application/octet-stream"
INDEX = "index.html"


def page_files(page: str = INDEX) -> dict[str, bytes]:
    """Return all files of a page by their names, the page itself as `INDEX`; whatever else is asked for does not exist."""
    folder = resources.files("passband.explorer") / "page"
    files = {
        each.name: each.read_bytes()
        for each in folder.iterdir()
        if each.is_file() and each.name.endswith(tuple(TYPES))
    }
    return {INDEX: files[page]} | {name: file for name, file in files.items() if not name.endswith(".html")}


def make_app(explored: Explored[Any], *, host: str = "127.0.0.1", token: str | None = None) -> Starlette:
    """Return the server of what is explored.

    Args:
        explored: What answers.
        host: What is listened on.
        token: What requests must have; None asks for none: see `passband.explorer.safety.Guard`.
    """
    files, told = page_files(explored.page), explored.about()
    uploads = Uploads[Any]()

    def show_file(request: Request) -> Response:
        name = request.path_params.get("name", INDEX)
        if name not in files:
            return Response("There is no such page.", status_code=404, media_type="text/plain")
        return Response(files[name], media_type=TYPES[name[name.rindex(".") :]])

    def tell(request: Request) -> Response:
        return JSONResponse(told)

    def send_thumbs(request: Request) -> Response:
        indices = [_index(text) for text in request.query_params.get("images", "").split(",") if text]
        return Response(explored.thumbs(indices).encode(), media_type=FRAMES)

    def send_flips(request: Request) -> Response:
        return JSONResponse(explored.flips(request.query_params))

    def send_look(request: Request) -> Response:
        query = request.query_params
        upload = query.get("upload")
        picture = (
            explored.picture(_index(query.get("image", "0"))) if upload is None else uploads.find(upload)
        )
        frames = explored.look(picture, query)
        first = next(frames)  # what can be refused is refused before anything is sent
        return StreamingResponse(_sent(chain([first], frames)), media_type=FRAMES)

    async def take_upload(request: Request) -> Response:
        content = bytearray()
        async for piece in request.stream():
            content += piece
            if len(content) > MOST_BYTES:
                raise InputError(
                    f"a picture has at most {MOST_BYTES // 2**20} MiB here, and this one is larger"
                )
        name = request.query_params.get("name", "")
        picture = await run_in_threadpool(explored.decode, bytes(content), name)
        return JSONResponse({"upload": uploads.add(bytes(content), picture), "name": picture.name})

    return Starlette(
        routes=[
            Route("/", show_file),
            Route("/api/about", tell),
            Route("/api/thumbs", send_thumbs),
            Route("/api/flips", send_flips),
            Route("/api/look", send_look),
            Route("/api/upload", take_upload, methods=["POST"]),
            Route("/{name}", show_file),
        ],
        middleware=[Middleware(Guard, host=host, token=token)],
        exception_handlers={PassbandError: _refused},
    )


def _sent(frames: Iterator[Frame]) -> Iterator[bytes]:
    """Yield frames as bytes; what goes wrong on the way is the last of them, since the answer has begun."""
    try:
        for frame in frames:
            yield frame.encode()
    except PassbandError as error:
        yield Frame({"kind": "error", "message": str(error)}).encode()


def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"an image is a whole number, got {text[:40]!r}")
    return int(text)
