"""Scores that are kept: what was stopped goes on with the same bits, and nothing is scored twice."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossing import Oracle
from luneta.encoders.registry import load_cross_encoder
from luneta.rerank import keeping
from luneta.rerank.crossing import ByFunction, Crossed
from luneta.rerank.elip import Elip
from luneta.rerank.keeping import KeptScores, resumable
from luneta.rerank.kinds import fingerprint_of
from luneta.rerank.recipe import ElipRecipe
from luneta.rerank.search import Queries
from reranking import SMALL, embedded, encoder_of, found_in
from worlds import Pixel

MakeCheckpoint = Callable[[str], Path]
N_TEXTS, K, N_IMAGES = 9, 6, 20

TEXTS = [f"thing {i}, way 0" for i in range(N_TEXTS)]
QUERIES = Queries(TEXTS, np.zeros((N_TEXTS, 3), dtype=np.float32))
OTHERS = Queries(TEXTS[1:] + TEXTS[:1], QUERIES.vectors)
IMAGES = [Pixel(i) for i in range(N_IMAGES)]
CANDIDATES = np.stack([np.random.default_rng(row).permutation(N_IMAGES)[:K] for row in range(N_TEXTS)])
CANDIDATES[2, 4:] = CANDIDATES[5, 1:] = -1  # of some texts there are fewer


@pytest.fixture(autouse=True)
def _small_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(keeping, "PART", 7)


@dataclass
class Batched(Oracle):
    """Its last bits depend on how many are looked at and scored together, as on a GPU; and it counts.

    Attributes:
        stops_at: of the calls of `score`, the one that is stopped.
        asked: texts and pictures that were scored.
    """

    stops_at: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    calls: int = 0

    def look(self, prepared: Sequence[int]) -> list[np.ndarray]:
        super().look(prepared)
        return [np.array([number, len(prepared)]) for number in prepared]

    def score(self, texts: Sequence[str], pictures: Sequence[np.ndarray]) -> list[float]:
        self.calls += 1
        if self.calls == self.stops_at:
            raise KeyboardInterrupt
        numbers = [int(picture[0]) for picture in pictures]
        self.asked += zip(texts, numbers, strict=True)
        rough = [1e-3 * len(texts) + 1e-5 * picture[1] for picture in pictures]
        return [self.one(text, n) + r for text, n, r in zip(texts, numbers, rough, strict=True)]


def both(oracle: Batched, cache: bool = True, images: Sequence[Any] = IMAGES) -> tuple[np.ndarray, np.ndarray]:
    """All candidates, and the first of each in the light of another text, as they are chosen and questioned."""
    rescorer = resumable(Crossed(oracle), cache=cache)
    pictures = rescorer.pictures(images)
    first = CANDIDATES[:, :3]
    return (rescorer.rescore(QUERIES, pictures, CANDIDATES),
            rescorer.rescore(QUERIES, pictures, first, guides=OTHERS))  # fmt: skip


def test_every_pair_has_its_score_and_none_is_asked_for_twice() -> None:
    oracle = Batched()
    scores, swapped = both(oracle)
    for row, column in np.ndindex(CANDIDATES.shape):
        image = int(CANDIDATES[row, column])
        if image < 0:
            assert np.isnan(scores[row, column])
            continue
        assert scores[row, column] == pytest.approx(oracle.one(TEXTS[row], image), abs=0.01)
        if column < 3:
            assert swapped[row, column] == pytest.approx(oracle.one(OTHERS.texts[row], image), abs=0.01)
    n_pairs = int((CANDIDATES >= 0).sum() + (CANDIDATES[:, :3] >= 0).sum())
    assert len(oracle.asked) == n_pairs
    assert oracle.prepared == dict.fromkeys(np.unique(CANDIDATES[CANDIDATES >= 0]).tolist(), 1)
    again = Batched()
    for before, after in zip((scores, swapped), both(again), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not again.asked
    assert not again.prepared


def test_the_same_pairs_in_another_light_have_scores_of_their_own() -> None:
    rescorer = resumable(Crossed(Oracle()))
    pictures = rescorer.pictures(IMAGES)
    own, other = (rescorer.rescore(QUERIES, pictures, CANDIDATES, guides=guides) for guides in (None, OTHERS))
    assert (own != other)[CANDIDATES >= 0].all()


def test_stopped_anywhere_it_goes_on_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = Batched()
    expected = both(calm, cache=False)
    assert not (tmp_path / "cache").exists()
    assert calm.calls > 8
    for stop in range(1, calm.calls + 1):
        monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / str(stop)))
        stopped, gone_on = Batched(stops_at=stop), Batched()
        with pytest.raises(KeyboardInterrupt):
            both(stopped)
        for one, other in zip(expected, both(gone_on), strict=True):
            np.testing.assert_array_equal(one, other)
        assert len(stopped.asked) + len(gone_on.asked) == len(calm.asked)


def test_what_is_known_is_known_by_content() -> None:
    both(Batched())
    moved = [replace(image) for image in IMAGES]
    same = Batched()
    both(same, images=moved)
    assert not same.asked
    other = Batched()
    both(other, images=[replace(image, concept=40) if image.concept == 3 else image for image in IMAGES])
    assert {number for _, number in other.asked} >= {40}
    assert 0 < len(other.asked) < len(CANDIDATES[CANDIDATES >= 0])  # the parts without it are as they were
    anew = Batched(fingerprint="p" * 40)
    both(anew)
    assert len(anew.asked) > 50


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_what_is_damaged_is_computed_anew(damage: str, tmp_path: Path) -> None:
    scores, _ = both(Batched())
    files = sorted((tmp_path / "cache").rglob("*.scores"))
    assert len(files) > 8
    whole = files[0].read_bytes()
    files[0].write_bytes({"cut": whole[:-8], "changed": whole[:-1] + bytes([whole[-1] ^ 1]), "empty": b""}[damage])
    again = Batched()
    np.testing.assert_array_equal(both(again)[0], scores)
    assert 0 < len(again.asked) <= 7
    assert files[0].read_bytes() == whole


def test_a_picture_that_cannot_be_read_is_not_remembered_as_such() -> None:
    images = [replace(image, broken=image.concept == 5) for image in IMAGES]
    scores, _ = both(Batched(), images=images)
    assert (np.isnan(scores) == ((CANDIDATES == 5) | (CANDIDATES < 0))).all()
    asked = Batched()
    both(asked, images=images)
    assert 0 < len(asked.asked) < 14  # what stands in its parts only
    again = both(Batched())[0]
    assert (np.isnan(again) == (CANDIDATES < 0)).all()


def test_a_cache_that_cannot_be_used_costs_time_and_not_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = both(Batched(), cache=False)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "luneta"):
        found = both(Batched())
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum("the scores are not kept between runs" in said for said in caplog.messages) == 1


def kept(root: Path) -> dict[Path, int]:
    """Files of scores, and their bytes."""
    return {path: path.stat().st_size for path in (root / "cache").rglob("*.scores")}


def test_what_was_used_longest_ago_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for letter in "abc":
        both(Batched(fingerprint=letter * 40))
        runs.append(sorted(set(kept(tmp_path)).difference(*runs)))
        for number, path in enumerate(runs[-1]):
            os.utime(path, ns=(0, 10**6 * len(runs) + number))  # long ago, one after the other
    again = Batched(fingerprint="a" * 40)
    both(again)  # in use now
    assert not again.asked
    n = sum(kept(tmp_path)[path] for path in runs[0] + runs[2])
    monkeypatch.setattr(keeping, "ROOM", n)
    resumable(Crossed(Oracle(fingerprint="d" * 40)))
    assert set(kept(tmp_path)) == {*runs[0], *runs[2]}
    monkeypatch.setattr(keeping, "ROOM", n - 1)
    resumable(Crossed(Oracle(fingerprint="d" * 40)), cache=False)
    assert set(kept(tmp_path)) == {*runs[0], *runs[2]}
    resumable(Crossed(Oracle(fingerprint="d" * 40)))
    assert set(kept(tmp_path)) == {*runs[0], *runs[2][1:]}


def test_a_run_goes_on_from_all_that_it_has_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that is more than there is room for."""
    both(Batched())
    monkeypatch.setattr(keeping, "ROOM", sum(kept(tmp_path).values()) // 2)
    again = Batched()
    both(again)
    assert not again.asked


def test_a_run_keeps_all_of_its_own_whatever_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was stopped goes on where others take up the room that it needs."""
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "calm" / "cache"))
    calm = Batched()
    expected, n = both(calm), sum(kept(tmp_path / "calm").values())
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(keeping, "ROOM", n)
    both(Batched(fingerprint="a" * 40))
    others = set(kept(tmp_path))
    stopped, gone_on = Batched(stops_at=calm.calls), Batched()
    with pytest.raises(KeyboardInterrupt):
        both(stopped)
    assert others < set(kept(tmp_path))
    for one, other in zip(expected, both(gone_on), strict=True):
        np.testing.assert_array_equal(one, other)
    assert 0 < len(gone_on.asked) <= 7
    assert not others <= set(kept(tmp_path))


def test_a_cache_that_may_only_be_read_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError

    both(Batched())
    monkeypatch.setattr(os, "utime", refused)
    again = Batched()
    both(again)
    assert not again.asked


def test_what_nobody_can_tell_from_another_is_not_kept() -> None:
    mine = Crossed(ByFunction(lambda texts, pictures: [0.0] * len(texts), "mine"))
    assert resumable(mine) is mine
    assert fingerprint_of(mine) == ""


def test_fingerprints_tell_guides_and_models_apart(tiny_checkpoint: MakeCheckpoint) -> None:
    encoder, other = encoder_of(tiny_checkpoint("clip")), encoder_of(tiny_checkpoint("siglip"))
    matcher: Any = load_cross_encoder(tiny_checkpoint("blip2"), dtype="float32", device="cpu")
    recipes = [ElipRecipe(**SMALL), ElipRecipe(**{**SMALL, "seed": 1}), ElipRecipe(**{**SMALL, "insert_layer": -1})]
    found = [fingerprint_of(Elip.untrained(encoder, recipe)) for recipe in recipes]
    found += [fingerprint_of(Elip.untrained(able, recipes[0])) for able in (other, matcher)]
    found += [fingerprint_of(Crossed(matcher)), fingerprint_of(Crossed(Oracle()))]
    opened = Elip.untrained(encoder, recipes[0])
    with torch.no_grad():
        opened.guide.gate.fill_(0.5)
    found.append(fingerprint_of(opened))
    assert len(set(found)) == len(found)
    assert fingerprint_of(Elip.untrained(encoder, recipes[0])) == found[0]


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("family", ["clip", "blip2"])
def test_guided_scores_go_on_with_the_same_bits(
    layer: int, family: str, tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = found_in(embedded(tiny_checkpoint("clip"), 24), k=5)
    able: Any = encoder_of(tiny_checkpoint("clip"))
    if family == "blip2":
        able = load_cross_encoder(tiny_checkpoint("blip2"), dtype="float32", device="cpu")
    elip = Elip.untrained(able, ElipRecipe(**{**SMALL, "insert_layer": layer}))
    with torch.no_grad():
        elip.guide.gate.fill_(0.7)
    rescore, done = Elip.rescore, 0

    def stopping(self: Elip, *arguments: Any, **options: Any) -> Any:
        nonlocal done
        done += 1
        if done in (4, 9):
            raise KeyboardInterrupt
        return rescore(self, *arguments, **options)

    def scored(cache: bool) -> np.ndarray:
        rescorer = resumable(elip, cache=cache)
        return rescorer.rescore(found.queries, rescorer.pictures(found.dataset.images), found.candidates)

    calm = scored(cache=False)
    monkeypatch.setattr(Elip, "rescore", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            scored(cache=True)
    np.testing.assert_array_equal(scored(cache=True), calm)
    assert done == len(list((tmp_path / "cache").rglob("*.scores"))) + 2
    plain = rescore(elip, found.queries, elip.pictures(found.dataset.images), found.candidates)
    np.testing.assert_allclose(calm, plain, atol=1e-5)


def test_it_is_a_rescorer_like_the_one_within() -> None:
    within = Crossed(Oracle())
    found = resumable(within)
    assert isinstance(found, KeptScores)
    assert (found.kind, found.own_scale) == (within.kind, within.own_scale)
    none = Queries([], QUERIES.vectors[:0])
    assert found.rescore(none, found.pictures(IMAGES), CANDIDATES[:0]).shape == (0, K)
