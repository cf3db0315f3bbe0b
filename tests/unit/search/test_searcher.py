"""What a bundle answers, against brute force over its vectors."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from luneta.bundles import IndexRecipe, build_bundle
from luneta.bundles.attaching import calibrate
from luneta.bundles.bundle import Bundle
from luneta.errors import ConfigError, IndexMismatchError
from luneta.rerank.fusion import Fusion
from luneta.search import Item, Part, Query, Searcher, Wish
from luneta.search.tables import hits_grid
from worlds import ConceptEncoder, world

N = 60
ENCODER = ConceptEncoder(0.4)
RECIPE = IndexRecipe(kind="exact", text_tower=False)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    folder = tmp_path_factory.mktemp("bundles") / "b"
    data = world(N, captions_per_image=2)
    rows = pa.table({"year": [1880 + i for i in range(N)], "style": ["a", "b", None] * (N // 3)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNETA_CACHE", str(folder.parent / "cache"))
        build_bundle(ENCODER, replace(data, rows=rows), folder, recipe=RECIPE)
        calibrate(folder, mistake="fooled", error_rate=0.2)
    return Searcher.open(folder, encoder=ENCODER)


def brute(searcher: Searcher, vector: np.ndarray, side: Any = "image", among: Any = None) -> list[int]:
    """Numbers of all items, best first, ties by number."""
    scores = searcher.bundle.vectors(side).astype(np.float64) @ vector.astype(np.float64)
    order = [int(i) for i in np.lexsort((np.arange(len(scores)), -scores))]
    return [i for i in order if among is None or i in among]


def text_vector(text: str) -> np.ndarray:
    found: np.ndarray = ENCODER.encode_texts([text])[0]
    return found


def numbers(hits: Any) -> list[int]:
    return [hit.id for hit in hits]


@pytest.mark.parametrize("side", ["image", "text"])
def test_the_nearest_come_first(searcher: Searcher, side: Any) -> None:
    hits = searcher.search("thing 7, way 1", target=side, top_k=12)
    assert numbers(hits) == brute(searcher, text_vector("thing 7, way 1"), side)[:12]
    assert [hit.rank for hit in hits] == list(range(1, 13))
    expected = searcher.bundle.vectors(side)[numbers(hits)] @ text_vector("thing 7, way 1")
    np.testing.assert_allclose([hit.score for hit in hits], expected, atol=1e-6)
    assert hits.has_more
    first = hits[0]
    if side == "image":
        assert (first.name, list(first.texts)) == ("picture-7", ["thing 7, way 0", "thing 7, way 1"])
    else:
        assert (first.text, list(first.images)) == ("thing 7, way 1", [7])
    assert first.metadata["year"] == 1887
    assert not [name for name in first.metadata if name.startswith("_")]


def test_a_picture_finds_texts_and_pictures(searcher: Searcher) -> None:
    picture = Image.new("RGB", (2, 2), (0, 9, 0))
    vector = ENCODER.encode_images([picture])[0]
    for side in ("image", "text"):
        found = searcher.search(picture, target=side, top_k=5)  # type: ignore[arg-type]
        assert numbers(found) == brute(searcher, vector, side)[:5]


def test_composed_queries(searcher: Searcher) -> None:
    vector = text_vector("thing 3") + 0.5 * searcher.bundle.vectors("image")[9] - text_vector("thing 5")
    query = Query((*Query.read("thing 3 - thing 5").parts, Part(Item("image", 9), 0.5)))
    expected = [number for number in brute(searcher, vector) if number != 9]  # what is asked with is not an answer
    assert numbers(searcher.search(query, top_k=10)) == expected[:10]


def test_only_what_the_filter_lets_through(searcher: Searcher) -> None:
    among = {i for i in range(N) if i % 3 == 1 and 1880 + i < 1920}
    hits = searcher.search("thing 7", where="style = 'b' and year < 1920", top_k=50)
    assert numbers(hits) == brute(searcher, text_vector("thing 7"), among=among)
    assert not hits.has_more
    assert not searcher.search("thing 7", where="year > 3000")
    with pytest.raises(ConfigError, match="styel"):
        searcher.search("thing 7", where="styel = 'b'")


@pytest.mark.parametrize(
    "how",
    [{}, {"where": "style = 'a'"}, {"near": 0.4}, {"diversity": 0.7}, {"like": [4], "unlike": [11, 7]}],
    ids=["plain", "filter", "near-duplicates", "variety", "feedback"],
)
def test_pages_follow_one_another(searcher: Searcher, how: dict[str, Any]) -> None:
    pages = [searcher.search("thing 7", top_k=4, offset=start, **how) for start in range(0, 12, 4)]
    whole = searcher.search("thing 7", top_k=12, **how)
    assert [number for page in pages for number in numbers(page)] == numbers(whole)
    assert [hit.rank for page in pages for hit in page] == list(range(1, 13))
    beyond = searcher.search("thing 7", top_k=10, offset=500, **how)
    assert (numbers(beyond), beyond.has_more) == ([], False)


def test_marks_move_the_query(searcher: Searcher) -> None:
    vectors = searcher.bundle.vectors("image").astype(np.float64)
    moved = text_vector("thing 7") + 0.75 * vectors[[4, 5]].mean(axis=0) - 0.25 * vectors[11]
    hits = searcher.search("thing 7", like=[4, 5], unlike=[11], top_k=N)
    assert numbers(hits) == [number for number in brute(searcher, moved) if number != 11]
    few = searcher.search("thing 7", unlike=brute(searcher, text_vector("thing 7"))[:5], top_k=6)
    assert (len(few), few.has_more) == (6, True)  # what is hidden does not shorten the page
    with pytest.raises(ConfigError, match="999"):
        searcher.search("thing 7", like=[999])


def test_near_duplicates_stand_behind_the_best_of_them(searcher: Searcher) -> None:
    hits = searcher.search("thing 7, way 0", target="text", near=0.8, top_k=5)
    assert numbers(hits)[0] in (14, 15)
    assert {*numbers(hits)[:1], *hits[0].also} == {14, 15}
    vectors = searcher.bundle.vectors("text")[numbers(hits)]
    assert (vectors @ vectors.T - np.eye(5)).max() < 0.8


def test_near_duplicates_never_shorten_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve things of thirty texts each: a page of ten is ten things, however many texts the first has."""
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    encoder = ConceptEncoder(0.05)
    build_bundle(encoder, world(12, captions_per_image=30), tmp_path / "b", recipe=RECIPE)
    found = Searcher.open(tmp_path / "b", encoder=encoder)
    for how in ({}, {"diversity": 0.4}):
        first = found.search("thing 3", target="text", near=0.9, top_k=10, **how)  # type: ignore[arg-type]
        second = found.search("thing 3", target="text", near=0.9, top_k=10, offset=10, **how)  # type: ignore[arg-type]
        assert (len(first), first.has_more, len(second), second.has_more) == (10, True, 2, False)
        things = [hit.images[0] for hit in (*first, *second)]
        assert sorted(things) == list(range(12))


