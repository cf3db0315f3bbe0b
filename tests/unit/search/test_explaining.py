"""Explanations: what is taken away is what is said to carry the score."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from luneta.errors import ConfigError
from luneta.search.explaining import GRID, explain_picture, explain_words, heat_map
from luneta.types import EncoderSpec, Vectors


class Redness:
    """Sees how red the upper left quarter is, and nothing else."""

    spec = EncoderSpec("redness", 2, "r" * 64)

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        red = np.array([np.asarray(i)[: i.height // 2, : i.width // 2, 0].mean() / 255 for i in images])
        return np.stack([red, np.sqrt(1 - red**2)], axis=1).astype(np.float32)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.array([[0.6, 0.8] if "red" in text.split() else [0.0, 1.0] for text in texts], dtype=np.float32)


QUERY = np.array([1, 0], dtype=np.float32)


def picture(width: int = 64, height: int = 48) -> Image.Image:
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2, 0] = 200
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(64, 48), (37, 101), (8, 8)])
def test_the_map_is_warm_where_the_encoder_looks(size: tuple[int, int]) -> None:
    score, parts = explain_picture(Redness(), picture(*size), QUERY)
    assert score == pytest.approx(200 / 255, abs=0.01)
    half = GRID // 2
    assert parts.shape == (GRID, GRID)
    assert parts[: half - 1, : half - 1].min() > 0
    assert np.abs(parts[half + 1 :, :]).max() < 1e-6
    assert np.abs(parts[:, half + 1 :]).max() < 1e-6


def test_the_map_by_its_definition() -> None:
    image = picture(64, 64)
    mean = tuple(int(value) for value in np.asarray(image).reshape(-1, 3).mean(axis=0))
    whole = float(Redness().encode_images([image])[0] @ QUERY)
    falls: dict[tuple[int, int], list[float]] = {}
    for row in range(GRID - 1):
        for column in range(GRID - 1):
            pixels = np.array(image)
            pixels[8 * row : 8 * row + 16, 8 * column : 8 * column + 16] = mean
            fall = whole - float(Redness().encode_images([Image.fromarray(pixels)])[0] @ QUERY)
            for cell in ((row, column), (row, column + 1), (row + 1, column), (row + 1, column + 1)):
                falls.setdefault(cell, []).append(fall)
    expected = [[np.mean(falls[row, column]) for column in range(GRID)] for row in range(GRID)]
    np.testing.assert_allclose(explain_picture(Redness(), image, QUERY)[1], expected, atol=1e-6)


def test_the_words_that_count() -> None:
    found = explain_words(Redness().encode_texts, "a  red boat", QUERY)
    assert [word for word, _ in found] == ["a", "red", "boat"]
    np.testing.assert_allclose([fall for _, fall in found], [0, 0.6, 0], atol=1e-6)
    assert [word for word, _ in explain_words(Redness().encode_texts, "red", QUERY)] == ["red"]


def test_heat_on_the_picture() -> None:
    parts = np.zeros((GRID, GRID))
    parts[0, 0], parts[-1, -1] = 0.5, -0.5
    with Image.open(io.BytesIO(heat_map(Image.new("RGB", (80, 80), (128, 128, 128)), parts))) as drawn:
        corner, other, middle = (np.array(drawn.getpixel(place), int) for place in ((2, 2), (77, 77), (40, 40)))
    assert corner[0] > corner[2] + 50
    assert other[2] > other[0] + 50
    assert np.abs(middle - 128).max() < 12


def test_a_picture_that_is_too_small() -> None:
    with pytest.raises(ConfigError, match="too small"):
        explain_picture(Redness(), picture(7, 40), QUERY)
