"""How the buildings, furniture, clothes and tools of Cenas are drawn."""

from __future__ import annotations

from luneta.data.cenas.pen import Pen, arc


def house(pen: Pen) -> None:
    pen.box(0.4, -0.85, 0.62, -0.3, "metal")
    pen.box(-0.72, -0.1, 0.72, 0.9)
    pen.polygon([(-1.0, -0.08), (0.0, -0.95), (1.0, -0.08)], "dark")
    pen.box(-0.2, 0.3, 0.15, 0.9, "cream")
    pen.box(0.3, 0.15, 0.58, 0.45, "glass")
    pen.box(-0.58, 0.15, -0.32, 0.45, "glass")


def castle(pen: Pen) -> None:
    pen.box(-0.6, -0.2, 0.6, 0.9)
    for x in (-0.72, 0.72):
        pen.box(x - 0.26, -0.5, x + 0.26, 0.9, "main")
        pen.polygon([(x - 0.32, -0.5), (x, -1.0), (x + 0.32, -0.5)], "dark")
        pen.box(x - 0.08, -0.2, x + 0.08, 0.12, "cream")
    for x in (-0.4, -0.1, 0.2):
        pen.box(x, -0.4, x + 0.2, -0.15, "main")
    pen.polygon([(-0.22, 0.9), (-0.22, 0.4), *arc(0.0, 0.4, 0.22, 0.25, 180, 360, steps=8), (0.22, 0.9)], "ink")


def tent(pen: Pen) -> None:
    pen.polygon([(0.0, -0.75), (1.0, 0.75), (-1.0, 0.75)])
    pen.polygon([(0.0, -0.75), (0.38, 0.75), (-0.38, 0.75)], "cream")
    pen.polygon([(0.0, -0.25), (0.12, 0.75), (-0.25, 0.75)], "ink")
    pen.line([(0.0, -0.7), (-0.12, -0.95)], "ink", 0.1)
    pen.line([(0.0, -0.7), (0.12, -0.95)], "ink", 0.1)


def chair(pen: Pen) -> None:
    pen.bar([(-0.45, 0.2), (-0.45, 0.92)], "main", 0.18)
    pen.bar([(0.55, 0.2), (0.55, 0.92)], "main", 0.18)
    pen.bar([(-0.5, -0.9), (-0.5, 0.2)], "main", 0.18)
    pen.bar([(0.1, -0.9), (0.1, 0.1)], "main", 0.18)
    pen.box(-0.55, -0.85, 0.15, -0.45, "main")
    pen.box(-0.5, -0.3, 0.12, -0.1, "light")
    pen.box(-0.6, 0.08, 0.7, 0.34, "main", 0.08)


def lamp(pen: Pen) -> None:
    pen.bar([(0.0, 0.0), (0.0, 0.8)], "metal", 0.14)
    pen.polygon([(-0.4, 0.95), (-0.25, 0.75), (0.25, 0.75), (0.4, 0.95)], "main")
    pen.polygon([(-0.35, -0.9), (0.35, -0.9), (0.75, 0.1), (-0.75, 0.1)])
    pen.polygon([(-0.7, -0.02), (0.7, -0.02), (0.75, 0.12), (-0.75, 0.12)], "light")


def clock(pen: Pen) -> None:
    pen.bar([(-0.45, 0.7), (-0.6, 0.95)], "main", 0.16)
    pen.bar([(0.45, 0.7), (0.6, 0.95)], "main", 0.16)
    pen.oval(-0.5, -0.72, 0.28, 0.22, "main")
    pen.oval(0.5, -0.72, 0.28, 0.22, "main")
    pen.oval(0.0, 0.08, 0.8, 0.8)
    pen.oval(0.0, 0.08, 0.48, 0.48, "paper")
    pen.line([(0.0, -0.25), (0.0, 0.08), (0.25, 0.2)], "ink", 0.11)


