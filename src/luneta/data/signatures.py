"""What is kept of pictures to compare them: a small thumbnail, the shape, a digest of the pixels."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luneta.errors import ImageError
from luneta.progress import track
from luneta.types import ImageRef

SIDE = 32
"""Pixels of a thumbnail, each way."""

_THREADS = 4
_PART = 64


@dataclass(frozen=True, eq=False)
class Signatures:
    """Small stand-ins of n pictures; 3.1 KB each.

    Attributes:
        thumbnails: (n, SIDE, SIDE, 3) uint8 RGB, the whole picture squeezed into a square; black where unreadable.
        aspects: (n,) float32, width over height; NaN where unreadable.
        pixels: (n) digest of size and decoded pixels; "" where unreadable.
        unreadable: index -> why it cannot be decoded.
    """

    thumbnails: NDArray[np.uint8]
    aspects: NDArray[np.float32]
    pixels: tuple[str, ...]
    unreadable: Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Signature:
    """Of one picture."""

    thumbnail: NDArray[np.uint8]
    aspect: float
    pixels: str


_known: ContextVar[dict[str, _Signature | str] | None] = ContextVar("luneta_signatures", default=None)


@contextlib.contextmanager
def signed_once() -> Iterator[None]:
    """While it lasts a picture of the same content is decoded once to be compared, however often that is asked."""
    if _known.get() is not None:
        yield
        return
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def sign(images: Sequence[ImageRef], keys: Sequence[str | None] | None = None) -> Signatures:
    """Decode every picture once; one that cannot be decoded is reported, not raised.

    Args:
        images: the pictures.
        keys: their contents' digests, where they could be read, by which `signed_once` knows them; None decodes all.
    """
    n = len(images)
    thumbnails = np.zeros((n, SIDE, SIDE, 3), dtype=np.uint8)
    aspects = np.full(n, np.nan, dtype=np.float32)
    pixels = [""] * n
    unreadable: dict[int, str] = {}
    known = _known.get()  # here: threads have contexts of their own

    def look(start: int) -> int:
        part = range(start, min(start + _PART, n))
        for index in part:
            key = None if keys is None else keys[index]
            found = known.get(key) if known is not None and key is not None else None
            if found is None:
                found = _signature(images[index])
                if known is not None and key is not None:
                    known[key] = found
            if isinstance(found, str):
                unreadable[index] = found
            else:
                thumbnails[index], aspects[index], pixels[index] = found.thumbnail, found.aspect, found.pixels
        return len(part)

    with ThreadPoolExecutor(_THREADS) as pool, track("looking at images", n) as advance:
        for done in pool.map(look, range(0, n, _PART)):
            advance(done)
    return Signatures(thumbnails, aspects, tuple(pixels), dict(sorted(unreadable.items())))


def _signature(ref: ImageRef) -> _Signature | str:
    """Of a picture, or why it cannot be decoded."""
    try:
        image = ref.open()
    except ImageError as error:
        return str(error)
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return _Signature(thumbnail(image), image.width / image.height, digest.hexdigest()[:32])


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3) RGB of a whole RGB picture, averaged so that no detail is skipped."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0), dtype=np.uint8)
