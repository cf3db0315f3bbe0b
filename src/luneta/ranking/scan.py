"""One pass over the similarity matrix on the CPU: how many scores stand above each threshold, and each line's best.

The matrix product takes nine tenths of the time, so the counting must not spoil it: a block of the matrix is cut into
tiles that fit into the second-level cache, each tile is compared with all its thresholds while it is there, and the
comparisons (bytes of 0 and 1) are added eight at a time. Two or more threads share the tiles of a block; numpy lets go
of the interpreter's lock inside each step.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luneta.progress import track
from luneta.ranking.ties import Floats, Indexes

STRIP = 248  # rows of a tile: at most 255, so that a column's count fits into a byte
TILE = 1024  # columns of a tile: at most 8 * 255, for the same reason; 248 x 1024 float32 is one megabyte


@dataclass(frozen=True, slots=True)
class Lines:
    """The rows (or the columns) of the similarity matrix and the thresholds each is counted against.

    Lines are visited in `order`, those with most thresholds first, so that the lines that have a second, third ...
    threshold are always the first ones: layer i is an array that is just shorter than layer i - 1.

    Attributes:
        vectors: (n, d).
        order: (n,) the order in which they are visited.
        upper, lower: for every layer, the thresholds of the lines that have it, in that order.
    """

    vectors: Floats
    order: Indexes
    upper: list[Floats]
    lower: list[Floats]

    def thresholds(self, start: int, stop: int) -> list[tuple[Floats, Floats]]:
        """(upper, lower) of every layer that occurs in start:stop; the last ones may be shorter than that."""
        return [
            (upper[start:stop], lower[start:stop])
            for upper, lower in zip(self.upper, self.lower, strict=True)
            if len(upper) > start
        ]


@dataclass(frozen=True, slots=True)
class Tally:
    """What a scan found for `Lines`, in their order.

    Attributes:
        n_above: for every layer, how many scores of the line are strictly above its upper threshold.
        n_at_least: for every layer, how many are at or above its lower threshold.
        top_score, top_item: (n,) the best score of the line and where it was found.
    """

    n_above: list[Indexes]
    n_at_least: list[Indexes]
    top_score: Floats
    top_item: Indexes

    @classmethod
    def empty(cls, widths: Sequence[int], n: int) -> Tally:
        """Nothing found yet for `n` lines, of which widths[i] have layer i."""
        return cls(
            [np.zeros(width, dtype=np.int64) for width in widths],
            [np.zeros(width, dtype=np.int64) for width in widths],
            np.full(n, -np.inf, dtype=np.float32),
            np.zeros(n, dtype=np.int64),
        )

    @classmethod
    def of(cls, lines: Lines) -> Tally:
        return cls.empty([len(layer) for layer in lines.upper], len(lines.vectors))

    def part(self, start: int, stop: int) -> Tally:
        """A view on some of the lines; what is written to it is written here."""
        return Tally(
            [layer[start:stop] for layer in self.n_above if len(layer) > start],
            [layer[start:stop] for layer in self.n_at_least if len(layer) > start],
            self.top_score[start:stop],
            self.top_item[start:stop],
        )

    def empty_like(self) -> Tally:
        return Tally.empty([len(layer) for layer in self.n_above], len(self.top_score))

    def add(self, other: Tally) -> None:
        """Take in what was found for the same lines elsewhere in the matrix."""
        for mine, more in zip(self.n_above + self.n_at_least, other.n_above + other.n_at_least, strict=True):
            mine += more
        better = other.top_score > self.top_score
        self.top_score[better] = other.top_score[better]
        self.top_item[better] = other.top_item[better]


def spans(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut 0:n into pieces of nearly equal length, none longer than `size`."""
    pieces = -(-n // size)
    edges = [n * i // pieces for i in range(pieces + 1)]
    return itertools.pairwise(edges)


def block_shape(n_rows: int, n_cols: int, block_mib: float) -> tuple[int, int]:
    """Rows and columns of a block of scores of at most `block_mib`: as square as the matrix allows."""
    n_scores = max(1, int(block_mib * 2**20 / 4))
    side = max(1, int(n_scores**0.5))
    rows = min(n_rows, max(side, n_scores // max(1, n_cols)))
    return rows, min(n_cols, max(1, n_scores // rows))


def scan(rows: Lines, cols: Lines, *, block_mib: float) -> tuple[Tally, Tally]:
    """Count and find the best along rows and columns in one pass over `rows.vectors @ cols.vectors.T`."""
    n_rows, n_cols = len(rows.vectors), len(cols.vectors)
    found_rows, found_cols = Tally.of(rows), Tally.of(cols)
    height, width = block_shape(n_rows, n_cols, block_mib)
    buffer = np.empty(height * width, dtype=np.float32)
    threads = n_threads()
    with ThreadPoolExecutor(threads) as pool, track("similarities", n_rows * n_cols) as advance:
        for r0, r1 in spans(n_rows, height):
            left = take(rows.vectors, rows.order[r0:r1])
            for c0, c1 in spans(n_cols, width):
                right = take(cols.vectors, cols.order[c0:c1])
                scores = buffer[: (r1 - r0) * (c1 - c0)].reshape(r1 - r0, c1 - c0)
                np.matmul(left, right.T, out=scores)
                jobs = [
                    pool.submit(_stripe, scores[:, t0:t1], rows, r0, cols, c0 + t0, found_rows, found_cols)
                    for t0, t1 in spans(c1 - c0, _tile_width(c1 - c0, threads))
                ]
                for job in jobs:
                    found_rows.part(r0, r1).add(job.result())
                advance((r1 - r0) * (c1 - c0))
    return found_rows, found_cols


def n_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def take(vectors: Floats, chosen: Indexes) -> Floats:
    """vectors[chosen], without a copy where these are neighbours in their order."""
    if bool((np.diff(chosen) == 1).all()):
        return vectors[chosen[0] : chosen[-1] + 1]
    return vectors[chosen]


def _tile_width(n: int, threads: int) -> int:
    """Near `TILE`, such that every thread gets as many tiles of a block as the others."""
    rounds = -(-n // (TILE * threads))
    return max(64, -(-n // (rounds * threads)))


def _stripe(
    scores: Floats, rows: Lines, row: int, cols: Lines, col: int, found_rows: Tally, found_cols: Tally
) -> Tally:
    """Count a tile-wide stripe of a block whose first score is (row, col) of the matrix.

    What belongs to the columns is written to `found_cols`; what belongs to the rows is shared with other stripes and
    returned.
    """
    n_rows, n_cols = scores.shape
    of_cols = found_cols.part(col, col + n_cols)
    of_rows = found_rows.part(row, row + n_rows).empty_like()
    col_thresholds, col_items = cols.thresholds(col, col + n_cols), cols.order[col : col + n_cols]
    mask = np.zeros((STRIP, -(-n_cols // 8) * 8), dtype=bool)  # what pads the last word stays zero
    for start, stop in spans(n_rows, STRIP):
        strip, seen = scores[start:stop], mask[: stop - start]
        _best(strip.T, rows.order[row + start : row + stop], of_cols)
        for layer, (upper, lower) in enumerate(col_thresholds):
            part, hits = strip[:, : len(upper)], seen[:, : len(upper)]
            of_cols.n_above[layer] += _count_down(np.greater(part, upper, out=hits))
            of_cols.n_at_least[layer] += _count_down(np.greater_equal(part, lower, out=hits))
        seen[:, n_cols:] = False
        of_strip = of_rows.part(start, stop)
        _best(strip, col_items, of_strip)
        for layer, (upper, lower) in enumerate(rows.thresholds(row + start, row + stop)):
            part, words = strip[: len(upper)], seen[: len(upper)]
            np.greater(part, upper[:, None], out=words[:, :n_cols])
            of_strip.n_above[layer] += _count_along(words)
            np.greater_equal(part, lower[:, None], out=words[:, :n_cols])
            of_strip.n_at_least[layer] += _count_along(words)
    return of_rows


def _count_down(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """True values in each column of at most 255 rows."""
    counts: NDArray[np.uint8] = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8)
    return counts


def _count_along(mask: NDArray[np.bool_]) -> Indexes:
    """True values in each row of at most 8 * 255 columns: eight to a word, with no carry between its bytes."""
    words = np.add.reduce(mask.view(np.uint64), axis=1)
    counts: Indexes = words.view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int64)
    return counts


def _best(lines: Floats, items: Indexes, found: Tally) -> None:
    """Keep the best score of each line; look for its place only where it improved."""
    best = np.maximum.reduce(lines, axis=1)
    better = np.flatnonzero(best > found.top_score)
    if len(better):
        found.top_score[better] = best[better]
        found.top_item[better] = items[lines[better].argmax(axis=1)]


def count_by_sorting(
    queries: Floats, gallery: Floats, offsets: Indexes, upper: Floats, lower: Floats, *, block_mib: float
) -> tuple[Indexes, Indexes]:
    """The counts of `Tally` for queries of so many thresholds that sorting their scores is cheaper.

    Args:
        queries: (n_queries, d).
        gallery: (n_items, d).
        offsets: (n_queries + 1,) the thresholds of query q are offsets[q]:offsets[q + 1].
        upper, lower: (n_thresholds,).
    """
    n_above, n_at_least = np.empty(len(upper), dtype=np.int64), np.empty(len(upper), dtype=np.int64)

    def count(query: int, scores: Floats) -> None:
        scores.sort()
        own = slice(offsets[query], offsets[query + 1])
        n_above[own] = len(scores) - np.searchsorted(scores, upper[own], side="right")
        n_at_least[own] = len(scores) - np.searchsorted(scores, lower[own], side="left")

    step = max(1, int(block_mib * 2**20 / 4) // len(gallery))
    with ThreadPoolExecutor(n_threads()) as pool, track("similarities", len(queries)) as advance:
        for start, stop in spans(len(queries), step):
            list(pool.map(count, range(start, stop), queries[start:stop] @ gallery.T))
            advance(stop - start)
    return n_above, n_at_least
