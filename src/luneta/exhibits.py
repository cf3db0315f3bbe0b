"""What a report shows beyond the numbers: example queries and the distributions of similarities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from luneta.metrics import best_rank
from luneta.ranking import Ranking, top_k_of_others
from luneta.results import Example, Exhibits

N_EXAMPLES = 8
N_RETRIEVED = 5
N_BINS = 60
N_SAMPLED_PAIRS = 200_000
NOTHING = np.empty((0, 2), dtype=np.int64)


def exhibits(
    ranking: Ranking,
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    ignored: NDArray[np.int64] = NOTHING,
) -> Exhibits:
    """Choose examples for one direction and count its similarities.

    Hits have their item first, near misses within the first ten, failures are the worst. Hits and near misses are
    a seeded random draw, since the "best" ones would flatter; failures are the worst ones, since they teach most.

    Args:
        ranking: of these queries in this gallery.
        queries, gallery: (n, d) unit vectors.
        ignored: (n, 2) of (query, item) that are passed over.
    """
    ranks = best_rank(ranking)
    generator = np.random.default_rng(0)
    hits = _draw(np.flatnonzero(ranks <= 1), generator)
    near = _draw(np.flatnonzero((ranks > 1) & (ranks <= 10)), generator)
    worst = np.argsort(-ranks, kind="stable")[:N_EXAMPLES]
    failures = worst[ranks[worst] > 10]
    edges, positive, negative = _similarities(ranking, queries, gallery, generator)
    return Exhibits(
        hits=_examples(hits, ranking, ranks, queries, gallery, ignored),
        near_misses=_examples(near, ranking, ranks, queries, gallery, ignored),
        failures=_examples(failures, ranking, ranks, queries, gallery, ignored),
        bin_edges=edges,
        positive=positive,
        negative=negative,
    )


def _draw(candidates: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    n = min(N_EXAMPLES, len(candidates))
    return np.sort(generator.choice(candidates, size=n, replace=False))


def _examples(
    chosen: NDArray[np.int64],
    ranking: Ranking,
    ranks: NDArray[np.float64],
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    ignored: NDArray[np.int64],
) -> tuple[Example, ...]:
    if not len(chosen):
        return ()
    own = ignored[np.isin(ignored[:, 0], chosen)]
    place = {query: at for at, query in enumerate(chosen.tolist())}
    passed = np.array([(place[query], item) for query, item in own.tolist()], dtype=np.int64).reshape(-1, 2)
    n = min(N_RETRIEVED, int(ranking.n_items[chosen].min()))
    scores, items = top_k_of_others(queries[chosen], gallery, passed, n)
    return tuple(
        Example(
            query=int(query),
            rank=float(ranks[query]),
            relevant=tuple(ranking.positives[ranking.offsets[query] : ranking.offsets[query + 1]].tolist()),
            retrieved=tuple(items[row].tolist()),
            scores=tuple(scores[row].tolist()),
        )
        for row, query in enumerate(chosen)
    )


def _similarities(
    ranking: Ranking, queries: NDArray[np.float32], gallery: NDArray[np.float32], generator: np.random.Generator
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Histograms of the relevant pairs' similarity and of random other pairs', over common bins."""
    n = N_SAMPLED_PAIRS
    left, right = generator.integers(len(queries), size=n), generator.integers(len(gallery), size=n)
    owner = np.repeat(np.arange(ranking.n_queries), np.diff(ranking.offsets))
    relevant = np.isin(left * len(gallery) + right, owner * len(gallery) + ranking.positives)
    left, right = left[~relevant], right[~relevant]
    step = 20_000  # bounds the memory of the gathered vectors
    negative = np.concatenate(
        [np.einsum("nd,nd->n", queries[left[i : i + step]], gallery[right[i : i + step]]) for i in range(0, n, step)]
    )
    positive = ranking.scores
    both = np.concatenate([positive, negative])
    edges = np.linspace(float(both.min()), float(both.max()) + 1e-6, N_BINS + 1)
    shares = [np.histogram(values, edges)[0] / max(len(values), 1) for values in (positive, negative)]
    return tuple(edges.tolist()), tuple(shares[0].tolist()), tuple(shares[1].tolist())
