"""Retrieval metrics: pure functions of a `Ranking`, exact under fair ties.

Every function returns one float64 value per query; the mean (or median) over queries is the caller's. Where items are
tied, the value is the expectation over all orders of the tied items, each equally likely, in closed form:

- A *tie block* of t items, r of them relevant, follows b better items: the block fills ranks b + 1 to b + t.
- Whether one of r is within the first m of t is hypergeometric; one given item is at each of the t places with
  probability 1 / t. (McSherry and Najork, "Computing information retrieval performance measures efficiently in the
  presence of tied scores", ECIR 2008, give the sums for reciprocal rank, average precision and DCG.)

Words: *recall@k* is the share of queries with at least one relevant item in the first k, as papers on CLIP print it
(`success` in trec_eval, `hit_rate` in ranx); the share of all relevant items that is found is *set_recall@k*.
A k beyond the size of the gallery is the whole gallery.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ConfigError
from luneta.ranking import Ranking

PerQuery = NDArray[np.float64]
Indexes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The tie blocks that hold positives, best first within a query.

    Attributes:
        query: (n_blocks,) ascending.
        better: (n_blocks,) items above the block, b.
        tied: (n_blocks,) items in it, t.
        relevant: (n_blocks,) positives in it, r.
        relevant_before: (n_blocks,) positives of the query in better blocks.
        first: (n_queries,) where the blocks of every query start.
    """

    query: Indexes
    better: Indexes
    tied: Indexes
    relevant: Indexes
    relevant_before: Indexes
    first: Indexes


def _blocks(ranking: Ranking) -> _Blocks:
    query = ranking.query
    order = np.lexsort((ranking.n_better, query))
    query, better = query[order], ranking.n_better[order]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (query[1:] != query[:-1]) | (better[1:] != better[:-1])
    first = np.flatnonzero(starts)
    block_query = query[first]
    return _Blocks(
        query=block_query,
        better=better[first],
        tied=ranking.n_tied[order][first],
        relevant=np.diff(np.append(first, len(order))),
        relevant_before=first - ranking.offsets[block_query],
        first=np.searchsorted(block_query, np.arange(ranking.n_queries)),
    )


def best_block(ranking: Ranking) -> tuple[Indexes, Indexes, Indexes]:
    """(n_queries,) better, tied and relevant items of the tie block that holds the best positive of each query."""
    starts = ranking.offsets[:-1]
    better = np.minimum.reduceat(ranking.n_better, starts)
    in_best = ranking.n_better == np.repeat(better, ranking.n_relevant)
    tied = np.maximum.reduceat(np.where(in_best, ranking.n_tied, 0), starts)
    return better, tied, np.add.reduceat(in_best.astype(np.int64), starts)


def _check_k(k: int) -> None:
    if k < 1:
        raise ConfigError(f"k is {k}; expected 1 or more")


def _inside(ranking: Ranking, k: int) -> Indexes:
    """(n_positives,) how many places of each positive's tie block are among the first k."""
    _check_k(k)
    return np.clip(k - ranking.n_better, 0, ranking.n_tied)


def recall_at(ranking: Ranking, k: int) -> PerQuery:
    """Probability that at least one relevant item is among the first k: 1 - C(t - r, m) / C(t, m)."""
    _check_k(k)
    better, tied, relevant = best_block(ranking)
    inside = np.clip(k - better, 0, tied)
    values = (inside > tied - relevant).astype(np.float64)
    unsure = (inside > 0) & (inside <= tied - relevant)
    values[unsure] = _per_distinct(_chance_of_a_hit, tied[unsure], relevant[unsure], inside[unsure])
    return values


def _chance_of_a_hit(tied: int, relevant: int, inside: int) -> float:
    fewer, more = sorted((relevant, inside))
    missed = np.prod(1.0 - more / (tied - np.arange(fewer, dtype=np.float64)))
    return float(1.0 - missed)


def _per_distinct(value: Callable[..., float], *arguments: Indexes) -> PerQuery:
    """value(*arguments), element by element, computed once for each distinct combination."""
    distinct, which = np.unique(np.stack(arguments, axis=1), axis=0, return_inverse=True)
    return np.array([value(*row) for row in distinct.tolist()])[which.reshape(-1)]


def set_recall_at(ranking: Ranking, k: int) -> PerQuery:
    """Expected share of the query's relevant items that are among the first k."""
    found: PerQuery = np.add.reduceat(_inside(ranking, k) / ranking.n_tied, ranking.offsets[:-1])
    return found / ranking.n_relevant


