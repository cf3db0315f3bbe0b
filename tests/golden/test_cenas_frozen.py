"""Pictures, captions and pairs of Cenas, frozen: whoever changes what is drawn or said must raise `world.VERSION`.

Pictures are kept as contact sheets in tests/golden/cenas, a sixth of their size, and compared with a tolerance, because
another Pillow may draw a pixel a little otherwise. After a change on purpose, raise VERSION and run this file:

    python tests/golden/test_cenas_frozen.py
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from luneta.data.cenas import open_cenas
from luneta.data.cenas.backgrounds import PIXELS
from luneta.data.cenas.captions import LANGUAGES, captions
from luneta.data.cenas.draw import draw
from luneta.data.cenas.pen import STYLES
from luneta.data.cenas.world import COLOURS, KINDS, PLACES, SIZES, TIMES, VERSION, Scene, scenes

FOLDER = Path(__file__).parent / "cenas"
DIGESTS = FOLDER / "digests.json"
TILE = PIXELS // 6
PER_ROW = 10
REMEDY = "raise VERSION in luneta/data/cenas/world.py, then run: python tests/golden/test_cenas_frozen.py"


def features(scene: Scene) -> set[str]:
    said = {scene.place, scene.time}
    for group in scene.groups:
        said |= {group.kind, group.colour, group.size}
    return said


@cache
def chosen() -> tuple[Scene, ...]:
    """The fewest pictures of `val`, found greedily, that show every kind, colour, size, place and time."""
    missing = {*KINDS, *COLOURS, *SIZES, *PLACES, *TIMES}
    found = []
    while missing:
        best = max(scenes("val"), key=lambda scene: len(features(scene) & missing))
        found.append(best)
        missing -= features(best)
    return tuple(found)


def contact_sheet(style: str) -> NDArray[np.uint8]:
    """(rows * TILE, PER_ROW * TILE, 3): means of 6 x 6 pixels."""
    rows = -(-len(chosen()) // PER_ROW)
    sheet = np.zeros((rows * TILE, PER_ROW * TILE, 3), dtype=np.uint8)
    for number, scene in enumerate(chosen()):
        row, column = divmod(number, PER_ROW)
        blocks = np.asarray(draw(scene, style), dtype=np.float64).reshape(TILE, 6, TILE, 6, 3).mean(axis=(1, 3))
        sheet[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE] = blocks.round()
    return sheet


def digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def digests() -> dict[str, str]:
    """Of what is said: all captions of the pictures above, and every pair of the compositional split."""
    found = {"version": VERSION}
    for language in LANGUAGES:
        said = [text for scene in chosen() for variant in (0, 1) for text in captions(scene, language, variant)]
        found[f"captions {language}"] = digest(said)
        pairs = open_cenas("cenas:compositional", language=language)
        found[f"pairs {language}"] = digest([f"{pairs.image_metadata(i)}{t}" for i, t in enumerate(pairs.texts)])
    sample = open_cenas("cenas:test+duplicates", limit=110)
    found["sample"] = digest([image.label for image in sample.images])
    return found


@pytest.mark.parametrize("style", STYLES)
def test_pictures_are_what_they_were(style: str) -> None:
    frozen = np.asarray(Image.open(FOLDER / f"{style}.png"), dtype=np.int64)
    now = contact_sheet(style).astype(np.int64)
    assert now.shape == frozen.shape, REMEDY
    difference = np.abs(now - frozen)
    assert difference.max() <= 2, REMEDY
    assert difference.mean() <= 0.01, REMEDY


def test_captions_pairs_and_samples_are_what_they_were() -> None:
    assert digests() == json.loads(DIGESTS.read_text(encoding="utf-8")), REMEDY


def test_every_part_of_the_world_is_seen() -> None:
    assert {"anchor", "pink", "large", "living room", "snow"} < set().union(*map(features, chosen()))
    assert 30 <= len(chosen()) <= 60


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in STYLES:
        Image.fromarray(contact_sheet(name)).save(FOLDER / f"{name}.png", optimize=True)
    DIGESTS.write_text(json.dumps(digests(), indent=2) + "\n", encoding="utf-8")
