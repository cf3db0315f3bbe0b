"""How far new scores are believed, and the three questions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luneta.embedding import embed
from luneta.errors import ConfigError
from luneta.evaluation import evaluate_embeddings
from luneta.metrics import METRICS, recall_at
from luneta.rerank import choosing
from luneta.rerank.choosing import ALPHAS, Trial, choose
from luneta.rerank.fusion import Fusion, line
from luneta.rerank.honesty import QUESTIONS, question, strangers
from luneta.rerank.search import Found, Queries, found_by
from luneta.stats import Interval
from worlds import ConceptEncoder, world


def found(n: int = 60, noise: float = 2.0, k: int = 20) -> Found:
    embeddings = embed(ConceptEncoder(noise=noise), world(n, captions_per_image=2))
    return found_by(embeddings, evaluate_embeddings(embeddings), k)


def right(task: Found) -> np.ndarray:
    """(n, k) which candidates are right."""
    owner = np.array([task.dataset.images_of(text)[0] for text in range(len(task.queries))])
    return np.asarray(task.candidates == owner[:, None])


def scores_of(task: Found, kind: str, seed: int = 0) -> np.ndarray:
    """New scores that know something, nothing, or the contrary."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(scale=0.1, size=task.scores.shape)
    new = {"good": 0.5 * right(task) + task.scores, "useless": 0 * task.scores, "bad": -1.0 * right(task)}[kind]
    return np.asarray(new + noise, dtype=np.float32)


class Fake:
    """A rescorer that knows which text asks only if it is let."""

    def __init__(self, task: Found, kind: str) -> None:
        self.task, self.kind = task, kind

    def pictures(self, images: Any) -> Any:
        return images

    def rescore(self, queries: Queries, pictures: Any, candidates: Any, *, guides: Queries | None = None) -> Any:
        if self.kind == "deaf":  # gains as much whoever asks
            return scores_of(self.task, "good")[:, : candidates.shape[1]]
        return scores_of(self.task, "good" if guides is None else "useless")[:, : candidates.shape[1]]


def test_what_helps_is_believed_and_what_does_not_is_not() -> None:
    task = found()
    good = choose(task, scores_of(task, "good"))
    assert good.fusion.changes
    assert good.best.is_sure
    assert good.best.value > good.baseline + 0.05
    for kind in ("useless", "bad"):
        choice = choose(task, scores_of(task, kind, seed=2))
        assert choice.fusion == Fusion(0.0, 20)
        assert not choice.fusion.changes
        assert choice.trials[0].value == choice.baseline
    assert [t.fusion.k for t in good.trials] == [20] + [10] * len(ALPHAS) + [20] * len(ALPHAS)


def test_the_best_of_many_trials_looks_better_than_it_is_and_the_fair_gain_does_not() -> None:
    """Fifty trials of pure noise, on two hundred texts in a hundred clusters, three hundred times."""
    clusters = np.repeat(np.arange(100), 2)
    best, fair = [], []
    for seed in range(300):
        values = np.random.default_rng(seed).normal(size=(51, 200))
        values[0] = 0
        best.append(values.mean(axis=1).max())
        fair.append(choosing._fair_gains(values, clusters, seed).mean())
    assert np.mean(best) > 0.12
    assert abs(np.mean(fair)) < 3 * np.std(fair) / 300**0.5
    better = np.zeros((3, 200))
    better[2] = 0.4
    assert (choosing._fair_gains(better, clusters, 0) == 0.4).all()  # what is better is found by either half


def test_noise_is_seldom_believed() -> None:
    chosen = [choose(TASK, scores_of(TASK, "useless", seed)) for seed in range(60)]
    assert sum(choice.fusion.changes for choice in chosen) <= 4


@pytest.mark.parametrize(("low", "sure"), [(0.01, True), (0.0, False), (-0.01, False), (None, False)])
def test_a_gain_is_sure_when_its_whole_interval_is_above_0(low: float | None, sure: bool) -> None:
    assert Trial(Fusion(1.0, 5), 0.6, Interval(0.1, low, 0.2)).is_sure == sure


def test_a_gain_that_is_not_sure_is_not_taken() -> None:
    """A few texts of many are helped: the mean rises, and the interval holds 0."""
    task = found(noise=1.0)
    new = task.scores.copy()
    wrong = np.flatnonzero(~right(task)[:, 0] & right(task).any(axis=1))[:1]
    new[wrong] += right(task)[wrong]
    choice = choose(task, new.astype(np.float32))
    assert max(t.gain.value for t in choice.trials) > 0
    assert not choice.fusion.changes


@given(st.integers(0, 1000), st.sampled_from(["good", "useless", "bad"]))
def test_what_is_chosen_is_never_worse_where_it_was_chosen(seed: int, kind: str) -> None:
    task = TASK
    new = scores_of(task, kind, seed)
    choice = choose(task, new, metric="recall@1")
    after = recall_at(choice.fusion.ranking(task, new), 1)
    assert after.mean() >= recall_at(task.ranking, 1).mean()


TASK = found(30)


def test_alpha_weighs_and_what_is_below_stays() -> None:
    task, new = TASK, scores_of(TASK, "good")
    assert Fusion(0.0, 5).ranking(task, new) is task.ranking
    half = Fusion(0.5, 5).ranking(task, new)
    np.testing.assert_allclose(half.top_score, (0.5 * new + 0.5 * task.scores)[:, :5].max(axis=1), rtol=1e-6)
    outside = ~right(task)[:, :5].any(axis=1)
    np.testing.assert_array_equal(half.n_better[outside], task.ranking.n_better[outside])
    lost = new.copy()
    lost[:, 2] = np.nan
    np.testing.assert_array_equal(Fusion(1.0, 20).fuse(task.scores, lost)[:, 2], task.scores[:, 2])


