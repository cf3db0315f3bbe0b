"""What a scene of Cenas can be, how scenes are drawn by lot, and which split each belongs to.

Every choice comes from sha256 and from `Random.random()` alone, the one method whose sequence Python promises to
keep, so that the same scenes come out on every machine and version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Literal, TypeVar

VERSION = "cenas-1"
"""Version of the generator: anything that changes a scene, a picture or a caption changes this."""

KINDS = (
    "cat", "dog", "rabbit", "fish", "bird", "duck", "owl", "butterfly", "turtle", "snail", "elephant", "whale",
    "octopus", "crab",
    "car", "bus", "truck", "boat", "plane", "train", "bicycle", "rocket", "balloon",
    "tree", "flower", "mushroom", "cactus", "apple", "pear", "pineapple", "cake", "ice cream",
    "house", "castle", "tent", "chair", "lamp", "clock", "cup", "teapot", "bottle", "umbrella", "hat", "boot",
    "shirt", "key", "book", "guitar", "kite", "bell", "heart", "star", "gift", "crown", "pencil", "robot", "flag",
    "envelope", "candle", "anchor",
)  # fmt: skip
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
SIZES = ("small", "medium", "large")
PLACES = (
    "beach", "field", "forest", "city", "desert", "mountains", "garden", "sea", "kitchen", "living room",
)  # fmt: skip
INDOORS = frozenset({"kitchen", "living room"})
TIMES = ("sunny", "sunset", "night", "rain", "snow")

Axis = Literal["horizontal", "vertical"]
AXES: tuple[Axis, Axis] = ("horizontal", "vertical")

MOST_IN_HALF = {"small": 5, "medium": 3, "large": 2}
MOST_ALONE = {"small": 5, "medium": 5, "large": 4}
"""How many of a size fit half a picture, and a whole one, without touching."""

SPLIT_SHARES = (("train", 70), ("val", 10), ("test", 15), ("compositional", 5))
SPLITS = tuple(name for name, _ in SPLIT_SHARES)
SPLIT_SIZES = {"train": 20000, "val": 1000, "test": 2000, "compositional": 800}
SWAPS = ("colour", "place in the picture", "size", "count")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group:
    """One to five equal objects."""

    kind: str
    colour: str
    count: int
    size: str

    def signature(self) -> str:
        return f"{self.kind}/{self.colour}/{self.count}/{self.size}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows, without saying where each object stands to the pixel.

    Attributes:
        groups: one group, or two of different kinds; the first is left of the second, or above it.
        axis: how two groups are arranged; None for one group.
    """

    place: str
    time: str
    groups: tuple[Group, ...]
    axis: Axis | None = None

    @property
    def signature(self) -> str:
        """Everything the scene says, as one string: equal scenes have equal signatures."""
        parts = [self.place, self.time, self.axis or "alone", *(group.signature() for group in self.groups)]
        return "|".join(parts)

    @property
    def family(self) -> str:
        """The signature less the question of which goes with which: a scene and every swap of it are one family."""
        columns = zip(*((g.kind, g.colour, str(g.count), g.size) for g in self.groups), strict=True)
        return "|".join([self.place, self.time, self.axis or "alone", *("+".join(sorted(c)) for c in columns)])


@dataclass(frozen=True, slots=True)
class SwappedPair:
    """Two scenes described by the same words in other roles."""

    swap: str
    first: Scene
    second: Scene


