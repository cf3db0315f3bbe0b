"""The pages of re-ranking: they show the pictures that came first, and the numbers that were measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossing import Oracle, noise_of
from luneta.data.dataset import ImageTextDataset
from luneta.embedding import Embeddings
from luneta.evaluation import measure
from luneta.metrics import best_rank
from luneta.report.changes import N_PICTURES, Changes, changes_of
from luneta.report.reranking import write_reranked, write_trained
from luneta.rerank import ByFunction, Fusion, Reranker, RerankerFitted, fit_reranker, fitting
from luneta.rerank.crossing import Crossed
from luneta.rerank.evaluation import Depths, rerank_depths
from luneta.rerank.honesty import QUESTIONS, Answer
from pages import Element, read
from worlds import ConceptEncoder, judged, words_of, world

K = 12


@dataclass(frozen=True)
class Measured:
    """A re-ranker, what it was measured on, and what came of it."""

    reranker: Reranker
    embeddings: Embeddings
    found: Depths


@pytest.fixture(scope="module", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNETA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def measured() -> Measured:
    encoder, data = ConceptEncoder(noise=1.4, name="<concepts>"), world(60, captions_per_image=2)
    reranker = Reranker(encoder, Crossed(Oracle()), Fusion(1.0, K))
    before, embeddings = measure(encoder, data, cache=False)
    return Measured(reranker, embeddings, rerank_depths(reranker, embeddings, before, [K]))


def orders(measured: Measured) -> tuple[np.ndarray, np.ndarray]:
    """(n_texts, n_images) pictures in the order of cosines, and with the first K in the order of the oracle."""
    data, oracle = measured.embeddings.dataset, Oracle()
    cosines = measured.embeddings.texts.astype(np.float64) @ measured.embeddings.images.T.astype(np.float64)
    before = np.argsort(-cosines, axis=1)
    after = before.copy()
    for row, text in enumerate(data.texts):
        after[row, :K] = sorted(before[row, :K], key=lambda image: -oracle.one(text, int(image)))
    return before, after


def test_what_changed_most_is_found_by_hand(measured: Measured) -> None:
    before, after = orders(measured)
    owner = np.arange(len(before)) // 2  # two captions of every picture
    ranks = np.stack([1 + (order == owner[:, None]).argmax(axis=1) for order in (before, after)])
    gains = 1 / ranks[1] - 1 / ranks[0]
    found = changes_of(measured.reranker, measured.embeddings, measured.found.at(K), n_texts=15)
    assert (found.n_better, found.n_worse) == ((gains > 0).sum(), (gains < 0).sum())
    assert min(found.n_better, found.n_worse) > 15
    for sign, side in ((1, found.better), (-1, found.worse)):
        best_of_picture = sorted((sign * gains).reshape(-1, 2).max(axis=1), reverse=True)[:15]
        np.testing.assert_allclose([sign * gains[change.text] for change in side], best_of_picture)
        assert len({owner[change.text] for change in side}) == 15
        for change in side:
            assert change.ranks == tuple(ranks[:, change.text])
            assert change.relevant == [owner[change.text]]
            assert change.before == before[change.text, :N_PICTURES].tolist()
            assert change.after == after[change.text, :N_PICTURES].tolist()
            places = {int(image): place for place, image in enumerate(before[change.text], start=1)}
            assert change.came_from == [places[image] for image in change.after]


class Wavering(Oracle):
    """Sees a picture otherwise whenever it looks again, as numbers of few bits do in other company."""

    looks = 0

    def score(self, texts: Sequence[str], pictures: Sequence[np.ndarray]) -> list[float]:
        self.looks += 1
        pairs = zip(super().score(texts, pictures), texts, pictures, strict=True)
        return [score + 0.3 * noise_of(self.looks, text, int(picture[0])) for score, text, picture in pairs]


def test_ranks_are_those_of_the_pictures_that_are_shown() -> None:
    encoder, data = ConceptEncoder(noise=1.4), world(60, captions_per_image=2)
    reranker = Reranker(encoder, Crossed(Wavering()), Fusion(1.0, K))
    before, embeddings = measure(encoder, data, cache=False)
    found = rerank_depths(reranker, embeddings, before, [K]).at(K)
    changes = changes_of(reranker, embeddings, found)
    measured = best_rank(found.after.rankings["text_to_image"])
    unlike = 0
    for change in (*changes.better, *changes.worse):
        (right,) = change.relevant
        unlike += change.ranks[1] != measured[change.text]
        for rank, shown in zip(change.ranks, (change.before, change.after), strict=True):
            assert (shown.index(right) + 1 == rank) if right in shown else rank > N_PICTURES
    assert unlike, "it has not wavered"


def test_what_early_exit_leaves_alone_is_shown_as_it_was_measured(measured: Measured) -> None:
    narrow = replace(measured.reranker, fusion=Fusion(1.0, K, within=0.1))
    found = rerank_depths(narrow, measured.embeddings, measured.found.before, [K]).at(K)
    ranks = best_rank(found.after.rankings["text_to_image"])
    assert (ranks != best_rank(measured.found.after[K].rankings["text_to_image"])).sum() > 20
    changes = changes_of(narrow, measured.embeddings, found)
    assert len(changes.better) > 3
    for change in (*changes.better, *changes.worse):
        assert change.ranks[1] == ranks[change.text]


def test_queries_with_few_candidates_show_those_that_there_are() -> None:
    """Judged ones pass some pictures over."""
    encoder, data = ConceptEncoder(noise=3.0), judged()
    right = {(int(query), int(image)) for query, image in data.pairs}
    passed_over = [(q, i) for q in range(data.n_texts) for i in range(2, data.n_images) if (q, i) not in right]
    data = replace(data, ignored=np.array(passed_over))
    before, embeddings = measure(encoder, data, cache=False)
    reranker = Reranker(encoder, Crossed(ByFunction(lambda texts, pictures: noises(texts), "noise")), Fusion(1.0, 40))
    found = rerank_depths(reranker, embeddings, before, [40]).at(40)
    changes = changes_of(reranker, embeddings, found)
    assert changes.n_better + changes.n_worse > 1
    shown = [change for change in (*changes.better, *changes.worse) if len(change.after) < N_PICTURES]
    assert shown
    for change in shown:
        there = {image for image in range(data.n_images) if (change.text, image) not in set(passed_over)}
        assert set(change.before) == set(change.after) == there


def test_at_another_depth_than_its_own_the_page_shows_what_looking_at_all_changes(
    measured: Measured, tmp_path: Path
) -> None:
    narrow = replace(measured.reranker, fusion=Fusion(1.0, 3, within=0.0))
    found = rerank_depths(narrow, measured.embeddings, measured.found.before, [3, K])
    page = opened(write_reranked(tmp_path / "p.html", narrow, measured.embeddings, found))
    expected = changes_of(measured.reranker, measured.embeddings, measured.found.at(K))
    shown, texts = articles(page), measured.embeddings.dataset.texts
    for change in (*expected.better, *expected.worse):
        places = [li.text.removeprefix("✓ ") for li in shown[texts[change.text]].all("ol", klass="found")[1].all("li")]
        assert places == [f"was {place}" for place in change.came_from]


def noises(texts: Sequence[str]) -> list[float]:
    return [noise_of(place, text) for place, text in enumerate(texts)]


def opened(path: Path) -> Element:
    return read(path.read_text(encoding="utf-8"))


def rows(page: Element) -> list[list[str]]:
    return [[cell.text for cell in row.children if not isinstance(cell, str)] for row in page.all("tr")]


def articles(page: Element) -> dict[str, Element]:
    """Those of before and after, by their texts; the encoder's own examples have one row of pictures."""
    found = [article for article in page.all("article", klass="example") if len(article.all("ol", klass="found")) == 2]
    return {article.all("p", klass="query")[0].text: article for article in found}


