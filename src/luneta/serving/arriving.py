"""Bodies on their way: so many at once, and each at a pace, so that nobody takes places by sending half of one."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luneta.serving.problems import Problem
from luneta.serving.settings import Settings

SLOWEST = 32 * 2**10
"""Bytes a second of the slowest line that is waited for."""

N_TO_ONE = 16
"""Bodies on their way for every request that is worked on at once."""


class Arrivals:
    """How many bodies are on their way, and what is allowed them.

    Args:
        settings: how many requests are worked on at once, and how long a body is waited for before anything comes.
    """

    def __init__(self, settings: Settings) -> None:
        self.timeout_s, self.most = settings.timeout_s, N_TO_ONE * settings.max_concurrency
        self.n = 0


class Arriving:
    """Lets bodies arrive, whatever reads them; one that does not is answered with 408, and its connection is closed."""

    def __init__(self, app: ASGIApp, arrivals: Arrivals) -> None:
        self._app, self._arrivals = app, arrivals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Request(scope)):
            await self._app(scope, receive, send)
            return
        if self._arrivals.n >= self._arrivals.most:
            problem = Problem(503, "crowded", headers=_CROWDED, n=self._arrivals.most)
            await problem.response(Request(scope))(scope, receive, send)
            return
        body = _Body(self._arrivals, receive, send)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if not body.too_late:
                raise
        finally:
            body.end()
        if body.too_late:
            problem = Problem(
                408, "slow_body", headers={"Connection": "close"}, seconds=f"{self._arrivals.timeout_s:g}",
                kib=SLOWEST >> 10,
            )  # fmt: skip
            await problem.response(Request(scope))(scope, receive, send)


class _Body:
    """One body on its way; to whoever reads it, one that is too slow looks as if its client had gone."""

    def __init__(self, arrivals: Arrivals, receive: Receive, send: Send) -> None:
        self._arrivals, self._receive, self._send = arrivals, receive, send
        self._end_at = asyncio.get_running_loop().time() + arrivals.timeout_s
        self._late = self._answered = self._ended = False
        arrivals.n += 1

    @property
    def too_late(self) -> bool:
        """It was given up before it was answered."""
        return self._late and not self._answered

    def end(self) -> None:
        """It is on its way no more."""
        if not self._ended:
            self._ended = True
            self._arrivals.n -= 1

    async def receive(self) -> Message:
        if self._late:
            return {"type": "http.disconnect"}
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._end_at):
                message = await self._receive()
        except TimeoutError:
            self._late = True
            return {"type": "http.disconnect"}
        self._end_at += len(message.get("body", b"")) / SLOWEST
        if not message.get("more_body", False):
            self.end()
        return message

    async def send(self, message: Message) -> None:
        if not self.too_late:
            self._answered = True
            await self._send(message)


_CROWDED = {"Retry-After": "1", "Connection": "close"}


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"
