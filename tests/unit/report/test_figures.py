"""The numbers behind the drawings, against the metrics and brute force; the drawings themselves as documents."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from luneta.evaluation import evaluate
from luneta.metrics import best_rank, chance, recall_at
from luneta.ranking import Ranking, rank
from luneta.report.document import Page
from luneta.report.figures import (
    _distinct_queries,
    rank_bins,
    rank_figure,
    rank_shares,
    recall_figure,
    similarity_figure,
)
from luneta.report.messages import translator
from luneta.report.plots import Curve, rank_histogram, recall_curve, similarity_histogram
from luneta.results import Evaluation
from luneta.types import DIRECTIONS
from worlds import ConceptEncoder, world


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(ConceptEncoder(noise=3.0, name="E"), world(70, captions_per_image=2), cache=False)


def random_ranking(seed: int, *, tied: bool) -> Ranking:
    """30 queries, 40 items, up to five relevant; few distinct vectors where ties are wanted, else no two alike."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(6 if tied else 70, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[rng.integers(len(vectors), size=30)]
    gallery = vectors[rng.choice(len(vectors), size=40, replace=tied)]
    pairs = [(query, item) for query in range(30) for item in rng.choice(40, size=rng.integers(1, 6), replace=False)]
    return rank(queries, gallery, np.array(sorted(pairs), dtype=np.int64))


@given(seed=st.integers(0, 10_000), tied=st.booleans(), k=st.integers(1, 45))
@settings(max_examples=40)
def test_recall_of_distinct_queries_is_recall(seed: int, tied: bool, k: int) -> None:
    ranking = random_ranking(seed, tied=tied)
    for one in (ranking, chance(ranking)):
        distinct, which = _distinct_queries(one)
        np.testing.assert_allclose(recall_at(distinct, k)[which], recall_at(one, k), atol=1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_rank_shares_count_ranks(seed: int) -> None:
    ranking = random_ranking(seed, tied=False)
    assume((ranking.n_tied == 1).all())  # two scores may come within the tolerance: positions between ranks
    ranks = best_rank(ranking)
    counted = [np.mean((ranks >= first) & (ranks <= last)) for first, last in rank_bins(40)]
    np.testing.assert_allclose(rank_shares(ranking), counted, atol=1e-12)


def test_rank_shares_of_ties_are_spread_and_chance_is_level() -> None:
    ranking = random_ranking(0, tied=True)
    assert sum(rank_shares(ranking)) == pytest.approx(1)
    one_each = replace(ranking, offsets=np.arange(31), positives=np.zeros(30, int), scores=np.zeros(30, np.float32),
                       n_better=np.zeros(30, int), n_tied=np.full(30, 40))  # fmt: skip
    widths = [last - first + 1 for first, last in rank_bins(40)]
    np.testing.assert_allclose(rank_shares(one_each), np.array(widths) / 40)


@given(size=st.integers(1, 3_000_000))
def test_rank_bins_cover_every_rank_once(size: int) -> None:
    bins = rank_bins(size)
    assert bins[0][0] == 1
    assert bins[-1][1] == size
    assert all(later[0] == earlier[1] + 1 for earlier, later in itertools.pairwise(bins))
    assert all(first <= last for first, last in bins)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_alternatives_in_words_hold_the_numbers(evaluation: Evaluation, direction: Any) -> None:
    page = Page("en", translator("en"))
    drawing = ET.fromstring(recall_figure([evaluation], ["E"], direction, page))
    alt = drawing.attrib["aria-label"]
    for k in (1, 5, 10, 50):
        metric = evaluation.metrics[direction][f"recall@{k}"]
        assert f"{page.percent(metric.value)} at {k}" in alt
        assert metric.chance is not None
        assert f"{page.percent(metric.chance)} at {k}" in alt.split("Chance")[1]
    alt = ET.fromstring(rank_figure([evaluation], ["E"], direction, page)).attrib["aria-label"]
    for (first, last), share in zip(
        rank_bins(evaluation.rankings[direction].gallery_size), rank_shares(evaluation.rankings[direction]), strict=True
    ):
        assert f"{page.percent(share)} at rank {first if first == last else f'{first}–{last}'}" in alt


def test_similarities_say_their_means(evaluation: Evaluation) -> None:
    shown = similarity_figure(evaluation, "E", 0, Page("pt-BR", translator("pt-BR")))
    assert shown is not None
    mean = evaluation.metrics["text_to_image"]["mean_positive_similarity"].value
    assert shown["positive"] == f"{mean:.3f}".replace(".", ",")
    assert shown["positive"] in ET.fromstring(shown["plot"]).attrib["aria-label"]
    assert similarity_figure(replace(evaluation, exhibits=None), "E", 0, Page("en", translator("en"))) is None


def drawings() -> dict[str, str]:
    percent = "{:.0%}".format
    curve = Curve([1, 2, 3], [0.1, 0.2, 0.3], [0, 0.1, 0.2], [0.2, 0.3, 0.4])
    alt = 'a "quoted" <alternative> & more'
    return {
        "curve": recall_curve([curve] * 7, curve, percent=percent, x_label="k", alt=alt),
        "ranks": rank_histogram(["1", "2"], [[0.5, 0.5]] * 7, [0.1, 0.9], percent=percent, x_label="r", alt=alt),
        "similarity": similarity_histogram(
            [0, 0.5, 1], [0.2, 0.8], [0.9, 0.1], series=1, number=str, x_label="s", alt=alt
        ),
    }


@pytest.mark.parametrize("name", ["curve", "ranks", "similarity"])
def test_drawings_take_the_page_s_colours_and_bring_nothing(name: str) -> None:
    drawing = drawings()[name]
    assert ET.fromstring(drawing).attrib["aria-label"] == 'a "quoted" <alternative> & more'
    assert not re.findall(r"#[0-9a-f]{6}\b", re.sub(r"(?:href=\"|url\()#[^\")]+", "", drawing)), "a colour of its own"
    assert "var(--series-" in drawing
    for unwanted in ("<style", "<script", "<metadata", "<!--", "font-family", "http", "<image"):
        assert unwanted not in drawing, unwanted


def test_drawings_are_the_same_every_time_and_never_share_identifiers() -> None:
    first, again = drawings(), drawings()
    assert first == again
    ids = [identifier for drawing in first.values() for identifier in re.findall(r' id="([^"]+)"', drawing)]
    assert len(ids) == len(set(ids)) > 3
    for drawing in first.values():
        used = set(re.findall(r"(?:href=\"|url\()#([^\")]+)", drawing))
        assert used == set(re.findall(r' id="([^"]+)"', drawing))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_extremes_can_be_drawn(value: float) -> None:
    flat = Curve([1], [value], [value], [value])
    ET.fromstring(recall_curve([flat], flat, percent=str, x_label="k", alt="a"))
    ET.fromstring(rank_histogram(["1"], [[value]], [value], percent=str, x_label="r", alt="a"))
    ET.fromstring(similarity_histogram([0, 1e-6], [value], [0.0], series=9, number=str, x_label="s", alt="a"))
