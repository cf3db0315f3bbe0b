"""The pen: shapes in a unit square, turned into a small anti-aliased picture with the look of a style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]

OVERSAMPLE = 4
"""Shapes are drawn this much larger and scaled down, which is what smooths their edges."""

COLOUR_RGB: dict[str, RGB] = {
    "red": (222, 45, 42),
    "orange": (250, 138, 25),
    "yellow": (252, 218, 50),
    "green": (60, 165, 75),
    "blue": (40, 105, 220),
    "purple": (140, 70, 185),
    "pink": (252, 145, 190),
    "brown": (132, 80, 42),
    "black": (42, 42, 48),
    "white": (250, 250, 248),
}
NEUTRAL_RGB: dict[str, RGB] = {
    "ink": (48, 46, 56),
    "paper": (255, 255, 255),
    "cream": (250, 236, 205),
    "glass": (205, 228, 240),
    "metal": (165, 172, 182),
}


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """`share` of b in a."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


BLACK, WHITE = (0, 0, 0), (255, 255, 255)
PAPER, BOARD = (247, 241, 228), (14, 17, 38)


@dataclass(frozen=True)
class Look:
    """How a style draws a shape of a given colour.

    Attributes:
        fill, edge, stroke: from the plain colour to the colour put on the picture, for areas, outlines and lines.
        halo: colour of the rim that sets an object off from what is behind it.
        edge_width, halo_width: in pixels of the finished picture.
        wobble: how far a hand-drawn corner strays, in pixels of the finished picture.
        hatched: shade with pencil strokes.
    """

    fill: Callable[[RGB], RGB]
    edge: Callable[[RGB], RGB]
    stroke: Callable[[RGB], RGB]
    halo: RGB
    edge_width: float
    halo_width: float
    wobble: float = 0.0
    hatched: bool = False


def _brightness(rgb: RGB) -> float:
    return (0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2]) / 255


def _flat_edge(rgb: RGB) -> RGB:
    return (120, 120, 132) if _brightness(rgb) < 0.25 else mix(rgb, (30, 25, 40), 0.55)


def _night_fill(rgb: RGB) -> RGB:
    return mix(rgb, BOARD, 0.5)


def _night_edge(rgb: RGB) -> RGB:
    return (135, 135, 150) if _brightness(rgb) < 0.25 else mix(rgb, WHITE, 0.18)


def _pencil(rgb: RGB) -> RGB:
    return mix((62, 58, 64), rgb, 0.15)


def _crayon(rgb: RGB) -> RGB:
    return mix(rgb, PAPER, 0.42)


def _plain(rgb: RGB) -> RGB:
    return rgb


LOOKS: dict[str, Look] = {
    "flat": Look(_plain, _flat_edge, _plain, WHITE, edge_width=0.8, halo_width=1.0),
    "sketch": Look(_crayon, _pencil, _pencil, PAPER, edge_width=0.9, halo_width=0.7, wobble=0.55, hatched=True),
    "night": Look(_night_fill, _night_edge, _night_edge, BOARD, edge_width=1.1, halo_width=0.8),
}
STYLES = tuple(LOOKS)


@lru_cache(maxsize=8)
def _hatching(side: int) -> Image.Image:
    """A mask of diagonal pencil strokes."""
    mask = Image.new("L", (side, side))
    pencil = ImageDraw.Draw(mask)
    for offset in range(-side, side, 3 * OVERSAMPLE):
        pencil.line([(offset, side), (offset + side, 0)], fill=255, width=OVERSAMPLE)
    return mask


