"""A re-ranker measured at several depths from one look at the candidates, on captions and on judged queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrec_eval

from luneta.data.dataset import ImageTextDataset
from luneta.embedding import embed
from luneta.errors import ConfigError
from luneta.evaluation import evaluate_embeddings
from luneta.metrics import METRICS
from luneta.rerank import Fusion, Reranker, evaluate_reranked
from luneta.rerank.evaluation import evaluate_depths, rerank_depths
from worlds import ConceptEncoder, judged, world

ENCODER = ConceptEncoder(noise=3.0)


@dataclass
class Noting:
    """Scores that follow from text and picture alone, and how many pairs were looked at."""

    kind = "noting"
    looked_at: list[int] = field(default_factory=list)

    def pictures(self, images: Any) -> Any:
        return images

    def rescore(self, queries: Any, pictures: Any, candidates: np.ndarray, *, guides: Any = None) -> np.ndarray:
        self.looked_at.append(int((candidates >= 0).sum()))
        number = np.array([int(text.split()[1].strip(",")) for text in queries.texts])
        scores = ((candidates * 37 + number[:, None] * 11) % 101) / 101
        return np.where(candidates >= 0, scores, np.nan).astype(np.float32)


DATA: dict[str, Callable[[], ImageTextDataset]] = {"captions": lambda: world(40), "judged": judged}


@pytest.mark.parametrize("kind", DATA)
def test_every_depth_is_as_if_it_were_asked_for_alone(kind: str) -> None:
    data, rescorer = DATA[kind](), Noting()
    reranker = Reranker(ENCODER, rescorer, Fusion(0.5, 10))
    found = evaluate_depths(reranker, data, (20, 5, 10, 5), cache=False)
    assert rescorer.looked_at == [20 * data.n_texts]  # the deepest, once
    assert list(found.after) == [5, 10, 20]
    for k, after in found.after.items():
        alone = evaluate_reranked(Reranker(ENCODER, Noting(), Fusion(0.5, k)), data, cache=False).after
        for name, metric in alone.metrics["text_to_image"].items():
            assert after.metrics["text_to_image"][name] == metric, name
        assert after.encoder["reranker"]["fusion"]["k"] == k
    np.testing.assert_array_equal(found.at(10).before.rankings["text_to_image"].n_better,
                                  found.before.rankings["text_to_image"].n_better)  # fmt: skip


def test_every_query_goes_as_deep_as_it_has_candidates() -> None:
    data = judged()
    assert data.ignored is not None
    n_left = data.n_images - np.bincount(data.ignored[:, 0], minlength=data.n_texts)
    assert 20 < n_left.min() < 35 < n_left.max()
    embeddings = embed(ENCODER, data)
    before = evaluate_embeddings(embeddings)
    found = rerank_depths(Reranker(ENCODER, Noting(), Fusion(1.0, 10)), embeddings, before, (20, 35, 500))
    new = (np.arange(data.n_images) * 37 + np.arange(data.n_texts)[:, None] * 11) % 101 / 101
    new[tuple(data.ignored.T)] = -np.inf
    deepest = found.after[500].rankings["text_to_image"]
    for query in range(data.n_texts):  # of all that count, whatever the others have
        best = new[query, data.images_of(query)].max()
        assert METRICS["best_rank"](deepest)[query] == 1 + (new[query] > best + 1e-6).sum()
    assert found.after[35].metrics["text_to_image"]["map"] != found.after[500].metrics["text_to_image"]["map"]


def test_map_as_the_published_evaluation_has_it() -> None:
    """Pictures that count, the first k by their new scores, the others 1000 lower by their old ones."""
    data = judged(seed=3)
    embeddings = embed(ENCODER, data)
    before = evaluate_embeddings(embeddings)
    found = rerank_depths(Reranker(ENCODER, Noting(), Fusion(1.0, 10)), embeddings, before, (5, 15, 33))
    old = embeddings.texts.astype(np.float64) @ embeddings.images.T.astype(np.float64)
    new = (np.arange(data.n_images) * 37 + np.arange(data.n_texts)[:, None] * 11) % 101 / 101
    assert data.ignored is not None
    passed = {(q, i) for q, i in data.ignored.tolist()}
    qrels = {str(q): {str(i): 1 for i in data.images_of(q).tolist()} for q in range(data.n_texts)}
    for k, after in found.after.items():
        run = {}
        for q in range(data.n_texts):
            counted = sorted((i for i in range(data.n_images) if (q, i) not in passed), key=lambda i: -old[q, i])
            run[str(q)] = {str(i): float(new[q, i] if place < k else old[q, i] - 1000)
                           for place, i in enumerate(counted)}  # fmt: skip
        theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map"}).evaluate(run)
        ours = after.metrics["text_to_image"]["map"]
        assert ours.value == pytest.approx(np.mean([row["map"] for row in theirs.values()]), abs=1e-6)
    assert found.after[5].metrics["text_to_image"]["map"] != found.after[15].metrics["text_to_image"]["map"]


def test_tables() -> None:
    data = judged()
    reranker = Reranker(ENCODER, Noting(), Fusion(1.0, 10))
    shown = str(evaluate_depths(reranker, data, (5, 30), cache=False))
    assert "k = 5" in shown
    assert "k = 30" in shown
    assert "map" in shown
    assert "keep the encoder's order" in " ".join(shown.split())
    one = evaluate_reranked(reranker, data, cache=False)
    row = next(row for row in one.grid().rows if row[0] == "map")
    values = [result.metrics["text_to_image"]["map"].value for result in (one.before, one.after)]
    assert row[1:3] == tuple(f"{value:.3f}" for value in values)
    assert row[3].startswith(f"{values[1] - values[0]:+.3f} (")
    captions = str(evaluate_depths(reranker, world(30), (5, 30), cache=False))
    assert "ndcg@10" in captions
    assert "map" not in captions


def test_a_re_ranker_that_changes_nothing_and_depths_beyond_the_gallery() -> None:
    rescorer = Noting()
    still = evaluate_depths(Reranker(ENCODER, rescorer, Fusion(0.0, 10)), world(12), (5, 500), cache=False)
    assert not rescorer.looked_at
    for after in still.after.values():
        assert after.metrics == still.before.metrics
    deep = evaluate_depths(Reranker(ENCODER, rescorer, Fusion(1.0, 10)), world(12), (5, 500), cache=False)
    assert rescorer.looked_at == [12 * 12]
    order = METRICS["best_rank"](deep.after[500].rankings["text_to_image"])
    assert (order != METRICS["best_rank"](still.before.rankings["text_to_image"])).any()
    for ks in ((), (0, 5)):
        with pytest.raises(ConfigError, match="1 or more each"):
            evaluate_depths(Reranker(ENCODER, rescorer, Fusion(1.0, 10)), world(4), ks, cache=False)


def test_files_of_every_depth(tmp_path: Path) -> None:
    from luneta import load_evaluation

    found = evaluate_depths(Reranker(ENCODER, Noting(), Fusion(1.0, 10)), judged(), (5, 20), cache=False)
    for k, after in found.after.items():
        after.save(tmp_path / f"{k}.json")
        assert load_evaluation(tmp_path / f"{k}.json").encoder["reranker"]["fusion"]["k"] == k
