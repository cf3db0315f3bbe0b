"""Small pictures that carry their number in their pixels, so that a test can tell which picture a pair really has."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from luneta.data.dataset import ImageTextDataset


def image_of(number: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (number % 256, number // 256 % 256, 77))


def bytes_of(number: int, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image_of(number).save(buffer, format)
    return buffer.getvalue()


def number_of(image: Image.Image) -> int:
    red, green, blue = image.getpixel((0, 0))  # type: ignore[misc]
    assert blue == 77
    return int(red + 256 * green)


def write_pictures(folder: Path, n: int) -> list[str]:
    """0.png, 1.png, ... in a folder; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        (folder / f"{number}.png").write_bytes(bytes_of(number))
    return [f"{number}.png" for number in range(n)]


def pairs_of(dataset: ImageTextDataset) -> set[tuple[int, str]]:
    """The data set as pairs of (number in the picture's pixels, caption)."""
    numbers = [number_of(image.open()) for image in dataset.images]
    return {(numbers[image], dataset.texts[text]) for text, image in dataset.pairs.tolist()}