def test_what_json_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    rows = pa.table({"when": [datetime.date(1889, 6, 18)], "much": [float("nan")], "raw": [b"\x00"]})
    build_bundle(ENCODER, replace(world(1), rows=rows), tmp_path / "b", recipe=RECIPE)
    hits = Searcher.open(tmp_path / "b", encoder=ENCODER).search("thing 0")
    assert hits.to_dict()["hits"][0]["metadata"] == {"when": "1889-06-18", "much": None, "raw": None}


def test_numbers_that_are_too_large(searcher: Searcher) -> None:
    with pytest.raises(ConfigError, match="so many digits"):
        searcher.search("thing 7", like=[10**20])


def test_variety(searcher: Searcher) -> None:
    from luneta.search.variety import varied

    pool = brute(searcher, text_vector("thing 7"))
    vectors = searcher.bundle.vectors("image")
    order = varied((vectors[pool] @ text_vector("thing 7")), vectors[pool], 6, 0.6)
    assert numbers(searcher.search("thing 7", diversity=0.6, top_k=6)) == [pool[place] for place in order]


def test_several_queries_at_once_are_answered_as_one_by_one(searcher: Searcher) -> None:
    queries = [Query.read(f"thing {i}") for i in range(6)] + [Query.of(Item("image", 2))]
    together = searcher.answer(queries, Wish(top_k=5))
    assert [numbers(hits) for hits in together] == [numbers(searcher.search(query, top_k=5)) for query in queries]
    assert searcher.answer([], Wish()) == []


def test_nothing_relevant_is_said(searcher: Searcher) -> None:
    there, not_there = searcher.search("thing 7, way 0"), searcher.search("something else")
    assert searcher.bundle.calibration is not None
    cutoff = searcher.bundle.calibration.cutoff("image")
    assert cutoff is not None
    assert there.cutoff == not_there.cutoff == cutoff.value
    assert (there.relevant, not_there.relevant) == (True, False)
    assert not_there.best is not None
    assert not_there.best < cutoff.value
    assert len(not_there) == 10  # for whoever looks anyway
    second = searcher.search("thing 7, way 0", offset=10)
    assert (second.relevant, second.best) == (True, there.best)
    assert searcher.search("thing 7, way 0", target="text").relevant is None  # measured across the sides only
    for other in ({"query": "thing 7 + thing 8"}, {"query": "- thing 7"}, {"query": "thing 7", "like": [4]}):
        assert searcher.search(**other).relevant is None  # type: ignore[arg-type]
    nothing_left = searcher.search("thing 7", where="year > 3000")
    assert (len(nothing_left), nothing_left.relevant, nothing_left.best) == (0, None, None)


