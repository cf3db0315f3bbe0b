"""What is chosen, measured and reported, against recall counted by hand."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest

from indexing import clustered, random_units, unit
from luneta.errors import ConfigError, ShapeError
from luneta.index import Choice, Report, build_index, choose, choosing, tuning
from luneta.index.faiss_index import FaissIndex
from luneta.progress import watch

DIM = 32
N = 3000
OFFSETS = unit(np.random.default_rng(7).standard_normal((2, DIM)))
ITEMS = unit(clustered(N, DIM) + 0.7 * OFFSETS[0])
IMAGES = unit(clustered(400, DIM, seed=1) + 0.7 * OFFSETS[0])
TEXTS = unit(random_units(400, DIM, seed=2) + 0.7 * OFFSETS[1])  # apart from pictures, and in no clusters
QUERIES = {"image": IMAGES, "text": TEXTS}
KINDS = ("hnsw", "ivf-sq8", "ivf-pq")


def recall(index: Any, queries: np.ndarray) -> float:
    truth = np.argsort(-(queries.astype(np.float64) @ ITEMS.astype(np.float64).T), axis=1)[:, :10]
    found = index.search(queries, 10).ids
    return float(np.mean([np.isin(row, true).mean() for row, true in zip(found, truth, strict=True)]))


def built(kind: str, target: float = 0.95, **how: Any) -> Any:
    return build_index(np.arange(N), ITEMS, kind=kind, recall=target, queries=QUERIES, **how)


# --- choosing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "recall", "memory_mib", "kind", "words"),
    [
        (100_000, 0.95, 10, "exact", "reads all 100,000 vectors (196 MiB)"),
        (1_000_000, 0.95, 2000, "hnsw", "not more than 2,000 MiB"),
        (1_000_000, 0.95, 600, "ivf-sq8", "about 496 MiB"),
        (1_000_000, 0.95, 100, "ivf-pq", "about 69 MiB"),
        (1_000_000, 0.99, 100, "ivf-pq", "no index of 1,000,000 vectors fits into 100 MiB"),
        (1_000_000, 0.95, 10, "ivf-pq", "fits into 10 MiB"),
        (1_000_000, 1.0, 10, "exact", "only it reaches a recall of 1"),
    ],
)
def test_what_is_chosen_and_why(n: int, recall: float, memory_mib: float, kind: str, words: str) -> None:
    choice = choose(n, 512, recall=recall, memory_mib=memory_mib)
    assert choice.kind == kind
    assert words in choice.sentence()


def test_the_sentence_is_written_in_portuguese_too() -> None:
    choice = choose(1_000_000, 512, memory_mib=2000)
    assert choice.sentence("pt-BR").startswith("hnsw: 1.000.000 vetores são muitos para serem lidos a cada consulta")
    assert "2.000 MiB" in choice.sentence("pt-BR")
    assert "recall de 0,95" in choice.sentence("pt-BR")
    for english, portuguese in choosing.CHOICES.values():
        assert english.count("{") == portuguese.count("{")


def test_memory_is_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "free_mib", lambda: 1100.0)
    assert choose(1_000_000, 512).kind == "ivf-sq8"
    monkeypatch.setattr(choosing, "free_mib", lambda: 3000.0)
    assert choose(1_000_000, 512).kind == "hnsw"


def test_free_memory_is_read() -> None:
    assert 10 < choosing.free_mib() < 2**24


@pytest.mark.parametrize("kind", KINDS)
def test_estimates_are_near_what_is_needed(kind: Any) -> None:
    index = built(kind, 0.9)
    centres = 4 * DIM * index.most_effort / 2**20 if kind != "hnsw" else 0  # a larger share of so few
    assert choosing.memory_of(kind, N, DIM) == pytest.approx(index.memory_mib - centres, rel=0.15)


@pytest.mark.parametrize(("recall", "memory_mib"), [(0, 10), (1.1, 10), (0.9, 0), (0.9, -1), (float("nan"), 10)])
def test_numbers_out_of_range(recall: float, memory_mib: float) -> None:
    with pytest.raises(ConfigError, match=r"is (0|1\.1|-1|nan); expected"):
        choose(10, 512, recall=recall, memory_mib=memory_mib)


# --- tuning -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_worst_queries_find_what_is_wanted(kind: str) -> None:
    index = built(kind)
    report = index.report
    assert report.reached
    assert min(recall(index, IMAGES), recall(index, TEXTS)) >= 0.95
    for name, queries in QUERIES.items():
        seen = report.queries[name].recall
        assert seen.low <= recall(index, queries) <= seen.high
        assert report.queries[name].n == 200
    index.set_effort(report.parameters[index.effort_name] // 2)
    assert min(recall(index, IMAGES), recall(index, TEXTS)) < 0.97  # no more than is needed


@pytest.mark.parametrize("kind", KINDS)
def test_the_hardest_set_decides(kind: str) -> None:
    """What an index holds it finds with little effort; tuned for that alone, it misses more of texts."""
    sets = {"held": ITEMS[::7], "text": TEXTS}
    easy, both = (
        cast(FaissIndex, build_index(np.arange(N), ITEMS, kind=kind, queries=queries))
        for queries in ({"held": ITEMS[::7]}, sets)
    )
    assert easy.parameters[easy.effort_name] < both.parameters[both.effort_name]
    assert recall(easy, TEXTS) < recall(both, TEXTS)
    assert easy.report is not None
    assert both.report is not None
    assert easy.report.reached
    assert both.report.reached


def test_queries_that_choose_are_not_those_that_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[bytes]] = []
    original = tuning.Judged.hits
    monkeypatch.setattr(
        tuning.Judged,
        "hits",
        lambda self, index: asked.append({q.tobytes() for q in self.queries}) or original(self, index),
    )
    built("ivf-sq8")
    images, texts = asked[-2:]
    chose = [queries for queries in asked if queries not in (images, texts)]
    assert len(chose) > 3
    assert not set().union(*chose) & (images | texts)


def halves(choosing: np.ndarray, held: np.ndarray) -> tuning.Judged:
    queries = np.empty((2 * len(held), DIM), dtype=np.float32)
    queries[::2], queries[1::2] = choosing, held
    kth = np.sort(queries.astype(np.float64) @ ITEMS.astype(np.float64).T, axis=1)[:, -10].astype(np.float32)
    return tuning.Judged(queries, kth - np.float32(1e-7))


def test_every_set_has_room_to_spare_on_the_half_that_chooses() -> None:
    index = built("ivf-sq8", 0.5)
    sets = {"easy": halves(ITEMS[:200], ITEMS[:200]), "hard": halves(TEXTS[:200], ITEMS[:200])}
    assert tuning.tune(index, sets, 0.95)
    hits = sets["hard"].half(0).hits(index)
    assert hits.mean() - 2 * hits.std(ddof=1) / len(hits) ** 0.5 >= 0.95


def test_the_halves_that_are_reported_may_raise_the_effort() -> None:
    index = built("ivf-sq8", 0.5)
    queries = halves(ITEMS[:200], TEXTS[:200])
    assert tuning.tune(index, {"mixed": queries}, 0.95)
    assert queries.half(1).hits(index).mean() >= 0.95
    index.set_effort(index.effort - max(1, index.effort // 3))
    assert queries.half(0).hits(index).mean() >= 0.97 > 0.95 > queries.half(1).hits(index).mean()


def test_the_next_surer_kind_is_the_nearest_that_fits() -> None:
    choice = choosing.asked("ivf-pq")
    following = choosing.surer(choice, 0.95, 1_000_000, 512, 3000)
    assert following is not None
    assert following.kind == "ivf-sq8"
    assert following.sentence() == "ivf-sq8: ivf-pq missed a recall of 0.95, so that the next surer kind was taken."
    assert choosing.surer(following, 0.95, 1_000_000, 512, 100) is None
    assert choosing.surer(choosing.asked("exact"), 0.95, 10, 512, 100) is None


def test_candidates_are_widened_where_the_bits_are_too_few() -> None:
    index = built("ivf-pq", 0.5)
    index.set_effort(1, factor=1)
    sets = tuning.judged(index, QUERIES)
    assert tuning.tune(index, sets, 0.95)
    assert index.factor > 1
    assert min(recall(index, IMAGES), recall(index, TEXTS)) >= 0.95


def test_what_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "LARGEST_FACTOR", 1)
    monkeypatch.setattr(tuning, "LARGEST_EFFORT", 8)
    index = built("ivf-pq", 0.999)
    assert index.kind == "ivf-pq"
    assert not index.report.reached
    assert min(each.recall.value for each in index.report.queries.values()) < 0.999


def test_auto_takes_a_surer_kind_where_the_recall_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "EXACT_BYTES", 0)
    monkeypatch.setattr(tuning, "LARGEST_FACTOR", 1)
    monkeypatch.setattr(choosing, "memory_of", lambda kind, n, dim: {"hnsw": 9.0, "ivf-sq8": 5.0}.get(kind, 1.0))
    tuned = tuning.tune
    tried: list[str] = []
    monkeypatch.setattr(tuning, "tune", lambda index, *rest: tried.append(index.kind) or tuned(index, *rest))
    assert choose(N, DIM, memory_mib=6).kind == "ivf-sq8"
    monkeypatch.setattr(tuning, "LARGEST_EFFORT", 8)
    index: Any = built("auto", 0.99, memory_mib=6)
    assert tried == ["ivf-sq8"]
    assert index.kind == "exact"  # hnsw would not fit
    assert index.report.choice.sentence() == (
        "exact: ivf-sq8 missed a recall of 0.99, so that the next surer kind was taken."
    )
    tried.clear()
    index = built("auto", 0.99, memory_mib=10)
    assert tried[0] == "hnsw"


# --- the report -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["exact", "hnsw", "ivf-pq"])
def test_json_holds_the_report(kind: str) -> None:
    report = built(kind).report
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert Report.from_dict(content) == report
    assert content["why"] == report.choice.sentence() == f"{kind}: as asked for."
    assert content["reached"] is True
    with pytest.raises(ConfigError, match="schema"):
        Report.from_dict({"schema": "another"})


def test_costs_are_reported() -> None:
    exact, graph, lists = (built(kind).report for kind in ("exact", "hnsw", "ivf-pq"))
    assert exact.memory_mib == exact.disk_mib == pytest.approx(N * (4 * DIM + 8) / 2**20, abs=0.06)
    assert lists.memory_mib < exact.memory_mib / 3
    assert graph.memory_mib > 0.4
    assert graph.disk_mib == pytest.approx(exact.disk_mib + graph.memory_mib, abs=0.11)
    assert exact.parameters == {}
    for report in exact.queries.values():
        assert report.recall.value == 1
        assert 0 < report.p50_ms <= report.p99_ms


def test_small_and_empty_indexes_have_reports_too() -> None:
    empty = build_index(np.arange(0), ITEMS[:0], queries=QUERIES)
    assert empty.report is not None
    assert (empty.report.choice.kind, dict(empty.report.queries)) == ("exact", {})
    one = build_index(np.arange(1), ITEMS[:1], kind="hnsw")
    assert one.report is not None
    assert one.report.queries["mixed"].recall.value == 1
    assert isinstance(one.report.choice, Choice)


def test_queries_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="text queries have 16 dimensions and the index 32"):
        build_index(np.arange(N), ITEMS, queries={"text": clustered(5, 16)})
    with pytest.raises(ConfigError, match="no text queries"):
        build_index(np.arange(N), ITEMS, queries={"text": TEXTS[:0]})


def test_progress_is_told() -> None:
    stages: dict[str, tuple[int, int | None]] = {}
    with watch(lambda stage, done, total: stages.update({stage: (done, total)})):
        built("ivf-sq8")
    assert stages["index"] == (N, N)
    assert stages["recall"][0] > 3
