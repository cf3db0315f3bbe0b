"""Why an answer was found: which parts of its picture, and which words of the query, carry the score.

By what happens when something is taken away (occlusion: Zeiler and Fergus, 2014), so that it holds for any encoder and
says nothing but what the encoder does: a window of the picture is covered with the picture's mean colour, or a word is
left out of the text, and the score is computed again.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luneta.errors import ConfigError
from luneta.progress import track
from luneta.types import Encoder, Vectors

GRID = 8
"""Cells along each side of a picture."""

MOST_WORDS = 32

_WORD = re.compile(r"\S+")
_BATCH = 16  # whoever waits is asked after each whether they still do
_WARM, _COLD = (222, 60, 20), (30, 90, 200)


@dataclass(frozen=True)
class Explanation:
    """What carries the score of a picture for a query.

    Attributes:
        score: cosine of the whole picture and the whole query.
        parts: (GRID, GRID) by how much the score falls, on average, where the cell is covered; below 0 it rises.
        words: each word of a text, in order, and by how much the score falls without it; empty for other queries.
    """

    score: float
    parts: NDArray[np.float64]
    words: Sequence[tuple[str, float]] = ()


def explain_picture(encoder: Encoder, picture: Image.Image, query: Vectors) -> tuple[float, NDArray[np.float64]]:
    """Score of a picture, and by how much it falls where each cell is covered.

    Windows of two by two cells slide by one cell, so that a cell is covered up to four times; a picture is seen
    (GRID - 1)^2 + 1 times.

    Args:
        encoder: whose scores they are.
        picture: RGB.
        query: (embedding_dim,) unit vector.

    Returns:
        The score, and (GRID, GRID).
    """
    xs, ys = (np.rint(np.linspace(0, side, GRID + 1)).astype(int) for side in picture.size)
    if min(picture.size) < GRID:
        raise ConfigError(f"a picture of {picture.width} x {picture.height} pixels is too small to be explained")
    mean = tuple(int(value) for value in np.asarray(picture).reshape(-1, 3).mean(axis=0))
    places = [(row, column) for row in range(GRID - 1) for column in range(GRID - 1)]

    def covered() -> Iterator[Image.Image]:
        yield picture
        for row, column in places:
            copy = picture.copy()
            copy.paste(mean, (int(xs[column]), int(ys[row]), int(xs[column + 2]), int(ys[row + 2])))
            yield copy

    scores: list[float] = []
    batch: list[Image.Image] = []
    with track("explaining", len(places) + 1) as advance:
        for image in covered():
            batch.append(image)
            if len(batch) == _BATCH or len(scores) + len(batch) == len(places) + 1:
                scores += (encoder.encode_images(batch) @ query).tolist()
                advance(len(batch))
                batch = []
    falls, times = np.zeros((GRID, GRID)), np.zeros((GRID, GRID))
    for (row, column), score in zip(places, scores[1:], strict=True):
        falls[row : row + 2, column : column + 2] += scores[0] - score
        times[row : row + 2, column : column + 2] += 1
    return scores[0], falls / times


def explain_words(
    encode_texts: Callable[[Sequence[str]], Vectors], text: str, image: Vectors
) -> list[tuple[str, float]]:
    """By how much the score of a picture falls without each word of a text.

    Args:
        encode_texts: strings to unit vectors.
        text: the query.
        image: (embedding_dim,) unit vector of the picture.
    """
    places = [found.span() for found in _WORD.finditer(text)][:MOST_WORDS]
    if len(places) < 2:
        return [(text[low:high], float("nan")) for low, high in places]
    without = [" ".join((text[:low] + text[high:]).split()) for low, high in places]
    scores = encode_texts([text, *without]) @ image
    return [(text[low:high], float(scores[0] - score)) for (low, high), score in zip(places, scores[1:], strict=True)]


def heat_map(picture: Image.Image, parts: NDArray[np.float64], *, longest: int = 640) -> bytes:
    """A picture under the map of what carries its score, as JPEG: warm where it would fall, cold where it would rise.

    The strongest cell is drawn in full, whichever sign it has.
    """
    base = picture.convert("RGB")
    base.thumbnail((longest, longest))
    most = max(float(np.abs(parts).max()), 1e-12)
    field = Image.fromarray((parts / most).astype(np.float32)).resize(base.size, Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(field), -1, 1)[..., None]
    colours = np.where(strength > 0, np.array(_WARM, float), np.array(_COLD, float))
    share = 0.65 * np.abs(strength)
    grey = np.asarray(base.convert("L").convert("RGB"), float)
    mixed = (1 - share) * grey + share * colours
    buffer = io.BytesIO()
    Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
