"""Calls of many threads, gathered into few: what comes together is computed together."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class GivenUpError(Exception):
    """Nobody waits for the answer any more: the client has gone, or its time is over."""


class Patience:
    """How long somebody waits for an answer; may end before its time.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._woken: threading.Event | None = None
        self._over = False

    def wait(self, future: Future[T]) -> T:
        """The future's result; one that is still being computed is left behind when nobody waits any more.

        Raises:
            GivenUpError: it did not come in time.
        """
        woken = threading.Event()
        with self._lock:
            self._woken = woken
            if self._over:
                woken.set()
        future.add_done_callback(lambda _: woken.set())
        woken.wait(max(0.0, self._end - time.monotonic()))
        if not future.cancel() and future.done() and not future.cancelled():
            return future.result()
        raise GivenUpError

    def check(self) -> None:
        """Raises GivenUpError where nobody waits any more."""
        if self._over or time.monotonic() > self._end:
            raise GivenUpError

    def end(self) -> None:
        """Stop waiting, from another thread."""
        with self._lock:
            self._over = True
            if self._woken is not None:
                self._woken.set()


_patience: ContextVar[Patience | None] = ContextVar("luneta_serving_patience", default=None)


@contextlib.contextmanager
def patience(limit: Patience) -> Iterator[None]:
    """Inside the block this thread waits no longer than so."""
    token = _patience.set(limit)
    try:
        yield
    finally:
        _patience.reset(token)


def current_patience() -> Patience:
    """That of the request this thread works for; without one, an hour's."""
    return _patience.get() or Patience(3600)


@dataclass(slots=True)
class _Ask(Generic[T, R]):
    items: Sequence[T]
    answer: Future[list[R]] = field(default_factory=Future)


class Batcher(Generic[T, R]):
    """One thread that computes for many.

    Args:
        compute: n items -> n results.
        name: of what it computes.
        wait_s: how long an item waits for others at most.
        most: items that are computed at once at most; what one caller asks for stays together.
        crowd: how many callers there may be now; when all of them wait here, nobody else will come.
        observe: called with the size of each batch.
    """

    def __init__(
        self,
        compute: Callable[[list[T]], Sequence[R]],
        *,
        name: str,
        wait_s: float = 0.0,
        most: int = 1,
        crowd: Callable[[], int] = lambda: 1,
        observe: Callable[[int], None] = lambda n: None,
    ) -> None:
        self._compute, self._wait_s, self._most = compute, wait_s, most
        self._crowd, self._observe = crowd, observe
        self._asks: deque[_Ask[T, R]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"luneta-{name}", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Items that wait."""
        return sum(len(ask.items) for ask in tuple(self._asks))

    def ask(self, items: Sequence[T]) -> list[R]:
        """The results of some items, in their order; waits for them.

        Raises:
            GivenUpError: they did not come in time.
            Exception: whatever computing them raised.
        """
        if not items:
            return []
        ask: _Ask[T, R] = _Ask(items)
        with self._changed:
            if self._closed:
                raise GivenUpError
            self._asks.append(ask)
            if len(self._asks) == 1 or self._complete():  # else it sleeps on until its time has come
                self._changed.notify()
        return current_patience().wait(ask.answer)

    def close(self) -> None:
        """Take nothing more; whoever waits is told."""
        with self._changed:
            self._closed = True
            for ask in self._asks:
                ask.answer.cancel()
            self._changed.notify()

    def _run(self) -> None:
        while (asks := self._gathered()) is not None:
            asks = [ask for ask in asks if ask.answer.set_running_or_notify_cancel()]
            if asks:
                self._answer(asks)
            del asks  # what they hold must not stay until somebody asks again
        del self._compute  # nor what it computed with, when it is closed

    def _gathered(self) -> list[_Ask[T, R]] | None:
        """What is computed next; None when there will be nothing more."""
        with self._changed:
            while not self._asks:
                if self._closed:
                    return None
                self._changed.wait()
            end = time.monotonic() + self._wait_s
            while (left := end - time.monotonic()) > 0 and not self._complete():
                self._changed.wait(left)
            chosen = [self._asks.popleft()]
            n = len(chosen[0].items)
            while self._asks and n + len(self._asks[0].items) <= self._most:
                chosen.append(self._asks.popleft())
                n += len(chosen[-1].items)
            return chosen

    def _complete(self) -> bool:
        return self._closed or len(self._asks) >= self._crowd() or len(self) >= self._most

    def _answer(self, asks: Sequence[_Ask[T, R]]) -> None:
        items = [item for ask in asks for item in ask.items]
        self._observe(len(items))
        try:
            results = list(self._compute(items))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            if len(asks) == 1:
                asks[0].answer.set_exception(error)
                return
            for ask in asks:  # one of them is at fault: the others must not suffer for it
                self._answer([ask])
            return
        start = 0
        for ask in asks:
            ask.answer.set_result(results[start : start + len(ask.items)])
            start += len(ask.items)
