"""Answers that are not all the same: near-duplicates brought together, and maximal marginal relevance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from luneta.types import Vectors

Places = NDArray[np.int64]


def collapsed(vectors: Vectors, limit: float) -> tuple[Places, list[list[int]]]:
    """Bring near-duplicates together, greedily from the best.

    Args:
        vectors: (n, dim) unit vectors of the answers, best first.
        limit: cosine from which on two are the same thing.

    Returns:
        (m,) the places of those that stand for themselves, best first; for each the places that it stands for as well.
    """
    kept: list[int] = []
    others: list[list[int]] = []
    own = np.empty_like(vectors)  # of those kept so far, beside one another
    for place, vector in enumerate(vectors):
        near = own[: len(kept)] @ vector
        if len(near) and near.max() >= limit:
            others[int(near.argmax())].append(place)
        else:
            own[len(kept)] = vector
            kept.append(place)
            others.append([])
    return np.array(kept, dtype=np.int64), others


def varied(scores: NDArray[np.float32], vectors: Vectors, k: int, diversity: float) -> Places:
    """(k,) places by maximal marginal relevance (Carbonell and Goldstein, 1998).

    Each next answer has the largest (1 - d) * score - d * (its largest cosine with those before it). Equal values stand
    in the order given.

    Args:
        scores: (n,) of the answers, best first.
        vectors: (n, dim) unit vectors of them.
        k: how many; at most n.
        diversity: d, from 0 (the order by score) to 1.
    """
    n = len(scores)
    left = np.ones(n, dtype=bool)
    nearest = np.zeros(n)  # to those chosen; the first one is chosen by its score alone
    chosen = np.empty(min(k, n), dtype=np.int64)
    for i in range(len(chosen)):
        worth = (1 - diversity) * scores.astype(np.float64) - diversity * nearest
        place = int(np.argmax(np.where(left, worth, -np.inf)))
        chosen[i], left[place] = place, False
        likeness = vectors @ vectors[place]
        nearest = likeness.astype(np.float64) if i == 0 else np.maximum(nearest, likeness)
    return chosen
