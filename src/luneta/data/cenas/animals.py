"""How the animals of Cenas are drawn."""

from __future__ import annotations

from luneta.data.cenas.pen import Pen, arc


def cat(pen: Pen) -> None:
    pen.bar([(0.5, 0.75), (0.85, 0.6), (0.85, 0.1), (0.7, -0.05)], "main", 0.2)
    pen.oval(0.1, 0.55, 0.5, 0.45)
    pen.polygon([(-0.75, -0.3), (-0.72, -1.0), (-0.2, -0.62)])
    pen.polygon([(0.45, -0.3), (0.42, -1.0), (-0.1, -0.62)])
    pen.oval(-0.15, -0.2, 0.62, 0.5)
    pen.oval(-0.2, 0.9, 0.2, 0.12, "light")
    pen.oval(0.25, 0.9, 0.2, 0.12, "light")
    pen.oval(-0.15, 0.02, 0.22, 0.15, "cream")
    pen.dot(-0.4, -0.25, 0.09)
    pen.dot(0.1, -0.25, 0.09)
    pen.dot(-0.15, -0.03, 0.07)


def dog(pen: Pen) -> None:
    pen.bar([(0.75, 0.1), (0.95, -0.3)], "main", 0.16)
    for x in (-0.35, -0.12, 0.5, 0.72):
        pen.bar([(x, 0.4), (x, 0.88)], "main", 0.2)
    pen.box(-0.5, -0.05, 0.85, 0.55, corner=0.25)
    pen.oval(-0.45, -0.35, 0.42, 0.42)
    pen.oval(-0.78, -0.2, 0.26, 0.2, "cream")
    pen.dot(-0.97, -0.26, 0.1)
    pen.dot(-0.58, -0.48, 0.08)
    pen.oval(-0.2, -0.25, 0.16, 0.38, "dark")


def rabbit(pen: Pen) -> None:
    pen.oval(-0.25, -0.68, 0.15, 0.42)
    pen.oval(0.2, -0.68, 0.15, 0.42)
    pen.oval(-0.25, -0.65, 0.06, 0.28, "cream")
    pen.oval(0.2, -0.65, 0.06, 0.28, "cream")
    pen.oval(0.55, 0.7, 0.2, 0.2, "paper")
    pen.oval(0.0, 0.55, 0.52, 0.48)
    pen.oval(-0.03, -0.1, 0.45, 0.4)
    pen.oval(-0.03, 0.65, 0.3, 0.3, "light")
    pen.dot(-0.2, -0.15, 0.08)
    pen.dot(0.14, -0.15, 0.08)
    pen.box(-0.11, 0.05, 0.05, 0.2, "paper")


def fish(pen: Pen) -> None:
    pen.polygon([(0.4, 0.0), (1.0, -0.55), (0.88, 0.0), (1.0, 0.55)], "dark")
    pen.polygon([(-0.2, -0.35), (0.05, -0.75), (0.4, -0.25)], "dark")
    pen.oval(-0.2, 0.0, 0.78, 0.5)
    pen.line([(-0.45, -0.42), (-0.33, 0.0), (-0.45, 0.42)], "dark", 0.09)
    pen.oval(-0.68, -0.12, 0.13, 0.13, "paper")
    pen.dot(-0.7, -0.12, 0.08)
    pen.polygon([(-0.1, 0.05), (0.3, 0.0), (0.15, 0.28)], "light")


def bird(pen: Pen) -> None:
    pen.line([(-0.05, 0.5), (-0.05, 0.95)], "ink", 0.09)
    pen.line([(0.2, 0.5), (0.2, 0.95)], "ink", 0.09)
    pen.polygon([(0.4, 0.0), (1.0, -0.3), (0.95, 0.2), (0.5, 0.4)], "dark")
    pen.oval(0.1, 0.1, 0.6, 0.5)
    pen.polygon([(-0.7, -0.5), (-1.0, -0.3), (-0.68, -0.2)], "cream")
    pen.oval(-0.38, -0.38, 0.4, 0.38)
    pen.pie(0.2, 0.0, 0.45, 0.45, 0, 180, "light")
    pen.dot(-0.5, -0.45, 0.09)


