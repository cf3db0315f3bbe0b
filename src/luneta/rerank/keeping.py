"""Scores of texts and pictures on the disk, kept as they are computed: what was stopped goes on where it was.

    CACHE/scores/FINGERPRINT/     of what scores: its models, its guide
      DIGEST.scores               of the texts and pictures of a part: SHA-256 of what follows, and float64 scores

Pairs go in the order of their pictures, and so many of them as a stop may lose are a part. What parts there are
follows from the pairs alone, and each is computed as if it were the only one: so the last bits do not depend on which
parts were there before, nor on whether any is kept. A part with a picture that cannot be read is not kept.

There is room for so much. What was used longest ago goes, but only when a run begins: whatever it keeps itself is there
when it is stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.artifacts import atomic_path, cache_dir
from luneta.decoding import content_keys
from luneta.errors import ArtifactError, ImageError
from luneta.progress import track, watch
from luneta.rerank.honesty import Rescorer
from luneta.rerank.kinds import fingerprint_of
from luneta.rerank.search import Queries
from luneta.store import text_key
from luneta.threads import available

logger = logging.getLogger("luneta")

PART = 1024
"""Pairs: seconds on a GPU, minutes on a CPU; and still few files."""

_SUFFIX = ".scores"

ROOM = 2**28
"""Bytes of all scores together: 33 million pairs."""

Scores = NDArray[np.float64]
Indexes = NDArray[np.int64]


@dataclass(eq=False)
class KeptScores:
    """A rescorer whose scores are kept; itself a `Rescorer`.

    Attributes:
        rescorer: scores what is not kept yet.
        folder: of what is kept; None keeps nothing, and gives the same scores.
        n_kept: scores that were there already when they were asked for.
    """

    rescorer: Rescorer
    folder: Path | None
    n_kept: int = field(default=0, init=False)
    _keys: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    @property
    def kind(self) -> str:
        """What results and folders call it."""
        return self.rescorer.kind

    @property
    def own_scale(self) -> bool:
        """New scores are of another kind than the encoder's cosines."""
        return self.rescorer.own_scale

    def pictures(self, images: Sequence[Any]) -> Any:
        """A data set's pictures; what is kept of them in memory does not decide the last bits."""
        found = self.rescorer.pictures(images)
        found.keep_nothing()
        return found

    def rescore(self, queries: Queries, pictures: Any, candidates: Indexes, *, guides: Queries | None = None) -> Scores:
        """(n, k) new scores of candidates; arguments are those of every `Rescorer`.

        Args:
            queries: n texts.
            pictures: what `pictures` gave.
            candidates: (n, k) indexes; -1 where there is none.
            guides: n texts in whose light the pictures are looked at instead of each query's own.
        """
        flat = candidates.reshape(-1)
        scores = np.full(flat.shape, np.nan)
        order = flat.argsort(kind="stable")
        order = order[flat[order] >= 0]
        with track("re-ranking", len(order)) as advance, watch(_unseen):
            for part in _parts(flat[order]):
                task = _Task.of(queries, guides, candidates, order[part])
                scores[order[part]] = self._scores(task, pictures)
                advance(len(order[part]))
        return scores.reshape(candidates.shape)

    def _scores(self, task: _Task, pictures: Any) -> Scores:
        """Of a part: those that are kept, or new ones."""
        path = None if self.folder is None else self._path(self.folder, task, pictures)
        known = None if path is None else _read(path, len(task.row))
        if known is not None:
            self.n_kept += len(known)
            return known
        found = self.rescorer.rescore(task.queries, pictures, task.candidates, guides=task.guides)
        scores: Scores = found[task.row, task.column].astype(np.float64)
        if path is not None and not np.isnan(scores).any():
            try:
                _write(path, scores)
            except ArtifactError as error:
                logger.warning("the scores are not kept between runs: %s", error)
                self.folder = None
        return scores

    def _path(self, folder: Path, task: _Task, pictures: Any) -> Path | None:
        """The file of a part; None where one of its pictures cannot be read."""
        chosen, place = np.unique(task.candidates[task.row, task.column], return_inverse=True)
        refs = [pictures.images[int(index)] for index in chosen]
        with contextlib.closing(content_keys(refs, available())) as found:
            images = [key for key in found if not isinstance(key, ImageError)]
        if len(images) < len(refs):
            return None
        lights = task.queries if task.guides is None else task.guides
        asked = zip(task.queries.texts, lights.texts, strict=True)
        texts = [self._key(text) + self._key(light) for text, light in asked]
        digest = hashlib.sha256()
        for row, image in zip(task.row.tolist(), place.tolist(), strict=True):
            digest.update(f"{texts[row]}{images[image]}\n".encode())
        return folder / f"{digest.hexdigest()}{_SUFFIX}"

    def _key(self, text: str) -> str:
        if text not in self._keys:
            self._keys[text] = text_key(text)
        return self._keys[text]


