"""Who may ask: the host name that was called, the page that has a browser ask, and the token that was shown."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luneta.serving.problems import Problem
from luneta.serving.settings import Settings, is_loopback

OPEN = frozenset({"/healthz"})
"""What is answered without a token, so that whatever watches the server needs none."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}
"""On every answer that does not say otherwise."""


class Guarding:
    """Lets through what is addressed to this server by whoever may ask it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._digest = None if settings.token is None else _digest(settings.token.encode())
        self._proxied = {name.lower() for name in settings.names}
        self._names = {name.lower() for name in (*settings.names, settings.host)}
        self._by_address = not (settings.is_local or settings.names)
        """Others reach it and nobody has given it a name: it is asked by an address, whichever leads here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.lower().startswith("access-control-")]:
                    del headers[name]  # gradio lets the pages of any site read what it answers
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        if (problem := self._refusal(request)) is not None:
            await problem.response(request)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Problem | None:
        if not self._is_ours(request.headers.get("host", "")):
            return Problem(421, "host")
        if self._is_foreign(request):
            return Problem(403, "origin")
        if self._digest is None or request.url.path in OPEN:
            return None
        shown = _token(request.headers.get("authorization", ""))
        if shown is not None and hmac.compare_digest(_digest(shown), self._digest):
            return None
        return Problem(401, "token", headers={"WWW-Authenticate": 'Bearer realm="luneta", Basic realm="luneta"'})

    def _is_ours(self, host: str) -> bool:
        """Whether a name is one that this server is meant by.

        Somebody's page can have its own name lead to this machine, and then read what a server tells that it cannot
        reach itself (DNS rebinding); it cannot have the browser say another name, or an address instead.
        """
        name = host_name(host)
        if name is None:
            return False
        return is_loopback(name) or name in self._names or (self._by_address and _is_address(name))

    def _is_foreign(self, request: Request) -> bool:
        """Whether a page of another site has a browser ask; who follows a link from there is welcome.

        A browser says where a request comes from in headers that no page can write (Fetch Metadata; Origin).
        """
        origin = request.headers.get("origin")
        if origin is not None:
            authority = origin.partition("://")[2].lower()
            if authority != request.headers.get("host", "").lower() and host_name(authority) not in self._proxied:
                return True
        if request.headers.get("sec-fetch-site", "").lower() != "cross-site":
            return False
        said = [request.headers.get(f"sec-fetch-{what}", "").lower() for what in ("mode", "dest")]
        return request.method not in ("GET", "HEAD") or said != ["navigate", "document"]


def host_name(header: str) -> str | None:
    """
    >>> host_name("LOCALHOST:8000"), host_name("[::1]:8000"), host_name("a b")
    ('localhost', '::1', None)
    """
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::\d{1,5})?", header)
    return (found[1] or found[2]).lower() if found else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _token(authorization: str) -> bytes | None:
    """What was shown: as a bearer token, or as the password that a browser asked a person for."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return None
    return None


def _digest(token: bytes) -> bytes:
    """Equal lengths, so that comparing tells nothing of the token's."""
    return hashlib.sha256(token).digest()
