"""One pass over the similarity matrix on the CPU: how many scores stand above each threshold, and each line's best.

The matrix product takes most of the time, so the counting must not spoil it. Each comparison of a strip of scores with
its thresholds leaves bytes of 0 and 1, which are then added as bytes (down the columns) or eight at a time (along the
rows), many times faster than as booleans. Strips are as wide as the block: numpy pays for every row it starts. A
column whose best score in a strip is below its threshold is left out of the comparison: with an encoder that works,
that is nearly all of them. A thread takes some of the strips of a block; numpy lets go of the interpreter's lock
inside each step.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luneta.progress import track
from luneta.ranking.ties import Floats, Indexes

STRIP = 128  # rows of a strip: at most 255, so that the count of a column fits into a byte
WIDTH = 8192  # columns of a block, unless the matrix is narrower
GATHER_AT_MOST = 0.25  # share of a strip's columns that are picked out of it to be counted alone
CHUNK = 8 * 255  # columns that are counted together: eight bytes to a word, and no byte overflows


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
        self.improve(other.top_score, other.top_item)

    def improve(self, scores: Floats, items: Indexes) -> None:
        """Take in the best score of every line in another part of the matrix."""
        better = scores > self.top_score
        self.top_score[better] = scores[better]
        self.top_item[better] = items[better]


def spans(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut 0:n into pieces of nearly equal length, none longer than `size`."""
    pieces = -(-n // size)
    edges = [n * i // pieces for i in range(pieces + 1)]
    return itertools.pairwise(edges)


def block_shape(n_rows: int, n_cols: int, block_mib: float) -> tuple[int, int]:
    """Rows and columns of a block of scores of at most `block_mib`."""
    n_scores = max(1, int(block_mib * 2**20 / 4))
    width = min(n_cols, WIDTH, n_scores)
    return min(n_rows, n_scores // width), width


def scan(rows: Lines, cols: Lines, *, block_mib: float) -> tuple[Tally, Tally]:
    """Count and find the best along rows and columns in one pass over `rows.vectors @ cols.vectors.T`.

    A block is counted while the next one is multiplied: BLAS threads that had nothing to do in between would not
    sleep but spin, and take the processors from the counting.
    """
    n_rows, n_cols = len(rows.vectors), len(cols.vectors)
    found_rows, found_cols = Tally.of(rows), Tally.of(cols)
    height, width = block_shape(n_rows, n_cols, block_mib / 2)
    buffers = itertools.cycle([np.empty(height * width, dtype=np.float32) for _ in range(2)])
    threads = n_threads()
    counting: list[Future[tuple[int, Tally]]] = []
    with ThreadPoolExecutor(threads) as pool, track("similarities", n_rows * n_cols) as advance:
        for c0, c1 in spans(n_cols, width):
            right = take(cols.vectors, cols.order[c0:c1])
            for r0, r1 in spans(n_rows, height):
                left = take(rows.vectors, rows.order[r0:r1])
                scores = next(buffers)[: (r1 - r0) * (c1 - c0)].reshape(r1 - r0, c1 - c0)
                np.matmul(left, right.T, out=scores)
                _collect(counting, found_cols)
                counting = [
                    pool.submit(_count, scores[s0:s1], rows, r0 + s0, cols, c0, found_rows, found_cols)
                    for s0, s1 in spans(r1 - r0, -(-(r1 - r0) // threads))
                ]
                advance((r1 - r0) * (c1 - c0))
        _collect(counting, found_cols)
    return found_rows, found_cols


def _collect(counting: list[Future[tuple[int, Tally]]], found_cols: Tally) -> None:
    for job in counting:
        col, of_cols = job.result()
        found_cols.part(col, col + len(of_cols.top_score)).add(of_cols)


def n_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def take(vectors: Floats, chosen: Indexes) -> Floats:
    """vectors[chosen], without a copy where these are neighbours in their order."""
    if bool((np.diff(chosen) == 1).all()):
        return vectors[chosen[0] : chosen[-1] + 1]
    return vectors[chosen]


def _count(
    scores: Floats, rows: Lines, row: int, cols: Lines, col: int, found_rows: Tally, found_cols: Tally
) -> tuple[int, Tally]:
    """Count in some rows of a block; the first score is (row, col) of the matrix.

    What belongs to the rows is written to `found_rows`; what belongs to the columns, from `col` on, is returned, for
    other threads work on other rows of the same columns.
    """
    n_rows, n_cols = scores.shape
    of_cols = found_cols.part(col, col + n_cols).empty_like()
    known = found_cols.top_score[col : col + n_cols]
    col_thresholds = cols.thresholds(col, col + n_cols)
    mask = np.zeros((STRIP, -(-n_cols // CHUNK) * CHUNK), dtype=bool)
    best_of_strips = []
    strips = list(spans(n_rows, STRIP))
    for s0, s1 in strips:
        strip, of_rows = scores[s0:s1], found_rows.part(row + s0, row + s1)
        best = np.maximum.reduce(strip, axis=0)
        best_of_strips.append(best)
        _count_columns(strip, best, col_thresholds, mask, of_cols)
        _count_rows(strip, rows.thresholds(row + s0, row + s1), mask, of_rows)
        where = strip.argmax(axis=1)
        of_rows.improve(strip[np.arange(s1 - s0), where], cols.order[col + where])
    _best_of_columns(scores, np.stack(best_of_strips), strips, rows.order[row : row + n_rows], of_cols, known)
    return col, of_cols


def _count_columns(
    strip: Floats, best: Floats, thresholds: list[tuple[Floats, Floats]], mask: NDArray[np.bool_], found: Tally
) -> None:
    """Count in the columns whose `best` score of the strip reaches a threshold; the others have nothing to count."""
    for layer, (upper, lower) in enumerate(thresholds):
        part = strip[:, : len(lower)]
        chosen: slice | Indexes = slice(None)
        reached = np.flatnonzero(best[: len(lower)] >= lower)
        if len(reached) < GATHER_AT_MOST * len(lower):  # with more, to pick them out would cost more than it saves
            part, chosen = strip.take(reached, axis=1), reached
        seen = mask[: len(part), : part.shape[1]]
        found.n_above[layer][chosen] += _count_down(np.greater(part, upper[chosen], out=seen))
        found.n_at_least[layer][chosen] += _count_down(np.greater_equal(part, lower[chosen], out=seen))


def _count_rows(strip: Floats, thresholds: list[tuple[Floats, Floats]], mask: NDArray[np.bool_], found: Tally) -> None:
    width = strip.shape[1]  # what pads the mask beyond it stays zero
    for layer, (upper, lower) in enumerate(thresholds):
        part, chunks = strip[: len(upper)], mask[: len(upper)]
        np.greater(part, upper[:, None], out=chunks[:, :width])
        found.n_above[layer] += _count_along(chunks)
        np.greater_equal(part, lower[:, None], out=chunks[:, :width])
        found.n_at_least[layer] += _count_along(chunks)


def _count_down(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """True values in each column of at most 255 rows."""
    counts: NDArray[np.uint8] = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8)
    return counts


def _count_along(mask: NDArray[np.bool_]) -> Indexes:
    """True values in each row; the number of columns is a multiple of `CHUNK`."""
    words = np.add.reduce(mask.view(np.uint64).reshape(len(mask), -1, CHUNK // 8), axis=2)
    counts: Indexes = words.view(np.uint8).sum(axis=1, dtype=np.int64)
    return counts


def _best_of_columns(
    scores: Floats, best_of_strips: Floats, strips: list[tuple[int, int]], items: Indexes, found: Tally, known: Floats
) -> None:
    """Find the place of each column's best score, if that is more than the best `known` so far."""
    strip_of_best = best_of_strips.argmax(axis=0)
    found.top_score[:] = best_of_strips.max(axis=0)
    news = found.top_score > known
    for i, (s0, s1) in enumerate(strips):
        chosen = np.flatnonzero(news & (strip_of_best == i))
        place, which = np.nonzero(scores[s0:s1, chosen] == found.top_score[chosen])
        found.top_item[chosen[which]] = items[s0 + place]


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