def cup(pen: Pen) -> None:
    pen.line([(-0.3, -0.6), (-0.2, -0.75), (-0.3, -0.9)], "metal", 0.08)
    pen.line([(0.1, -0.6), (0.2, -0.75), (0.1, -0.9)], "metal", 0.08)
    pen.bar(arc(0.58, 0.15, 0.3, 0.28, -95, 95, steps=8), "main", 0.17)
    pen.polygon([(-0.75, -0.4), (0.62, -0.4), (0.5, 0.5), (0.3, 0.7), (-0.42, 0.7), (-0.63, 0.5)])
    pen.oval(-0.06, -0.38, 0.68, 0.16, "cream")
    pen.oval(-0.06, 0.82, 0.85, 0.11, "light")


def teapot(pen: Pen) -> None:
    pen.bar(arc(0.62, 0.12, 0.32, 0.36, -100, 100, steps=9), "main", 0.15)
    pen.polygon([(-0.5, 0.45), (-0.85, -0.05), (-1.0, -0.1), (-0.95, -0.3), (-0.7, -0.25), (-0.4, 0.05)], "main")
    pen.oval(0.05, 0.22, 0.66, 0.56)
    pen.pie(0.05, -0.2, 0.42, 0.28, 180, 360, "light")
    pen.oval(0.05, -0.52, 0.12, 0.11, "dark")
    pen.box(-0.35, 0.7, 0.45, 0.82, "dark")


def bottle(pen: Pen) -> None:
    pen.box(-0.16, -1.0, 0.16, -0.8, "cream")
    pen.polygon([(-0.14, -0.82), (0.14, -0.82), (0.16, -0.4), (0.4, -0.1), (0.4, 0.95), (-0.4, 0.95), (-0.4, -0.1),
                 (-0.16, -0.4)])  # fmt: skip
    pen.box(-0.4, 0.15, 0.4, 0.6, "paper")
    pen.line([(-0.2, 0.38), (0.2, 0.38)], "metal", 0.08)


def umbrella(pen: Pen) -> None:
    pen.line([(0.0, -0.95), (0.0, 0.75), (0.1, 0.9), (0.28, 0.85), (0.3, 0.7)], "ink", 0.11)
    pen.pie(0.0, 0.15, 0.98, 0.95, 180, 360)
    pen.polygon([(-0.33, 0.15), (0.0, -0.78), (0.33, 0.15)], "light")


def hat(pen: Pen) -> None:
    pen.polygon([(-0.48, 0.45), (-0.55, -0.7), (0.55, -0.7), (0.48, 0.45)])
    pen.oval(0.0, -0.7, 0.56, 0.14, "light")
    pen.oval(0.0, 0.5, 1.0, 0.24)
    pen.polygon([(-0.5, 0.1), (0.5, 0.1), (0.49, 0.36), (-0.49, 0.36)], "cream")


def boot(pen: Pen) -> None:
    pen.polygon([(-0.3, -0.9), (0.4, -0.9), (0.45, 0.6), (-0.85, 0.6), (-0.9, 0.3), (-0.7, 0.1), (-0.3, 0.0)])
    pen.box(-0.95, 0.6, 0.5, 0.82, "ink")
    pen.box(-0.38, -0.95, 0.48, -0.68, "light")
    for y in (-0.4, -0.15):
        pen.line([(-0.3, y), (0.0, y + 0.04)], "paper", 0.09)


def shirt(pen: Pen) -> None:
    pen.polygon([(-0.35, -0.8), (0.35, -0.8), (1.0, -0.45), (0.8, 0.0), (0.5, -0.15), (0.5, 0.85), (-0.5, 0.85),
                 (-0.5, -0.15), (-0.8, 0.0), (-1.0, -0.45)])  # fmt: skip
    pen.pie(0.0, -0.8, 0.26, 0.28, 0, 180, "paper")
    pen.line([(-0.5, 0.2), (0.5, 0.2)], "light", 0.12)
    pen.line([(-0.5, 0.48), (0.5, 0.48)], "light", 0.12)


def key(pen: Pen) -> None:
    pen.bar([(0.0, 0.0), (0.95, 0.0)], "main", 0.22)
    pen.bar([(0.62, 0.05), (0.62, 0.38)], "main", 0.2)
    pen.bar([(0.9, 0.05), (0.9, 0.34)], "main", 0.2)
    pen.oval(-0.5, 0.0, 0.5, 0.5)
    pen.oval(-0.55, 0.0, 0.18, 0.18, "paper")