def test_each_answer_says_whether_it_reaches_the_cut_off(searcher: Searcher) -> None:
    hits = searcher.search("thing 7, way 0", top_k=40)
    assert hits.cutoff is not None
    assert {hit.relevant for hit in hits} == {True, False}
    assert [hit.relevant for hit in hits] == [hit.score >= hits.cutoff for hit in hits]
    assert {hit.relevant for hit in searcher.search("thing 7 + thing 8")} == {None}
    (first, *_, last) = hits_grid(hits, "pt-BR").rows
    assert (first[-1].endswith(" *"), last[-1].endswith(" *")) == (False, True)
    assert hits_grid(hits, "pt-BR").notes == (
        f"* abaixo do corte de {hits.cutoff:.3f}: muito provavelmente não é o que se pediu.".replace(".", ",", 1),
    )
    assert hits_grid(searcher.search("thing 7 + thing 8"), "en").notes == ()


def test_another_encoder_is_refused(searcher: Searcher) -> None:
    with pytest.raises(IndexMismatchError, match="concepts"):
        Searcher.open(searcher.bundle.folder, encoder=ConceptEncoder(0.1))


@pytest.mark.parametrize(
    "how",
    [{"top_k": 0}, {"offset": -1}, {"top_k": 10_001}, {"diversity": 1.5}, {"near": 0.0}, {"target": "audio"}],
)
def test_wishes_that_make_no_sense(searcher: Searcher, how: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        searcher.search("thing 7", **how)


def test_a_searcher_without_a_reranker_says_how_to_get_one(searcher: Searcher) -> None:
    with pytest.raises(ConfigError, match="--reranker"):
        searcher.search("thing 7", rerank=True)


@dataclass
class Backwards:
    """Turns the first ones round."""

    fusion: Fusion
    asked: list[Any]

    def rerank(self, texts: Any, images: Any, candidates: np.ndarray, scores: np.ndarray) -> Any:
        self.asked.append((list(texts), [images[i].label for i in candidates[0]]))
        return candidates[:, ::-1], -np.arange(candidates.shape[1], dtype=np.float32)[None]


def test_re_ranked_answers_keep_their_old_rank(searcher: Searcher) -> None:
    reranker = Backwards(Fusion(alpha=0.5, k=8), [])
    found = Searcher(searcher.bundle, ENCODER, reranker)  # type: ignore[arg-type]
    plain = numbers(searcher.search("thing 7", top_k=8, where="style = 'a'"))
    hits = found.search("thing 7", top_k=3, rerank=True, where="style = 'a'")
    assert numbers(hits) == plain[::-1][:3]
    assert [hit.rank_before for hit in hits] == [8, 7, 6]
    assert reranker.asked == [(["thing 7"], [f"picture-{number}" for number in plain])]
    with pytest.raises(ConfigError, match="one text"):
        found.search("thing 7 + thing 8", rerank=True)


@dataclass
class Rising(Backwards):
    """As where those that were not looked at again have the higher scores."""

    def rerank(self, texts: Any, images: Any, candidates: np.ndarray, scores: np.ndarray) -> Any:
        items, falling = super().rerank(texts, images, candidates, scores)
        return items, -falling


def test_varied_answers_begin_with_the_first_one_whatever_is_behind_it(searcher: Searcher) -> None:
    found = Searcher(searcher.bundle, ENCODER, Rising(Fusion(alpha=0.5, k=8), []))  # type: ignore[arg-type]
    plain = numbers(found.search("thing 7", top_k=searcher.bundle.n("image"), rerank=True))
    varied = numbers(found.search("thing 7", rerank=True, diversity=0.01))
    assert varied[0] == plain[0]


def test_an_empty_bundle_of_texts_answers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture and one text, and a filter that leaves neither."""
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    build_bundle(ENCODER, world(1), tmp_path / "b", recipe=RECIPE)
    alone = Searcher(Bundle.open(tmp_path / "b"), ENCODER)
    assert numbers(alone.search("thing 0")) == [0]
    assert not alone.search(Query.of(Item("image", 0)))
    assert not alone.search("thing 0", where="number > 3")
