"""The tie rule of Luneta: when two scores are equal. It lives here and nowhere else.

**Two scores of a query are equal when they are closer than the rounding of a float32 dot product can tell.**
The same two vectors multiplied at another place of a matrix, by another kernel, in another block or on another
device, give a sum that differs in its last bits. "Equal to the last bit" would call identical items different, and an
encoder that returns one constant vector would get full marks or none by accident. So an item whose score is within a
tolerance of a positive's is tied with it. The tolerance is `TIE_TOLERANCE` times the lengths of the vectors, and four
times the largest rounding error seen in a sample of the scores where that is more: the sum of many equal numbers, as
in a constant encoder's vectors, is rounded the same way at each step and can be off by twenty times as much as usual.

Being near is not transitive, being tied must be. So positives of one query that are within three tolerances of one
another (directly or by a chain of others) form one *tie class* with one pair of thresholds. The intervals of a query's
classes never overlap: every item is better than, tied with or worse than a class as a whole, and a class that is
worse than another has at least all of that one above it.

The thresholds are set by scores of the positives that are computed pair by pair in float64, and so do not depend on
blocks, device or neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indexes = NDArray[np.int64]

TIE_TOLERANCE = 2.0**-21
"""Scores of unit vectors nearer than this (about 5e-7, eight steps of a float32 just below 1) are equal."""

SAMPLE = 256  # vectors of either side whose scores are computed twice to see how they are rounded


@dataclass(frozen=True, slots=True)
class TieClasses:
    """Positives of equal score, as thresholds to count against.

    Attributes:
        query: (n_classes,) whose class it is, ascending.
        layer: (n_classes,) 0 for the best class of a query, 1 for the next ...
        upper: (n_classes,) an item scored strictly above it is better than the class.
        lower: (n_classes,) an item scored at or above it is not worse.
        of_positive: (n_positives,) the class of every positive.
    """

    query: Indexes
    layer: Indexes
    upper: Floats
    lower: Floats
    of_positive: Indexes


def tie_classes(query: Indexes, scores: Floats, tolerance: NDArray[np.float64]) -> TieClasses:
    """Group the positives of every query into classes of equal score.

    Args:
        query: (n_positives,) the query of each positive, ascending.
        scores: (n_positives,) its similarity.
        tolerance: (n_queries,) scores of a query nearer than this are equal.
    """
    order = np.lexsort((-scores, query))
    sorted_query, sorted_scores = query[order], scores[order].astype(np.float64)
    starts = np.ones(len(order), dtype=bool)
    gap = sorted_scores[:-1] - sorted_scores[1:]
    starts[1:] = (sorted_query[1:] != sorted_query[:-1]) | (gap > 3 * tolerance[sorted_query[1:]])
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(order)) - 1
    of_positive = np.empty(len(order), dtype=np.int64)
    of_positive[order] = np.cumsum(starts) - 1
    class_query = sorted_query[first]
    first_of_query = np.searchsorted(class_query, class_query, side="left")
    margin = tolerance[class_query]
    return TieClasses(
        query=class_query,
        layer=np.arange(len(first)) - first_of_query,
        upper=(sorted_scores[first] + margin).astype(np.float32),
        lower=(sorted_scores[last] - margin).astype(np.float32),
        of_positive=of_positive,
    )


def sample(n: int) -> Indexes:
    """Up to `SAMPLE` indexes, evenly spread over 0:n."""
    return np.unique(np.linspace(0, n - 1, SAMPLE).astype(np.int64))


def relative_tolerance(scores: Floats, left: Floats, right: Floats) -> float:
    """The tolerance for vectors of length 1, from the scores of a sample.

    Args:
        scores: (n, m) the products as the scan computes them.
        left, right: (n, d) and (m, d) the vectors they are products of.
    """
    exact_left, exact_right = left.astype(np.float64), right.astype(np.float64)
    error = np.abs(exact_left @ exact_right.T - scores)
    lengths = np.outer(np.linalg.norm(exact_left, axis=1), np.linalg.norm(exact_right, axis=1))
    relative = np.divide(error, lengths, out=np.zeros_like(error), where=lengths > 0)
    return max(TIE_TOLERANCE, 4 * float(relative.max()))
