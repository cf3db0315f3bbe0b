"""What is kept of pictures to compare them: a small thumbnail, the shape, a digest of the pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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


def sign(images: Sequence[ImageRef]) -> Signatures:
    """Decode every picture once; one that cannot be decoded is reported, not raised."""
    n = len(images)
    thumbnails = np.zeros((n, SIDE, SIDE, 3), dtype=np.uint8)
    aspects = np.full(n, np.nan, dtype=np.float32)
    pixels = [""] * n
    unreadable: dict[int, str] = {}

    def look(start: int) -> int:
        part = images[start : start + _PART]
        for index, ref in enumerate(part, start):
            try:
                image = ref.open()
            except ImageError as error:
                unreadable[index] = str(error)
                continue
            thumbnails[index], aspects[index] = thumbnail(image), image.width / image.height
            digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
            digest.update(image.tobytes())
            pixels[index] = digest.hexdigest()[:32]
        return len(part)

    with ThreadPoolExecutor(_THREADS) as pool, track("looking at images", n) as advance:
        for done in pool.map(look, range(0, n, _PART)):
            advance(done)
    return Signatures(thumbnails, aspects, tuple(pixels), dict(sorted(unreadable.items())))


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3) RGB of a whole RGB picture, averaged so that no detail is skipped."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0), dtype=np.uint8)