def resumable(rescorer: Rescorer, *, cache: bool = True) -> Rescorer:
    """A rescorer that goes on where it was stopped.

    One whose fingerprint nobody knows is given back as it is.

    Args:
        rescorer: gives the scores.
        cache: keep them in `luneta.artifacts.cache_dir()`, as far as there is `ROOM`; False gives the same scores and
            keeps none.
    """
    fingerprint = fingerprint_of(rescorer)
    if not fingerprint:
        return rescorer
    if not cache:
        return KeptScores(rescorer, None)
    scores = cache_dir() / "scores"
    own = scores / fingerprint[:16]
    _make_room(scores, spared=own)
    return KeptScores(rescorer, own)


@dataclass(frozen=True, slots=True)
class _Task:
    """A part as a rescorer takes it.

    Attributes:
        queries: its texts, each once.
        guides: in whose light they are looked at, where it is not their own.
        candidates: (n, k) pictures of each; -1 where there is none.
        row, column: (n_pairs,) where the pairs of the part stand in it.
    """

    queries: Queries
    guides: Queries | None
    candidates: Indexes
    row: Indexes
    column: Indexes

    @classmethod
    def of(cls, queries: Queries, guides: Queries | None, candidates: Indexes, places: Indexes) -> _Task:
        """Of the candidates at some places of a table, row after row."""
        texts, row = np.unique(places // candidates.shape[1], return_inverse=True)
        by_row = row.argsort(kind="stable")
        column = np.empty(len(row), dtype=np.int64)
        column[by_row] = np.arange(len(row)) - np.searchsorted(row[by_row], row[by_row])
        own = np.full((len(texts), int(column.max()) + 1), -1, dtype=np.int64)
        own[row, column] = candidates.reshape(-1)[places]
        return cls(queries.of(texts), None if guides is None else guides.of(texts), own, row, column)


def _parts(pictures: Indexes) -> Iterator[slice]:
    """Slices of at most PART of (n,) ascending pictures; one is divided only where it fills more than a part.

    >>> [(part.start, part.stop) for part in _parts(np.repeat([3, 5, 8], [900, 200, 1500]))]
    [(0, 900), (900, 1100), (1100, 2124), (2124, 2600)]
    """
    low = 0
    while low < len(pictures):
        high = min(low + PART, len(pictures))
        if high < len(pictures):
            begins = int(np.searchsorted(pictures, pictures[high]))
            high = begins if begins > low else high
        yield slice(low, high)
        low = high


def _read(path: Path, n: int) -> Scores | None:
    """What `_write` wrote; None where there is nothing, or something damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a cache that may only be read
        os.utime(path)  # in use
    said, numbers = content[:32], content[32:]
    if len(numbers) != 8 * n or hashlib.sha256(numbers).digest() != said:
        return None
    return np.frombuffer(numbers, dtype="<f8").astype(np.float64)


def _make_room(folder: Path, spared: Path) -> None:
    """Remove what was used longest ago, until the rest has room, but nothing that a run may go on from."""
    used = []
    for path in folder.glob(f"*/*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            facts = path.stat()
            used.append((facts.st_mtime_ns, facts.st_size, path))
    surplus = sum(size for _, size, _ in used) - ROOM
    for _, size, path in sorted(entry for entry in used if entry[2].parent != spared):
        if surplus <= 0:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            surplus -= size


def _write(path: Path, scores: Scores) -> None:
    numbers = scores.astype("<f8").tobytes()
    with atomic_path(path) as new:
        new.write_bytes(hashlib.sha256(numbers).digest() + numbers)


def _unseen(stage: str, done: int, total: int | None) -> None:
    """Of the stages inside a part nothing is shown."""
