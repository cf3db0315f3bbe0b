"""Small pictures in a terminal: two pixels a character, in its colours."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_HALF = "\N{UPPER HALF BLOCK}"


def can_draw(console: Console) -> bool:
    """Somebody looks, and the terminal has enough colours."""
    return console.is_terminal and console.color_system == "truecolor" and not console.no_color


def drawn(jpeg: bytes, columns: int) -> Text:
    """A picture, so many characters wide."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as opened:
        picture = opened.convert("RGB")
    rows = max(1, round(columns * picture.height / picture.width / 2))
    small = picture.resize((columns, 2 * rows))
    pixels = np.asarray(small)
    text = Text()
    for row in range(rows):
        for column in range(columns):
            upper, lower = (",".join(map(str, pixels[2 * row + half, column])) for half in (0, 1))
            text.append(_HALF, style=f"rgb({upper}) on rgb({lower})")
        text.append("\n" if row + 1 < rows else "")
    return text
