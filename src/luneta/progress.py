"""How far a long job is, without a parameter threaded through every floor.

A job says `with track("images", total) as advance: ... advance(n)`. Who watches is decided once, from outside:
by default a rich bar with rate and time left on an interactive terminal and nothing elsewhere; a page or a
test installs its own watcher with `watch`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Protocol

Advance = Callable[[int], None]


class Watcher(Protocol):
    """Called as watcher(stage, done, total): at 0, after every step, and a last time when the stage ends."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...


_watcher: ContextVar[Watcher | None] = ContextVar("luneta_progress_watcher", default=None)
_words: ContextVar[Callable[[str], str]] = ContextVar("luneta_progress_words", default=str)


@contextlib.contextmanager
def watch(watcher: Watcher) -> Iterator[None]:
    """Send the progress of everything inside the block to `watcher`."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


@contextlib.contextmanager
def worded(words: Callable[[str], str]) -> Iterator[None]:
    """Inside the block the terminal shows `words(stage)` for every stage."""
    token = _words.set(words)
    try:
        yield
    finally:
        _words.reset(token)


@contextlib.contextmanager
def track(stage: str, total: int | None) -> Iterator[Advance]:
    """Report a stage of `total` steps (None: unknown); yields `advance(n)`."""
    watcher = _watcher.get()
    if watcher is not None:
        yield from _to_watcher(watcher, stage, total)
    elif sys.stderr.isatty():
        yield from _to_terminal(_words.get()(stage), total)
    else:
        yield _ignore


@contextlib.contextmanager
def waiting(stage: str) -> Iterator[None]:
    """Say on the terminal what is waited for, where no steps can be counted; the line goes when the block ends."""
    if _watcher.get() is not None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    line = Spinner("dots", Text(_words.get()(stage)))
    with Live(line, console=Console(stderr=True), transient=True):  # unlike a Status it is there at once
        yield


def _ignore(n: int) -> None:
    return


def _to_watcher(watcher: Watcher, stage: str, total: int | None) -> Iterator[Advance]:
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        watcher(stage, done, total)

    watcher(stage, 0, total)
    yield advance
    watcher(stage, done, total)


def _to_terminal(stage: str, total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.1f}/s" if task.speed else "", style="progress.data.speed")

    columns = (
        TextColumn("{task.description}", markup=False),  # it may name a file
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(stage, total=total)
        yield lambda n: bars.advance(task, n)
