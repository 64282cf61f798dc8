"""Who may ask: the page itself, from this machine; from another one, who knows the token.

A server on the loopback address is open to every page that the user's browser shows: such a page may send it requests, and
with a name of its own that leads to this machine (DNS rebinding) it may even read the answers. So requests are refused that name
another host, or that another page has made.
"""

from __future__ import annotations

import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "passband-explorer"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Return whether a host to listen on can be reached from this machine alone.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_token() -> str:
    """Return what only this start of the server knows."""
    return secrets.token_urlsafe(24)


class Guard:
    """Refuses what `passband explore` must not answer, and says to browsers what its pages may do.

    Args:
        app: What answers the rest.
        host: What is listened on; a request must name it, or this machine, unless it stands for all addresses.
        token: What requests must have, as a cookie that the address with `?token=` gives; None asks for none.
    """

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", token: str | None = None) -> None:
        self._app, self._token = app, token
        everywhere = host in ("0.0.0.0", "::")
        self._hosts = None if everywhere else {*LOOPBACK, host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, sealed)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if self._hosts is not None and _host(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("This server has another name.", status_code=421)
        from_elsewhere = headers.get("sec-fetch-site") not in (None, "none", "same-origin")
        is_visit = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
        origin = headers.get("origin")
        if (from_elsewhere and not is_visit) or (
            origin is not None and urlsplit(origin).netloc != headers.get("host")
        ):
            return PlainTextResponse("Another page may not ask this server.", status_code=403)
        if self._token is None or secrets.compare_digest(_cookie(headers).encode(), self._token.encode()):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
        if scope["path"] == "/" and secrets.compare_digest(given.encode(), self._token.encode()):
            answer = RedirectResponse("/", status_code=303)  # so that the address bar no longer shows it
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return answer
        return PlainTextResponse("Open the address with the token that passband explore printed.", 401)


def _host(value: str) -> str:
    """Return the host of a header, without its port."""
    try:
        return (urlsplit(f"//{value}").hostname or "").lower()
    except ValueError:
        return ""


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
