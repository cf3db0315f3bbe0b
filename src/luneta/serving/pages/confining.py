"""Nothing but the pages: of all that gradio answers, what the pages themselves ask for, and within limits.

Gradio can also fetch addresses for a client, call functions by name, proxy other servers and edit itself; none of
that is of use here. What passes is known to gradio's own pages, and is looked at before gradio sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luneta.serving.pages.shelf import Shelf
from luneta.serving.problems import Problem
from luneta.wording import LOCALES

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Gradio's templates are compiled in the browser, hence 'unsafe-eval'; nothing comes from elsewhere."""

READ = re.compile(
    r"/?|/config/?|/theme\.css|/favicon\.ico|/(?:assets|static)/[\w./-]*|"
    r"/gradio_api/(?:queue/data|upload_progress|startup-events|heartbeat/\w+|file=(?!\w{2,}:).+)"
)
JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"
WRITTEN = frozenset({JOIN, UPLOAD, "/gradio_api/cancel", "/gradio_api/reset"})

MOST_JSON = 2 * 2**20
"""Bytes of what a page asks; files travel by themselves."""

DEEPEST = 40

MOST_SAID, LONGEST_SAID = 8, 20_000
"""Of what an event says of itself: names, and characters of each."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What an event of the pages is given.

    Attributes:
        n: how many values.
        spoken: places among them of the page's language.
        opens: it opens the page, which may speak no language yet.
    """

    n: int
    spoken: tuple[int, ...] = ()
    opens: bool = False


class Confining:
    """Lets through what the pages ask for.

    Args:
        app: gradio's.
        max_bytes: of an upload.
        asks: the events of the pages, by their numbers.
        shelf: where uploads lie.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, asks: Mapping[int, Ask], shelf: Shelf) -> None:
        self._app, self._max_bytes, self._asks, self._shelf = app, max_bytes, asks, shelf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # pages have no other connections
        request = Request(scope)
        try:
            received, coming = await self._checked(request, receive)
            async with self._room(coming):
                await self._app(scope, received, _with_policy(send))
        except Problem as problem:
            await problem.response(request)(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _room(self, n: int) -> AsyncIterator[None]:
        """On the shelf, for what is uploaded."""
        with contextlib.ExitStack() as stack:
            if n:
                await asyncio.to_thread(stack.enter_context, self._shelf.room(n))
            yield

    async def _checked(self, request: Request, receive: Receive) -> tuple[Receive, int]:
        """What gradio may read of the request, and how much of it is uploaded.

        Raises:
            Problem: nothing.
        """
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if request.method in ("GET", "HEAD") and READ.fullmatch(path):
            return receive, 0
        if request.method != "POST" or path not in WRITTEN:
            raise Problem(404, "no_page")
        limit = self._max_bytes if path == UPLOAD else MOST_JSON
        if path == UPLOAD:
            return receive, _length(request, limit)
        body = b""
        async for chunk in Request(request.scope, receive).stream():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
        _check_json(body, self._asks if path == JOIN else None)
        return _again(body, receive), 0


def _check_json(body: bytes, asks: Mapping[int, Ask] | None) -> None:
    """What is asked has the shape that a page gives it, and names no address that gradio would fetch."""
    try:
        said = json.loads(body.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Problem(400, "json", why="the page's request is damaged") from None
    session = said.get("session_hash") if isinstance(said, dict) else None
    whole = isinstance(said, dict) and (asks is None or (_is_word(session) and _is_ask(said, asks)))
    if not whole or _names_addresses(said):
        raise Problem(400, "json", why="it is not what a page asks")


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w{1,64}", value) is not None


def _is_ask(said: dict[str, Any], asks: Mapping[int, Ask]) -> bool:
    data, number, trigger = said.get("data"), said.get("fn_index"), said.get("trigger_id")
    ask = asks.get(number) if type(number) is int else None
    return (
        ask is not None
        and isinstance(data, list)
        and len(data) == ask.n
        and all(data[place] in LOCALES or (ask.opens and data[place] is None) for place in ask.spoken)
        and _is_event(said.get("event_data"))
        and (trigger is None or type(trigger) is int)
        and set(said) <= {"data", "event_data", "fn_index", "trigger_id", "session_hash"}
    )


def _is_event(said: Any) -> bool:
    """What a page says of a click: a few words and numbers, or nothing."""
    return said is None or (
        isinstance(said, dict)
        and len(said) <= MOST_SAID
        and all(isinstance(each, str | int | float | None) and len(str(each)) <= LONGEST_SAID for each in said.values())
    )


def _names_addresses(said: Any, depth: int = 0) -> bool:
    """Whether a file in it is an address instead, or it is deeper than anything a page sends."""
    if depth > DEEPEST:
        return True
    if isinstance(said, dict):
        path = said.get("path")
        if isinstance(path, str) and re.match(r"\s*\w{2,}:", path):
            return True
        return any(_names_addresses(each, depth + 1) for each in said.values())
    return isinstance(said, list) and any(_names_addresses(each, depth + 1) for each in said)


def _length(request: Request, limit: int) -> int:
    said = request.headers.get("content-length", "")
    if not said.isdecimal() or not said.isascii():
        raise Problem(411, "length", detail="say how long the upload is, by Content-Length")
    if int(said[:20]) > limit:
        raise _too_large(limit)
    return int(said[:20])


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
