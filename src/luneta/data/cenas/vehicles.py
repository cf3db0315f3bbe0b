"""How the vehicles and the food and plants of Cenas are drawn."""

from __future__ import annotations

from luneta.data.cenas.pen import Pen, arc


def _wheel(pen: Pen, x: float, y: float, radius: float) -> None:
    pen.oval(x, y, radius, radius, "ink")
    pen.oval(x, y, radius * 0.45, radius * 0.45, "metal")


def car(pen: Pen) -> None:
    pen.polygon([(-0.6, -0.05), (-0.38, -0.55), (0.35, -0.55), (0.62, -0.05)])
    pen.polygon([(-0.42, -0.08), (-0.28, -0.42), (-0.03, -0.42), (-0.03, -0.08)], "glass")
    pen.polygon([(0.08, -0.08), (0.08, -0.42), (0.28, -0.42), (0.46, -0.08)], "glass")
    pen.box(-1.0, -0.1, 1.0, 0.4, corner=0.15)
    _wheel(pen, -0.5, 0.42, 0.24)
    _wheel(pen, 0.5, 0.42, 0.24)


def bus(pen: Pen) -> None:
    pen.box(-1.0, -0.65, 1.0, 0.5, corner=0.12)
    for x in (-0.85, -0.4, 0.05, 0.5):
        pen.box(x, -0.45, x + 0.35, -0.05, "glass")
    pen.box(-1.0, 0.1, 1.0, 0.22, "light")
    _wheel(pen, -0.55, 0.52, 0.22)
    _wheel(pen, 0.55, 0.52, 0.22)


def truck(pen: Pen) -> None:
    pen.box(-0.25, -0.75, 1.0, 0.45, "main")
    pen.line([(0.15, -0.6), (0.15, 0.3)], "dark", 0.08)
    pen.line([(0.58, -0.6), (0.58, 0.3)], "dark", 0.08)
    pen.polygon([(-0.25, -0.3), (-0.7, -0.3), (-1.0, 0.1), (-1.0, 0.45), (-0.25, 0.45)], "light")
    pen.polygon([(-0.38, -0.18), (-0.65, -0.18), (-0.82, 0.08), (-0.38, 0.08)], "glass")
    _wheel(pen, -0.6, 0.5, 0.22)
    _wheel(pen, 0.25, 0.5, 0.22)
    _wheel(pen, 0.72, 0.5, 0.22)


def boat(pen: Pen) -> None:
    pen.line([(0.0, 0.3), (0.0, -0.98)], "ink", 0.1)
    pen.polygon([(-0.1, -0.85), (-0.1, 0.18), (-0.85, 0.18)], "paper")
    pen.polygon([(0.12, -0.6), (0.12, 0.18), (0.65, 0.18)], "light")
    pen.polygon([(-1.0, 0.28), (1.0, 0.28), (0.65, 0.85), (-0.65, 0.85)])


def plane(pen: Pen) -> None:
    pen.polygon([(0.65, -0.1), (0.8, -0.7), (1.0, -0.7), (0.95, 0.0)], "dark")
    pen.polygon([(-0.1, -0.1), (0.3, -0.65), (0.5, -0.65), (0.3, -0.1)], "dark")
    pen.polygon([(-1.0, 0.05), *arc(-0.7, 0.05, 0.3, 0.25, 180, 270), (0.95, -0.12), (0.9, 0.15), (0.2, 0.3),
                 (-0.7, 0.3)])  # fmt: skip
    pen.polygon([(-0.2, 0.1), (0.3, 0.1), (0.65, 0.75), (0.4, 0.75)], "light")
    pen.polygon([(-0.85, 0.0), (-0.75, -0.14), (-0.55, -0.14), (-0.55, 0.02)], "glass")
    for x in (-0.3, 0.0, 0.45):
        pen.dot(x, -0.05, 0.07, "paper")