@pytest.mark.parametrize(("alpha", "k"), [(-0.1, 5), (1.1, 5), (0.5, 0)])
def test_weights_and_depths_that_make_no_sense(alpha: float, k: int) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Fusion(alpha, k)


def test_an_unknown_metric() -> None:
    with pytest.raises(ConfigError, match="Did you mean"):
        choose(TASK, scores_of(TASK, "good"), metric="recall@11")
    with pytest.raises(ConfigError, match="unknown metric"):
        choose(TASK, scores_of(TASK, "good"), metric="best_rank")


# -- honesty ---------------------------------------------------------------------------------------------------


def answers(task: Found, kind: str) -> dict[str, bool]:
    rescorer = Fake(task, kind)
    new = rescorer.rescore(task.queries, None, task.candidates)
    chosen = choose(task, new).fusion
    return {answer.question: answer.passed for answer in question(rescorer, None, task, new, chosen)}


def test_one_that_looks_at_its_text_passes() -> None:
    assert answers(found(), "listening") == dict.fromkeys(QUESTIONS, True)


def test_one_that_gains_as_much_whoever_asks_is_found_out() -> None:
    assert answers(found(), "deaf") == {"beats_baseline": True, "beats_shuffle": True, "needs_its_query": False}


def test_scores_without_knowledge_are_found_out() -> None:
    task = found()

    class Noise(Fake):
        def rescore(self, queries: Any, pictures: Any, candidates: Any, *, guides: Any = None) -> Any:
            return scores_of(self.task, "useless", seed=2 if guides is None else 1)[:, : candidates.shape[1]]

    new = scores_of(task, "useless", seed=2)
    found_out = question(Noise(task, ""), None, task, new, Fusion(1.0, 20))
    assert [answer.passed for answer in found_out] == [False, False, False]
    assert found_out[0].value < -0.1
    assert str(found_out[0]).startswith("Is the order better than the encoder's own? -0.")
    assert str(found_out[0]).endswith("no")


def test_a_shuffle_is_the_mean_over_all_orders() -> None:
    task = TASK
    new = scores_of(task, "good")
    shuffle = {a.question: a for a in question(Fake(task, "listening"), None, task, new, Fusion(1.0, 20))}[
        "beats_shuffle"
    ]
    rng = np.random.default_rng(0)
    means = []
    for _ in range(200):
        order = rng.permuted(np.tile(np.arange(20), (len(task.queries), 1)), axis=1)
        means.append(METRICS["mrr"](Fusion(1.0, 20).ranking(task, -order.astype(np.float32))).mean())
    alone = METRICS["mrr"](Fusion(1.0, 20).ranking(task, new)).mean()
    assert shuffle.value == pytest.approx(alone - np.mean(means), abs=0.005)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30), st.integers(0, 5))
def test_strangers_are_of_another_cluster(labels: list[int], seed: int) -> None:
    clusters = np.unique(np.array(labels), return_inverse=True)[1]
    met, largest = strangers(clusters, seed), np.bincount(clusters).max()
    if 2 * largest <= len(labels) or largest == len(labels):
        assert sorted(met.tolist()) == list(range(len(labels)))
    if largest == len(labels):
        assert (met != np.arange(len(labels))).all()
    else:
        assert (clusters[met] != clusters).all()


@given(st.integers(1, 12), st.integers(0, 5))
def test_strangers_of_a_cluster_that_holds_most_are_taken_as_often_as_one_another(n_others: int, seed: int) -> None:
    clusters = np.random.default_rng(seed).permutation(np.append(np.zeros(25, dtype=int), np.arange(1, 1 + n_others)))
    times = np.bincount(strangers(clusters, seed), minlength=len(clusters))
    assert set(times[clusters == 0].tolist()) <= {0, 1}
    assert np.ptp(times[clusters != 0]) <= 1


def test_scores_of_another_scale_get_the_encoders_mean_and_spread() -> None:
    task = found()
    new = scores_of(task, "good")
    slope, shift = line(task.scores, 40 * new - 7)
    brought = slope * (40 * new - 7) + shift
    assert brought.mean() == pytest.approx(task.scores.mean(), abs=1e-5)
    assert brought.var(axis=1).mean() == pytest.approx(task.scores.var(axis=1).mean(), rel=1e-4)
    hole = np.where(np.arange(20) % 3 == 0, np.nan, new).astype(np.float32)
    hole[4] = np.nan  # nothing of a text can be read
    there = ~np.isnan(hole)
    slope, shift = line(task.scores, hole)
    assert (slope * hole + shift)[there].mean() == pytest.approx(task.scores[there].mean(), abs=1e-5)
    assert line(task.scores, np.full_like(new, np.nan)) == (1.0, 0.0)
    assert line(task.scores, np.full_like(new, 3.0)) == pytest.approx((1.0, task.scores.mean() - 3), abs=1e-5)


def test_the_choice_is_the_same_on_any_scale() -> None:
    task = found()
    new = scores_of(task, "good")
    one, other = (choose(task, scores, own_scale=True) for scores in (new, 40 * new - 7))
    assert (one.fusion.alpha, one.fusion.k) == (other.fusion.alpha, other.fusion.k)
    assert [trial.value for trial in one.trials] == [trial.value for trial in other.trials]
    assert choose(task, new).fusion.slope == 1


def test_a_line_that_turns_the_order_round_is_refused() -> None:
    for slope, shift in ((0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))):
        with pytest.raises(ConfigError, match="expected a slope above 0"):
            Fusion(0.5, 3, slope, shift)