@pytest.mark.parametrize(("locale", "was"), [("en", "was"), ("pt-BR", "era")])
def test_the_page_shows_them_with_the_right_one_marked(
    measured: Measured, tmp_path: Path, locale: str, was: str
) -> None:
    path = write_reranked(tmp_path / "p.html", measured.reranker, measured.embeddings, measured.found, locale=locale)
    page, data = opened(path), measured.embeddings.dataset
    found: Changes = changes_of(measured.reranker, measured.embeddings, measured.found.at(K))
    shown = articles(page)
    for tone, side in (("good", found.better), ("bad", found.worse)):
        for change in side:
            article = shown[data.texts[change.text]]
            assert article.has({"klass": tone})
            strips = article.all("ol", klass="found")
            assert len(strips) == 2
            for strip, items in zip(strips, (change.before, change.after), strict=True):
                pictures = strip.all("li")
                marked = [item for item, li in zip(items, pictures, strict=True) if li.has({"klass": "right"})]
                assert marked == [item for item in items if item in change.relevant]
                captions = [li.all("img")[0].attributes["alt"] for li in pictures]
                assert captions == [data.texts[2 * item] for item in items]
            places = [li.text.removeprefix("✓ ") for li in strips[1].all("li")]
            assert places == [f"{was} {place}" for place in change.came_from]
            seen = set(change.relevant) & {*change.before, *change.after}
            assert bool(article.all("div", klass="answer")) is not bool(seen)
    assert len(found.better) == len(found.worse) == 6
    said = page.text
    assert f"{found.n_better} " in said
    point = "." if locale == "en" else ","
    before, after = measured.found.before, measured.found.after[K]
    for name in ("recall@1", "mrr"):
        values = [f"{r.metrics['text_to_image'][name].value:.3f}".replace(".", point) for r in (before, after)]
        assert any(row[:3] == [name, *values] for row in rows(page)), name
    assert "<concepts>, re" in page.all("h1")[0].text
    assert "<concepts>" not in path.read_text()
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", path.read_text())


