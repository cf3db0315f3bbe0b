"""Candidates seen in the light of a text: scores, pictures that are kept, pictures that are gone."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from luneta.encoders import prompting
from luneta.errors import ConfigError, ImageError
from luneta.ranking import reranked
from luneta.rerank import elip as elips
from luneta.rerank import pictures as kept
from luneta.rerank.elip import Elip, promptable
from luneta.rerank.pictures import Pictures
from luneta.rerank.recipe import ElipRecipe
from luneta.rerank.search import search
from paintings import Held
from reranking import SMALL, embedded, encoder_of, found_in
from worlds import ConceptEncoder

MakeCheckpoint = Callable[[str], Path]
FAMILIES = ("clip", "siglip", "siglip2-naflex")


@pytest.fixture(params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tiny_checkpoint: MakeCheckpoint) -> Path:
    return tiny_checkpoint(str(request.param))


def untrained(checkpoint: Path, **recipe: Any) -> Elip:
    return Elip.untrained(encoder_of(checkpoint), ElipRecipe(**{**SMALL, **recipe}))


def opened(elip: Elip) -> Elip:
    with torch.no_grad():
        elip.guide.gate.fill_(0.7)
    return elip


@pytest.mark.parametrize("layer", [0, 1])
def test_before_training_scores_and_ranks_are_the_encoders(checkpoint: Path, layer: int) -> None:
    elip, found = untrained(checkpoint, insert_layer=layer), found_in(embedded(checkpoint, 24))
    new = elip.rescore(found.queries, elip.pictures(found.dataset.images), found.candidates)
    np.testing.assert_allclose(new, found.scores, atol=1e-6, rtol=0)  # other batches: the last bits may differ
    before, after = found.ranking, reranked(found.ranking, found.candidates, new)
    np.testing.assert_array_equal(after.n_better, before.n_better)
    np.testing.assert_array_equal(after.n_tied, before.n_tied)


def test_a_score_is_of_its_text_and_its_picture_alone(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is scored beside it, and in whatever parts."""
    elip, found = opened(untrained(checkpoint)), found_in(embedded(checkpoint, 24))
    pictures = elip.pictures(found.dataset.images)
    whole = elip.rescore(found.queries, pictures, found.candidates)
    assert np.abs(whole - found.scores).max() > 0.01
    for at_once in (1, 7):
        monkeypatch.setattr(elips, "GUIDED_AT_ONCE", {"cpu": at_once})
        monkeypatch.setattr(prompting, "TOGETHER", {"cpu": 5000 * at_once // 7})
        again = elip.rescore(found.queries, elip.pictures(found.dataset.images), found.candidates)
        np.testing.assert_allclose(again, whole, atol=2e-6, rtol=0)
    monkeypatch.undo()
    for query, column in ((0, 0), (5, 3), (23, 9)):
        one = elip.rescore(found.queries.of(np.array([query])), pictures, found.candidates[query, column].reshape(1, 1))
        assert one[0, 0] == pytest.approx(whole[query, column], abs=2e-6)


def test_another_texts_light_and_ones_own_score(checkpoint: Path) -> None:
    elip, found = opened(untrained(checkpoint)), found_in(embedded(checkpoint, 24))
    pictures = elip.pictures(found.dataset.images)
    other = found.queries.of(np.roll(np.arange(24), 1))
    swapped = elip.rescore(found.queries, pictures, found.candidates, guides=other)
    assert np.abs(swapped - elip.rescore(found.queries, pictures, found.candidates)).max() > 0.005
    with torch.inference_mode():
        seen = elip.seen(
            torch.from_numpy(other.vectors[:1]), pictures.of(found.candidates[0, :1]), torch.tensor([[0, 0]])
        )
    assert swapped[0, 0] == pytest.approx(float(seen[0].numpy() @ found.queries.vectors[0]), abs=1e-5)


@pytest.mark.parametrize("layer", [0, 1])
def test_pictures_are_the_same_from_memory_and_from_files(
    checkpoint: Path, layer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SHARD", 5)
    elip, images = untrained(checkpoint, insert_layer=layer), embedded(checkpoint, 12).dataset.images
    in_memory, in_files = elip.pictures(images), elip.pictures(images)
    in_files.keep_in(tmp_path)
    assert len(list(tmp_path.glob("halfway-0*.npy"))) == (3 if layer else 0)  # nothing to keep before the first block
    for indexes in (np.arange(12), np.array([11, 3, 3, 7])):
        first, second = in_memory.of(indexes), in_files.of(indexes)
        torch.testing.assert_close(first.states, second.states, atol=1e-5, rtol=0)
        assert (first.mask is None) == (second.mask is None)
        assert first.mask is None or torch.equal(first.mask, second.mask)


def test_files_of_a_run_that_was_killed_are_taken_as_they_are(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SHARD", 5)
    elip, images = (
        untrained(tiny_checkpoint("clip"), insert_layer=1),
        embedded(tiny_checkpoint("clip"), 12).dataset.images,
    )
    elip.pictures(images).keep_in(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "halfway-00001.npy").unlink()
    elip.pictures(images).keep_in(tmp_path)
    changed = {path.name for path in tmp_path.iterdir() if path.stat().st_mtime_ns != times[path.name]}
    assert changed == {"halfway-00001.npy"}


def test_memory_is_bounded(tiny_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    elip, images = (
        untrained(tiny_checkpoint("clip"), insert_layer=1),
        embedded(tiny_checkpoint("clip"), 12).dataset.images,
    )
    one = Pictures(elip.encoder, elip.tower, images)
    one.of(np.array([0]))
    monkeypatch.setattr(kept, "PICTURES_BYTES", 3 * one._bytes)
    pictures = Pictures(elip.encoder, elip.tower, images)
    pictures.of(np.arange(12))
    assert list(pictures._kept) == [9, 10, 11]
    pictures.of(np.array([9]))
    pictures.of(np.array([0]))
    assert list(pictures._kept) == [11, 9, 0]  # the one asked for longest ago has gone


def test_a_picture_that_is_gone_keeps_the_encoders_score(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    elip, found = opened(untrained(checkpoint)), found_in(embedded(checkpoint, 24))
    images, gone = list(found.dataset.images), int(found.candidates[0, 0])
    images[gone] = Held("gone", None)
    new = elip.rescore(found.queries, elip.pictures(images), found.candidates)
    assert (np.isnan(new) == (found.candidates == gone)).all()
    whole = elip.rescore(found.queries, elip.pictures(found.dataset.images), found.candidates)
    here = found.candidates != gone
    np.testing.assert_allclose(new[here], whole[here], atol=2e-6, rtol=0)
    assert "cannot be read any more" in caplog.text
    with pytest.raises(ImageError, match="gone: truncated file"):
        elip.pictures(images).of(np.array([gone]))


def test_the_same_seed_begins_with_the_same_weights(tiny_checkpoint: MakeCheckpoint) -> None:
    torch.manual_seed(7)
    states = [untrained(tiny_checkpoint("clip"), seed=seed).guide.state_dict() for seed in (3, 3, 4)]
    assert torch.equal(states[0]["mapper.0.weight"], states[1]["mapper.0.weight"])
    assert not torch.equal(states[0]["mapper.0.weight"], states[2]["mapper.0.weight"])


def test_no_candidates_no_scores(tiny_checkpoint: MakeCheckpoint) -> None:
    elip, found = untrained(tiny_checkpoint("clip")), found_in(embedded(tiny_checkpoint("clip"), 24))
    pictures = elip.pictures(found.dataset.images)
    assert elip.rescore(found.queries, pictures, found.candidates[:, :0]).shape == (24, 0)
    none = found.queries.of(np.arange(0))
    assert elip.rescore(none, pictures, found.candidates[:0]).shape == (0, 10)


def test_candidates_are_all_pictures_where_there_are_fewer(tiny_checkpoint: MakeCheckpoint) -> None:
    embeddings = embedded(tiny_checkpoint("clip"), 24)
    found = found_in(embeddings, k=1000)
    assert found.k == 24
    with pytest.raises(ConfigError, match="k is 0, expected"):
        search(embeddings, found.ranking, found.clusters, 0)


def test_an_encoder_without_tokens_takes_no_prompts(tiny_checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ConfigError, match="concepts takes no visual prompts"):
        promptable(ConceptEncoder())
    with pytest.raises(ConfigError, match="align model takes no prompts"):
        untrained(tiny_checkpoint("align"))


def test_some_texts_of_what_was_found(tiny_checkpoint: MakeCheckpoint) -> None:
    found = found_in(embedded(tiny_checkpoint("clip"), 24, per_image=2))
    some = found.sample(7, seed=0)
    assert len(some.queries) == some.ranking.n_queries == len(some.candidates) == 7
    where = [found.queries.texts.index(text) for text in some.queries.texts]
    assert where == sorted(where)
    for row, text in enumerate(where):
        mine = slice(*some.ranking.offsets[row : row + 2])
        theirs = slice(*found.ranking.offsets[text : text + 2])
        for name in ("positives", "n_better", "n_tied", "scores"):
            np.testing.assert_array_equal(getattr(some.ranking, name)[mine], getattr(found.ranking, name)[theirs])
        np.testing.assert_array_equal(some.candidates[row], found.candidates[text])
    assert found.sample(100, seed=0) is found
    assert dataclasses.replace(found).cut(4).candidates.shape == (48, 4)
