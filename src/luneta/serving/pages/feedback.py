"""Thumbs up and down: kept in a file on the server's machine, and used for the next search of the same query."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from luneta.artifacts import cache_dir
from luneta.errors import ArtifactError

UP, DOWN = 1, -1

MOST_LOGGED = 5000
"""Thumbs that a page remembers for whoever gave them; the file has all."""

MOST_BYTES = 50 * 2**20
"""Of a bundle's file; thumbs of a server that everybody can reach must not fill its disk."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What somebody marked among the answers to one query.

    Attributes:
        of: the query and what was searched; another one begins anew.
        votes: UP or DOWN by number.
        log: what was marked last, for any query, as it was written.
    """

    of: str = ""
    votes: Mapping[int, int] = field(default_factory=dict)
    log: tuple[Mapping[str, Any], ...] = ()

    def for_query(self, of: str) -> Marks:
        return self if of == self.of else replace(self, of=of, votes={})

    def toggled(self, number: int, vote: int) -> tuple[Marks, int]:
        """With a vote given, or taken back where it stood already; and what it is now (0: none)."""
        new = 0 if self.votes.get(number) == vote else vote
        votes = {known: old for known, old in self.votes.items() if known != number}
        return replace(self, votes={**votes, number: new} if new else votes), new

    def logged(self, record: Mapping[str, Any]) -> Marks:
        return replace(self, log=(*self.log, record)[-MOST_LOGGED:])

    @property
    def like(self) -> tuple[int, ...]:
        return tuple(number for number, vote in self.votes.items() if vote == UP)

    @property
    def unlike(self) -> tuple[int, ...]:
        return tuple(number for number, vote in self.votes.items() if vote == DOWN)


class FeedbackBook:
    """Files of votes, one for each bundle, one JSON object a line.

    Args:
        folder: where they lie; never a bundle's own, which is sealed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else cache_dir() / "feedback"
        self._lock = threading.Lock()

    def path(self, bundle: str, fingerprint: str) -> Path:
        """Of a bundle's file: by its name and encoder, for numbers of another bundle mean other things.

        >>> FeedbackBook(Path("feedback")).path("my shop", "ac18937b4f31").name
        'my_shop-ac18937b.jsonl'
        """
        name = re.sub(r"[^\w.-]+", "_", bundle)[:80]
        return self.folder / f"{name}-{fingerprint[:8]}.jsonl"

    def write(self, path: Path, record: Mapping[str, Any]) -> None:
        """Append a vote.

        Raises:
            ArtifactError: the file cannot be written.
        """
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        try:
            with self._lock:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab") as file:
                    if file.tell() + len(line) > MOST_BYTES:
                        raise ArtifactError(f"{path} is full: move it away to go on")
                    file.write(line)
        except OSError as error:
            raise ArtifactError(
                f"cannot write {path}: {error.strerror or error}. Choose another place or free some space."
            ) from error


def vote_record(
    *, bundle: str, dataset: str, query: str, target: str, item: int, key: str, rank: int, score: float, vote: int
) -> dict[str, Any]:
    """A line of the file; `vote` is 1, -1, or 0 for one taken back."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"), "bundle": bundle, "dataset": dataset, "query": query,
        "target": target, "id": item, "key": key, "rank": rank, "score": round(score, 6), "vote": vote,
    }  # fmt: skip


def exported(log: Sequence[Mapping[str, Any]]) -> str:
    """What somebody marked, as the file has it."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in log)
