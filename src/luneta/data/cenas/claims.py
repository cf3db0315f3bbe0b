"""What a caption says about its picture, before any language puts it into words."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from luneta.data.cenas.world import Group, Scene, pick

Relation = Literal["left", "right", "above", "below"]
INVERSE: dict[Relation, Relation] = {"left": "right", "right": "left", "above": "below", "below": "above"}


@dataclass(frozen=True, slots=True)
class Mention:
    """A group and how much of it is told.

    Attributes:
        number: tell how many there are; without it several objects are "some".
    """

    group: Group
    colour: bool = True
    number: bool = True
    size: bool = False

    @property
    def plural(self) -> bool:
        return self.group.count > 1


@dataclass(frozen=True, slots=True)
class Claim:
    """The facts of one caption.

    Attributes:
        mentions: one or two groups, in the order in which they are spoken of.
        relation: where the first mentioned group is, seen from the second.
        place, time: None when not told.
    """

    mentions: tuple[Mention, ...]
    relation: Relation | None = None
    place: str | None = None
    time: str | None = None


def relation_of(scene: Scene, first: int) -> Relation | None:
    """Where group `first` of the scene is, seen from the other one."""
    if scene.axis is None:
        return None
    forward: Relation = "left" if scene.axis == "horizontal" else "above"
    return forward if first == 0 else INVERSE[forward]


def claims(scene: Scene, rng: Random) -> list[Claim]:
    """Five different selections of the scene's facts, from nearly all to a few, in random order."""
    drafts = _claims_of_two(scene, rng) if scene.axis else _claims_of_one(scene, rng)
    return sorted(drafts, key=lambda _: rng.random())


def _claim(scene: Scene, rng: Random, mentions: tuple[Mention, ...], relation: Relation | None, setting: int) -> Claim:
    """A claim that tells so many of place and time."""
    place = setting == 2 or (setting == 1 and rng.random() < 0.6)
    time = setting == 2 or (setting == 1 and not place)
    return Claim(mentions, relation, scene.place if place else None, scene.time if time else None)


def _claims_of_one(scene: Scene, rng: Random) -> list[Claim]:
    (group,) = scene.groups
    sizes = [True, rng.random() < 0.5, rng.random() < 0.5, True, False]
    settings = [2, 2, 2, 1, 2 if rng.random() < 0.7 else 1]
    mentions = [Mention(group, size=size) for size in sizes]
    mentions[2] = Mention(group, number=False, size=sizes[2])
    return [_claim(scene, rng, (m,), None, n) for m, n in zip(mentions, settings, strict=True)]


def _claims_of_two(scene: Scene, rng: Random) -> list[Claim]:
    def both(**told: bool) -> tuple[tuple[Mention, ...], Relation | None]:
        first = int(rng.random() * 2)
        pair = (scene.groups[first], scene.groups[1 - first])
        vague = int(rng.random() * 4)  # now and then one of the two is told without its number
        mentions = tuple(
            Mention(g, number=i != vague, size=told.get("size", False) and rng.random() < 0.6)
            for i, g in enumerate(pair)
        )
        return mentions, relation_of(scene, first)

    full, with_relation, without, plain = both(size=True), both(size=True), both(), both()
    single = pick(rng, scene.groups)
    return [
        Claim(full[0], full[1], scene.place, scene.time),
        _claim(scene, rng, *with_relation, 1),
        _claim(scene, rng, without[0], None, 1 + int(rng.random() * 2)),
        _claim(scene, rng, _less_colour(plain[0], rng), plain[1], int(rng.random() * 2)),
        Claim((Mention(single, size=rng.random() < 0.5),), None, scene.place, scene.time)
        if rng.random() < 0.5
        else Claim(both()[0], None, scene.place, scene.time),
    ]


def _less_colour(mentions: tuple[Mention, ...], rng: Random) -> tuple[Mention, ...]:
    dropped = int(rng.random() * 3)
    return tuple(Mention(m.group, colour=i != dropped, number=m.number) for i, m in enumerate(mentions))
