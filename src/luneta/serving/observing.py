"""What a server counts and writes down: never what was asked, only by which route, with what success, and how long."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("luneta.serving")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ELSEWHERE = "other"


class Meters:
    """The numbers of one app.

    Args:
        active: how many requests are worked on now.
        arriving: how many have bodies that are still coming.
        waiting: how many items wait to be computed, by what is computed.
    """

    def __init__(
        self, active: Callable[[], int], arriving: Callable[[], int], waiting: Callable[[], Mapping[str, int]]
    ) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "luneta_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "luneta_request_seconds", "From a request to its answer.", ["route"], buckets=LATENCIES_S,
            registry=self.registry,
        )  # fmt: skip
        self.sizes = Histogram(
            "luneta_batch_size", "Items computed together.", ["what"], buckets=SIZES, registry=self.registry
        )
        Gauge("luneta_requests_active", "Requests worked on now.", registry=self.registry).set_function(active)
        Gauge(
            "luneta_requests_arriving", "Requests whose bodies are on their way.", registry=self.registry
        ).set_function(arriving)
        self.registry.register(_Waiting(waiting))

    def observe_batch(self, what: str, n: int) -> None:
        self.sizes.labels(what).observe(n)

    def text(self) -> bytes:
        """In the format that Prometheus reads."""
        return generate_latest(self.registry)


class _Waiting:
    """A collector of queue lengths, asked when somebody looks."""

    def __init__(self, waiting: Callable[[], Mapping[str, int]]) -> None:
        self._waiting = waiting

    def collect(self) -> Any:
        family = GaugeMetricFamily("luneta_queue_length", "Items that wait to be computed.", labels=["what"])
        for what, n in self._waiting().items():
            family.add_metric([what], n)
        yield family


class Observing:
    """Counts and logs every request that goes through it."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app, self._meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._note(scope, status, time.perf_counter() - start)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "") or ELSEWHERE  # the template, never what stands in its place
        method = scope["method"] if scope["method"] in METHODS else ELSEWHERE
        self._meters.requests.labels(method, route, str(status)).inc()
        self._meters.latency.labels(route).observe(seconds)
        logger.info("answered %s %s: %d, %.1f ms", method, route, status, 1000 * seconds)


def note_failure(error: BaseException) -> None:
    """Write down where something broke; what it said may hold what somebody asked, and stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.filename.rpartition('luneta/')[2]}:{frame.lineno}" for frame in reversed(frames[-6:]))
    logger.error("%s at %s", type(error).__name__, where or "?")
