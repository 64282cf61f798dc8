"""The explorer's page in a browser, and an export of it on a plain web server."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PIXELS = """id => { const c = document.getElementById(id), copy = new OffscreenCanvas(c.width, c.height).getContext('2d');
copy.drawImage(c, 0, 0);
return Array.from(copy.getImageData(0, 0, c.width, c.height).data).filter((_, i) => i % 4 < 3) }"""


class Tab:
    """The page in a browser, with all that it asked for and complained about."""

    def __init__(self, browser, address: str, query: str = "", **options) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.address = address
        self.page.goto(address + query)
        self.page.set_default_timeout(30_000)

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *failed) -> None:
        self.page.close()
        if failed[0] is None:
            assert self.complaints == []
            assert all(
                url.startswith((self.address, "data:", "blob:" + self.address)) for url in self.requests
            )

    def whole(self) -> Tab:
        """Wait until all has come."""
        self.page.wait_for_selector("#table table", state="attached")
        self.page.wait_for_selector("#answers-second li")
        return self

    def until(self, function: str, arg: object = None) -> None:
        """Wait until a function is true; Playwright's own way needs what the page's policy forbids."""
        function = function if "=>" in function else f"() => {function}"
        for _ in range(300):
            if self.page.evaluate(function, arg):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"it never came to {function} with {arg!r}")

    def text(self, name: str) -> str:
        return self.page.locator(f"#{name}").inner_text()

    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    def pixels(self, name: str) -> list[int]:
        return self.page.evaluate(PIXELS, name)

    def first_answer(self, part: str) -> str:
        return self.page.locator(f"#answers-{part} li span").first.inner_text()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args) -> None:
        pass


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of the loopback address, and end; yield its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