def best_rank(ranking: Ranking) -> PerQuery:
    """Expected 1-based position of the best relevant item: b + (t + 1) / (r + 1)."""
    better, tied, relevant = best_block(ranking)
    return better + (tied + 1) / (relevant + 1)


def reciprocal_rank(ranking: Ranking) -> PerQuery:
    """Expected 1 / (position of the best relevant item), over the whole gallery."""
    return reciprocal_rank_at(ranking, ranking.gallery_size)


def reciprocal_rank_at(ranking: Ranking, k: int) -> PerQuery:
    """Expected 1 / (position of the best relevant item), 0 beyond position k (`mrr@k`)."""
    _check_k(k)
    better, tied, relevant = best_block(ranking)
    inside = np.clip(k - better, 0, tied)
    values = np.where(inside > 0, 1.0 / (better + 1), 0.0)
    shared = (tied > relevant) & (inside > 0)
    values[shared] = _per_distinct(_reciprocal_in_block, better[shared], tied[shared], relevant[shared], inside[shared])
    return values


def _reciprocal_in_block(better: int, tied: int, relevant: int, inside: int) -> float:
    """Sum of P(the first of r relevant is at place i of t) / (b + i) for the places i that count."""
    chance = _chance_of_first(tied, relevant, min(inside, tied - relevant + 1))
    return float(np.sum(chance / (better + np.arange(1, len(chance) + 1))))


def _chance_of_first(tied: int, relevant: int, n: int) -> PerQuery:
    """(n,) P(the first of r relevant items is at place i of t in random order), i = 1, ... n <= t - r + 1.

    r / t at the first place; (t - i - r + 1) / (t - i) times as much at place i + 1 as at place i.
    """
    place = np.arange(1, n, dtype=np.float64)
    steps = (tied - place - relevant + 1) / (tied - place)
    return relevant / tied * np.cumprod(np.append(1.0, steps))


def ndcg_at(ranking: Ranking, k: int) -> PerQuery:
    """Expected nDCG with binary gains and discount 1 / log2(1 + position), cut at k (Järvelin and Kekäläinen 2002)."""
    inside = _inside(ranking, k)
    longest = min(k, ranking.gallery_size)
    gain = np.append(0.0, np.cumsum(1.0 / np.log2(np.arange(2, longest + 2, dtype=np.float64))))  # of the first places
    start = np.minimum(ranking.n_better, longest)
    expected = (gain[start + inside] - gain[start]) / ranking.n_tied
    ideal = gain[np.minimum(ranking.n_relevant, longest)]
    per_query: PerQuery = np.add.reduceat(expected, ranking.offsets[:-1]) / ideal
    return per_query


def average_precision_at(ranking: Ranking, k: int) -> PerQuery:
    """Expected average precision cut at k (`map@k`), divided by the number of relevant items.

    As trec_eval's map_cut: a query with more than k relevant items cannot reach 1. With R positives before the tie
    block and c = (r - 1) / (t - 1), place i of the block adds r / t * (R + 1 + c (i - 1)) / (b + i).
    """
    _check_k(k)
    blocks = _blocks(ranking)
    longest = min(k, ranking.gallery_size)
    harmonic = np.append(0.0, np.cumsum(1.0 / np.arange(1, longest + 1, dtype=np.float64)))
    better, tied, relevant = blocks.better, blocks.tied, blocks.relevant
    inside = np.clip(longest - better, 0, tied)
    company = (relevant - 1) / np.maximum(tied - 1, 1)
    start = np.minimum(better, longest)
    one_over_rank = harmonic[start + inside] - harmonic[start]
    sums = company * inside + (blocks.relevant_before + 1 - company * (1 + better)) * one_over_rank
    found: PerQuery = np.add.reduceat(relevant / tied * sums, blocks.first)
    return found / ranking.n_relevant


def average_precision(ranking: Ranking) -> PerQuery:
    """Expected average precision over the whole ranking; its mean is the mAP of queries with many relevant items."""
    return average_precision_at(ranking, ranking.gallery_size)


def positive_similarity(ranking: Ranking) -> PerQuery:
    """Score of the best relevant item."""
    return np.maximum.reduceat(ranking.scores, ranking.offsets[:-1]).astype(np.float64)


