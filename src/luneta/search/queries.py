"""What is searched for: texts, pictures, items of the bundle, and sums and differences of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from luneta.errors import ConfigError
from luneta.types import Side, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST = 20_000
"""Characters of a query; no encoder reads so far."""

MOST_PARTS = 32

_SIGN = re.compile(r"(?:^|(?<=\s))([+-])(?=\s)")
_WEIGHT = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*\*\s*")
_CANCELLED = 1e-3


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the bundle, by its number."""

    side: Side
    id: int


@dataclass(frozen=True, slots=True)
class Part:
    """One of the things that a query is made of.

    Attributes:
        what: a text, a decoded picture, or an item of the bundle.
        weight: how much it counts; below 0 it is to be avoided.
    """

    what: str | Image | Item
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.weight) or self.weight == 0 or abs(self.weight) > 1000:
            raise ConfigError(f"a part of a query weighs {self.weight}, expected a number up to 1000 that is not 0")
        if isinstance(self.what, str):
            if not self.what.strip("\0 \t\r\n"):
                raise ConfigError("a part of the query is empty: say what to look for")
            if len(self.what) > LONGEST:
                raise ConfigError(f"a query has {len(self.what):,} characters; at most {LONGEST:,} are taken")

    @property
    def kind(self) -> str:
        return "text" if isinstance(self.what, str) else self.what.side if isinstance(self.what, Item) else "image"


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for: the direction of the weighted sum of its parts' unit vectors.

    >>> print(Query.read("a dress + 0.5*red - blue"))
    a dress + 0.5*red - blue
    >>> [(part.what, part.weight) for part in Query.read("a T-shirt").parts]
    [('a T-shirt', 1.0)]

    Raises:
        ConfigError: it has no part, or too many.
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.parts) <= MOST_PARTS:
            raise ConfigError(f"a query has {len(self.parts)} parts, expected 1 to {MOST_PARTS}")

    @classmethod
    def read(cls, text: str) -> Query:
        """A query as people type it.

        ` + ` and ` - ` with a space on both sides add and take away, `0.5*red` weighs; hyphens inside words are
        letters. In double quotes nothing is read so.

        Raises:
            ConfigError: a part is empty, or too much is said.
        """
        if len(text) > LONGEST:
            raise ConfigError(f"a query has {len(text):,} characters; at most {LONGEST:,} are taken")
        plain = text.strip()
        if len(plain) > 1 and plain[0] == plain[-1] == '"' and '"' not in plain[1:-1]:
            return cls((Part(plain[1:-1]),))
        pieces = _SIGN.split(text)
        signed = [("+", pieces[0])] if pieces[0].strip() or len(pieces) == 1 else []
        signed += list(zip(pieces[1::2], pieces[2::2], strict=True))
        return cls(tuple(_part(sign, words) for sign, words in signed))

    @classmethod
    def of(cls, *what: str | Image | Item | Query) -> Query:
        """The sum of texts (taken as they are), pictures, items and queries."""
        parts: list[Part] = []
        for each in what:
            parts += each.parts if isinstance(each, Query) else [Part(each)]
        return cls(tuple(parts))

    def without(self, *what: str | Image | Item) -> Query:
        """The same, less something."""
        return Query((*self.parts, *(Part(each, -1.0) for each in what)))

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of its parts that are texts."""
        return tuple(part.what for part in self.parts if isinstance(part.what, str))

    @property
    def text(self) -> str | None:
        """The text, of a query for nothing else."""
        part = self.parts[0]
        return part.what if len(self.parts) == 1 and part.weight > 0 and isinstance(part.what, str) else None

    @property
    def items(self) -> tuple[Item, ...]:
        """Those of its parts that are items of the bundle."""
        return tuple(part.what for part in self.parts if isinstance(part.what, Item))

    def __str__(self) -> str:
        words = ""
        for part in self.parts:
            sign = "- " if part.weight < 0 else "+ " if words else ""
            weight = "" if abs(part.weight) == 1 else f"{abs(part.weight):g}*"
            words += f"{' ' if words else ''}{sign}{weight}{_said(part)}"
        return words


def _part(sign: str, words: str) -> Part:
    found = _WEIGHT.match(words)
    size = float(found[1].replace(",", ".")) if found else 1.0
    what = (words[found.end() :] if found else words).strip()
    return Part(what, -size if sign == "-" else size)


def _said(part: Part) -> str:
    if isinstance(part.what, str):
        return part.what
    return f"{part.what.side} {part.what.id}" if isinstance(part.what, Item) else "(picture)"


def vectors_of(
    queries: Sequence[Query],
    *,
    texts: Callable[[Sequence[str]], Vectors],
    images: Callable[[Sequence[Image]], Vectors],
    items: Callable[[Side, Sequence[int]], Vectors],
) -> Vectors:
    """(n, embedding_dim) float32 unit vectors of queries; whatever is of one kind is encoded at once.

    Args:
        queries: n of them.
        texts, images: encode them.
        items: vectors of items of a side, by their numbers.

    Raises:
        ConfigError: the parts of a query cancel one another.
    """
    parts = [(row, part) for row, query in enumerate(queries) for part in query.parts]
    kinds: Mapping[str, Callable[[list[Part]], Vectors]] = {
        "text": lambda chosen: texts([str(part.what) for part in chosen]),
        "picture": lambda chosen: images([part.what for part in chosen]),  # type: ignore[misc]
        "image": lambda chosen: items("image", [part.what.id for part in chosen]),  # type: ignore[union-attr]
        "caption": lambda chosen: items("text", [part.what.id for part in chosen]),  # type: ignore[union-attr]
    }
    sums: np.ndarray | None = None
    for kind, encode in kinds.items():
        chosen = [(row, part) for row, part in parts if _source_of(part) == kind]
        if not chosen:
            continue
        found = encode([part for _, part in chosen]).astype(np.float64)
        sums = np.zeros((len(queries), found.shape[1])) if sums is None else sums
        weights = np.array([part.weight for _, part in chosen])
        np.add.at(sums, [row for row, _ in chosen], weights[:, None] * found)
    assert sums is not None  # a query has a part
    lengths = np.linalg.norm(sums, axis=1)
    if (lengths < _CANCELLED).any():
        raise ConfigError(f"the parts of {str(queries[int(np.argmin(lengths))])!r} cancel one another: nothing is left")
    unit: Vectors = (sums / lengths[:, None]).astype(np.float32)
    return unit


def _source_of(part: Part) -> str:
    if isinstance(part.what, Item):
        return "image" if part.what.side == "image" else "caption"
    return "text" if isinstance(part.what, str) else "picture"
