"""Calls of many threads become few, and nobody gets another one's answer or error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from luneta.serving.batching import Batcher, GivenUpError, Patience, patience


class Gate:
    """A computation that begins when it is let through, and remembers what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.begun = threading.Event()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.begun.set()
        assert self.open.wait(30)
        return [item * item for item in items]


def waiting(batcher: Batcher[int, int], n: int) -> None:
    """Until n items wait."""
    end = time.monotonic() + 30
    while len(batcher) < n and time.monotonic() < end:
        time.sleep(0.001)
    assert len(batcher) == n


def test_what_comes_while_it_computes_is_computed_together() -> None:
    gate = Gate()
    sizes: list[int] = []
    batcher = Batcher(gate, name="test", most=8, observe=sizes.append)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batcher.ask, [1])
        assert gate.begun.wait(30)
        others = [threads.submit(batcher.ask, [item, -item]) for item in range(2, 5)]
        waiting(batcher, 6)
        gate.open.set()
        assert first.result(30) == [1]
        assert [other.result(30) for other in others] == [[4, 4], [9, 9], [16, 16]]
    assert len(gate.batches) == 2
    assert sizes == [1, 6]
    batcher.close()


def test_no_batch_is_larger_than_allowed_but_what_is_asked_together_stays_together() -> None:
    gate = Gate()
    batcher = Batcher(gate, name="test", most=3)
    with ThreadPoolExecutor(8) as threads:
        threads.submit(batcher.ask, [0])
        assert gate.begun.wait(30)
        for items in ([1, 2], [3, 4], [5], [6, 7, 8, 9]):
            threads.submit(batcher.ask, items)
            waiting(batcher, items[-1])
        gate.open.set()
    assert gate.batches == [[0], [1, 2], [3, 4, 5], [6, 7, 8, 9]]
    batcher.close()


def test_it_waits_for_company_but_not_when_everybody_is_there() -> None:
    gate = Gate()
    gate.open.set()
    batcher = Batcher(gate, name="test", most=8, wait_s=3600, crowd=lambda: 2)
    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(batcher.ask, [item]) for item in (2, 3)]
        assert [each.result(30) for each in found] == [[4], [9]]
    assert sorted(gate.batches[0]) == [2, 3]
    batcher.close()


def test_an_error_reaches_whoever_is_at_fault_alone() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def compute(items: list[int]) -> list[float]:
        begun.set()
        assert let_go.wait(30)
        return [1 / item for item in items]

    batcher = Batcher(compute, name="test", most=8)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(batcher.ask, [1])
        assert begun.wait(30)
        bad, good = threads.submit(batcher.ask, [0]), threads.submit(batcher.ask, [4])
        waiting(batcher, 2)
        let_go.set()
        assert first.result(30) == [1.0]
        assert good.result(30) == [0.25]
        with pytest.raises(ZeroDivisionError):
            bad.result(30)
    batcher.close()


def test_who_gives_up_is_not_computed_for() -> None:
    gate = Gate()
    batcher = Batcher(gate, name="test", most=8)
    leaving = Patience(3600)

    def asked() -> list[int]:
        with patience(leaving):
            return batcher.ask([2])

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(batcher.ask, [1])
        assert gate.begun.wait(30)
        left = threads.submit(asked)
        waiting(batcher, 1)
        stayed = threads.submit(batcher.ask, [3])
        waiting(batcher, 2)
        leaving.end()
        with pytest.raises(GivenUpError):
            left.result(30)
        gate.open.set()
        assert (first.result(30), stayed.result(30)) == ([1], [9])
    assert gate.batches == [[1], [3]]
    batcher.close()


def test_who_leaves_while_it_is_computed_is_free_at_once() -> None:
    gate = Gate()
    batcher = Batcher(gate, name="test")
    leaving = Patience(3600)

    def asked() -> list[int]:
        with patience(leaving):
            return batcher.ask([2])

    with ThreadPoolExecutor(1) as threads:
        left = threads.submit(asked)
        assert gate.begun.wait(30)
        leaving.end()
        with pytest.raises(GivenUpError):
            left.result(30)
        gate.open.set()
        assert batcher.ask([3]) == [9]
    batcher.close()


def test_patience_ends() -> None:
    gate = Gate()
    batcher = Batcher(gate, name="test")
    with pytest.raises(GivenUpError), patience(Patience(0.01)):
        batcher.ask([1])
    over = Patience(3600)
    over.end()
    with pytest.raises(GivenUpError):
        over.check()
    with pytest.raises(GivenUpError), patience(over):
        batcher.ask([1])
    gate.open.set()
    batcher.close()


def test_a_closed_one_takes_nothing_and_tells_who_waits() -> None:
    gate = Gate()
    batcher = Batcher(gate, name="test")
    with ThreadPoolExecutor(2) as threads:
        threads.submit(batcher.ask, [1])
        assert gate.begun.wait(30)
        queued = threads.submit(batcher.ask, [2])
        waiting(batcher, 1)
        batcher.close()
        with pytest.raises(GivenUpError):
            queued.result(30)
        gate.open.set()
    with pytest.raises(GivenUpError):
        batcher.ask([3])
