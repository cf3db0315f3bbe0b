"""The tie rule of Luneta: when two scores are equal. It lives here and nowhere else.

**Two scores of a query are equal when they are closer than the rounding of a float32 dot product can tell.**
The same two vectors multiplied at another place of a matrix, by another kernel, in another block or on another
device, give a sum that differs in its last bits: "equal to the last bit" would call identical items different, and
an encoder that returns one constant vector would get full marks or none by accident. So an item whose score lies
within `TIE_TOLERANCE` of a positive's (times the lengths of the vectors; 1 for unit vectors) is tied with it.

Being near is not transitive, being tied must be: positives of one query that are within two tolerances of one another
(directly or by a chain of others) form one *tie class* with one pair of thresholds. Classes of a query are then more
than two tolerances apart, so that their intervals never overlap, every item is better than, tied with or worse than a
class as a whole, and each positive is found inside its own class whatever kernel computed it.

Thresholds come from scores of the positives that are computed in float64, pair by pair, and so do not depend on
blocks, device or neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indexes = NDArray[np.int64]

TIE_TOLERANCE = 1e-6
"""Scores of unit vectors nearer than this are equal."""


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
    starts[1:] = (sorted_query[1:] != sorted_query[:-1]) | (gap > 2 * tolerance[sorted_query[1:]])
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
