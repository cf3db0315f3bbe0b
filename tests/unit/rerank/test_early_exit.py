"""Looks that are spared: which, when it is learnt that they may be, and that nothing else moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from luneta.embedding import embed
from luneta.errors import ConfigError, ShapeError
from luneta.evaluation import evaluate_embeddings
from luneta.metrics import METRICS
from luneta.rerank import Fusion, Reranker
from luneta.rerank.choosing import Choice, _fair_gains, choose
from luneta.rerank.early_exit import LOSING, LOSS, EarlyExit, _losing, early_exits
from luneta.rerank.evaluation import evaluate_depths, evaluate_reranked
from luneta.rerank.honesty import question
from luneta.rerank.search import Found, Queries, found_by
from luneta.stats import Interval
from worlds import ConceptEncoder, world

ENCODER = ConceptEncoder(noise=1.5)


def found(n: int = 200, k: int = 20) -> Found:
    embeddings = embed(ENCODER, world(n, captions_per_image=2))
    return found_by(embeddings, evaluate_embeddings(embeddings), k)


TASK = found()
BEHIND = TASK.scores[:, :1] - TASK.scores
RIGHT = TASK.candidates == (np.arange(len(TASK.queries)) // 2)[:, None]
MEDIAN = float(np.median(BEHIND[:, 1:]))


def knowing(where: np.ndarray, seed: int = 0) -> np.ndarray:
    """New scores that find the right picture there; elsewhere they leave the order as it is, but for a little noise."""
    noise = np.random.default_rng(seed).normal(scale=1e-3, size=TASK.scores.shape)
    return np.asarray(TASK.scores + np.where(where, 0.6 * RIGHT - 0.3, -0.3) + noise, dtype=np.float32)


# -- which candidates are looked at ----------------------------------------------------------------------------


@given(st.data())
def test_candidates_that_are_near_the_first_of_at_least_two(data: st.DataObject) -> None:
    n, width, k = 6, data.draw(st.integers(1, 7)), data.draw(st.integers(1, 9))
    within = data.draw(st.none() | st.sampled_from([0.0, 0.25, 0.5, 2.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    scores = -np.sort(-rng.integers(-4, 5, size=(n, width)) / 4, axis=1).astype(np.float32)
    candidates = rng.permuted(np.tile(np.arange(width), (n, 1)), axis=1)
    n_there = rng.integers(0, width + 1, size=n)
    scores[np.arange(width) >= n_there[:, None]] = -np.inf
    candidates[np.arange(width) >= n_there[:, None]] = -1
    looked_at = Fusion(0.5, k, within=within).looked_at(candidates, scores)
    assert looked_at.shape == (n, min(k, width))
    for row in range(n):
        there = candidates[row, : min(k, n_there[row])].tolist()
        if within is not None:
            there = [item for item, score in zip(there, scores[row], strict=False) if score >= scores[row, 0] - within]
            there = there if len(there) > 1 else []
        assert looked_at[row].tolist() == there + [-1] * (min(k, width) - len(there))


@pytest.mark.parametrize("within", [-0.1, float("nan"), float("inf")])
def test_a_distance_that_makes_no_sense(within: float) -> None:
    with pytest.raises(ConfigError, match="expected how far below the first score"):
        Fusion(0.5, 3, within=within)


# -- what they change ------------------------------------------------------------------------------------------


class Noting:
    """Knows all new scores; notes what it is asked for, and refuses to say anything of the rest."""

    kind, own_scale = "noting", False

    def __init__(self, scores: np.ndarray) -> None:
        self.all = np.full((len(TASK.queries), TASK.dataset.n_images), np.nan)
        np.put_along_axis(self.all, TASK.candidates, scores, axis=1)
        self.number = {text: row for row, text in enumerate(TASK.queries.texts)}
        self.asked: list[dict[str, list[int]]] = []

    def pictures(self, images: Any) -> Any:
        return images

    def rescore(
        self, queries: Queries, pictures: Any, candidates: np.ndarray, *, guides: Queries | None = None
    ) -> np.ndarray:
        rows = [self.number[text] for text in queries.texts]
        self.asked.append({
            text: [item for item in row if item >= 0]
            for text, row in zip(queries.texts, candidates.tolist(), strict=True)
        })  # fmt: skip
        scores = self.all[np.array(rows)[:, None], candidates] * (1 if guides is None else 0)
        return np.asarray(np.where(candidates >= 0, scores, np.nan), dtype=np.float32)


class Reading(ConceptEncoder):
    """Notes which texts it is asked for."""

    def __init__(self) -> None:
        super().__init__(noise=ENCODER.noise)
        self.read: list[str] = []

    def encode_texts(self, texts: Any) -> Any:
        self.read += texts
        return super().encode_texts(texts)


def by_hand(row: int, new: np.ndarray, fusion: Fusion) -> tuple[list[int], list[int], dict[int, float]]:
    """Candidates in their order, those that were looked at, and the scores of all."""
    items, base = TASK.candidates[row].tolist(), TASK.scores[row].tolist()
    assert fusion.within is not None
    near = [p for p in range(fusion.k) if np.float32(base[0]) - np.float32(base[p]) <= np.float32(fusion.within)]
    near = near if len(near) > 1 else []
    scores = dict(zip(items, base, strict=True))
    for p in near:
        scores[items[p]] = base[p] + fusion.alpha * (float(new[row, p]) - base[p])
    first = sorted((items[p] for p in near), key=lambda item: -scores[item])
    return [*first, *(item for item in items if item not in first)], [items[p] for p in near], scores


@pytest.mark.parametrize(("within", "k"), [(MEDIAN, 20), (MEDIAN / 4, 20), (MEDIAN, 7), (0.0, 20)])
def test_the_order_is_that_of_the_formula(within: float, k: int) -> None:
    """Of what a re-ranker answers, and of the ranks that it is measured by."""
    fusion, rescorer, encoder = Fusion(0.75, k, within=within), Noting(knowing(RIGHT)), Reading()
    expected = [by_hand(row, knowing(RIGHT), fusion) for row in range(len(TASK.queries))]
    made = Reranker(encoder, rescorer, fusion)
    items, scores = made.rerank(TASK.queries.texts, TASK.dataset.images, TASK.candidates, TASK.scores)
    assert items.tolist() == [order for order, _, _ in expected]
    for row, (order, _, known) in enumerate(expected):
        np.testing.assert_allclose(scores[row], [known[item] for item in order], atol=1e-6)
    looked_at = {text: near for text, (_, near, _) in zip(TASK.queries.texts, expected, strict=True) if near}
    assert rescorer.asked == ([looked_at] if looked_at else [])
    assert encoder.read == list(looked_at)  # texts that are left as they are, are not even read
    reciprocal = METRICS["mrr"](fusion.ranking(TASK, knowing(RIGHT)))
    for row, (order, _, _) in enumerate(expected):
        if row // 2 in order:
            assert reciprocal[row] == pytest.approx(1 / (1 + order.index(row // 2)))
        else:
            assert reciprocal[row] == METRICS["mrr"](TASK.ranking)[row]
    n_left = len(TASK.queries) - len(looked_at)
    assert n_left == (len(TASK.queries) if within == 0 else (BEHIND[:, 1] > within).sum())


def test_of_equal_scores_the_first_index_comes_first_and_what_was_not_looked_at_stays() -> None:
    candidates, scores = np.array([[7, 3, 5, 9, 2, 0]]), np.array([[0.9, 0.8, 0.7, 0.2, 0.1, -np.inf]], dtype="f4")
    candidates[0, -1] = -1  # there are five
    rescorer = Noting(TASK.scores)
    rescorer.all[0] = 0.5
    made = Reranker(ENCODER, rescorer, Fusion(1.0, 6, within=0.25))
    items, fused = made.rerank(TASK.queries.texts[:1], TASK.dataset.images, candidates, scores)
    assert items.tolist() == [[3, 5, 7, 9, 2, -1]]
    np.testing.assert_allclose(fused, [[0.5, 0.5, 0.5, 0.2, 0.1, -np.inf]])
    with pytest.raises(ShapeError, match="name image 200 of 200"):
        made.rerank(TASK.queries.texts[:1], TASK.dataset.images, np.array([[200, -1]]), scores[:, :2])
    with pytest.raises(ShapeError, match="name image -2 of 200"):
        made.rerank(TASK.queries.texts[:1], TASK.dataset.images, np.array([[3, -2]]), scores[:, :2])


def test_what_was_not_looked_at_may_be_anything() -> None:
    fusion, new = Fusion(0.5, 20, within=MEDIAN), knowing(RIGHT)
    other = np.where(np.float32(MEDIAN) < BEHIND, np.nan, new).astype(np.float32)
    for metric in ("mrr", "recall@1", "ndcg@10"):
        np.testing.assert_array_equal(
            METRICS[metric](fusion.ranking(TASK, other)), METRICS[metric](fusion.ranking(TASK, new))
        )


def test_measured_it_looks_no_further_and_says_how_far_it_looked() -> None:
    rescorer = Noting(knowing(RIGHT))
    fusion = Fusion(0.75, 10, within=MEDIAN)
    measured = evaluate_reranked(Reranker(ENCODER, rescorer, fusion), TASK.dataset, cache=False)
    near = np.float32(MEDIAN) >= BEHIND[:, :10]
    n_looks = int(near[near[:, 1]].sum())
    assert [sum(map(len, asked.values())) for asked in rescorer.asked] == [n_looks]
    assert measured.cost["looks_per_text"] == pytest.approx(n_looks / len(TASK.queries))
    assert measured.after.encoder["reranker"]["fusion"] == {
        "alpha": 0.75, "k": 10, "slope": 1.0, "shift": 0.0, "within": MEDIAN,
    }  # fmt: skip
    assert measured.after.encoder["name"] == "concepts, re-ranked with early exit"
    expected = METRICS["mrr"](fusion.ranking(TASK, knowing(RIGHT))).mean()
    assert measured.after.metrics["text_to_image"]["mrr"].value == pytest.approx(expected)
    still = evaluate_reranked(Reranker(ENCODER, rescorer, Fusion(0.0, 5, within=0.1)), TASK.dataset, cache=False)
    assert still.cost["looks_per_text"] == 0


@pytest.mark.parametrize("ks", [(5, 10), (10, 20), (5, 7)])
def test_at_other_depths_than_its_own_it_looks_at_all(ks: tuple[int, ...]) -> None:
    """And at each depth it is as if that had been asked for alone; nothing is looked at that none of them needs."""
    new, rescorer, own = knowing(RIGHT), Noting(knowing(RIGHT)), Fusion(0.75, 10, within=MEDIAN / 2)
    measured = evaluate_depths(Reranker(ENCODER, rescorer, own), TASK.dataset, ks, cache=False)
    near = np.float32(MEDIAN / 2) >= BEHIND
    needed = np.zeros(BEHIND.shape, dtype=bool)
    for k in ks:
        fusion = own if k == own.k else Fusion(0.75, k)
        needed[:, :k] |= True if k != own.k else (near & near[:, 1:2])[:, :k]
        after = measured.after[k]
        assert after.encoder["reranker"]["fusion"]["within"] == fusion.within
        expected = METRICS["mrr"](fusion.ranking(TASK, new)).mean()
        assert after.metrics["text_to_image"]["mrr"].value == pytest.approx(expected)
    assert [sum(map(len, asked.values())) for asked in rescorer.asked] == [needed.sum()]
    assert measured.lost == ()


# -- how far is learnt -----------------------------------------------------------------------------------------


def test_what_is_far_and_of_no_use_is_left_out() -> None:
    """The new scores know something of the near half of the candidates only."""
    new = knowing(MEDIAN >= BEHIND)
    choice = choose(TASK, new)
    whole = replace(choice.fusion, within=None)
    assert choice.fusion.within == choice.early_exits[-2].within
    assert [tried.is_safe for tried in choice.early_exits] == [True] * (len(choice.early_exits) - 1) + [False]
    withins = [tried.within for tried in choice.early_exits]
    assert withins == sorted(withins, reverse=True)
    for tried in choice.early_exits:
        nearer = replace(whole, within=tried.within)
        after, before = (METRICS["mrr"](fusion.ranking(TASK, new)) for fusion in (nearer, whole))
        assert tried.change.value == pytest.approx((after - before).mean())
        assert tried.losing == pytest.approx((after < before).mean())
        assert tried.losing <= tried.losing_at_most < 1
        near = np.float32(tried.within) >= BEHIND[:, : whole.k]
        looked_at = near & near[:, 1:2]
        assert tried.looks == pytest.approx(looked_at.sum(axis=1).mean())
        assert tried.left == pytest.approx((BEHIND[:, 1] > np.float32(tried.within)).mean())
    used = next(tried for tried in choice.early_exits if tried.within == choice.fusion.within)
    assert choice.value == pytest.approx(METRICS["mrr"](choice.fusion.ranking(TASK, new)).mean())
    assert used.looks < 0.8 * whole.k


@pytest.mark.parametrize("k", [5, 20])
def test_distances_are_those_of_the_candidates_that_are_looked_at(k: int) -> None:
    sure = np.linspace(0.5, 1, len(RIGHT))
    tried = early_exits(TASK, TASK.scores, Fusion(0.5, k), "mrr", sure, seed=0)
    shares = (0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)[: len(tried)]
    assert len(tried) == 7
    np.testing.assert_allclose([each.within for each in tried], np.quantile(BEHIND[:, 1:k], shares), rtol=5e-3)


def test_texts_without_candidates_have_no_distance() -> None:
    """As judged ones that pass all pictures over."""
    candidates, scores = TASK.candidates.copy(), TASK.scores.copy()
    candidates[3:9], scores[3:9] = -1, -np.inf
    task, some = replace(TASK, candidates=candidates, scores=scores), np.r_[:3, 9 : len(RIGHT)]
    sure = np.linspace(0.5, 1, len(RIGHT))
    new = np.where(candidates >= 0, scores, np.nan).astype(np.float32)
    tried = early_exits(task, new, Fusion(0.5, 20), "mrr", sure, seed=0)
    expected = np.quantile(BEHIND[some, 1:], (0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05))
    np.testing.assert_allclose([each.within for each in tried], expected, rtol=5e-3)


def test_what_is_gained_by_not_looking_counts() -> None:
    """Far ones lead astray one text in twelve of those that have the right one near."""
    some = (np.arange(len(RIGHT)) % 12 == 0) & (RIGHT & (MEDIAN >= BEHIND)).any(axis=1)
    led_astray = (MEDIAN < BEHIND) & some[:, None]
    new = np.asarray(knowing(MEDIAN >= BEHIND) + 0.9 * led_astray, dtype=np.float32)
    choice = choose(TASK, new)
    used = next(tried for tried in choice.early_exits if tried.within == choice.fusion.within)
    assert used.change.value > 0.01
    assert choice.value == pytest.approx(METRICS["mrr"](choice.fusion.ranking(TASK, new)).mean())
    values = np.stack([METRICS["mrr"](trial.fusion.ranking(TASK, new)) for trial in choice.trials])
    fair = _fair_gains(values, TASK.clusters, 0).mean()
    for tried in choice.early_exits:
        assert tried.gain.value == pytest.approx(fair + tried.change.value)
    assert choice.gain.value == pytest.approx(fair)


def test_what_is_far_and_of_use_is_looked_at() -> None:
    choice = choose(TASK, knowing(MEDIAN < BEHIND))
    assert choice.fusion.changes
    assert choice.fusion.within is None
    assert len(choice.early_exits) == 1
    assert choice.early_exits[0].change.value < -LOSS
    assert choice.value == choice.best.value


def test_the_first_that_fails_ends_it() -> None:
    """Far ones are of use, those before them lead astray: a nearer distance that gains by that is never tried."""
    edges = np.quantile(BEHIND[:, 1:], [0.5, 0.75])
    between = (edges[0] < BEHIND) & (edges[1] >= BEHIND)
    led_astray = between & ~RIGHT & (np.arange(len(RIGHT)) % 3 == 0)[:, None]
    new = np.asarray(knowing(~between) + 0.9 * led_astray, dtype=np.float32)
    choice = choose(TASK, new)
    values = [METRICS["mrr"](replace(choice.fusion, within=w).ranking(TASK, new)).mean() for w in edges]
    assert choice.fusion.changes
    assert values[0] > choice.value + 0.01 > values[1]
    assert len(choice.early_exits) == 1
    assert not choice.early_exits[0].is_safe
    assert choice.fusion.within is None


def test_few_texts_say_nothing_about_what_they_do_not_show() -> None:
    """No text loses anything: of 183 clusters that rules out that more than LOSING do, of 182 it does not."""
    choices: list[Choice] = []
    for n in (183, 182):
        task = found(n, 10)
        right = task.candidates == (np.arange(len(task.queries)) // 2)[:, None]
        near = task.scores[:, :1] - task.scores < 0.1
        choices.append(choose(task, (task.scores + 0.5 * (right & near)).astype(np.float32)))
        assert choices[-1].early_exits[0].change.value == choices[-1].early_exits[0].losing == 0
        assert choices[-1].early_exits[0].losing_at_most == pytest.approx(1 - 0.025 ** (1 / n))
    enough, few = choices
    assert enough.fusion.within is not None
    assert enough.early_exits[0].losing_at_most < LOSING < few.early_exits[0].losing_at_most
    assert few.fusion.changes
    assert few.fusion.within is None
    assert len(few.early_exits) == 1


def test_one_that_is_not_used_has_none() -> None:
    assert not choose(TASK, np.random.default_rng(0).normal(size=TASK.scores.shape).astype(np.float32)).early_exits


NOTHING = Interval(0.0, None, None)
"""It moved in no text."""


@pytest.mark.parametrize(
    ("change", "losing", "gain_low", "safe"),
    [
        (NOTHING, 0.01, 0.01, True),
        (Interval(-0.0004, -0.0009, 0.0), 0.01, 0.01, True),
        (Interval(-0.0004, -0.0011, 0.0), 0.01, 0.01, False),
        (Interval(0.004, -0.0011, 0.009), 0.01, 0.01, False),
        (Interval(-0.002, None, None), 0.01, 0.01, False),
        (NOTHING, 0.02, 0.01, True),
        (NOTHING, 0.0201, 0.01, False),
        (NOTHING, 0.01, 0.0, False),
        (NOTHING, 0.01, None, False),
    ],
)
def test_little_may_be_lost_in_few_texts_and_the_gain_stays_sure(
    change: Interval, losing: float, gain_low: float | None, safe: bool
) -> None:
    assert EarlyExit(0.2, 5.0, 0.1, change, 0.0, losing, Interval(0.02, gain_low, 0.03)).is_safe is safe


@pytest.mark.parametrize("per_cluster", [1, 2])
@pytest.mark.parametrize("n_hit", [0, 1, 30, 100])
def test_how_many_may_lose_is_the_exact_limit_of_clusters(per_cluster: int, n_hit: int) -> None:
    """One text of each cluster that is hit: of two texts half of them lose."""
    clusters = np.repeat(np.arange(100) + 7, per_cluster)
    change = np.where(clusters < 7 + n_hit, -0.5, 0.5)
    change[1::2] = change[1::2] if per_cluster == 1 else 0.0
    losing, at_most = _losing(change, clusters)
    assert losing == pytest.approx(n_hit / 100 / per_cluster)
    exact, none = (binomtest(hit, 100).proportion_ci(0.95, method="exact").high for hit in (n_hit, 0))
    assert at_most == pytest.approx(max(exact / (per_cluster if n_hit else 1), none), abs=1e-9)


def test_as_many_as_are_too_many_are_seldom_taken_for_few() -> None:
    """One text in fifty loses: 300 texts rule it out no more often than a 95 % interval may err on one side."""
    rng = np.random.default_rng(0)
    taken = [_losing(-1.0 * (rng.random(300) < LOSING), np.arange(300))[1] < LOSING for _ in range(400)]
    assert np.mean(taken) <= 0.025 + 2 * (0.025 * 0.975 / 400) ** 0.5


# -- honesty ---------------------------------------------------------------------------------------------------


def test_with_anothers_text_it_looks_no_further_either() -> None:
    rescorer, new = Noting(knowing(RIGHT)), knowing(RIGHT)
    fusion = Fusion(1.0, 20, within=MEDIAN)
    answers = {answer.question: answer for answer in question(rescorer, None, TASK, new, fusion)}
    assert all(answer.passed for answer in answers.values())
    (asked,) = rescorer.asked
    assert asked == {
        text: [item for item in row if item >= 0]
        for text, row in zip(
            TASK.queries.texts, fusion.looked_at(TASK.candidates, TASK.scores).tolist(), strict=True
        )
    }  # fmt: skip
    gain = METRICS["mrr"](fusion.ranking(TASK, new)) - METRICS["mrr"](TASK.ranking)
    assert answers["beats_baseline"].value == pytest.approx(gain.mean())
    of_all = {answer.question: answer.value for answer in question(rescorer, None, TASK, new, Fusion(1.0, 20))}
    assert answers["beats_shuffle"].value == of_all["beats_shuffle"]  # the new scores alone, of all candidates
    assert answers["beats_baseline"].value != of_all["beats_baseline"]