def book(pen: Pen) -> None:
    pen.polygon([(-0.62, -0.8), (-0.45, -0.95), (0.75, -0.95), (0.75, 0.7), (0.6, 0.9), (-0.62, 0.9)], "main")
    pen.polygon([(-0.5, 0.72), (0.72, 0.72), (0.62, 0.86), (-0.5, 0.86)], "paper")
    pen.box(-0.62, -0.8, -0.38, 0.72, "dark")
    pen.box(-0.12, -0.62, 0.5, -0.2, "cream")
    pen.line([(-0.02, -0.48), (0.4, -0.48)], "ink", 0.07)
    pen.line([(-0.02, -0.32), (0.25, -0.32)], "ink", 0.07)


def guitar(pen: Pen) -> None:
    pen.bar([(0.0, -0.1), (0.0, -0.8)], "ink", 0.16)
    pen.box(-0.17, -1.0, 0.17, -0.76, "main")
    pen.oval(0.0, 0.05, 0.38, 0.34)
    pen.oval(0.0, 0.55, 0.52, 0.45)
    pen.polygon([(-0.35, 0.1), (0.35, 0.1), (0.44, 0.4), (-0.44, 0.4)])
    pen.dot(0.0, 0.28, 0.16)
    pen.line([(-0.2, 0.75), (0.2, 0.75)], "ink", 0.1)


def kite(pen: Pen) -> None:
    pen.line([(0.0, 0.3), (0.2, 0.5), (0.05, 0.7), (0.25, 0.98)], "ink", 0.08)
    pen.polygon([(0.0, -1.0), (0.62, -0.35), (0.0, 0.4), (-0.62, -0.35)])
    pen.polygon([(0.0, -1.0), (0.62, -0.35), (0.0, -0.35)], "light")
    pen.polygon([(0.0, 0.4), (-0.62, -0.35), (0.0, -0.35)], "light")
    pen.polygon([(0.0, 0.6), (0.3, 0.45), (0.3, 0.72)], "main")


def bell(pen: Pen) -> None:
    pen.oval(0.0, -0.85, 0.14, 0.14, "main")
    pen.oval(0.0, 0.72, 0.2, 0.2, "ink")
    pen.polygon([(-0.85, 0.62), (-0.6, 0.3), (-0.5, -0.25), *arc(0.0, -0.25, 0.5, 0.5, 180, 360, steps=10),
                 (0.6, 0.3), (0.85, 0.62)])  # fmt: skip
    pen.line([(-0.68, 0.42), (0.68, 0.42)], "light", 0.12)


def heart(pen: Pen) -> None:
    pen.polygon([(0.0, 0.9), (-0.85, 0.1), *arc(-0.45, -0.3, 0.5, 0.5, 150, 330, steps=12),
                 *arc(0.45, -0.3, 0.5, 0.5, 210, 390, steps=12), (0.85, 0.1)])  # fmt: skip
    pen.oval(-0.5, -0.4, 0.16, 0.13, "light")


def star(pen: Pen) -> None:
    outer = arc(0.0, 0.05, 1.0, 1.0, -90, 270, steps=5)[:5]
    inner = arc(0.0, 0.05, 0.45, 0.45, -54, 306, steps=5)[:5]
    pen.polygon([point for pair in zip(outer, inner, strict=True) for point in pair])


def gift(pen: Pen) -> None:
    pen.oval(-0.28, -0.62, 0.26, 0.2, "cream")
    pen.oval(0.28, -0.62, 0.26, 0.2, "cream")
    pen.box(-0.75, -0.1, 0.75, 0.88)
    pen.box(-0.88, -0.45, 0.88, -0.05)
    pen.box(-0.14, -0.45, 0.14, 0.88, "cream")


def crown(pen: Pen) -> None:
    pen.polygon([(-0.85, 0.7), (-1.0, -0.4), (-0.5, 0.05), (0.0, -0.7), (0.5, 0.05), (1.0, -0.4), (0.85, 0.7)])
    pen.box(-0.86, 0.45, 0.86, 0.75, "dark")
    for x in (-0.5, 0.0, 0.5):
        pen.dot(x, 0.6, 0.1, "paper")
    for x, y in ((-1.0, -0.45), (0.0, -0.78), (1.0, -0.45)):
        pen.oval(x, y, 0.12, 0.12, "light")


