"""Exact ranks of all relevant items of all queries, in one direction or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ShapeError
from luneta.ranking import scan as cpu
from luneta.ranking import scan_torch
from luneta.ranking.scan import Lines, Tally
from luneta.ranking.ties import Floats, Indexes, relative_tolerance, sample, tie_classes
from luneta.ranking.vectors import check_match, check_pairs, check_vectors, product, score_pairs
from luneta.types import Direction

MAX_LAYERS = 16
"""A query with more scores of its own to count against than this has its scores sorted instead."""


@dataclass(frozen=True, slots=True)
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
        top_item: (n_queries,) int64, the best-scored gallery item (any one of those in the lead, when tied).
        top_score: (n_queries,) float32, its similarity.
        gallery_size: number of items that were ranked for each query.
        mean_negative_similarity: mean over all (query, item) that are not relevant; NaN when there are none.
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

    @property
    def n_queries(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_relevant(self) -> Indexes:
        """(n_queries,) how many positives each query has; at least one."""
        return np.diff(self.offsets)

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
    if not block_mib > 0:
        raise ShapeError(f"block_mib is {block_mib}; expected a positive number of mebibytes")
    left, left_lengths = check_vectors(names[0], left)
    right, right_lengths = check_vectors(names[1], right)
    check_match(left, right, names)
    pairs = check_pairs(pairs, names, len(left), len(right))
    scores = score_pairs(left, right, pairs)
    mean_negative = _mean_negative(left, right, scores)
    some_left, some_right = left[sample(len(left))], right[sample(len(right))]
    tolerance = relative_tolerance(product(some_left, some_right, device), some_left, some_right)
    sides = [_Side(names[0], left, pairs, scores, tolerance * left_lengths * right_lengths.max())]
    if both:
        swap = np.argsort(pairs[:, 1], kind="stable")  # sorted by text within an image, as pairs are sorted by text
        sides.append(
            _Side(names[1], right, pairs[swap, ::-1], scores[swap], tolerance * right_lengths * left_lengths.max())
        )
    lines = [side.lines() for side in sides] if both else [sides[0].lines(), _without_thresholds(right)]
    tallies = _scan(lines[0], lines[1], device, block_mib)
    rankings = []
    for side, line, tally, gallery in zip(sides, lines, tallies, (right, left), strict=False):
        n_above, n_at_least = side.counts(line, tally, gallery, device, block_mib)
        rankings.append(side.ranking(line, tally, n_above, n_at_least, len(gallery), mean_negative))
    return rankings


def _scan(left: Lines, right: Lines, device: str | None, block_mib: float) -> tuple[Tally, Tally]:
    """One pass, with the side that has more comparisons to make as columns: these can be skipped, rows cannot."""
    of_left, of_right = (sum(len(layer) for layer in side.upper) for side in (left, right))
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


def _without_thresholds(vectors: Floats) -> Lines:
    return Lines(vectors, np.arange(len(vectors)), [], [])


class _Side:
    """The queries of one direction, their positives, and the thresholds these set."""

    def __init__(self, name: str, vectors: Floats, pairs: Indexes, scores: Floats, tolerance: NDArray[np.float64]):
        self.vectors, self.items, self.scores = vectors, pairs[:, 1], scores
        self.offsets = np.searchsorted(pairs[:, 0], np.arange(len(vectors) + 1))
        lonely = np.flatnonzero(np.diff(self.offsets) == 0)
        if len(lonely):
            raise ShapeError(
                f"{len(lonely)} of {len(vectors)} {name} have no relevant item (the first is number {lonely[0]}); "
                "a query without one has no rank: leave it out or add its pair"
            )
        self.classes = tie_classes(pairs[:, 0], scores, tolerance)
        self.n_classes = np.bincount(self.classes.query, minlength=len(vectors))
        self.crowded = self.n_classes > MAX_LAYERS

    def lines(self) -> Lines:
        """The queries and their thresholds as a scan takes them; the crowded ones have none."""
        depth = np.where(self.crowded, 0, self.n_classes)
        order = np.argsort(-depth, kind="stable")
        first_class = np.searchsorted(self.classes.query, order)
        widths = [int(np.count_nonzero(depth > layer)) for layer in range(depth.max())]
        chosen = [first_class[:width] + layer for layer, width in enumerate(widths)]
        return Lines(
            self.vectors, order, [self.classes.upper[c] for c in chosen], [self.classes.lower[c] for c in chosen]
        )

    def counts(
        self, lines: Lines, tally: Tally, gallery: Floats, device: str | None, block_mib: float
    ) -> tuple[Indexes, Indexes]:
        """(n_classes,) how many items are better than each tie class, and how many are not worse."""
        n_above, n_at_least = (np.empty(len(self.classes.query), dtype=np.int64) for _ in range(2))
        for layer, (above, at_least) in enumerate(zip(tally.n_above, tally.n_at_least, strict=True)):
            chosen = np.searchsorted(self.classes.query, lines.order[: len(above)]) + layer
            n_above[chosen], n_at_least[chosen] = above, at_least
        if self.crowded.any():
            mine = self.crowded[self.classes.query]
            queries = self.vectors[self.crowded]
            offsets = np.append(0, np.cumsum(self.n_classes[self.crowded]))
            thresholds = offsets, self.classes.upper[mine], self.classes.lower[mine]
            if device is None:
                counted = cpu.count_by_sorting(queries, gallery, *thresholds, block_mib=block_mib)
            else:
                counted = scan_torch.count_by_sorting(queries, gallery, *thresholds, device=device, block_mib=block_mib)
            n_above[mine], n_at_least[mine] = counted
        return n_above, n_at_least

    def ranking(
        self, lines: Lines, tally: Tally, n_above: Indexes, n_at_least: Indexes, n_items: int, mean_negative: float
    ) -> Ranking:
        top_item, top_score = np.empty_like(tally.top_item), np.empty_like(tally.top_score)
        top_item[lines.order], top_score[lines.order] = tally.top_item, tally.top_score
        of_positive = self.classes.of_positive
        # A class holds its own positives whatever a kernel made of their scores.
        n_tied = np.maximum(n_at_least - n_above, np.bincount(of_positive))
        n_better = np.minimum(n_above, n_items - n_tied)
        return Ranking(
            offsets=self.offsets,
            positives=self.items,
            n_better=n_better[of_positive],
            n_tied=n_tied[of_positive],
            scores=self.scores,
            top_item=top_item,
            top_score=top_score,
            gallery_size=n_items,
            mean_negative_similarity=mean_negative,
        )