def test_several_depths_stand_side_by_side(measured: Measured, tmp_path: Path) -> None:
    found = rerank_depths(measured.reranker, measured.embeddings, measured.found.before, [3, K])
    page = opened(write_reranked(tmp_path / "p.html", measured.reranker, measured.embeddings, found))
    for k in (3, K):
        value = found.after[k].metrics["text_to_image"]["recall@1"].value
        assert any(row[0].startswith(f"re-ranked, k = {k}") and f"{100 * value:.1f} %" in row[-1] for row in rows(page))
    deepest = changes_of(measured.reranker, measured.embeddings, measured.found.at(K))
    assert set(articles(page)) >= {measured.embeddings.dataset.texts[change.text] for change in deepest.better}


def test_one_that_changes_nothing_says_so(measured: Measured, tmp_path: Path) -> None:
    idle = replace(measured.reranker, fusion=Fusion(0.0, K))
    found = rerank_depths(idle, measured.embeddings, measured.found.before, [K])
    page = opened(write_reranked(tmp_path / "p.html", idle, measured.embeddings, found))
    assert "changes nothing" in page.all("p", klass="lead")[0].text
    assert "Where the order changed most" not in page.text


def part(first: int, last: int) -> ImageTextDataset:
    """Some pictures of a world."""
    return world(110).without_images([*range(first), *range(last, 110)])


@pytest.fixture
def fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RerankerFitted]:
    """A cross-encoder that is believed although it has shown only some of what it should."""

    def fit(**options: Any) -> RerankerFitted:
        choose = fitting.choose

        def forced(*arguments: Any, **more: Any) -> Any:
            choice = choose(*arguments, **more)
            return replace(choice, fusion=replace(choice.fusion, alpha=0.5, k=10))

        with monkeypatch.context() as patch:
            patch.setattr(fitting, "choose", forced)
            patch.setattr(fitting, "question", lambda *_, **__: [Answer(n, 0.125, 0.0625, 0.25) for n in QUESTIONS])
            return fit_reranker(
                ConceptEncoder(noise=1.4), Oracle(), replace(part(0, 60), name="others"), out=tmp_path / "fit", k=K,
                **options,
            )  # fmt: skip

    return fit