def pencil(pen: Pen) -> None:
    pen.polygon([(-1.0, 0.85), (-0.88, 0.5), (-0.62, 0.76)], "cream")
    pen.polygon([(-0.88, 0.45), (0.45, -0.88), (0.78, -0.55), (-0.55, 0.78)])
    pen.line([(-0.7, 0.6), (0.6, -0.7)], "light", 0.12)
    pen.polygon([(0.45, -0.88), (0.6, -1.0), (0.9, -0.7), (0.78, -0.55)], "metal")
    pen.dot(-0.96, 0.82, 0.09)


def robot(pen: Pen) -> None:
    pen.line([(0.0, -0.6), (0.0, -0.95)], "ink", 0.09)
    pen.dot(0.0, -0.95, 0.1)
    for side in (-1, 1):
        pen.bar([(side * 0.5, 0.15), (side * 0.82, 0.45)], "dark", 0.18)
        pen.box(side * 0.28 - 0.14, 0.65, side * 0.28 + 0.14, 0.98, "dark")
    pen.box(-0.5, 0.0, 0.5, 0.72, corner=0.08)
    pen.box(-0.58, -0.7, 0.58, 0.0, corner=0.1)
    pen.box(-0.42, -0.52, 0.42, -0.18, "glass")
    pen.dot(-0.2, -0.35, 0.1)
    pen.dot(0.2, -0.35, 0.1)
    pen.box(-0.25, 0.2, 0.25, 0.48, "light")


def flag(pen: Pen) -> None:
    pen.polygon([(-0.6, -0.85), (0.0, -0.7), (0.35, -0.95), (0.85, -0.8), (0.85, 0.1), (0.35, -0.05), (0.0, 0.2),
                 (-0.6, 0.05)])  # fmt: skip
    pen.bar([(-0.62, -0.92), (-0.62, 0.95)], "metal", 0.15)


def envelope(pen: Pen) -> None:
    pen.box(-1.0, -0.65, 1.0, 0.65)
    pen.line([(-0.95, 0.6), (-0.2, 0.0)], "light", 0.08)
    pen.line([(0.95, 0.6), (0.2, 0.0)], "light", 0.08)
    pen.polygon([(-1.0, -0.65), (1.0, -0.65), (0.0, 0.22)], "light")
    pen.oval(0.0, 0.1, 0.17, 0.17, "cream")


def candle(pen: Pen) -> None:
    pen.polygon([(0.0, -1.0), (0.2, -0.62), (0.0, -0.4), (-0.2, -0.62)], "cream")
    pen.line([(0.0, -0.45), (0.0, -0.25)], "ink", 0.09)
    pen.box(-0.3, -0.28, 0.3, 0.75)
    pen.polygon([(-0.3, -0.28), (0.3, -0.28), (0.3, -0.05), (0.15, 0.12), (0.0, -0.05), (-0.18, 0.05)], "light")
    pen.box(-0.62, 0.7, 0.62, 0.92, "metal", 0.06)


def anchor(pen: Pen) -> None:
    pen.bar(arc(0.0, 0.1, 0.72, 0.68, 10, 170, steps=12), "main", 0.24)
    pen.bar([(0.0, -0.4), (0.0, 0.75)], "main", 0.24)
    pen.bar([(-0.42, -0.25), (0.42, -0.25)], "main", 0.22)
    pen.polygon([(-1.0, 0.35), (-0.72, -0.1), (-0.45, 0.35)])
    pen.polygon([(1.0, 0.35), (0.72, -0.1), (0.45, 0.35)])
    pen.oval(0.0, -0.68, 0.28, 0.28)
    pen.oval(0.0, -0.68, 0.1, 0.1, "paper")


THINGS = {
    "house": house, "castle": castle, "tent": tent, "chair": chair, "lamp": lamp, "clock": clock, "cup": cup,
    "teapot": teapot, "bottle": bottle, "umbrella": umbrella, "hat": hat, "boot": boot, "shirt": shirt, "key": key,
    "book": book, "guitar": guitar, "kite": kite, "bell": bell, "heart": heart, "star": star, "gift": gift,
    "crown": crown, "pencil": pencil, "robot": robot, "flag": flag, "envelope": envelope, "candle": candle,
    "anchor": anchor,
}  # fmt: skip
