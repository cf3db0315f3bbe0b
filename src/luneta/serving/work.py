"""Requests at work once their bodies have come: so many at once, each in a thread, no longer than it may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from luneta.serving.batching import GivenUpError, Patience, patience
from luneta.serving.bodies import Room, read_body
from luneta.serving.problems import Problem
from luneta.serving.settings import Settings

Job = Callable[[bytes], Response]
"""From the body of a request to its answer; runs in a thread, where it may wait."""


class Workshop:
    """Where requests are worked on.

    Args:
        settings: how many at once, how long, and how large.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.max_concurrency, thread_name_prefix="luneta-request")
        self._room = Room(settings.max_concurrency * settings.max_bytes)
        self.n_active = 0
        """Requests that are worked on."""

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def do(self, request: Request, job: Job) -> Response:
        """Read the body and do the job.

        A place is taken when the body is there: those that are still coming would hold it for nothing.

        Raises:
            Problem: too many requests at once, too large a body, too slow, or the client has gone.
        """
        limit = self._settings
        try:
            body = await read_body(request, limit.max_bytes, limit.max_upload_mib, self._room)
        except ClientDisconnect:
            raise Problem(499, "gone") from None
        if self.n_active >= limit.max_concurrency:
            raise Problem(503, "busy", headers={"Retry-After": "1"}, n=limit.max_concurrency)
        self.n_active += 1
        try:
            return await self._in_thread(request, body, job)
        finally:
            self.n_active -= 1

    async def _in_thread(self, request: Request, body: bytes, job: Job) -> Response:
        """The job's answer, or why nobody waits for it any more."""
        limit = Patience(self._settings.timeout_s)

        def work() -> Response:
            with patience(limit):
                return job(body)

        working: asyncio.Future[Response] = asyncio.get_running_loop().run_in_executor(self._threads, work)
        leaving: asyncio.Future[Any] = asyncio.ensure_future(_left(request))
        try:
            waited: set[asyncio.Future[Any]] = {working, leaving}
            done, _ = await asyncio.wait(waited, timeout=self._settings.timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if working in done:
                return working.result()
            raise Problem(499, "gone") if leaving in done else self._slow()
        except GivenUpError:
            raise self._slow() from None
        finally:
            leaving.cancel()
            limit.end()
            working.cancel()  # one that is running ends when it next waits; nobody asks what came of it

    def _slow(self) -> Problem:
        return Problem(504, "slow", seconds=f"{self._settings.timeout_s:g}")


async def _left(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
