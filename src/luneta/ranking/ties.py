"""The tie rule of Luneta: when two scores are equal. It lives here and nowhere else.

**Two scores of a query are equal when they differ by no more than `TIE_TOLERANCE` times the lengths of the vectors.**
That is about what the rounding of a float32 vector leaves undecided. "Equal to the last bit" would call identical items
different when they were computed in different batches, and an encoder that returns one constant vector would get full
marks or none by accident. So an item whose score is within the tolerance of a positive's is tied with it.

Being near is not transitive, being tied must be. So positives of one query that are within three tolerances of one
another (directly or by a chain of others) form one *tie class* with one pair of thresholds. The intervals of a query's
classes never overlap: every item is better than, tied with or worse than a class as a whole, and a class that is
worse than another has at least all of that one above it.

The thresholds are set by scores of the positives that are computed pair by pair in float64, and whatever float32
cannot decide is computed again in float64: ranks depend on the vectors alone, not on blocks, device or neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indexes = NDArray[np.int64]
Thresholds = NDArray[np.float64]

TIE_TOLERANCE = 2.0**-21
"""Scores of unit vectors nearer than this (about 5e-7, eight steps of a float32 just below 1) are equal."""


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
    upper: Thresholds
    lower: Thresholds
    of_positive: Indexes


def tie_classes(query: Indexes, scores: Floats, tolerance: Thresholds) -> TieClasses:
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
        upper=sorted_scores[first] + margin,
        lower=sorted_scores[last] - margin,
        of_positive=of_positive,
    )
