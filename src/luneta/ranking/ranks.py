"""Exact ranks of all relevant items of all queries, in one direction or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from luneta.errors import ShapeError
from luneta.ranking import scan as cpu
from luneta.ranking import scan_torch
from luneta.ranking.scan import Layer, Lines, Tally
from luneta.ranking.ties import TIE_TOLERANCE, Floats, Indexes, Thresholds, tie_classes
from luneta.ranking.vectors import (
    check_block,
    check_device,
    check_match,
    check_pairs,
    check_vectors,
    rounding,
    score_pairs,
)
from luneta.types import Direction

MAX_LAYERS = 16
"""A query with more scores of its own to count against than this has its scores sorted instead."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Where the relevant items ("positives") of every query stand in the gallery.

    Ragged: the positives of query q are the entries offsets[q]:offsets[q + 1] of the other arrays. A positive with
    `n_better` items above it and `n_tied` equal ones (itself among them) takes each of the ranks n_better + 1 to
    n_better + n_tied with the same probability; metrics are expectations over these.

    Attributes:
        offsets: (n_queries + 1,) int64.
        positives: (n_positives,) int64, gallery index of each, ascending within a query.
        n_better: (n_positives,) int64, gallery items scored higher.
        n_tied: (n_positives,) int64, gallery items scored equal, itself included. Positives of a query that are tied
            with one another have equal n_better and n_tied.
        scores: (n_positives,) float32, similarity of each positive.
        top_item: (n_queries,) int64, the best-scored gallery item; any one of those within rounding of the best.
        top_score: (n_queries,) float32, its similarity.
        gallery_size: number of items that were ranked for each query.
        mean_negative_similarity: mean over all (query, item) that are not relevant; NaN when there are none.
        n_passed: (n_queries,) int64, items that are passed over: neither relevant nor in the way, as if the gallery did
            not hold them; None where every item counts.
    """

    offsets: Indexes
    positives: Indexes
    n_better: Indexes
    n_tied: Indexes
    scores: Floats
    top_item: Indexes
    top_score: Floats
    gallery_size: int
    mean_negative_similarity: float
    n_passed: Indexes | None = None

    @property
    def n_queries(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_relevant(self) -> Indexes:
        """(n_queries,) how many positives each query has; at least one."""
        return np.diff(self.offsets)

    @property
    def n_items(self) -> Indexes:
        """(n_queries,) how many items of the gallery count for each query."""
        passed = np.zeros(self.n_queries, dtype=np.int64) if self.n_passed is None else self.n_passed
        return self.gallery_size - passed

    @property
    def query(self) -> Indexes:
        """(n_positives,) the query each positive belongs to."""
        return np.repeat(np.arange(self.n_queries), self.n_relevant)


def rank(
    queries: Floats, gallery: Floats, pairs: Indexes, *, device: str | None = None, block_mib: float = 64
) -> Ranking:
    """Rank the gallery for every query and say where its positives stand.

    Args:
        queries: (n_queries, d) float32. Unit length is usual, not required.
        gallery: (n_items, d) float32.
        pairs: (n_pairs, 2) of (query index, gallery index): what is relevant. Every query needs at least one.
        device: None computes with numpy on the CPU, the fastest there; a torch device ("cuda", "cuda:1", "mps") there.
        block_mib: size of the block of scores held at a time; memory stays near twice this.

    Raises:
        ShapeError: vectors or pairs of the wrong shape, dtype or content; a query without positives.

    >>> texts = np.array([[1, 0], [0, 1]], dtype=np.float32)
    >>> images = np.array([[0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    >>> rank(texts, images, np.array([[0, 1], [1, 1]])).n_better
    array([1, 0])
    """
    return _rank(queries, gallery, pairs, ("queries", "gallery"), both=False, device=device, block_mib=block_mib)[0]


def rank_both(
    text_vectors: Floats, image_vectors: Floats, pairs: Indexes, *, device: str | None = None, block_mib: float = 64
) -> dict[Direction, Ranking]:
    """Rank images for every text and texts for every image, in one pass over the similarity matrix.

    Args:
        text_vectors: (n_texts, d) float32.
        image_vectors: (n_images, d) float32.
        pairs: (n_pairs, 2) of (text index, image index): what belongs together. Every text and image needs a partner.
        device, block_mib: as in `rank`.

    Raises:
        ShapeError: as `rank`.
    """
    forward, backward = _rank(
        text_vectors, image_vectors, pairs, ("texts", "images"), both=True, device=device, block_mib=block_mib
    )
    return {"text_to_image": forward, "image_to_text": backward}


def _rank(
    left: Any, right: Any, pairs: Any, names: tuple[str, str], *, both: bool, device: str | None, block_mib: float
) -> list[Ranking]:
    """Rankings of the right side for the left and, if `both`, of the left for the right."""
    check_block(block_mib)
    check_device(device)
    left, left_lengths = check_vectors(names[0], left)
    right, right_lengths = check_vectors(names[1], right)
    check_match(left, right, names)
    pairs = check_pairs(pairs, names, len(left), len(right))
    scores = score_pairs(left, right, pairs)
    mean_negative = _mean_negative(left, right, scores)
    sides = [_Side(names[0], left, pairs, scores, left_lengths * right_lengths.max())]
    if both:
        swap = np.argsort(pairs[:, 1], kind="stable")  # sorted by text within an image, as pairs are sorted by text
        sides.append(_Side(names[1], right, pairs[swap, ::-1], scores[swap], right_lengths * left_lengths.max()))
    lines = [side.lines() for side in sides] if both else [sides[0].lines(), Lines(right, [], np.zeros(len(right)))]
    tallies = _scan(lines[0], lines[1], device, block_mib)
    rankings = []
    for side, tally, gallery in zip(sides, tallies, (right, left), strict=False):
        n_above, n_at_least = side.counts(tally, gallery, block_mib)
        rankings.append(side.ranking(tally, n_above, n_at_least, gallery, mean_negative))
    return rankings


def _scan(left: Lines, right: Lines, device: str | None, block_mib: float) -> tuple[Tally, Tally]:
    """One pass, with the side that has more comparisons to make as columns: these can be skipped, rows cannot."""
    of_left, of_right = (sum(len(layer.lines) for layer in side.layers) for side in (left, right))
    if of_left * len(right.vectors) > of_right * len(left.vectors):
        return _scan(right, left, device, block_mib)[::-1]
    if device is None:
        return cpu.scan(left, right, block_mib=block_mib)
    return scan_torch.scan(left, right, device=device, block_mib=block_mib)


def _mean_negative(left: Floats, right: Floats, scores: Floats) -> float:
    """Mean over the pairs that do not belong together: the sum over all pairs is the product of the two sums."""
    n_negatives = len(left) * len(right) - len(scores)
    if not n_negatives:
        return float("nan")
    total = left.sum(axis=0, dtype=np.float64) @ right.sum(axis=0, dtype=np.float64)
    return float((total - scores.sum(dtype=np.float64)) / n_negatives)


class _Side:
    """The queries of one direction, their positives, and the thresholds these set."""

    def __init__(self, name: str, vectors: Floats, pairs: Indexes, scores: Floats, lengths: Thresholds):
        """`lengths` (n,) are those of the queries times that of the longest item."""
        self.vectors, self.items, self.scores, self.lengths = vectors, pairs[:, 1], scores, lengths
        self.offsets = np.searchsorted(pairs[:, 0], np.arange(len(vectors) + 1))
        lonely = np.flatnonzero(np.diff(self.offsets) == 0)
        if len(lonely):
            raise ShapeError(
                f"{len(lonely)} of {len(vectors)} {name} have no relevant item (the first is number {lonely[0]}); "
                "a query without one has no rank: leave it out or add its pair"
            )
        self.classes = tie_classes(pairs[:, 0], scores, TIE_TOLERANCE * lengths)
        self.n_classes = np.bincount(self.classes.query, minlength=len(vectors))
        self.crowded = self.n_classes > MAX_LAYERS

    def lines(self) -> Lines:
        """The queries and their thresholds as a scan takes them; the crowded ones have none."""
        return Lines(
            self.vectors,
            [
                Layer(self.classes.query[own], self.classes.upper[own], self.classes.lower[own])
                for own in self._classes_by_layer()
            ],
            rounding(self.vectors.shape[1]) * self.lengths,
        )

    def _classes_by_layer(self) -> list[Indexes]:
        """The first classes of all queries that are not crowded, their second classes, ..."""
        counted = ~self.crowded[self.classes.query]
        deepest = int(self.n_classes[~self.crowded].max(initial=0))
        return [np.flatnonzero(counted & (self.classes.layer == layer)) for layer in range(deepest)]

    def counts(self, tally: Tally, gallery: Floats, block_mib: float) -> tuple[Indexes, Indexes]:
        """(n_classes,) how many items are better than each tie class, and how many are not worse."""
        n_above, n_at_least = (np.empty(len(self.classes.query), dtype=np.int64) for _ in range(2))
        for own, above, at_least in zip(self._classes_by_layer(), tally.n_above, tally.n_at_least, strict=True):
            n_above[own], n_at_least[own] = above, at_least
        if self.crowded.any():
            mine = self.crowded[self.classes.query]
            queries = self.vectors[self.crowded]
            offsets = np.append(0, np.cumsum(self.n_classes[self.crowded]))
            thresholds = offsets, self.classes.upper[mine], self.classes.lower[mine]
            n_above[mine], n_at_least[mine] = cpu.count_by_sorting(queries, gallery, *thresholds, block_mib=block_mib)
        return n_above, n_at_least

    def ranking(
        self, tally: Tally, n_above: Indexes, n_at_least: Indexes, gallery: Floats, mean_negative: float
    ) -> Ranking:
        of_positive = self.classes.of_positive
        top_item = tally.top_item
        top_score = score_pairs(self.vectors, gallery, np.stack([np.arange(len(top_item)), top_item], axis=1))
        best = np.maximum.reduceat(self.scores, self.offsets[:-1])
        passed = np.flatnonzero(best > top_score)  # a relevant item that float32 took for a little less than the best
        for query in passed:
            own = slice(self.offsets[query], self.offsets[query + 1])
            top_item[query] = self.items[own][self.scores[own].argmax()]
        top_score[passed] = best[passed]
        return Ranking(
            offsets=self.offsets,
            positives=self.items,
            n_better=n_above[of_positive],
            n_tied=(n_at_least - n_above)[of_positive],
            scores=self.scores,
            top_item=top_item,
            top_score=top_score,
            gallery_size=len(gallery),
            mean_negative_similarity=mean_negative,
        )