def duck(pen: Pen) -> None:
    pen.polygon([(0.5, 0.2), (1.0, -0.25), (0.9, 0.45)])
    pen.pie(0.15, 0.2, 0.8, 0.65, 0, 180)
    pen.bar([(-0.35, -0.35), (-0.35, 0.25)], "main", 0.4)
    pen.box(-1.0, -0.55, -0.55, -0.33, "cream", 0.1)
    pen.oval(-0.4, -0.58, 0.36, 0.34)
    pen.pie(0.3, 0.3, 0.4, 0.32, 0, 180, "light")
    pen.dot(-0.48, -0.66, 0.08)


def owl(pen: Pen) -> None:
    pen.polygon([(-0.6, -0.5), (-0.65, -1.0), (-0.1, -0.75)])
    pen.polygon([(0.6, -0.5), (0.65, -1.0), (0.1, -0.75)])
    pen.oval(0.0, 0.05, 0.68, 0.88)
    pen.oval(0.0, 0.45, 0.36, 0.42, "light")
    pen.pie(-0.55, 0.3, 0.2, 0.5, 90, 270, "dark")
    pen.pie(0.55, 0.3, 0.2, 0.5, -90, 90, "dark")
    for x in (-0.28, 0.28):
        pen.oval(x, -0.35, 0.28, 0.28, "paper")
        pen.dot(x, -0.35, 0.14)
    pen.polygon([(-0.12, -0.15), (0.12, -0.15), (0.0, 0.12)], "cream")


def butterfly(pen: Pen) -> None:
    for side in (-1, 1):
        pen.line([(0.0, -0.5), (side * 0.3, -0.9)], "ink", 0.07)
        pen.oval(side * 0.5, 0.42, 0.36, 0.42, "main")
        pen.oval(side * 0.55, -0.3, 0.45, 0.48)
        pen.oval(side * 0.6, -0.3, 0.2, 0.22, "light")
        pen.oval(side * 0.5, 0.45, 0.14, 0.16, "light")
    pen.oval(0.0, 0.05, 0.12, 0.68, "ink")


def turtle(pen: Pen) -> None:
    pen.oval(-0.45, 0.5, 0.18, 0.25, "cream")
    pen.oval(0.5, 0.5, 0.18, 0.25, "cream")
    pen.polygon([(0.75, 0.3), (1.0, 0.45), (0.7, 0.5)], "cream")
    pen.oval(-0.82, 0.08, 0.24, 0.24, "cream")
    pen.pie(0.1, 0.42, 0.78, 0.95, 180, 360)
    for x, y in ((-0.2, 0.1), (0.12, -0.2), (0.42, 0.12)):
        pen.oval(x, y, 0.15, 0.15, "dark")
    pen.dot(-0.88, 0.02, 0.08)


def snail(pen: Pen) -> None:
    pen.polygon(
        [(-0.95, 0.15), (-0.6, 0.1), (-0.45, 0.5), (0.95, 0.7), (0.85, 0.8), (-0.6, 0.8), (-0.85, 0.5)], "cream"
    )
    pen.line([(-0.88, 0.15), (-1.0, -0.3)], "ink", 0.07)
    pen.line([(-0.72, 0.15), (-0.65, -0.3)], "ink", 0.07)
    pen.oval(0.15, -0.02, 0.64, 0.62)
    pen.oval(0.12, 0.05, 0.42, 0.4, "light")
    pen.oval(0.12, 0.1, 0.2, 0.2, "dark")
    pen.dot(-1.0, -0.33, 0.09)
    pen.dot(-0.63, -0.33, 0.09)


