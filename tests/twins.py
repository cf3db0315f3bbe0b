"""Slow, obviously right twins of ranking and metrics, to be compared with the fast ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from luneta.ranking import Ranking


def dense_ranking(scores: NDArray[np.float64], relevant: Sequence[Sequence[int]]) -> Ranking:
    """The ranking of a score matrix (n_queries, n_items) in which only equal numbers are tied."""
    n_relevant = [len(items) for items in relevant]
    query = np.repeat(np.arange(len(relevant)), n_relevant)
    positives = np.array([item for items in relevant for item in sorted(items)], dtype=np.int64)
    own = scores[query, positives]
    wrong = np.ones(scores.shape, dtype=bool)
    wrong[query, positives] = False
    return Ranking(
        offsets=np.append(0, np.cumsum(n_relevant)),
        positives=positives,
        n_better=(scores[query] > own[:, None]).sum(axis=1),
        n_tied=(scores[query] == own[:, None]).sum(axis=1),
        scores=own.astype(np.float32),
        top_item=scores.argmax(axis=1),
        top_score=scores.max(axis=1).astype(np.float32),
        gallery_size=scores.shape[1],
        mean_negative_similarity=float(scores[wrong].mean()) if wrong.any() else float("nan"),
    )


def orders(scores: Sequence[float]) -> Iterator[list[int]]:
    """Every order of the items, best first, in which only equal scores change places."""
    groups = [[i for i, score in enumerate(scores) if score == value] for value in sorted(set(scores), reverse=True)]
    for arrangement in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield [item for group in arrangement for item in group]


def expectation(metric: Callable[[list[bool]], float], scores: Sequence[float], relevant: set[int]) -> float:
    """Mean of metric(relevance by position) over all orders of equal scores."""
    values = [metric([item in relevant for item in order]) for order in orders(scores)]
    return math.fsum(values) / len(values)


# Metrics of one order, each as its definition reads. `hits` says for every position whether the item is relevant.


def recall(hits: list[bool], k: int) -> float:
    return float(any(hits[:k]))


def set_recall(hits: list[bool], k: int) -> float:
    return sum(hits[:k]) / sum(hits)


def rank_of_best(hits: list[bool]) -> float:
    return hits.index(True) + 1


def reciprocal_rank(hits: list[bool], k: int) -> float:
    position = rank_of_best(hits)
    return 1 / position if position <= k else 0.0


def ndcg(hits: list[bool], k: int) -> float:
    def dcg(gains: list[bool]) -> float:
        return sum(gain / math.log2(position + 1) for position, gain in enumerate(gains[:k], start=1))

    return dcg(hits) / dcg(sorted(hits, reverse=True))


def average_precision(hits: list[bool], k: int) -> float:
    precisions = [sum(hits[:position]) / position for position in range(1, min(k, len(hits)) + 1) if hits[position - 1]]
    return sum(precisions) / sum(hits)


def normalized_recall(hits: list[bool], k: int, gallery_size: int) -> float:
    """Share of the ways to draw gallery_size - 1 irrelevant items in which the best positive stays in the first k."""
    best = hits.index(True)
    irrelevant = [position for position, hit in enumerate(hits) if not hit]
    draws = list(itertools.combinations(irrelevant, gallery_size - 1))
    return sum(sum(position < best for position in draw) < k for draw in draws) / len(draws)
