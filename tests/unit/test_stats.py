"""Clusters against a plain search; bootstrap intervals against formulas, slow twins and simulation; edge cases."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from luneta.errors import ConfigError, ShapeError
from luneta.stats import Interval, bootstrap, clusters, holm, randomisation_test


def components(pairs: list[tuple[int, int]], n_texts: int, n_images: int) -> set[frozenset[tuple[str, int]]]:
    """Connected components, by walking from node to node."""
    neighbours: dict[tuple[str, int], set[tuple[str, int]]] = {("text", t): set() for t in range(n_texts)}
    neighbours |= {("image", i): set() for i in range(n_images)}
    for text, image in pairs:
        neighbours["text", text].add(("image", image))
        neighbours["image", image].add(("text", text))
    found, seen = set(), set()
    for node in neighbours:
        reached, frontier = {node}, [node]
        while frontier:
            new = neighbours[frontier.pop()] - reached
            reached |= new
            frontier += new
        if node not in seen:
            found.add(frozenset(reached))
        seen |= reached
    return found


def as_sets(of_text: NDArray[np.int64], of_image: NDArray[np.int64]) -> set[frozenset[tuple[str, int]]]:
    members: dict[int, set[tuple[str, int]]] = {}
    for side, labels in (("text", of_text), ("image", of_image)):
        for index, label in enumerate(labels.tolist()):
            members.setdefault(label, set()).add((side, index))
    return {frozenset(own) for own in members.values()}


@settings(max_examples=100)
@given(data=st.data(), n_texts=st.integers(1, 12), n_images=st.integers(1, 12))
def test_clusters_are_connected_components(data: st.DataObject, n_texts: int, n_images: int) -> None:
    edge = st.tuples(st.integers(0, n_texts - 1), st.integers(0, n_images - 1))
    pairs = data.draw(st.lists(edge, max_size=20))
    of_text, of_image = clusters(np.array(pairs, dtype=np.int64).reshape(-1, 2), n_texts, n_images)
    assert as_sets(of_text, of_image) == components(pairs, n_texts, n_images)
    labels = np.concatenate([of_text, of_image])
    assert sorted(set(labels.tolist())) == list(range(labels.max() + 1))


@pytest.mark.parametrize("shuffled", [False, True])
def test_clusters_of_one_long_chain(shuffled: bool) -> None:
    n = 30_000
    chain = np.concatenate([np.stack([np.arange(n)] * 2, 1), np.stack([np.arange(1, n), np.arange(n - 1)], 1)])
    if shuffled:
        rng = np.random.default_rng(0)
        chain = np.stack([rng.permutation(n)[chain[:, 0]], rng.permutation(n)[chain[:, 1]]], axis=1)
    of_text, of_image = clusters(chain, n, n)
    assert of_text.max() == of_image.max() == 0


def test_five_captions_of_a_picture_are_one_cluster() -> None:
    pairs = np.stack([np.arange(15), np.arange(15) // 5], axis=1)
    of_text, of_image = clusters(pairs, 15, 3)
    assert of_text.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert of_image.tolist() == [0, 1, 2]


def slow_bootstrap(
    values: NDArray[np.float64], members: NDArray[np.int64], statistic: str, n_resamples: int, seed: int
) -> tuple[float, float]:
    """Whole clusters drawn with replacement, their queries put together, one resample at a time."""
    own = [values[members == label] for label in np.unique(members)]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_resamples):
        drawn = np.concatenate([own[i] for i in rng.integers(len(own), size=len(own))])
        found.append(drawn.mean() if statistic == "mean" else np.median(drawn))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("statistic", ["mean", "median"])
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 60), n_clusters=st.integers(6, 30), distinct=st.integers(2, 50))
def test_bootstrap_is_its_slow_twin(statistic: str, seed: int, n: int, n_clusters: int, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, distinct, n).astype(float)
    members = np.append(np.arange(6), rng.integers(0, n_clusters, n - 6)) * 7
    found = bootstrap(values, members, statistic=statistic, n_resamples=37, seed=seed)  # type: ignore[arg-type]
    assert found.value == pytest.approx(values.mean() if statistic == "mean" else np.median(values))
    low, high = slow_bootstrap(values, members, statistic, 37, seed)
    if low == high and statistic == "mean":
        assert found.low is None or (values == values[0]).all()
    else:
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


def test_interval_of_independent_queries_has_the_width_of_the_normal_formula() -> None:
    values = np.random.default_rng(0).standard_normal(5000) * 3 + 1
    found = bootstrap(values, n_resamples=4000)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - half, abs=0.08 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.08 * half)


def test_copies_of_a_query_in_one_cluster_add_no_certainty() -> None:
    values = np.random.default_rng(1).random(300)
    once = bootstrap(values)
    five_times = bootstrap(np.repeat(values, 5), np.repeat(np.arange(300), 5))
    independent = bootstrap(np.repeat(values, 5))
    assert (five_times.low, five_times.high) == pytest.approx((once.low, once.high))
    assert independent.high is not None
    assert independent.low is not None
    assert once.high is not None
    assert once.low is not None
    assert independent.high - independent.low < 0.6 * (once.high - once.low)


def test_metrics_of_one_call_share_their_resamples() -> None:
    values = np.random.default_rng(2).random(80)
    found = bootstrap({"a": values, "b": values, "c": 1 - values})
    alone = bootstrap(values)
    assert found["a"].value == found["b"].value == alone.value
    assert (found["a"].low, found["a"].high) == pytest.approx((alone.low, alone.high))
    assert (found["b"].low, found["b"].high) == pytest.approx((alone.low, alone.high))
    assert found["c"].low == pytest.approx(1 - found["a"].high)


def test_seed_decides() -> None:
    values = np.random.default_rng(3).random(50)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)


@pytest.mark.parametrize(("n", "expected"), [(1, 0.975), (10, 0.3085), (100, 0.0362), (1000, 0.003682)])
def test_no_hit_and_only_hits_have_clopper_pearson_limits(n: int, expected: float) -> None:
    none, all_ = bootstrap(np.zeros(n)), bootstrap(np.ones(n))
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(expected, abs=5e-5))
    assert (all_.value, all_.low, all_.high) == (1, pytest.approx(1 - expected, abs=5e-5), 1)
    in_clusters = bootstrap(np.zeros(3 * n), np.repeat(np.arange(n), 3))
    assert in_clusters.high == none.high  # it is the number of clusters that counts


def test_nothing_is_said_where_nothing_can_be() -> None:
    assert bootstrap([0.3]) == Interval(0.3, None, None)
    assert bootstrap([0.5] * 20) == Interval(0.5, None, None)
    assert bootstrap([0.0, 1.0], [4, 4]) == Interval(0.5, None, None)
    assert bootstrap([7.0], statistic="median") == Interval(7.0, None, None)
    assert bootstrap([1.0] * 5, statistic="median") == Interval(1.0, None, None)
    assert bootstrap([1.0] * 6, statistic="median") == Interval(1.0, 1.0, 1.0)
    assert bootstrap([1.0] * 50, bounded=False) == Interval(1.0, None, None)


@pytest.mark.parametrize("n", [7, 50, 97])
def test_rounding_is_no_spread(n: int) -> None:
    """Sums of equal numbers that binary cannot hold differ in their last bits from draw to draw."""
    for k in range(2, 60):
        found = bootstrap(np.full(n, 1 / k))
        assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize(
    ("values", "members", "options", "error", "message"),
    [
        ([], None, {}, ShapeError, "one number per query"),
        ({}, None, {}, ShapeError, "one number per query"),
        ([[1.0]], None, {}, ShapeError, "one number per query"),
        ({"a": [1.0], "b": [1.0, 2.0]}, None, {}, ShapeError, "same queries"),
        ([1.0, math.nan], None, {}, ShapeError, "NaN or infinite"),
        ([1.0, 2.0], [0], {}, ShapeError, r"clusters have shape \(1,\); expected \(2,\)"),
        ([1.0], None, {"statistic": "mode"}, ConfigError, "'mode'; expected 'mean' or 'median'"),
        ([1.0], None, {"n_resamples": 0}, ConfigError, "n_resamples is 0"),
        ([1.0], None, {"confidence": 1.0}, ConfigError, "confidence 1.0"),
    ],
)
def test_bad_input_is_refused_with_a_reason(
    values: object, members: object, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        bootstrap(values, members, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(("rate", "n_clusters", "at_least"), [(0.3, 60, 0.85), (0.02, 60, 0.8), (0.9, 60, 0.85)])
def test_coverage_of_clustered_hits(rate: float, n_clusters: int, at_least: float) -> None:
    """Five captions a picture that succeed together: the interval holds the true rate about as often as it says."""
    rng = np.random.default_rng(4)
    members = np.repeat(np.arange(n_clusters), 5)
    covered = 0
    for trial in range(60):
        easy = rng.beta(1.5 * rate, 1.5 * (1 - rate), n_clusters)
        hits = (rng.random(5 * n_clusters) < np.repeat(easy, 5)).astype(float)
        found = bootstrap(hits, members, n_resamples=200, seed=trial)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= rate <= found.high
    assert covered / 60 >= at_least


@settings(max_examples=60)
@given(data=st.data(), n=st.integers(1, 7))
def test_exchanges_are_counted_one_by_one_where_they_are_few(data: st.DataObject, n: int) -> None:
    values = data.draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
    members = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    own = {label: sum(v for v, m in zip(values, members, strict=True) if m == label) for label in set(members)}
    totals = [sum(sign * total for sign, total in zip(signs, own.values(), strict=True))
              for signs in itertools.product((-1, 1), repeat=len(own))]  # fmt: skip
    expected = np.mean([abs(total) >= abs(sum(values)) for total in totals])
    assert randomisation_test(np.array(values, dtype=float), members) == pytest.approx(expected)


def test_random_exchanges_agree_with_the_t_test_and_keep_their_level() -> None:
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(5)
    for shift in (0.0, 0.1, 0.25):
        values = rng.normal(shift, 1, 200)
        assert randomisation_test(values) == pytest.approx(ttest_1samp(values, 0).pvalue, abs=0.02)
    members = np.repeat(np.arange(40), 5)
    found = [randomisation_test(rng.normal(0, 1, 40)[members], members, n_draws=400, seed=i) for i in range(300)]
    false_alarms = np.mean(np.array(found) < 0.05)
    assert 0.02 < false_alarms < 0.09
    assert randomisation_test(np.ones(500)) == pytest.approx(1 / 10_001)
    assert randomisation_test(np.zeros(500)) == 1


def test_holm_steps_down() -> None:
    """A hypothesis falls at level a when it and all with smaller p fall: p_(i) <= a / (n - i + 1)."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 9):
        values = rng.random(n) ** 3
        adjusted = holm(values)
        for level in np.linspace(0.001, 0.999, 400):
            falls = np.zeros(n, dtype=bool)
            for i, which in enumerate(np.argsort(values)):
                if values[which] > level / (n - i):
                    break
                falls[which] = True
            np.testing.assert_array_equal(adjusted <= level, falls)
