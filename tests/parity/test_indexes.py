"""FAISS indexes that look at everything against a dictionary searched in float64, whatever happens to them in between;
and exact search against FAISS's own flat index."""

from __future__ import annotations

import tempfile
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indexing import ModelIndex, clustered, random_units
from luneta.index import build_index, faiss_index, open_index, save_index
from luneta.types import Found

KINDS = ("hnsw", "ivf-sq8", "ivf-pq")
DIM = 8
POOL = random_units(400, DIM, seed=4)
IDS = st.lists(st.integers(0, 60), unique=True, max_size=40)


def assert_same(found: Found, expected: Found) -> None:
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=3e-7, atol=1e-7)


class FaissMachine(RuleBasedStateMachine):
    """Every kind at once, each looking at everything; no id is few enough to be searched exactly instead."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(faiss_index, "FEW", 0)
        self.patch.setattr(faiss_index, "RARE", 0.0)
        self.folder = tempfile.TemporaryDirectory()
        self.used = 0

    @initialize(ids=IDS)
    def build(self, ids: list[int]) -> None:
        vectors = self.unused(len(ids))
        self.model = ModelIndex(DIM)
        self.model.add(np.array(ids, dtype=np.int64), vectors)
        self.indexes = {kind: build_index(np.array(ids, dtype=np.int64), vectors, kind=kind) for kind in KINDS}

    def unused(self, n: int) -> np.ndarray:
        """Vectors none of which was there before: equal ones would leave open which are among the first."""
        self.used += n
        return POOL[np.arange(self.used - n, self.used) % len(POOL)]

    @rule(ids=IDS)
    def add(self, ids: list[int]) -> None:
        new = np.array([i for i in ids if i not in self.model.vectors], dtype=np.int64)
        vectors = self.unused(len(new))
        self.model.add(new, vectors)
        for index in self.indexes.values():
            index.add(new, vectors)

    @rule(ids=IDS)
    def remove(self, ids: list[int]) -> None:
        numbers = np.array(ids, dtype=np.int64)
        expected = self.model.remove(numbers)
        assert [index.remove(numbers) for index in self.indexes.values()] == [expected] * len(KINDS)

    @rule()
    def save_and_open(self) -> None:
        for kind, index in self.indexes.items():
            save_index(index, Path(self.folder.name) / kind)
            self.indexes[kind] = open_index(Path(self.folder.name) / kind)

    @rule(k=st.integers(1, 70), seed=st.integers(0, 99), allowed=st.none() | IDS)
    def search(self, k: int, seed: int, allowed: list[int] | None) -> None:
        queries = random_units(3, DIM, seed)
        chosen = None if allowed is None else np.array(sorted(allowed), dtype=np.int64)
        expected = self.model.search(queries, k, chosen)
        for index in self.indexes.values():
            index.set_effort(index.most_effort, factor=100)  # type: ignore[attr-defined]
            assert_same(index.search(queries, k, allowed=chosen), expected)

    @invariant()
    def holds_the_same(self) -> None:
        for index in getattr(self, "indexes", {}).values():
            assert index.ids.tolist() == self.model.ids

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()


TestFaiss = FaissMachine.TestCase
TestFaiss.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray]:
    return clustered(4000, 64), clustered(50, 64, seed=1)


def hits(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.mean([np.isin(row, truth).mean() for row, truth in zip(found, expected, strict=True)]))


@pytest.mark.parametrize("kind", KINDS)
def test_as_good_as_faiss_alone_at_the_same_effort(kind: str, world: tuple[np.ndarray, np.ndarray]) -> None:
    items, queries = world
    exact = build_index(np.arange(4000), items, kind="exact").search(queries, 10)
    index = build_index(np.arange(4000), items, kind=kind)
    index.set_effort(16)  # type: ignore[attr-defined]
    bare = index._index  # type: ignore[attr-defined]
    alone = hits(bare.search(queries, 10)[1], exact.ids)
    found = index.search(queries, 10)
    assert hits(found.ids, exact.ids) >= alone
    assert hits(found.ids, exact.ids) > 0.6
    np.testing.assert_allclose(found.scores, np.einsum("qd,qkd->qk", queries, items[found.ids]), rtol=1e-5)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_exact_is_faiss_flat(world: tuple[np.ndarray, np.ndarray]) -> None:
    items, queries = world
    flat = faiss.IndexFlatIP(64)
    flat.add(items)
    scores, ids = flat.search(queries, 10)
    found = build_index(np.arange(4000), items, kind="exact").search(queries, 10)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-5)
    assert (found.ids == ids).mean() > 0.999  # float32 may exchange neighbours


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.9])
def test_filters_do_not_lose_what_is_allowed(
    kind: str, share: float, world: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_index, "FEW", 0)
    items, queries = world
    allowed = np.sort(np.random.default_rng(0).choice(4000, int(4000 * share), replace=False))
    exact = build_index(np.arange(4000), items, kind="exact").search(queries, 10, allowed=allowed)
    index = build_index(np.arange(4000), items, kind=kind, queries={"like them": clustered(400, 64, seed=9)})
    found = index.search(queries, 10, allowed=allowed)
    assert np.isin(found.ids, allowed).all()
    assert hits(found.ids, exact.ids) > 0.9
