"""The places of Cenas and their skies: pale, so that the objects stand out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw, ImageFilter

from luneta.data.cenas.pen import BOARD, PAPER, RGB, WHITE, Point, mix
from luneta.data.cenas.world import INDOORS, VERSION, seeded

PIXELS = 96
"""Side of a picture."""
SCALE = 3
VARIANTS = 3
"""Each place at each time is drawn this many times, with other clouds, hills and windows."""

SKIES: dict[str, tuple[RGB, RGB]] = {
    "sunny": ((120, 195, 248), (222, 241, 253)),
    "sunset": ((238, 120, 105), (255, 214, 140)),
    "night": ((24, 30, 78), (66, 76, 140)),
    "rain": ((128, 138, 154), (178, 187, 197)),
    "snow": ((158, 176, 202), (208, 219, 233)),
}


class Stage:
    """A canvas measured from (0, 0), top left, to (1, 1), with the light of a time of day."""

    def __init__(self, time: str, rng: Random, darkness: float = 0.6) -> None:
        self.time, self.rng, self.darkness = time, rng, darkness
        self.side = PIXELS * SCALE
        self.image = Image.new("RGB", (self.side, self.side))
        self._draw = ImageDraw.Draw(self.image)

    def lit(self, rgb: RGB, snowy: bool = True) -> RGB:
        """A colour as it looks at this time; `snowy` things lie under the snow when it snows."""
        if self.time == "night":
            return mix(mix(rgb, (34, 42, 96), self.darkness), (0, 0, 20), 0.12)
        if self.time == "sunset":
            return mix(rgb, (245, 130, 90), 0.3)
        if self.time == "rain":
            return mix(rgb, (112, 122, 136), 0.4)
        if self.time == "snow" and snowy:
            return mix(rgb, (238, 243, 250), 0.58)
        return rgb

    def polygon(self, points: list[Point], rgb: RGB, snowy: bool = True) -> None:
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=self.lit(rgb, snowy))

    def box(self, x0: float, y0: float, x1: float, y1: float, rgb: RGB, snowy: bool = True) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], rgb, snowy)

    def oval(self, x: float, y: float, rx: float, ry: float, rgb: RGB, snowy: bool = True) -> None:
        s = self.side
        self._draw.ellipse([(x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s], fill=self.lit(rgb, snowy))

    def line(self, points: list[Point], rgb: RGB, width: float, snowy: bool = True) -> None:
        scaled = [(x * self.side, y * self.side) for x, y in points]
        self._draw.line(scaled, fill=self.lit(rgb, snowy), width=max(1, round(width * self.side)), joint="curve")

    def mark(self, x: float, y: float, rx: float, ry: float, rgb: RGB) -> None:
        """An ellipse in its own light: the sun, a star, a flake."""
        s = self.side
        self._draw.ellipse([(x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s], fill=rgb)

    def streak(self, x0: float, y0: float, x1: float, y1: float, rgb: RGB, width: float = 0.008) -> None:
        s = self.side
        self._draw.line([(x0 * s, y0 * s), (x1 * s, y1 * s)], fill=rgb, width=max(1, round(width * s)))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()


def sky(stage: Stage, x0: float, y0: float, x1: float, y1: float) -> None:
    """The sky of the stage's time, seen through the rectangle given (all of it outdoors, a window indoors)."""
    view = Stage(stage.time, stage.rng)
    top, bottom = SKIES[stage.time]
    steps = 48
    for i in range(steps):
        rgb = mix(top, bottom, min(1.0, i / (steps * 0.6)))
        view.image.paste(rgb, (0, i * view.side // steps, view.side, (i + 1) * view.side // steps))
    _heavenly_body(view)
    left, upper, right, lower = (round(v * stage.side) for v in (x0, y0, x1, y1))
    # a window shows the same sky, smaller, and only its upper part, where something can be seen
    shown = view.image if x1 - x0 > 0.9 else view.image.crop((0, 0, view.side, round(view.side * 0.62)))
    stage.image.paste(shown.resize((right - left, lower - upper), Image.Resampling.BOX), (left, upper))


def _heavenly_body(view: Stage) -> None:
    x = view.between(0.15, 0.85)
    if view.time == "sunny":
        view.mark(x, 0.15, 0.12, 0.12, (255, 246, 190))
        view.mark(x, 0.15, 0.085, 0.085, (255, 222, 70))
        _clouds(view, 2, WHITE)
    elif view.time == "sunset":
        view.mark(x, 0.5, 0.22, 0.22, (255, 190, 110))
        view.mark(x, 0.5, 0.16, 0.16, (255, 236, 150))
        for y in (0.12, 0.24, 0.33):
            left = view.between(0.0, 0.6)
            view.mark(left + 0.2, y, 0.25, 0.018, (250, 165, 130))
    elif view.time == "night":
        for _ in range(26):
            r = view.between(0.006, 0.012)
            view.mark(view.rng.random(), view.between(0.0, 0.6), r, r, (250, 246, 205))
        view.mark(x, 0.15, 0.09, 0.09, (250, 244, 205))
        view.mark(x + 0.04, 0.13, 0.075, 0.075, mix(*SKIES["night"], 0.25))
    else:
        _clouds(view, 4, (98, 106, 122) if view.time == "rain" else (184, 197, 216))


def _clouds(view: Stage, n: int, rgb: RGB) -> None:
    for i in range(n):
        x, y = (i + view.between(0.2, 0.8)) / n, view.between(0.04, 0.2)
        for dx, dy, r in ((-0.08, 0.015, 0.05), (0.0, -0.01, 0.07), (0.08, 0.015, 0.05)):
            view.mark(x + dx, y + dy, r * 1.2, r * 0.8, rgb)


def _weather(stage: Stage) -> None:
    """Rain and snow in front of the place."""
    if stage.time == "rain":
        for _ in range(70):
            x, y = stage.between(-0.05, 1.0), stage.between(0.0, 1.0)
            stage.streak(x, y, x - 0.02, y + 0.07, (214, 228, 245))
    elif stage.time == "snow":
        for _ in range(90):
            r = stage.between(0.007, 0.015)
            stage.mark(stage.rng.random(), stage.rng.random(), r, r, WHITE)


def _beach(stage: Stage) -> None:
    stage.box(0.0, 0.5, 1.0, 0.72, (86, 178, 214), snowy=False)
    for y in (0.55, 0.61):
        for i in range(4):
            x = i * 0.28 + stage.between(0.0, 0.12)
            stage.line([(x, y), (x + 0.05, y - 0.012), (x + 0.1, y)], (190, 228, 240), 0.012, snowy=False)
    shore = [(x / 10, 0.68 + 0.02 * (x % 2)) for x in range(11)]
    stage.polygon([*shore, (1.0, 1.0), (0.0, 1.0)], (240, 250, 250))
    stage.polygon([(x, y + 0.025) for x, y in shore] + [(1.0, 1.0), (0.0, 1.0)], (246, 224, 168))
    for _ in range(22):
        stage.oval(stage.rng.random(), stage.between(0.76, 1.0), 0.006, 0.006, (222, 192, 128))


def _sea(stage: Stage) -> None:
    stage.box(0.0, 0.36, 1.0, 1.0, (72, 158, 206), snowy=False)
    for row in range(7):
        y = 0.42 + row * 0.09
        stage.box(0.0, y + 0.03, 1.0, y + 0.05, (62, 144, 196), snowy=False)
        for i in range(5):
            x = i * 0.24 - 0.1 * (row % 2) + stage.between(0.0, 0.05)
            stage.line([(x, y), (x + 0.05, y - 0.03), (x + 0.1, y)], (176, 220, 238), 0.014, snowy=False)


def _field(stage: Stage) -> None:
    for x, rx, rgb in ((0.2, 0.6, (160, 212, 128)), (0.85, 0.55, (146, 204, 116))):
        stage.oval(x + stage.between(-0.1, 0.1), 0.9, rx, 0.42, rgb)
    stage.box(0.0, 0.68, 1.0, 1.0, (166, 218, 126))
    for _ in range(26):
        x, y = stage.rng.random(), stage.between(0.7, 0.98)
        stage.line([(x - 0.012, y), (x, y - 0.03), (x + 0.012, y)], (118, 182, 88), 0.008)


def _forest(stage: Stage) -> None:
    stage.box(0.0, 0.6, 1.0, 1.0, (140, 176, 120))
    for row, (y, rgb) in enumerate(((0.62, (112, 160, 122)), (0.72, (92, 142, 104)))):
        for i in range(8):
            x, h = (i + 0.5 * row) / 7.5 + stage.between(-0.03, 0.03), stage.between(0.3, 0.42)
            stage.box(x - 0.012, y - 0.02, x + 0.012, y + 0.06, (140, 112, 90))
            for k in range(3):
                top = y - h + k * h * 0.24
                half, foot = 0.045 + 0.02 * k, top + h * 0.42
                stage.polygon([(x, top), (x + half, foot), (x - half, foot)], rgb)
    stage.box(0.0, 0.78, 1.0, 1.0, (150, 186, 122))


def _city(stage: Stage) -> None:
    x = -0.02
    while x < 1.0:
        w, top = stage.between(0.12, 0.2), stage.between(0.18, 0.42)
        rgb = mix((176, 182, 200), (206, 190, 186), stage.rng.random())
        stage.box(x, top, x + w - 0.012, 0.8, rgb, snowy=False)
        if stage.time == "snow":
            stage.box(x, top, x + w - 0.012, top + 0.03, WHITE)
        pane = (255, 232, 150) if stage.time in ("night", "sunset") else (228, 236, 244)
        for i in range(int((0.74 - top) / 0.08)):
            for j in range(2):
                cx, cy = x + w * (0.3 + 0.35 * j), top + 0.07 + i * 0.08
                stage.mark(cx, cy, 0.016, 0.02, pane)
        x += w
    stage.box(0.0, 0.76, 1.0, 1.0, (150, 152, 160))
    stage.box(0.0, 0.76, 1.0, 0.79, (206, 206, 210))
    for i in range(4):
        stage.box(i * 0.28 + 0.02, 0.88, i * 0.28 + 0.16, 0.905, (240, 240, 236), snowy=False)


def _desert(stage: Stage) -> None:
    for x, h in ((stage.between(0.15, 0.35), 0.3), (stage.between(0.6, 0.85), 0.22)):
        stage.polygon([(x, 0.6 - h), (x + h, 0.62), (x - h, 0.62)], (222, 184, 122))
        stage.polygon([(x, 0.6 - h), (x + h, 0.62), (x + h * 0.25, 0.62)], (198, 158, 100))
    stage.box(0.0, 0.6, 1.0, 1.0, (238, 200, 134))
    for x, y, rgb in ((0.1, 0.86, (230, 188, 118)), (0.8, 0.92, (226, 180, 110)), (0.45, 1.06, (232, 192, 124))):
        stage.oval(x, y, 0.55, 0.16, rgb)


def _mountains(stage: Stage) -> None:
    for x, top, half in ((0.12, 0.3, 0.36), (0.85, 0.24, 0.4), (0.5, 0.14, 0.42)):
        x += stage.between(-0.05, 0.05)
        stage.polygon([(x, top), (x + half, 0.75), (x - half, 0.75)], (150, 148, 172))
        stage.polygon([(x, top), (x + half, 0.75), (x + half * 0.3, 0.75)], (128, 126, 152))
        cap = 0.32
        stage.polygon(
            [(x, top), (x + half * cap, top + (0.75 - top) * cap), (x + half * 0.1, top + (0.75 - top) * 0.24),
             (x - half * 0.12, top + (0.75 - top) * 0.36), (x - half * cap, top + (0.75 - top) * cap)],
            (246, 248, 252), snowy=False)  # fmt: skip
    stage.box(0.0, 0.73, 1.0, 1.0, (158, 190, 142))


def _garden(stage: Stage) -> None:
    stage.box(0.0, 0.5, 1.0, 0.62, (124, 190, 110))
    for i in range(10):
        stage.oval(i * 0.11 + 0.02, 0.5, 0.075, 0.06, (124, 190, 110))
    stage.box(0.0, 0.6, 1.0, 1.0, (172, 222, 134))
    for i in range(12):
        x = i * 0.09
        stage.polygon([(x, 0.72), (x, 0.5), (x + 0.025, 0.465), (x + 0.05, 0.5), (x + 0.05, 0.72)], (250, 248, 240),
                      snowy=False)  # fmt: skip
    stage.box(0.0, 0.54, 1.0, 0.565, (250, 248, 240), snowy=False)
    stage.box(0.0, 0.65, 1.0, 0.675, (250, 248, 240), snowy=False)
    for _ in range(18):
        x, y = stage.rng.random(), stage.between(0.76, 0.98)
        stage.oval(x, y, 0.012, 0.012, (255, 190, 200))
        stage.oval(x, y, 0.005, 0.005, (255, 240, 150))


def _kitchen(stage: Stage) -> None:
    stage.box(0.0, 0.0, 1.0, 0.66, (232, 242, 240), snowy=False)
    for i in range(9):
        stage.line([(i * 0.125, 0.0), (i * 0.125, 0.66)], (206, 224, 222), 0.008, snowy=False)
        stage.line([(0.0, i * 0.09), (1.0, i * 0.09)], (206, 224, 222), 0.008, snowy=False)
    _window(stage, stage.between(0.12, 0.5))
    stage.box(0.0, 0.56, 1.0, 0.6, (196, 168, 140), snowy=False)
    stage.box(0.0, 0.6, 1.0, 0.8, (226, 208, 184), snowy=False)
    for i in range(4):
        stage.box(i * 0.25 + 0.02, 0.63, i * 0.25 + 0.23, 0.78, (214, 194, 168), snowy=False)
        stage.oval(i * 0.25 + 0.125, 0.655, 0.012, 0.012, (150, 130, 110), snowy=False)
    for i in range(8):
        for j in range(2):
            rgb = (240, 238, 232) if (i + j) % 2 else (196, 200, 208)
            stage.box(i * 0.125, 0.8 + j * 0.1, (i + 1) * 0.125, 0.9 + j * 0.1, rgb, snowy=False)


def _living_room(stage: Stage) -> None:
    stage.box(0.0, 0.0, 1.0, 0.72, (244, 226, 210), snowy=False)
    for i in range(8):
        stage.box(i * 0.13, 0.0, i * 0.13 + 0.05, 0.72, (238, 214, 196), snowy=False)
    _window(stage, stage.between(0.12, 0.5))
    stage.box(0.0, 0.72, 1.0, 1.0, (206, 164, 122), snowy=False)
    for y in (0.79, 0.86, 0.93):
        stage.line([(0.0, y), (1.0, y)], (188, 144, 104), 0.008, snowy=False)
    stage.box(0.0, 0.7, 1.0, 0.73, (250, 246, 240), snowy=False)
    stage.oval(0.5, 0.88, 0.4, 0.08, (214, 150, 150), snowy=False)
    stage.oval(0.5, 0.88, 0.3, 0.055, (232, 190, 180), snowy=False)


def _window(stage: Stage, left: float) -> None:
    right, top, bottom = left + 0.42, 0.06, 0.46
    stage.box(left - 0.025, top - 0.025, right + 0.025, bottom + 0.025, (252, 250, 246), snowy=False)
    sky(stage, left, top, right, bottom)
    if stage.time in ("rain", "snow"):
        for _ in range(26):
            x, y = stage.between(left + 0.02, right - 0.02), stage.between(top + 0.02, bottom - 0.06)
            if stage.time == "rain":
                stage.streak(x, y, x - 0.008, y + 0.045, (220, 232, 248))
            else:
                stage.mark(x, y, 0.012, 0.012, WHITE)
    middle = (left + right) / 2
    stage.box(middle - 0.008, top, middle + 0.008, bottom, (252, 250, 246), snowy=False)
    stage.box(left, bottom, right, bottom + 0.03, (252, 250, 246), snowy=False)


PAINTERS: dict[str, Callable[[Stage], None]] = {
    "beach": _beach, "field": _field, "forest": _forest, "city": _city, "desert": _desert,
    "mountains": _mountains, "garden": _garden, "sea": _sea, "kitchen": _kitchen, "living room": _living_room,
}  # fmt: skip


@lru_cache(maxsize=1024)
def background(place: str, time: str, variant: int, style: str) -> Image.Image:
    """The empty stage, (96, 96) RGB. The picture is shared: copy it before drawing on it."""
    # rooms are lit, so that a kitchen at night can be told from a living room
    darkness = 0.42 if place in INDOORS else 0.6
    stage = Stage(time, seeded(VERSION, "background", place, time, variant), darkness)
    if place not in INDOORS:
        sky(stage, 0.0, 0.0, 1.0, 1.0)
    PAINTERS[place](stage)
    if place not in INDOORS:
        _weather(stage)
    return _styled(stage.image, style)


def _styled(image: Image.Image, style: str) -> Image.Image:
    small = image.resize((PIXELS, PIXELS), Image.Resampling.BOX)
    if style == "sketch":
        lines = image.filter(ImageFilter.BoxBlur(1)).convert("L").filter(ImageFilter.FIND_EDGES)
        lines = lines.crop((2, 2, image.width - 2, image.height - 2)).resize(small.size, Image.Resampling.BOX)
        washed = Image.blend(small, Image.new("RGB", small.size, PAPER), 0.66)
        washed.paste((120, 114, 112), mask=lines.point(lambda v: min(200, v * 8)))
        return washed
    if style == "night":
        return Image.blend(small, Image.new("RGB", small.size, BOARD), 0.72)
    return small
