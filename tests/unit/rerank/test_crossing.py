"""Cross-encoders as rescorers: pairs, pictures that are looked at once, pictures that are gone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossing import Oracle, concept_of
from luneta.encoders.registry import load_cross_encoder
from luneta.errors import EncoderError
from luneta.rerank import crossing
from luneta.rerank.crossing import ByFunction, Crossed
from luneta.rerank.fusion import Fusion
from luneta.rerank.reranker import Reranker
from luneta.rerank.search import Queries
from luneta.types import CrossEncoder
from matching import library_scores
from paintings import Held
from prompting import pictures
from worlds import ConceptEncoder, Pixel, world

MakeCheckpoint = Callable[[str], Path]
N_TEXTS, K, N_IMAGES = 7, 5, 12

IMAGES = world(N_IMAGES).images
TEXTS = [f"thing {i}, way 0" for i in range(N_TEXTS)]
QUERIES = Queries(TEXTS, np.zeros((N_TEXTS, 3), dtype=np.float32))
CANDIDATES = np.stack([np.random.default_rng(row).permutation(N_IMAGES)[:K] for row in range(N_TEXTS)])


def naive(oracle: Oracle, texts: list[str] = TEXTS) -> np.ndarray:
    """Pair by pair."""
    return np.array([[oracle.one(text, int(i)) for i in row] for text, row in zip(texts, CANDIDATES, strict=True)])


@pytest.mark.parametrize(("at_once", "pairs"), [(32, 1024), (1, 1024), (5, 3), (32, 1)])
def test_a_score_is_of_its_text_and_its_picture(at_once: int, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossing, "LOOKED_AT_ONCE", at_once)
    monkeypatch.setattr(crossing, "SCORED_AT_ONCE", pairs)
    crossed = Crossed(Oracle())
    scores = crossed.rescore(QUERIES, crossed.pictures(IMAGES), CANDIDATES)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, naive(Oracle()), atol=1e-6)


def test_other_texts_are_scored_in_their_place() -> None:
    crossed, others = Crossed(Oracle()), Queries(TEXTS[::-1], QUERIES.vectors)
    scores = crossed.rescore(QUERIES, crossed.pictures(IMAGES), CANDIDATES, guides=others)
    np.testing.assert_allclose(scores, naive(Oracle(), TEXTS[::-1]), atol=1e-6)


@pytest.mark.parametrize("room", [2**30, 3 * 8, 0])
def test_a_picture_is_looked_at_once_and_kept_while_there_is_room(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossing, "LOOKED_AT_BYTES", room)
    monkeypatch.setattr(crossing, "LOOKED_AT_ONCE", 2)
    oracle = Oracle()
    crossed = Crossed(oracle)
    seen = crossed.pictures(IMAGES)
    crossed.rescore(QUERIES, seen, CANDIDATES)
    asked = np.unique(CANDIDATES)
    assert oracle.looked == oracle.prepared == dict.fromkeys(asked.tolist(), 1)
    again = crossed.rescore(QUERIES, seen, CANDIDATES)
    n_kept = min(len(asked), room // 8)
    assert sum(oracle.looked.values()) == len(asked) + len(asked) - n_kept
    np.testing.assert_allclose(again, naive(Oracle()), atol=1e-6)


def test_a_picture_that_is_gone_keeps_the_encoders_score(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    images = [Pixel(i, broken=i in (3, 8)) for i in range(N_IMAGES)]
    crossed = Crossed(Oracle())
    scores = crossed.rescore(QUERIES, crossed.pictures(images), CANDIDATES)
    gone = np.isin(CANDIDATES, (3, 8))
    assert (np.isnan(scores) == gone).all()
    np.testing.assert_allclose(scores[~gone], naive(Oracle())[~gone], atol=1e-6)
    assert f"candidates that cannot be read any more, and keep the encoder's score: {gone.sum()}" in caplog.text
    base = np.linspace(0.4, 0.1, K, dtype=np.float32)[None].repeat(N_TEXTS, axis=0)
    reranker = Reranker(ConceptEncoder(), crossed, Fusion(1.0, K, slope=0.1, shift=0.2))
    items, fused = reranker.rerank(TEXTS, images, CANDIDATES, base)
    for row in range(N_TEXTS):
        for item, score in zip(items[row], fused[row], strict=True):
            place = CANDIDATES[row].tolist().index(item)
            new = 0.1 * Oracle().one(TEXTS[row], int(item)) + 0.2
            assert score == pytest.approx(base[row, place] if item in (3, 8) else new, abs=1e-6)


def test_no_candidates_no_scores() -> None:
    crossed = Crossed(Oracle())
    assert crossed.rescore(QUERIES, crossed.pictures(IMAGES), CANDIDATES[:, :0]).shape == (N_TEXTS, 0)
    none = Queries([], QUERIES.vectors[:0])
    assert crossed.rescore(none, crossed.pictures(IMAGES), CANDIDATES[:0]).shape == (0, K)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (lambda texts, _: [0.0] * (len(texts) + 1), r"shape \(\d+,\) of float64"),
        (lambda texts, _: [[0.0]] * len(texts), r"shape \(\d+, 1\)"),
        (lambda texts, _: ["high"] * len(texts), "numbers that are none"),
        (lambda texts, _: [float("nan")] * len(texts), "numbers that are none"),
    ],
)
def test_what_is_no_score_is_said(said: Any, message: str) -> None:
    crossed = Crossed(ByFunction(said, "mine"))
    with pytest.raises(EncoderError, match=f"mine: score returned .*{message}"):
        crossed.rescore(QUERIES, crossed.pictures(IMAGES), CANDIDATES)


def test_any_function_is_one_and_sees_rgb_pictures() -> None:
    def score(texts: Any, seen: Any) -> Any:
        assert {picture.mode for picture in seen} == {"RGB"}
        return torch.tensor(
            [Oracle().one(text, concept_of(picture)) for text, picture in zip(texts, seen, strict=True)]
        )

    crossed = Crossed(ByFunction(score, "mine", "f" * 40))
    assert isinstance(crossed.cross_encoder, CrossEncoder)
    assert crossed.kind == "cross-encoder"
    np.testing.assert_allclose(
        crossed.rescore(QUERIES, crossed.pictures(IMAGES), CANDIDATES), naive(Oracle()), atol=1e-6
    )


def test_image_text_matching_is_the_librarys_for_every_candidate(tiny_checkpoint: MakeCheckpoint) -> None:
    """Flat pairs of many texts and pictures, one of which is gone, against the library pair by pair."""
    folder, n = tiny_checkpoint("blip2"), 6
    matcher: Any = load_cross_encoder(folder, dtype="float32", device="cpu", weight=0.05)
    texts = ["a red boat on the beach", "an old man", "two small dogs under a tree at night, smiling"]
    images = [Held(str(i), None if i == 4 else image) for i, image in enumerate(pictures(n))]
    crossed = Crossed(matcher)
    candidates = np.array([[5, 0, 4], [1, 4, 0], [2, 3, 5]])
    queries = Queries(texts, np.zeros((3, 2), dtype=np.float32))
    scores = crossed.rescore(queries, crossed.pictures(images), candidates)
    assert crossed.kind == "itm"
    assert (np.isnan(scores) == (candidates == 4)).all()
    for row, column in zip(*np.nonzero(candidates != 4), strict=True):
        image = pictures(n)[candidates[row, column]]
        itc, itm, _ = library_scores(folder, [texts[row]], [image])
        assert scores[row, column] == pytest.approx(float(itc[0] + 0.05 * itm[0]), abs=1e-5)
