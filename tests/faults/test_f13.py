"""MRR cut at 10 without saying so, and one direction only: the name says what is measured, and both are there."""

from __future__ import annotations

import numpy as np
import pytest

import twins
import worlds
from luneta import evaluate
from luneta.metrics import reciprocal_rank, reciprocal_rank_at
from luneta.types import DIRECTIONS


def test_mrr_is_over_the_whole_ranking() -> None:
    """Ranks 1 and 20: the cut leaves the second out."""
    scores = np.zeros((2, 20))
    scores[0] = np.arange(20, 0, -1)
    scores[1] = np.arange(20)
    ranking = twins.dense_ranking(scores, [[0], [0]])
    assert reciprocal_rank(ranking).tolist() == pytest.approx([1, 1 / 20])
    assert reciprocal_rank_at(ranking, 10).tolist() == pytest.approx([1, 0])


def test_a_result_holds_both_directions_and_no_unlabelled_cut() -> None:
    result = evaluate(worlds.ConceptEncoder(noise=2.0), worlds.world(40, captions_per_image=2), cache=False)
    assert set(result.metrics) == set(DIRECTIONS)
    for direction in DIRECTIONS:
        names = set(result.metrics[direction])
        assert {"recall@1", "recall@5", "recall@10", "mrr", "ndcg@10", "map@10"} <= names
        ranks = result.rankings[direction]
        whole, cut = reciprocal_rank(ranks).mean(), reciprocal_rank_at(ranks, 10).mean()
        assert whole > cut, "some first hits are beyond 10, or this shows nothing"
        assert result.metrics[direction]["mrr"].value == pytest.approx(whole)