def seeded(*parts: object) -> Random:
    """A random stream that depends on the words given and on nothing else.

    >>> round(seeded("cenas", 7).random(), 6) == round(seeded("cenas", 7).random(), 6)
    True
    """
    text = "\x1f".join(str(part) for part in parts)
    return Random(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"))


def pick(rng: Random, options: Sequence[T]) -> T:
    return options[int(rng.random() * len(options))]


def sample_order(rng: Random, n: int, k: int) -> list[int]:
    """k different indexes below n, in random order (a partial Fisher-Yates shuffle)."""
    indexes = list(range(n))
    for i in range(k):
        j = i + int(rng.random() * (n - i))
        indexes[i], indexes[j] = indexes[j], indexes[i]
    return indexes[:k]


def split_of(scene: Scene) -> str:
    """The split a scene belongs to, decided by its family: no scene, nor a swap of it, is in two splits."""
    digest = hashlib.sha256(f"{VERSION}/{scene.family}".encode()).digest()
    ticket = int.from_bytes(digest[:8], "big") % 100
    limits = accumulate(share for _, share in SPLIT_SHARES)
    return SPLITS[sum(limit <= ticket for limit in limits)]


def random_scene(rng: Random) -> Scene:
    """Any scene of the world; one in four has a single group."""
    place, time = pick(rng, PLACES), pick(rng, TIMES)
    if rng.random() < 0.25:
        return Scene(place, time, (_random_group(rng, pick(rng, KINDS), MOST_ALONE),))
    first, second = (KINDS[i] for i in sample_order(rng, len(KINDS), 2))
    groups = (_random_group(rng, first, MOST_IN_HALF), _random_group(rng, second, MOST_IN_HALF))
    return Scene(place, time, groups, pick(rng, AXES))


def _random_group(rng: Random, kind: str, most: dict[str, int]) -> Group:
    size = pick(rng, SIZES)
    return Group(kind, pick(rng, COLOURS), 1 + int(rng.random() * most[size]), size)


@lru_cache(maxsize=len(SPLITS))
def scenes(split: str) -> tuple[Scene, ...]:
    """All scenes of train, val or test, each once, in the order in which they came up."""
    rng = seeded(VERSION, "scenes", split)
    found: dict[str, Scene] = {}
    while len(found) < SPLIT_SIZES[split]:
        scene = random_scene(rng)
        if split_of(scene) == split:
            found.setdefault(scene.signature, scene)
    return tuple(found.values())


@lru_cache(maxsize=1)
def swapped_pairs(same_gender: frozenset[frozenset[str]]) -> tuple[SwappedPair, ...]:
    """The pairs of the compositional split.

    Args:
        same_gender: sets of kinds that share a gender; both objects of a pair come from one set, for only then do
            the two Portuguese captions use the same words.
    """
    pairs: dict[str, SwappedPair] = {}
    stream = _candidate_pairs([tuple(k for k in KINDS if k in kinds) for kinds in same_gender])
    while len(pairs) < SPLIT_SIZES["compositional"] // 2:
        pair = next(stream)
        if split_of(pair.first) == "compositional":
            pairs.setdefault(pair.first.family, pair)
    return tuple(pairs.values())


def _candidate_pairs(kind_sets: list[tuple[str, ...]]) -> Iterator[SwappedPair]:
    rng = seeded(VERSION, "pairs")
    kind_sets = sorted(kind_sets)
    while True:
        swap, kinds = pick(rng, SWAPS), pick(rng, kind_sets)
        a, b = (kinds[i] for i in sample_order(rng, len(kinds), 2))
        colours = [COLOURS[i] for i in sample_order(rng, len(COLOURS), 2)]
        sizes = [SIZES[i] for i in sample_order(rng, len(SIZES), 2)] if swap == "size" else ["medium", "medium"]
        counts = [2 + i for i in sample_order(rng, 4, 2)] if swap == "count" else [1, 1]
        if swap == "count":
            sizes = ["small", "small"]
        one, two = (Group(k, c, n, s) for k, c, n, s in zip((a, b), colours, counts, sizes, strict=True))
        first = Scene(pick(rng, PLACES), pick(rng, TIMES), (one, two), pick(rng, AXES))
        yield SwappedPair(swap, first, replace(first, groups=_swapped(swap, one, two)))


def _swapped(swap: str, one: Group, two: Group) -> tuple[Group, Group]:
    if swap == "colour":
        return replace(one, colour=two.colour), replace(two, colour=one.colour)
    if swap == "size":
        return replace(one, size=two.size), replace(two, size=one.size)
    if swap == "count":
        return replace(one, count=two.count), replace(two, count=one.count)
    return two, one