def elephant(pen: Pen) -> None:
    for x in (-0.1, 0.2, 0.55, 0.78):
        pen.bar([(x, 0.3), (x, 0.85)], "main", 0.24)
    pen.line([(0.92, -0.1), (1.0, 0.35)], "ink", 0.09)
    pen.oval(0.35, 0.0, 0.6, 0.52)
    pen.bar([(-0.62, -0.2), (-0.85, 0.3), (-0.78, 0.75), (-0.98, 0.82)], "main", 0.22)
    pen.oval(-0.45, -0.3, 0.42, 0.42)
    pen.polygon([(-0.6, 0.1), (-0.45, 0.12), (-0.68, 0.4)], "paper")
    pen.oval(-0.12, -0.28, 0.26, 0.4, "dark")
    pen.dot(-0.6, -0.38, 0.08)


def whale(pen: Pen) -> None:
    pen.line([(-0.4, -0.35), (-0.4, -0.7), (-0.65, -0.85)], "metal", 0.1)
    pen.line([(-0.4, -0.7), (-0.15, -0.85)], "metal", 0.1)
    pen.polygon([(0.65, 0.1), (0.6, -0.5), (0.8, -0.3), (1.0, -0.55), (0.95, 0.2), (0.8, 0.35)])
    pen.polygon([(-0.95, 0.1), *arc(-0.35, 0.1, 0.6, 0.5, 180, 290), (0.5, 0.0), (0.85, 0.0), (0.75, 0.5),
                 (0.35, 0.7), (-0.55, 0.7), (-0.85, 0.5)])  # fmt: skip
    pen.polygon([(-0.93, 0.3), (0.2, 0.35), (0.35, 0.7), (-0.55, 0.7), (-0.85, 0.5)], "paper")
    pen.dot(-0.6, 0.05, 0.08)


def octopus(pen: Pen) -> None:
    for x, bend in ((-0.55, -0.4), (-0.2, -0.15), (0.2, 0.15), (0.55, 0.4)):
        pen.bar([(x * 0.8, 0.1), (x, 0.55), (x + bend, 0.85)], "main", 0.22)
    pen.oval(0.0, -0.3, 0.6, 0.62)
    for x in (-0.22, 0.22):
        pen.oval(x, -0.2, 0.15, 0.17, "paper")
        pen.dot(x, -0.18, 0.08)
    pen.line([(-0.12, 0.1), (0.0, 0.15), (0.12, 0.1)], "ink", 0.07)


def crab(pen: Pen) -> None:
    for side in (-1, 1):
        for dy in (0.0, 0.2, 0.4):
            pen.line([(side * 0.4, 0.2 + dy * 0.6), (side * 0.8, 0.25 + dy), (side * 0.9, 0.45 + dy)], "ink", 0.09)
        pen.bar([(side * 0.5, 0.1), (side * 0.75, -0.25)], "main", 0.16)
        pen.polygon([(side * 0.75, -0.15), (side * 0.5, -0.5), (side * 0.6, -0.85), (side * 0.75, -0.5),
                     (side * 0.95, -0.8), (side * 1.0, -0.4)])  # fmt: skip
        pen.line([(side * 0.18, 0.0), (side * 0.18, -0.3)], "ink", 0.08)
    pen.oval(0.0, 0.25, 0.62, 0.42)
    pen.dot(-0.18, -0.3, 0.11)
    pen.dot(0.18, -0.3, 0.11)
    pen.line([(-0.2, 0.35), (0.0, 0.42), (0.2, 0.35)], "ink", 0.07)


ANIMALS = {
    "cat": cat, "dog": dog, "rabbit": rabbit, "fish": fish, "bird": bird, "duck": duck, "owl": owl,
    "butterfly": butterfly, "turtle": turtle, "snail": snail, "elephant": elephant, "whale": whale,
    "octopus": octopus, "crab": crab,
}  # fmt: skip