class Pen:
    """Draws one object in the square from (-1, -1), top left, to (1, 1), bottom right.

    A colour is a word: "main" (the object's own), "light" and "dark" (its shades), or a neutral one.

    Args:
        pixels: longest side of the finished object.
        colour: one of `COLOUR_RGB`.
        style: one of `STYLES`.
        angle: turn in degrees, clockwise.
        mirrored: left and right exchanged.
        rng: source of the hand's wobble.
    """

    def __init__(self, pixels: int, colour: str, style: str, angle: float, mirrored: bool, rng: Random) -> None:
        self.look = LOOKS[style]
        self._pixels = pixels
        self._side = int(pixels * OVERSAMPLE * 1.7)
        self._unit = pixels * OVERSAMPLE / 2
        self._cos, self._sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        self._mirror = -1.0 if mirrored else 1.0
        self._rng = rng
        main = COLOUR_RGB[colour]
        deep = _brightness(main) < 0.25
        self._inks = {
            **NEUTRAL_RGB,
            "main": main,
            "light": mix(main, WHITE, 0.2 if deep else 0.3),
            "dark": mix(main, WHITE, 0.12) if deep else mix(main, (40, 30, 50), 0.22),
        }
        self._canvas = Image.new("RGB", (self._side, self._side), self.look.halo)
        self._mask = Image.new("L", (self._side, self._side))
        self._draw, self._mask_draw = ImageDraw.Draw(self._canvas), ImageDraw.Draw(self._mask)

    def _place(self, points: Sequence[Point]) -> list[Point]:
        middle, wobble = self._side / 2, self.look.wobble * OVERSAMPLE
        placed = []
        for x, y in points:
            x *= self._mirror
            dx, dy = (self._rng.random() - 0.5, self._rng.random() - 0.5) if wobble else (0.0, 0.0)
            placed.append(
                (
                    middle + (x * self._cos - y * self._sin) * self._unit + dx * 2 * wobble,
                    middle + (x * self._sin + y * self._cos) * self._unit + dy * 2 * wobble,
                )
            )
        return placed

    def polygon(self, points: Sequence[Point], fill: str = "main") -> None:
        placed = self._place(points)
        rgb, outline = self._inks[fill], [*placed, placed[0]]
        self._draw.polygon(placed, fill=self.look.fill(rgb))
        edge = self.look.edge_width * OVERSAMPLE
        _thick_line(self._draw, outline, self.look.edge(rgb), edge)
        self._mask_draw.polygon(placed, fill=255)
        _thick_line(self._mask_draw, outline, 255, edge + 2 * self.look.halo_width * OVERSAMPLE)

    def line(self, points: Sequence[Point], ink: str = "ink", width: float = 0.1) -> None:
        """A stroke; `width` in units of the square."""
        placed, thick = self._place(points), max(width * self._unit, 0.9 * OVERSAMPLE)
        _thick_line(self._draw, placed, self.look.stroke(self._inks[ink]), thick)
        _thick_line(self._mask_draw, placed, 255, thick + 2 * self.look.halo_width * OVERSAMPLE)

    def bar(self, points: Sequence[Point], fill: str = "main", width: float = 0.2) -> None:
        """A thick stroke in a fill colour, with an edge of its own."""
        placed, rgb, thick = self._place(points), self._inks[fill], width * self._unit
        edge = self.look.edge_width * OVERSAMPLE
        _thick_line(self._mask_draw, placed, 255, thick + edge + 2 * self.look.halo_width * OVERSAMPLE)
        _thick_line(self._draw, placed, self.look.edge(rgb), thick + edge)
        _thick_line(self._draw, placed, self.look.fill(rgb), max(thick - edge, OVERSAMPLE))

    def oval(self, x: float, y: float, rx: float, ry: float | None = None, fill: str = "main") -> None:
        self.polygon(arc(x, y, rx, rx if ry is None else ry, 0, 360), fill)

    def pie(self, x: float, y: float, rx: float, ry: float, start: float, end: float, fill: str = "main") -> None:
        """The piece of an ellipse cut off by the chord from angle `start` to `end` (degrees, clockwise from east)."""
        self.polygon(arc(x, y, rx, ry, start, end), fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: str = "main", corner: float = 0.0) -> None:
        if corner <= 0:
            self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)
            return
        points: list[Point] = []
        for cx, cy, start in (
            (x1 - corner, y0 + corner, 270),
            (x1 - corner, y1 - corner, 0),
            (x0 + corner, y1 - corner, 90),
            (x0 + corner, y0 + corner, 180),
        ):
            points += arc(cx, cy, corner, corner, start, start + 90, steps=4)
        self.polygon(points, fill)

    def dot(self, x: float, y: float, radius: float = 0.08, ink: str = "ink") -> None:
        """A small mark without an edge: an eye, a button."""
        (px, py), r = self._place([(x, y)])[0], max(radius * self._unit, 0.45 * OVERSAMPLE)
        self._draw.ellipse([px - r, py - r, px + r, py + r], fill=self.look.fill(self._inks[ink]))
        self._mask_draw.ellipse([px - r, py - r, px + r, py + r], fill=255)

    def finish(self) -> Image.Image:
        """The object alone, RGBA, cropped and scaled so that its longest side is the pixels asked for."""
        box = self._mask.getbbox() or (0, 0, 1, 1)
        drawn = self._canvas.crop(box)
        if self.look.hatched:
            # crayon is colour mixed with paper: less paper, in strokes, is the same colour laid on thicker
            thicker = Image.blend(Image.new("RGB", drawn.size, PAPER), drawn, 1.5)
            drawn.paste(thicker, mask=_hatching(self._side).crop(box))
        drawn.putalpha(self._mask.crop(box))
        scale = self._pixels / max(drawn.size)
        size = (max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale)))
        return drawn.resize(size, Image.Resampling.BOX if scale < 0.5 else Image.Resampling.LANCZOS)


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int | None = None) -> list[Point]:
    """Points on an ellipse from angle `start` to `end`, in degrees, clockwise from east."""
    n = steps or max(6, round(abs(end - start) / 13))
    angles = [math.radians(start + (end - start) * i / n) for i in range(n + 1 if abs(end - start) < 360 else n)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def _thick_line(draw: ImageDraw.ImageDraw, points: list[Point], paint: RGB | int, width: float) -> None:
    """A line with round corners and ends, many times faster than Pillow's own joints."""
    draw.line(points, fill=paint, width=max(1, round(width)))
    r = width / 2
    for x, y in points if len(points) < 12 else (points[0], points[-1]):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=paint)
