"""What a search found."""

from __future__ import annotations

import datetime
import decimal
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from luneta.types import Side


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer.

    Attributes:
        rank: from 1, over all pages.
        id: number of the item in its bundle.
        side: image or text.
        score: that it was ordered by: a cosine, unless it was re-ranked; behind those that were looked at again the
            cosine, which may be higher.
        name: of a picture.
        text: of a text.
        texts: of a picture.
        images: numbers of a text's pictures.
        metadata: the source's columns.
        rank_before: by the encoder alone, where it was re-ranked.
        also: numbers of near-duplicates that it stands for.
        key: digest of the content.
        relevant: whether its own score reaches the cut-off; None where there is none, or it was re-ranked.
    """

    rank: int
    id: int
    side: Side
    score: float
    name: str | None = None
    text: str | None = None
    texts: Sequence[str] = ()
    images: Sequence[int] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    rank_before: int | None = None
    also: Sequence[int] = ()
    key: str = ""
    relevant: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        found = asdict(self)
        return {**found, "metadata": {name: plain(value) for name, value in self.metadata.items()}}


def plain(value: Any) -> Any:
    """A cell of a table as JSON has it. Bytes are left out, and of a file of this machine its name alone is told."""
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float | decimal.Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return os.path.basename(value) if os.path.isabs(value) and os.path.exists(os.path.dirname(value)) else value
    if isinstance(value, datetime.date | datetime.time | datetime.datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class Hits(Sequence[Hit]):
    """The answers to a query, best first.

    Attributes:
        query: as it was understood.
        found: the answers of this page.
        relevant: whether the best one reaches the cut-off; None where none was calibrated for such queries, or there is
            no answer.
        cutoff: the least score that counts as relevant.
        best: score of the best answer of all pages, by the encoder alone.
        has_more: there is a next page.
    """

    query: str
    found: Sequence[Hit]
    relevant: bool | None = None
    cutoff: float | None = None
    best: float | None = None
    has_more: bool = False

    def __getitem__(self, place: Any) -> Any:
        return self.found[place]

    def __len__(self) -> int:
        return len(self.found)

    def to_dict(self) -> dict[str, Any]:
        return {
            "query": self.query,
            "relevant": self.relevant,
            "cutoff": self.cutoff,
            "best": self.best,
            "has_more": self.has_more,
            "hits": [hit.to_dict() for hit in self.found],
        }
