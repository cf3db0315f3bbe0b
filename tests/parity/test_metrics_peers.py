"""Metrics against ranx and pytrec_eval, where their definitions coincide with ours: no ties, whole ranking."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from luneta import metrics
from luneta.ranking import Ranking, rank_both

Dicts = tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]


@pytest.fixture(scope="module")
def tasks() -> dict[str, tuple[Ranking, Dicts]]:
    tasks = make_tasks(8, 230, 90)
    assert not any_tie(tasks)
    return tasks


def make_tasks(seed: int, n_texts: int, n_images: int) -> dict[str, tuple[Ranking, Dicts]]:
    """Both directions of a many-to-many task, as a ranking and as the dictionaries that the peers take."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((n_images, 24)).astype(np.float32)
    texts = images[np.arange(n_texts) % n_images] + 1.6 * rng.standard_normal((n_texts, 24)).astype(np.float32)
    own = np.stack([np.arange(n_texts), np.arange(n_texts) % n_images], axis=1)
    more = np.stack([rng.integers(n_texts, size=n_texts), rng.integers(n_images, size=n_texts)], axis=1)
    pairs = np.unique(np.concatenate([own, more]), axis=0)
    scores = (texts.astype(np.float64) @ images.astype(np.float64).T).astype(np.float32)
    rankings = rank_both(texts, images, pairs)
    return {
        "text_to_image": (rankings["text_to_image"], dictionaries(scores, pairs)),
        "image_to_text": (rankings["image_to_text"], dictionaries(scores.T, pairs[:, ::-1])),
    }


def dictionaries(scores: NDArray[np.float32], pairs: NDArray[np.int64]) -> Dicts:
    """(qrels, run), with names that sort as their numbers do."""
    qrels: dict[str, dict[str, int]] = {}
    for query, item in pairs.tolist():
        qrels.setdefault(f"q{query:04}", {})[f"d{item:04}"] = 1
    run = {
        f"q{query:04}": {f"d{item:04}": score for item, score in enumerate(line)}
        for query, line in enumerate(scores.tolist())
    }
    return qrels, run


def ours(ranking: Ranking) -> dict[str, NDArray[np.float64]]:
    found = metrics.compute(ranking)
    for k in (1, 5, 10):
        found[f"set_recall@{k}"] = metrics.set_recall_at(ranking, k)
    found["mrr@10"] = metrics.reciprocal_rank_at(ranking, 10)
    return found


@pytest.mark.parametrize("direction", ["text_to_image", "image_to_text"])
def test_every_query_agrees_with_trec_eval(direction: str, tasks: dict[str, tuple[Ranking, Dicts]]) -> None:
    found = agrees_with_trec_eval(*tasks[direction])
    assert 0.05 < found["recall@1"].mean() < 0.95


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), n_texts=st.integers(1, 40), n_images=st.integers(1, 70))
def test_every_query_of_any_small_task_agrees_with_trec_eval(seed: int, n_texts: int, n_images: int) -> None:
    tasks = make_tasks(seed, max(n_texts, n_images), min(n_texts, n_images))
    assume(not any_tie(tasks))  # random scores may come within the tolerance; the peers would break that tie by name
    for task in tasks.values():
        agrees_with_trec_eval(*task)


def any_tie(tasks: dict[str, tuple[Ranking, Dicts]]) -> bool:
    return any((ranking.n_tied > 1).any() for ranking, _ in tasks.values())


def agrees_with_trec_eval(ranking: Ranking, peers: Dicts) -> dict[str, NDArray[np.float64]]:
    qrels, run = peers
    names = {
        **{f"success_{k}": f"recall@{k}" for k in (1, 5, 10, 50)},
        **{f"recall_{k}": f"set_recall@{k}" for k in (1, 5, 10)},
        "recip_rank": "mrr", "ndcg_cut_5": "ndcg@5", "ndcg_cut_10": "ndcg@10", "map_cut_10": "map@10",
    }  # fmt: skip
    evaluator = pytrec_eval.RelevanceEvaluator(
        qrels, {"success.1,5,10,50", "recall.1,5,10", "recip_rank", "ndcg_cut.5,10", "map_cut.10"}
    )
    theirs = evaluator.evaluate(run)
    found = ours(ranking)
    for their_name, our_name in names.items():
        expected = [theirs[query][their_name] for query in sorted(theirs)]
        np.testing.assert_allclose(found[our_name], expected, atol=1e-9, err_msg=our_name)
    return found


@pytest.mark.slow  # ranx compiles itself first
@pytest.mark.filterwarnings("ignore:unsafe cast")
def test_means_agree_with_ranx(tasks: dict[str, tuple[Ranking, Dicts]]) -> None:
    import ranx

    names = {"hit_rate@5": "recall@5", "recall@5": "set_recall@5", "mrr": "mrr", "mrr@10": "mrr@10",
             "ndcg@10": "ndcg@10", "map@10": "map@10"}  # fmt: skip
    for direction, (ranking, (qrels, run)) in tasks.items():
        theirs = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), list(names))
        found = ours(ranking)
        for their_name, our_name in names.items():
            assert found[our_name].mean() == pytest.approx(theirs[their_name], abs=1e-9), f"{direction} {our_name}"