def train(pen: Pen) -> None:
    pen.box(-0.75, -0.65, -0.5, -0.15, "dark")
    pen.polygon([(-0.8, -0.85), (-0.45, -0.85), (-0.52, -0.6), (-0.72, -0.6)], "ink")
    pen.box(-0.95, -0.2, 0.3, 0.4, corner=0.1)
    pen.box(0.2, -0.75, 0.95, 0.4)
    pen.box(0.1, -0.9, 1.0, -0.72, "dark")
    pen.box(0.38, -0.55, 0.78, -0.15, "glass")
    pen.polygon([(-0.9, 0.4), (-1.0, 0.7), (-0.65, 0.4)], "metal")
    for x in (-0.55, -0.05):
        _wheel(pen, x, 0.5, 0.22)
    _wheel(pen, 0.58, 0.45, 0.3)


def bicycle(pen: Pen) -> None:
    for x in (-0.55, 0.55):
        ring = arc(x, 0.3, 0.4, 0.4, 0, 361, steps=22)
        pen.line(ring, "ink", 0.13)
    for points in (
        [(-0.55, 0.3), (-0.25, -0.3), (0.35, -0.3), (0.05, 0.3), (-0.55, 0.3)],
        [(-0.25, -0.3), (0.05, 0.3)],
        [(0.55, 0.3), (0.3, -0.6)],
    ):
        pen.bar(points, "main", 0.2)
    pen.bar([(0.12, -0.6), (0.45, -0.65)], "ink", 0.14)
    pen.bar([(-0.45, -0.45), (-0.1, -0.45)], "ink", 0.16)


def rocket(pen: Pen) -> None:
    pen.polygon([(-0.2, 0.6), (0.0, 1.0), (0.2, 0.6)], "cream")
    pen.polygon([(-0.35, 0.1), (-0.7, 0.5), (-0.65, 0.85), (-0.3, 0.6)], "dark")
    pen.polygon([(0.35, 0.1), (0.7, 0.5), (0.65, 0.85), (0.3, 0.6)], "dark")
    pen.polygon([(0.0, -1.0), (0.28, -0.65), (0.4, -0.2), (0.32, 0.65), (-0.32, 0.65), (-0.4, -0.2), (-0.28, -0.65)])
    pen.oval(0.0, -0.25, 0.22, 0.22, "glass")
    pen.box(-0.35, 0.3, 0.35, 0.42, "light")


def balloon(pen: Pen) -> None:
    pen.line([(0.0, 0.45), (0.08, 0.6), (-0.06, 0.8), (0.04, 1.0)], "ink", 0.08)
    pen.polygon([(0.0, 0.35), (-0.12, 0.52), (0.12, 0.52)], "dark")
    pen.oval(0.0, -0.3, 0.56, 0.68)
    pen.oval(-0.22, -0.55, 0.12, 0.18, "light")


def tree(pen: Pen) -> None:
    pen.box(-0.14, 0.3, 0.14, 1.0, "metal")
    pen.oval(-0.42, 0.1, 0.42, 0.38)
    pen.oval(0.42, 0.1, 0.42, 0.38)
    pen.oval(0.0, -0.4, 0.5, 0.55)
    pen.polygon([(-0.45, 0.2), (-0.2, -0.3), (0.2, -0.3), (0.45, 0.2), (0.0, 0.35)])
    pen.dot(-0.2, -0.35, 0.1, "light")
    pen.dot(0.25, -0.1, 0.1, "light")
    pen.dot(-0.4, 0.12, 0.1, "light")


def flower(pen: Pen) -> None:
    pen.bar([(0.0, 0.2), (0.0, 0.95)], "metal", 0.14)
    pen.oval(0.25, 0.68, 0.22, 0.11, "metal")
    for x, y in arc(0.0, -0.35, 0.42, 0.42, -90, 270, steps=5)[:5]:
        pen.oval(x, y, 0.3, 0.3)
    pen.oval(0.0, -0.35, 0.24, 0.24, "cream")


def mushroom(pen: Pen) -> None:
    pen.polygon([(-0.22, 0.0), (0.22, 0.0), (0.34, 0.85), (-0.34, 0.85)], "cream")
    pen.pie(0.0, 0.15, 0.9, 0.95, 180, 360)
    for x, y, r in ((-0.4, -0.25, 0.15), (0.1, -0.5, 0.15), (0.5, -0.1, 0.13)):
        pen.oval(x, y, r, r, "paper")