def normalized_recall_at(ranking: Ranking, k: int, gallery_size: int = 1000) -> PerQuery | None:
    """recall@k in a gallery of `gallery_size`: the query's best positive and others drawn from its irrelevant items.

    The exact expectation over all draws without replacement (hypergeometric in the number of irrelevant items that
    are better) and over the orders of equal scores. It makes numbers from galleries of different sizes comparable,
    with one positive each. Downwards only: None when some query has fewer than gallery_size - 1 irrelevant items,
    for a larger gallery cannot be told from a smaller one.
    """
    _check_k(k)
    if gallery_size < 1:
        raise ConfigError(f"gallery_size is {gallery_size}; expected 1 or more")
    drawn = gallery_size - 1
    irrelevant = ranking.n_items - ranking.n_relevant
    if int(irrelevant.min()) < drawn:
        return None
    if k > drawn:
        return np.ones(ranking.n_queries)
    better, tied, relevant = best_block(ranking)
    values = np.empty(ranking.n_queries)
    for n in np.unique(irrelevant):
        mine = irrelevant == n
        hit = _hit_by_n_ahead(int(n), drawn, k, int((better + tied - relevant)[mine].max()) + 1)
        values[mine] = hit[better[mine]]
        shared = mine & (tied > relevant)
        values[shared] = _per_distinct(partial(_mean_in_block, hit), better[shared], tied[shared], relevant[shared])
    return values


def _mean_in_block(hit: PerQuery, better: int, tied: int, relevant: int) -> float:
    """Mean of hit[items ahead of the first of `relevant`], over the orders of the tie block."""
    chance = _chance_of_first(tied, relevant, tied - relevant + 1)
    return float(chance @ hit[better : better + len(chance)])


def _hit_by_n_ahead(n: int, drawn: int, k: int, size: int) -> PerQuery:
    """(size,) P(fewer than k of the a better items are drawn), for a = 0, 1, ... size - 1 and `drawn` of n items.

    One better item more takes away P(k - 1 of a are drawn) * P(the new one is drawn too); these terms are computed in
    logarithms, from one a to the next, because the first of them may be as small as 1e-2000.
    """
    x = k - 1
    result = np.ones(size)
    ahead = np.arange(x, size - 1, dtype=np.float64)  # a, for which the loss from a to a + 1 is needed
    if not len(ahead):
        return result
    first = np.arange(x, dtype=np.float64)
    log_start = np.sum(np.log((drawn - first) / (n - first)))
    with np.errstate(divide="ignore"):
        factors = (ahead[:-1] + 1) / (ahead[:-1] + 1 - x) * np.maximum(n - ahead[:-1] - drawn + x, 0) / (n - ahead[:-1])
        log_chance = log_start + np.append(0.0, np.cumsum(np.log(factors)))
    loss = np.exp(log_chance) * (drawn - x) / (n - ahead)
    result[x + 1 :] = np.clip(1.0 - np.cumsum(loss), 0.0, 1.0)
    return result


def chance(ranking: Ranking) -> Ranking:
    """What a constant encoder would get on the same task: every item of the gallery tied with every other.

    Any metric of it is that metric's chance level. Its scores are zeros.
    """
    return replace(
        ranking,
        n_better=np.zeros_like(ranking.n_better),
        n_tied=ranking.n_items[ranking.query],
        scores=np.zeros_like(ranking.scores),
        top_item=np.zeros_like(ranking.top_item),
        top_score=np.zeros_like(ranking.top_score),
        mean_negative_similarity=0.0,
    )


METRICS: dict[str, Callable[[Ranking], PerQuery]] = {
    "recall@1": partial(recall_at, k=1),
    "recall@5": partial(recall_at, k=5),
    "recall@10": partial(recall_at, k=10),
    "recall@50": partial(recall_at, k=50),
    "mrr": reciprocal_rank,
    "ndcg@5": partial(ndcg_at, k=5),
    "ndcg@10": partial(ndcg_at, k=10),
    "map@10": partial(average_precision_at, k=10),
    "best_rank": best_rank,
    "positive_similarity": positive_similarity,
}
"""The standard set. Report the median of best_rank ("median_rank") and the mean of the others."""


def compute(ranking: Ranking) -> dict[str, PerQuery]:
    """Every metric of `METRICS`: name -> (n_queries,) values."""
    return {name: metric(ranking) for name, metric in METRICS.items()}
