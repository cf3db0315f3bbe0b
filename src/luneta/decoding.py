"""Pictures read in threads, a bounded number ahead of whoever needs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from luneta.errors import ImageError
from luneta.types import ImageRef

T = TypeVar("T")
R = TypeVar("R")


class Changed(ImageError):
    """A picture that is no longer what it was when its key was taken; it says nothing about that key."""

    def __init__(self) -> None:
        super().__init__("changed or vanished while it was being embedded")


def content_keys(refs: Iterable[ImageRef], n_threads: int) -> Generator[str | ImageError]:
    """Content digest of every picture, in order, or why it has none. Close it when you stop early."""
    return in_order(_key_or_error, refs, n_threads, ahead=256)


def pictures(
    keyed: Iterable[tuple[str, ImageRef]], prepare: Callable[[Any], Any] | None, n_threads: int, ahead: int
) -> Generator[Any]:
    """Decoded pictures, in order, or the ImageError instead. Close it when you stop early.

    Args:
        keyed: content key and reference of each picture.
        prepare: applied to the picture in the same thread; None leaves it as it is.
        n_threads: how many are decoded at once.
        ahead: how many may wait, decoded or being decoded.
    """

    def load(item: tuple[str, ImageRef]) -> Any:
        key, ref = item
        try:
            image = ref.open()
            result: Any = image if prepare is None else prepare(image)
        except ImageError as error:
            result = error
        # Hours may lie between hashing and decoding: a file replaced meanwhile must not be filed under the old key.
        return result if _key_or_error(ref) == key else Changed()

    return in_order(load, keyed, n_threads, ahead)


def in_order(function: Callable[[T], R], items: Iterable[T], n_threads: int, ahead: int) -> Generator[R]:
    """Map in threads, results in order, at most `ahead` items further than the consumer: memory stays bounded.

    Closing the generator, also by an error or Ctrl-C in the consumer, drops what has not begun and waits for the
    few items that have.
    """
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="luneta-images")
    todo = iter(items)
    waiting: deque[Future[R]] = deque()
    try:
        waiting.extend(pool.submit(function, item) for item in islice(todo, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(todo, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _key_or_error(ref: ImageRef) -> str | ImageError:
    try:
        return ref.key()
    except ImageError as error:
        return error