def cactus(pen: Pen) -> None:
    pen.bar([(0.3, 0.25), (0.68, 0.2), (0.68, -0.2)], "main", 0.26)
    pen.bar([(-0.3, 0.0), (-0.68, -0.05), (-0.68, -0.5)], "main", 0.26)
    pen.bar([(0.0, 0.7), (0.0, -0.75)], "main", 0.46)
    pen.line([(0.0, 0.4), (0.0, -0.7)], "light", 0.07)
    pen.polygon([(-0.45, 0.5), (0.45, 0.5), (0.3, 1.0), (-0.3, 1.0)], "cream")


def apple(pen: Pen) -> None:
    pen.polygon([*arc(-0.3, 0.15, 0.5, 0.65, 90, 285, steps=14), (0.0, -0.3), *arc(0.3, 0.15, 0.5, 0.65, 255, 450,
                 steps=14), (0.0, 0.72)])  # fmt: skip
    pen.line([(0.0, -0.3), (0.05, -0.8)], "ink", 0.12)
    pen.polygon([(0.08, -0.55), (0.35, -0.88), (0.65, -0.8), (0.4, -0.52)], "metal")
    pen.oval(-0.4, -0.05, 0.12, 0.2, "light")


def pear(pen: Pen) -> None:
    pen.line([(0.0, -0.6), (0.08, -1.0)], "ink", 0.12)
    pen.polygon([(-0.28, -0.5), *arc(0.0, -0.5, 0.28, 0.28, 180, 360, steps=8), *arc(0.0, 0.4, 0.62, 0.58, -30, 210,
                 steps=18)])  # fmt: skip
    pen.polygon([(0.06, -0.8), (0.3, -1.0), (0.5, -0.85), (0.3, -0.7)], "metal")
    pen.oval(-0.28, 0.3, 0.12, 0.2, "light")


def pineapple(pen: Pen) -> None:
    for x, lean in ((-0.2, -0.45), (0.2, 0.45), (-0.1, -0.2), (0.1, 0.2), (0.0, 0.0)):
        pen.polygon([(x - 0.14, -0.25), (lean, -1.0), (x + 0.14, -0.25)], "metal")
    pen.oval(0.0, 0.35, 0.5, 0.64)
    for offset in (-0.35, 0.0, 0.35):
        pen.line([(offset - 0.3, 0.05 - abs(offset) * 0.2), (offset + 0.22, 0.75 - abs(offset) * 0.3)], "dark", 0.06)
        pen.line([(offset + 0.3, 0.05 - abs(offset) * 0.2), (offset - 0.22, 0.75 - abs(offset) * 0.3)], "dark", 0.06)


def cake(pen: Pen) -> None:
    pen.line([(0.0, -0.4), (0.0, -0.8)], "ink", 0.12)
    pen.oval(0.0, -0.88, 0.08, 0.13, "cream")
    pen.box(-0.9, 0.05, 0.9, 0.8, "main", 0.1)
    pen.box(-0.6, -0.45, 0.6, 0.1, "main", 0.1)
    for x in (-0.72, -0.36, 0.0, 0.36, 0.72):
        pen.pie(x, 0.08, 0.18, 0.22, 0, 180, "paper")
    for x in (-0.4, 0.0, 0.4):
        pen.pie(x, -0.42, 0.2, 0.2, 0, 180, "paper")


def ice_cream(pen: Pen) -> None:
    pen.polygon([(-0.42, 0.05), (0.42, 0.05), (0.0, 1.0)], "cream")
    pen.line([(-0.2, 0.15), (0.12, 0.6)], "metal", 0.06)
    pen.line([(0.2, 0.15), (-0.12, 0.6)], "metal", 0.06)
    pen.oval(-0.25, -0.2, 0.36, 0.34)
    pen.oval(0.27, -0.2, 0.36, 0.34)
    pen.oval(0.0, -0.6, 0.4, 0.38, "light")


VEHICLES = {
    "car": car, "bus": bus, "truck": truck, "boat": boat, "plane": plane, "train": train, "bicycle": bicycle,
    "rocket": rocket, "balloon": balloon,
}  # fmt: skip
PLANTS_AND_FOOD = {
    "tree": tree, "flower": flower, "mushroom": mushroom, "cactus": cactus, "apple": apple, "pear": pear,
    "pineapple": pineapple, "cake": cake, "ice cream": ice_cream,
}  # fmt: skip
