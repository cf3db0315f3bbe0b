"""Judged queries measured: many right pictures, pictures that are passed over, pictures that answer nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from luneta import load_evaluation
from luneta.data.groups import find_groups
from luneta.embedding import embed
from luneta.errors import ConfigError, DatasetError
from luneta.evaluation import evaluate, evaluate_embeddings
from luneta.finetuning.parts import apart
from luneta.metrics import METRICS
from luneta.report.evaluation import write_report
from luneta.rerank.search import found_by
from luneta.types import DIRECTIONS
from worlds import ConceptEncoder, Pixel, judged

ENCODER = ConceptEncoder(noise=3.0)


def test_as_trec_eval_measures_it_without_what_is_passed_over() -> None:
    data = judged()
    found = evaluate(ENCODER, data, cache=False)
    embeddings = embed(ENCODER, data)
    scores = embeddings.texts.astype(np.float64) @ embeddings.images.T.astype(np.float64)
    assert data.ignored is not None
    passed = {(q, i) for q, i in data.ignored.tolist()}
    run = {
        f"q{q}": {f"i{i}": float(scores[q, i]) for i in range(data.n_images) if (q, i) not in passed}
        for q in range(data.n_texts)
    }
    qrels = {f"q{q}": {f"i{i}": 1 for i in data.images_of(q).tolist()} for q in range(data.n_texts)}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map", "success", "recip_rank"}).evaluate(run)
    ours = found.metrics["text_to_image"]
    for name, their_name in (("map", "map"), ("recall@1", "success_1"), ("recall@10", "success_10"),
                             ("mrr", "recip_rank")):  # fmt: skip
        assert ours[name].value == pytest.approx(np.mean([row[their_name] for row in theirs.values()])), name
    assert ours["map"].low is not None  # queries share pictures, and each stands for itself all the same
    assert "map" not in evaluate(ENCODER, dataclasses.replace(data.without_images(
        np.setdiff1d(np.arange(data.n_images), data.paired_images).tolist()), ignored=None), cache=False,
    ).metrics["text_to_image"]  # fmt: skip


def test_the_other_direction_asks_about_pictures_that_have_an_answer() -> None:
    data = judged()
    found = evaluate(ENCODER, data, cache=False)
    ranking = found.rankings["image_to_text"]
    asked = data.paired_images
    assert ranking.n_queries == len(asked) < data.n_images
    assert list(found.query_names["image_to_text"]) == [data.images[int(i)].label for i in asked]
    embeddings = embed(ENCODER, data)
    scores = embeddings.images[asked].astype(np.float64) @ embeddings.texts.T.astype(np.float64)
    assert data.ignored is not None
    for text, image in data.ignored.tolist():
        if image in asked:
            scores[np.searchsorted(asked, image), text] = -9
    for row, image in enumerate(asked.tolist()):
        best = scores[row, data.texts_of(image)].max()
        assert METRICS["best_rank"](ranking)[row] == 1 + int((scores[row] > best + 1e-6).sum())


def test_results_are_kept_read_and_shown(tmp_path: Path) -> None:
    found = evaluate(ENCODER, judged(), cache=False)
    found.save(tmp_path / "r.json")
    again = load_evaluation(tmp_path / "r.json")
    for direction in DIRECTIONS:
        before, after = found.rankings[direction], again.rankings[direction]
        assert before.n_passed is not None
        np.testing.assert_array_equal(before.n_passed, after.n_passed)  # type: ignore[arg-type]
        np.testing.assert_array_equal(before.n_items, after.n_items)
    assert again.metrics["text_to_image"]["map"] == found.metrics["text_to_image"]["map"]
    assert found.protocol["captions"] == "judged queries"
    assert found.protocol["duplicates"] == "as judged"
    assert "recall@1" in str(found)
    write_report(tmp_path / "r.html", [found])
    assert "thing 0" in (tmp_path / "r.html").read_text()
    assert found.exhibits is not None
    shown = found.exhibits["text_to_image"]
    passed = {tuple(pair) for pair in judged().ignored.tolist()}  # type: ignore[union-attr]
    for example in (*shown.hits, *shown.near_misses, *shown.failures):
        assert not passed & {(example.query, item) for item in example.retrieved}
    other = judged()
    assert other.ignored is not None
    less = evaluate(ENCODER, dataclasses.replace(other, ignored=other.ignored[1:]), cache=False)
    assert less.protocol["hash"] != found.protocol["hash"]


def test_candidates_are_none_of_those_passed_over() -> None:
    data = judged(seed=1)
    embeddings = embed(ENCODER, data)
    assert data.ignored is not None
    n_left = data.n_images - np.bincount(data.ignored[:, 0], minlength=data.n_texts)
    assert len(set(n_left.tolist())) > 2
    for k in (5, 35, 1000):
        found = found_by(embeddings, evaluate_embeddings(embeddings), k)
        assert found.k == min(k, n_left.max())
        np.testing.assert_array_equal((found.candidates >= 0).sum(axis=1), np.minimum(k, n_left))
        np.testing.assert_array_equal(found.candidates >= 0, np.isfinite(found.scores))
        for query, row in enumerate(found.candidates):
            assert not set(row.tolist()) & set(data.ignored[data.ignored[:, 0] == query, 1].tolist())
            own = METRICS["best_rank"](found.ranking)[query]
            first = np.flatnonzero(np.isin(row, data.images_of(query)))
            assert (own == first[0] + 1) if len(first) else own > found.k


def test_a_picture_that_cannot_be_read_leaves_and_its_query_stays() -> None:
    data = judged()
    text = int(np.flatnonzero(np.bincount(data.pairs[:, 0]) > 1)[0])
    gone = int(data.images_of(text)[0])
    images = [Pixel(i, broken=i == gone) for i in range(data.n_images)]
    found = evaluate(ENCODER, dataclasses.replace(data, images=images), cache=False, max_bad_share=0.1)
    assert found.rankings["text_to_image"].gallery_size == data.n_images - 1
    assert found.rankings["text_to_image"].n_queries == data.n_texts


def test_judged_queries_are_not_learnt_from_nor_grouped() -> None:
    data = judged()
    with pytest.raises(DatasetError, match="measured on, not learnt from"):
        apart(data, None, (), False, 0)
    with pytest.raises(ConfigError, match="were judged for its queries"):
        evaluate(ENCODER, data, duplicates=find_groups(data, near=False).things(), cache=False)
