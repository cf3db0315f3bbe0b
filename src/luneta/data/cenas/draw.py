"""From a scene to a picture: where each object stands, its sprite, the finish of the style."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from PIL import Image, ImageEnhance

from luneta.data.cenas.animals import ANIMALS
from luneta.data.cenas.backgrounds import PIXELS, VARIANTS, background
from luneta.data.cenas.pen import Pen
from luneta.data.cenas.things import THINGS
from luneta.data.cenas.vehicles import PLANTS_AND_FOOD, VEHICLES
from luneta.data.cenas.world import VERSION, Group, Scene, pick, sample_order, seeded

SIZE_PIXELS = {"small": 18, "medium": 25, "large": 36}
"""Longest side of an object."""
MARGIN = 2
ANGLES = (-9, 0, 9)
PAINTERS = {**ANIMALS, **VEHICLES, **PLANTS_AND_FOOD, **THINGS}

Box = tuple[int, int, int, int]


@lru_cache(maxsize=16384)
def sprite(kind: str, colour: str, size: str, style: str, angle: int, mirrored: bool) -> Image.Image:
    """One object, RGBA, on a transparent ground. The picture is shared: do not draw on it."""
    rng = seeded(VERSION, "sprite", kind, colour, size, angle, mirrored)
    pen = Pen(SIZE_PIXELS[size], colour, style, angle, mirrored, rng)
    PAINTERS[kind](pen)
    return pen.finish()


def regions(scene: Scene) -> tuple[Box, ...]:
    """The part of the picture each group has to itself: (left, top, right, bottom) in pixels."""
    low, middle, high = MARGIN, PIXELS // 2, PIXELS - MARGIN
    if scene.axis == "horizontal":
        return (low, low, middle - 1, high), (middle + 1, low, high, high)
    if scene.axis == "vertical":
        return (low, low, high, middle - 1), (low, middle + 1, high, high)
    return ((low, low, high, high),)


def layout(scene: Scene, variant: int) -> list[tuple[Group, Box]]:
    """The box of every object; boxes neither touch nor leave their group's region."""
    rng = seeded(VERSION, "layout", scene.signature, variant)
    placed = []
    for group, region in zip(scene.groups, regions(scene), strict=True):
        placed += [(group, box) for box in _boxes(rng, group, region)]
    return placed


def _boxes(rng: Random, group: Group, region: Box) -> list[Box]:
    left, top, right, bottom = region
    side = SIZE_PIXELS[group.size]
    columns, rows = (right - left) // side, (bottom - top) // side
    grids = [(c, r) for c in range(1, columns + 1) for r in range(1, rows + 1) if c * r >= group.count]
    # a compact grid leaves room to wander inside its cells: as many cells as needed, few more
    fewest = min(c * r for c, r in grids)
    columns, rows = pick(rng, [(c, r) for c, r in grids if c * r <= fewest + 2])
    width, height = (right - left) / columns, (bottom - top) / rows
    boxes = []
    for cell in sample_order(rng, columns * rows, group.count):
        x = left + (cell % columns) * width + rng.random() * (width - side)
        y = top + (cell // columns) * height + rng.random() * (height - side)
        boxes.append((int(x), int(y), int(x) + side, int(y) + side))
    return boxes


def draw(scene: Scene, style: str = "flat", variant: int = 0) -> Image.Image:
    """The picture of a scene, (96, 96) RGB.

    Args:
        variant: another arrangement of the same scene for every number.
    """
    rng = seeded(VERSION, "picture", scene.signature, variant)
    picture = background(scene.place, scene.time, int(rng.random() * VARIANTS), style).copy()
    for group, (left, top, right, bottom) in layout(scene, variant):
        mirrored = rng.random() < 0.5
        thing = sprite(group.kind, group.colour, group.size, style, pick(rng, ANGLES), mirrored)
        at = ((left + right - thing.width) // 2, (top + bottom - thing.height) // 2)
        picture.paste(thing, at, thing)
    return picture


def near_copy(picture: Image.Image, number: int) -> Image.Image:
    """The same picture as another scan would give it: slightly cropped, lighter or darker."""
    rng = seeded(VERSION, "near copy", picture.tobytes()[:: PIXELS + 1], number)
    left, top = 1 + int(rng.random() * 2), 1 + int(rng.random() * 2)
    inner = picture.crop((left, top, PIXELS - 3 + left, PIXELS - 3 + top)).resize(
        picture.size, Image.Resampling.BICUBIC
    )
    return ImageEnhance.Brightness(inner).enhance(1.08 if rng.random() < 0.5 else 0.92)