def test_how_far_it_is_believed(fitted: Callable[..., RerankerFitted], tmp_path: Path) -> None:
    found = fitted(test=part(60, 110), near=False)
    path = write_trained(tmp_path / "p.html", found)
    page = opened(path)
    assert "A re-ranker for concepts, made on others" in page.text
    for trial in found.choice.trials:
        alpha = f"{trial.fusion.alpha:g}" + (" *" if trial.fusion == found.reranker.fusion else "")
        limits = f"{trial.gain.low:+.4f} to {trial.gain.high:+.4f}" if trial.fusion.changes else ""
        row = [alpha, str(trial.fusion.k), f"{trial.value:.4f}", f"{trial.gain.value:+z.4f}", limits]
        assert row in rows(page) or not trial.fusion.changes, row
    assert any(row[0] == "0.5 *" for row in rows(page))
    assert sum("Is the" in row[0] or "Do the" in row[0] for row in rows(page)) == 3
    assert all(row[1:] == ["+0.1250 (+0.0625 to +0.2500)", "yes"] for row in rows(page) if row[0].endswith("?"))
    assert len(articles(page)) > 4
    curve = next(
        svg.attributes["aria-label"] for svg in page.all("svg", role="img") if "over alpha" in str(svg.attributes)
    )
    used = [trial for trial in found.choice.trials if trial.fusion.k == 10]
    assert "on the first 10" in curve
    for trial in used:
        assert f"{trial.gain.value:+.4f} at {trial.fusion.alpha:.2f}" in curve
    assert found.test is not None
    assert f"{found.test.cost['ms_per_text']:.1f} ms" in page.text


@pytest.mark.parametrize(
    ("locale", "title"),
    [("en", "Early exit: how far below"), ("pt-BR", "Saída antecipada: até que distância")],
)
def test_which_looks_are_spared(tmp_path: Path, locale: str, title: str) -> None:
    encoder, proof = ConceptEncoder(noise=0.8), world(230).without_images(range(200))
    found = fit_reranker(
        encoder, Oracle(), world(200, captions_per_image=2), out=tmp_path / "fit", test=proof, near=False
    )
    assert found.reranker.fusion.within is not None
    page = opened(write_trained(tmp_path / "p.html", found, locale=locale))
    assert any(title in heading.text for heading in page.all("h2"))
    point = "." if locale == "en" else ","
    for tried in found.choice.early_exits:
        used = " *" if tried.within == found.reranker.fusion.within else ""
        first = [f"{tried.within:g}".replace(".", point) + used, f"{tried.looks:.1f}".replace(".", point)]
        assert any(row[:2] == first for row in rows(page)), first
    assert found.test is not None
    assert found.test.cost["looks_per_text"] < 5
    looks = f"{found.test.cost['looks_per_text']:.1f}".replace(".", point)
    limits = [(tried.change.low, tried.change.high) for tried in found.choice.early_exits]
    assert (None, None) in limits
    unmoved = "no text changes" if locale == "en" else "nenhum texto muda"
    assert sum(len(row) == 5 and f"({unmoved})" in row[3] for row in rows(page)) == limits.count((None, None))
    said = "Early exit: {} candidates of each" if locale == "en" else "Saída antecipada: {} candidatas de cada"
    assert said.format(f"{found.test.cost['looks_per_text']:.1f}".replace(".", point)) in page.text
    asked = "Candidates looked at, for each text" if locale == "en" else "Candidatas olhadas, por texto"
    assert [asked, looks] in rows(page)


def test_what_is_not_used_says_what_its_questions_were_asked_of(tmp_path: Path) -> None:
    def fit(oracle: Oracle) -> RerankerFitted:
        data = world(60, captions_per_image=2)
        return fit_reranker(ConceptEncoder(noise=2.0), oracle, data, out=tmp_path / str(oracle.deaf), near=False)

    said = "asked of the new scores alone (alpha 1)"
    deaf, listening = fit(Oracle(deaf=True, fingerprint="d" * 40)), fit(Oracle())
    assert (deaf.choice.fusion.changes, listening.choice.fusion.changes) == (False, True)
    assert said in " ".join(str(deaf).split())
    assert said in opened(write_trained(tmp_path / "deaf.html", deaf)).text
    assert "alpha 1)" not in str(listening)
    assert said not in opened(write_trained(tmp_path / "listening.html", listening)).text


def test_without_a_test_part_nothing_is_proved(fitted: Callable[..., RerankerFitted], tmp_path: Path) -> None:
    page = opened(write_trained(tmp_path / "p.html", fitted(), locale="pt-BR"))
    assert "nada se prova aqui (alfa 0,5 nas primeiras 10)" in page.all("p", klass="lead")[0].text
    assert articles(page) == {}
    foreign = {"believed", "gain", "interval", "question", "answer", "yes", "tried", "encoder", "time", "first"}
    assert words_of(page.all("main")[0].text) & foreign == set()
