"""Pictures that clients send: decoded by the one decoder of the house, within a budget of pixels."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from luneta.data.images import decode_image, read_header
from luneta.errors import ImageError
from luneta.serving.batching import current_patience
from luneta.serving.problems import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

_DATA_URL = re.compile(r"data:image/[\w.+-]{1,40};base64,", re.IGNORECASE)
_STEP_S = 0.05


class Darkroom:
    """Decodes pictures; what all requests together hold decoded stays below a number of pixels.

    Args:
        max_pixels: of the pictures of one request; those of all requests together have twice as many.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max = max_pixels
        self._left = 2 * max_pixels
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def decoded(self, encoded: Sequence[bytes]) -> Iterator[list[Image]]:
        """The pictures of one request, RGB, for as long as the block lasts.

        Raises:
            Problem: one is no picture or damaged, or they are too large.
        """
        n = sum(self._n_pixels(data) for data in encoded)
        if n > self._max:
            raise self._too_many()
        self._take(n)  # all at once: requests that wait for one another's rest would wait for ever
        try:
            yield [self._decoded(data) for data in encoded]
        finally:
            with self._changed:
                self._left += n
                self._changed.notify_all()

    def _take(self, n: int) -> None:
        patience = current_patience()
        with self._changed:
            while self._left < n:
                patience.check()
                self._changed.wait(_STEP_S)
            self._left -= n

    def _n_pixels(self, data: bytes) -> int:
        try:
            header = read_header(data)
        except ImageError as error:
            if "pixels" in error.reason:  # Pillow's own limit
                raise self._too_many() from None
            raise Problem(415, "picture", why=error.reason) from None
        return header.width * header.height

    def _decoded(self, data: bytes) -> Image:
        try:
            return decode_image(data, max_pixels=self._max)
        except ImageError as error:
            raise Problem(422, "picture", why=error.reason) from None

    def _too_many(self) -> Problem:
        return Problem(413, "too_many_pixels", limit=f"{self._max / 1e6:g}")


def from_base64(text: str) -> bytes:
    """The bytes of a picture, with or without `data:image/png;base64,` before them.

    Raises:
        Problem: it is something else.
    """
    start = _DATA_URL.match(text)
    try:
        return base64.b64decode(text[start.end() :] if start else text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(422, "base64") from None
