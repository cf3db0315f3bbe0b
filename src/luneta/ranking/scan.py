"""One pass over the similarity matrix on the CPU: how many scores stand above each threshold, and each line's best.

Scores are computed in float32, whose rounding depends on the kernel, the block and the device. A score that is nearer
to a threshold than its rounding can reach (`Lines.doubt`) is computed again in float64: counts are exact.

The matrix product takes most of the time, so the counting must not spoil it.

- Every thread multiplies blocks of its own and counts in them while they are in the cache. BLAS gets one thread for
  each: where it brings its own, these wait for one another inside the product and spin while there is counting to do.
- With an encoder that works, few scores reach the lowest threshold of their line: these are found by one comparison
  and looked at one by one.
- Where they are many, a strip of scores is compared with each threshold. That leaves bytes of 0 and 1, which are then
  added as bytes (down the columns) or eight at a time (along the rows), many times faster than as booleans. Strips are
  as wide as the block: numpy pays for every row it starts.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from luneta.progress import track
from luneta.ranking.ties import Floats, Indexes, Thresholds
from luneta.ranking.vectors import exact_product, exact_scores
from luneta.threads import available

STRIP = 128  # rows of a strip: at most 255, so that the count of a column fits into a byte
WIDTH = 8192  # columns of a block, unless the matrix is narrower
HEIGHT = 1024  # rows of a block at most: more would not make the product faster
CHUNK = 8 * 255  # columns that are counted together: eight bytes to a word, and no byte overflows
_ALONE = threading.Lock()  # the limit on BLAS holds for the process: scans at the same time would undo each other's
FEW = 0.02  # share of the scores of a strip up to which they are looked at one by one


@dataclass(frozen=True, slots=True)
class Layer:
    """Thresholds of some lines, at most one for each.

    Attributes:
        lines: (n,) which lines have one, ascending.
        upper: (n,) float64, scores strictly above it are counted as above.
        lower: (n,) float64, scores at or above it are counted as at least.
    """

    lines: Indexes
    upper: Thresholds
    lower: Thresholds

    def part(self, start: int, stop: int) -> tuple[slice, Layer]:
        """Where the lines start:stop are in this layer, and the layer of these alone, numbered from 0."""
        first, last = np.searchsorted(self.lines, [start, stop]).tolist()
        here = slice(first, last)
        return here, Layer(self.lines[here] - start, self.upper[here], self.lower[here])


@dataclass(frozen=True, slots=True)
class Lines:
    """The rows (or the columns) of the similarity matrix and what they are counted against.

    Attributes:
        vectors: (n, d) float32.
        layers: as many as the line with most thresholds needs; each line's are in the first ones, highest first.
        doubt: (n,) by how much float32 can be wrong about a score of the line.
    """

    vectors: Floats
    layers: list[Layer]
    doubt: Thresholds

    def part(self, start: int, stop: int) -> Lines:
        layers = [layer.part(start, stop)[1] for layer in self.layers]
        return Lines(self.vectors[start:stop], layers, self.doubt[start:stop])

    def floor(self) -> Floats:
        """(n,) scores below it are surely below every threshold of the line; infinity where it has none."""
        lowest = np.full(len(self.vectors), np.inf, dtype=np.float32)
        for layer in self.layers:
            lowest[layer.lines] = layer.lower - self.doubt[layer.lines]
        return lowest


@dataclass(frozen=True, slots=True)
class Tally:
    """What was found along `Lines`.

    Attributes:
        n_above, n_at_least: for every layer, the counts (n,) of its lines.
        top_score, top_item: the best score of every line, as float32 has it, and where it is.
    """

    n_above: list[Indexes]
    n_at_least: list[Indexes]
    top_score: Floats
    top_item: Indexes

    @classmethod
    def empty(cls, lines: Lines) -> Tally:
        n = len(lines.vectors)
        above, at_least = ([np.zeros(len(layer.lines), dtype=np.int64) for layer in lines.layers] for _ in range(2))
        return cls(above, at_least, np.full(n, -np.inf, dtype=np.float32), np.zeros(n, dtype=np.int64))

    def add(self, lines: Lines, start: int, found: Tally, first_item: int) -> None:
        """Take in what was found for the lines from `start` on among the items from `first_item` on."""
        stop = start + len(found.top_score)
        for layer, above, at_least, more_above, more_at_least in zip(
            lines.layers, self.n_above, self.n_at_least, found.n_above, found.n_at_least, strict=True
        ):
            here, _ = layer.part(start, stop)
            above[here] += more_above
            at_least[here] += more_at_least
        better = np.flatnonzero(found.top_score > self.top_score[start:stop])
        self.top_score[start + better] = found.top_score[better]
        self.top_item[start + better] = first_item + found.top_item[better]


def spans(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut 0:n into pieces of nearly equal length, none longer than `size`."""
    pieces = -(-n // size)
    edges = [n * i // pieces for i in range(pieces + 1)]
    return itertools.pairwise(edges)


def block_shape(n_rows: int, n_cols: int, mib: float) -> tuple[int, int]:
    """Rows and columns of a block of scores of at most `mib` mebibytes."""
    n_scores = max(1, int(mib * 2**20 / 4))
    width = min(n_cols, WIDTH, n_scores)
    return min(n_rows, n_scores // width), width


def scan(rows: Lines, cols: Lines, *, block_mib: float) -> tuple[Tally, Tally]:
    """Count and find the best along rows and columns in one pass over `rows.vectors @ cols.vectors.T`."""
    n_rows, n_cols, threads = len(rows.vectors), len(cols.vectors), available()
    height, width = block_shape(n_rows, n_cols, block_mib / threads)
    height = min(height, HEIGHT)
    found_rows, found_cols = Tally.empty(rows), Tally.empty(cols)
    buffers: SimpleQueue[Floats] = SimpleQueue()
    for _ in range(threads):
        buffers.put(np.empty(height * width, dtype=np.float32))

    def work(block: tuple[int, int, int, int]) -> tuple[Tally, Tally]:
        c0, c1, r0, r1 = block
        buffer = buffers.get()
        try:
            scores = buffer[: (r1 - r0) * (c1 - c0)].reshape(r1 - r0, c1 - c0)
            np.matmul(rows.vectors[r0:r1], cols.vectors[c0:c1].T, out=scores)
            return count(scores, rows.part(r0, r1), cols.part(c0, c1), found_cols.top_score[c0:c1])
        finally:
            buffers.put(buffer)

    blocks = [(*c, *r) for c in spans(n_cols, width) for r in spans(n_rows, height)]
    with (
        _ALONE,
        threadpool_limits(limits=1, user_api="blas"),
        ThreadPoolExecutor(threads) as pool,
        track("similarities", n_rows * n_cols) as advance,
    ):
        for (c0, c1, r0, r1), (of_rows, of_cols) in zip(blocks, pool.map(work, blocks), strict=True):
            found_rows.add(rows, r0, of_rows, c0)
            found_cols.add(cols, c0, of_cols, r0)
            advance((r1 - r0) * (c1 - c0))
    return found_rows, found_cols


def count(scores: Floats, rows: Lines, cols: Lines, known: Floats) -> tuple[Tally, Tally]:
    """What is found in one block of scores; the best of a column is looked for if it is more than the best `known`."""
    width = scores.shape[1]
    found = Tally.empty(rows), Tally.empty(cols)
    floors = rows.floor()[:, None], cols.floor()[None, :]
    mask = np.zeros((2, STRIP, -(-width // CHUNK) * CHUNK), dtype=bool)
    few: tuple[list[Indexes], list[Indexes]] = [], []
    best_of_strips = []
    strips = list(spans(len(scores), STRIP))
    for start, stop in strips:
        strip = scores[start:stop]
        for axis in (0, 1):
            floor = floors[0][start:stop] if axis == 0 else floors[1]
            reached = np.greater_equal(strip, floor, out=mask[0, : len(strip), :width])
            if np.count_nonzero(reached) <= FEW * strip.size:
                few[axis].append(start * width + np.flatnonzero(reached))
            else:
                _count_many(strip, start, (rows, cols), axis, mask, found[axis])
        found[0].top_item[start:stop] = strip.argmax(axis=1)
        best_of_strips.append(np.maximum.reduce(strip, axis=0))
    for axis in (0, 1):
        if few[axis]:
            _count_few(scores, np.concatenate(few[axis]), (rows, cols), axis, found[axis])
    found[0].top_score[:] = scores[np.arange(len(scores)), found[0].top_item]
    _best_of_columns(scores, np.stack(best_of_strips), strips, known, found[1])
    return found


Sides = tuple[Lines, Lines]
"""Rows and columns of one block; axis 0 counts in every row, axis 1 in every column."""
Masks = NDArray[np.bool_]


def _count_few(block: Floats, places: Indexes, sides: Sides, axis: int, found: Tally) -> None:
    """Count the scores at `places` of the flattened block, from the lowest layer up: what does not reach a threshold
    does not reach the higher ones of that line either."""
    where = np.divmod(places, block.shape[1])
    lines, line = sides[axis], where[axis]
    n = len(lines.vectors)
    scores = block[where].astype(np.float64)
    close = np.zeros(len(scores), dtype=bool)
    upper, lower = np.full(n, np.inf), np.full(n, -np.inf)
    for layer in lines.layers:
        upper[layer.lines], lower[layer.lines] = layer.upper, layer.lower
        for threshold in (upper, lower):
            close |= np.abs(scores - threshold[line]) <= lines.doubt[line]
    row, col = (index[close] for index in where)
    scores[close] = exact_scores(sides[0].vectors, sides[1].vectors, row, col)
    for i, layer in reversed(list(enumerate(lines.layers))):
        upper[layer.lines], lower[layer.lines] = layer.upper, layer.lower
        kept = scores >= lower[line]
        scores, line = scores[kept], line[kept]
        found.n_at_least[i] += np.bincount(line, minlength=n)[layer.lines]
        found.n_above[i] += np.bincount(line[scores > upper[line]], minlength=n)[layer.lines]


def _count_many(strip: Floats, start: int, sides: Sides, axis: int, mask: Masks, found: Tally) -> None:
    """Count in a strip that begins at row `start` of the block; in float64 where float32 leaves many undecided."""
    rows, cols = sides[0].part(start, start + len(strip)), sides[1]
    lines, first = (rows, start) if axis == 0 else (cols, 0)
    for i, layer in enumerate(sides[axis].layers):
        here, own = layer.part(first, first + len(lines.vectors))
        n = len(own.lines)
        part = strip if n == strip.shape[axis] else strip.take(own.lines, axis=axis)
        upper, lower, doubt = (
            np.expand_dims(values, 1 - axis) for values in (own.upper, own.lower, lines.doubt[own.lines])
        )
        above, rest = mask[:, : len(part)]
        above[:, part.shape[1] :] = rest[:, part.shape[1] :] = False
        seen = above[:, : part.shape[1]]
        np.greater(part, (upper + doubt).astype(np.float32), out=seen)
        np.greater_equal(part, (lower - doubt).astype(np.float32), out=rest[:, : part.shape[1]])
        np.greater(rest, above, out=rest)  # perhaps at least the lower threshold, but not surely above the upper one
        if np.count_nonzero(rest) <= FEW * part.size:
            where = np.nonzero(rest)
            line = where[axis].copy()
            where[axis][:] = own.lines[line]
            scores = exact_scores(rows.vectors, cols.vectors, *where)
            sure = _total(above, axis)[:n]
            found.n_above[i][here] += sure + np.bincount(line[scores > own.upper[line]], minlength=n)
            found.n_at_least[i][here] += sure + np.bincount(line[scores >= own.lower[line]], minlength=n)
        else:
            chosen = [side.vectors if side is not lines else side.vectors[own.lines] for side in (rows, cols)]
            exact = exact_product(*chosen)
            np.greater(exact, upper, out=seen)
            found.n_above[i][here] += _total(above, axis)[:n]
            np.greater_equal(exact, lower, out=seen)
            found.n_at_least[i][here] += _total(above, axis)[:n]


def _total(mask: NDArray[np.bool_], axis: int) -> Indexes | NDArray[np.uint8]:
    """True values in each row (axis 0) or column."""
    return _count_along(mask) if axis == 0 else _count_down(mask)


def _count_down(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """True values in each column of at most 255 rows."""
    counts: NDArray[np.uint8] = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8)
    return counts


def _count_along(mask: NDArray[np.bool_]) -> Indexes:
    """True values in each row; the number of columns is a multiple of `CHUNK`."""
    words = np.add.reduce(mask.view(np.uint64).reshape(len(mask), mask.shape[1] // CHUNK, CHUNK // 8), axis=2)
    counts: Indexes = words.view(np.uint8).sum(axis=1, dtype=np.int64)
    return counts


def _best_of_columns(
    scores: Floats, best_of_strips: Floats, strips: list[tuple[int, int]], known: Floats, found: Tally
) -> None:
    """Find the best score of each column and, if that is more than the best `known` so far, its place."""
    np.maximum.reduce(best_of_strips, axis=0, out=found.top_score)
    news = np.flatnonzero(found.top_score > known)
    if not len(news):
        return
    strip_of_best = best_of_strips[:, news].argmax(axis=0)
    for i, (start, stop) in enumerate(strips):
        chosen = news[strip_of_best == i]
        if not len(chosen):
            continue
        part = scores[start:stop].take(chosen, axis=1)
        found.top_item[chosen] = start + (part == found.top_score[chosen]).argmax(axis=0)


def count_by_sorting(
    queries: Floats, gallery: Floats, offsets: Indexes, upper: Thresholds, lower: Thresholds, *, block_mib: float
) -> tuple[Indexes, Indexes]:
    """The counts of `Tally`, in float64, for queries of so many thresholds that sorting their scores is cheaper.

    Args:
        queries: (n_queries, d).
        gallery: (n_items, d).
        offsets: (n_queries + 1,) the thresholds of query q are offsets[q]:offsets[q + 1].
        upper, lower: (n_thresholds,).
    """
    n_above, n_at_least = np.empty(len(upper), dtype=np.int64), np.empty(len(upper), dtype=np.int64)

    def place(query: int, scores: NDArray[np.float64]) -> None:
        scores.sort()
        own = slice(offsets[query], offsets[query + 1])
        n_above[own] = len(scores) - np.searchsorted(scores, upper[own], side="right")
        n_at_least[own] = len(scores) - np.searchsorted(scores, lower[own], side="left")

    step = max(1, int(block_mib * 2**20 / 8) // len(gallery))
    with ThreadPoolExecutor(available()) as pool, track("similarities", len(queries)) as advance:
        for start, stop in spans(len(queries), step):
            list(pool.map(place, range(start, stop), exact_product(queries[start:stop], gallery)))
            advance(stop - start)
    return n_above, n_at_least
