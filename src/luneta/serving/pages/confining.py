"""Nothing but the pages: of all that gradio answers, what the pages themselves ask for, and within limits.

Gradio can also fetch addresses for a client, call functions by name, proxy other servers and edit itself; none of
that is of use here. What passes is known to gradio's own pages, and is looked at before gradio sees it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luneta.serving.problems import Problem

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Gradio's templates are compiled in the browser, hence 'unsafe-eval'; nothing comes from elsewhere."""

READ = re.compile(
    r"/?|/config/?|/theme\.css|/favicon\.ico|/(?:assets|static)/[\w./-]*|"
    r"/gradio_api/(?:queue/data|upload_progress|startup-events|heartbeat/\w+|file=(?!\w+:).+)"
)
JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"
WRITTEN = frozenset({JOIN, UPLOAD, "/gradio_api/cancel", "/gradio_api/reset"})

MOST_JSON = 2 * 2**20
"""Bytes of what a page asks; files travel by themselves."""

DEEPEST = 40


class Confining:
    """Lets through what the pages ask for.

    Args:
        app: gradio's.
        max_bytes: of an upload.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # pages have no other connections
        request = Request(scope)
        try:
            received = await self._checked(request, receive)
            await self._app(scope, received, _with_policy(send))
        except Problem as problem:
            await problem.response(request)(scope, receive, send)

    async def _checked(self, request: Request, receive: Receive) -> Receive:
        """What gradio may read of the request.

        Raises:
            Problem: nothing.
        """
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if request.method in ("GET", "HEAD") and READ.fullmatch(path):
            return receive
        if request.method != "POST" or path not in WRITTEN:
            raise Problem(404, "no_page")
        limit = self._max_bytes if path == UPLOAD else MOST_JSON
        if path == UPLOAD:
            return _limited(request, receive, limit)
        body = b""
        async for chunk in Request(request.scope, receive).stream():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
        _check_json(body, asks=path == JOIN)
        return _again(body, receive)


def _check_json(body: bytes, *, asks: bool) -> None:
    """What is asked has the shape that a page gives it, and names no address that gradio would fetch."""
    try:
        said = json.loads(body.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Problem(400, "json", why="the page's request is damaged") from None
    session = said.get("session_hash") if isinstance(said, dict) else None
    whole = isinstance(said, dict) and (not asks or (_is_word(session) and _is_ask(said)))
    if not whole or _names_addresses(said):
        raise Problem(400, "json", why="it is not what a page asks")


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w{1,64}", value) is not None


def _is_ask(said: dict[str, Any]) -> bool:
    number, trigger = said.get("fn_index"), said.get("trigger_id")
    return (
        isinstance(said.get("data"), list)
        and type(number) is int
        and 0 <= number < 10_000
        and (trigger is None or type(trigger) is int)
        and set(said) <= {"data", "event_data", "fn_index", "trigger_id", "session_hash"}
    )


def _names_addresses(said: Any, depth: int = 0) -> bool:
    """Whether a file in it is an address instead, or it is deeper than anything a page sends."""
    if depth > DEEPEST:
        return True
    if isinstance(said, dict):
        path = said.get("path")
        if isinstance(path, str) and re.match(r"\s*\w+:", path):
            return True
        return any(_names_addresses(each, depth + 1) for each in said.values())
    return isinstance(said, list) and any(_names_addresses(each, depth + 1) for each in said)


def _limited(request: Request, receive: Receive, limit: int) -> Receive:
    said = request.headers.get("content-length", "")
    if not said.isdigit():
        raise Problem(411, "length", detail="say how long the upload is, by Content-Length")
    if int(said) > limit:
        raise _too_large(limit)
    return receive


def _too_large(limit: int) -> Problem:
    return Problem(413, "too_large", limit=f"{limit / 2**20:g}", headers={"Connection": "close"})


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes."""
    told = False

    async def received() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = POLICY
        await send(message)

    return sending
