"""Exact search against a dictionary searched in float64, whatever is added, removed, saved and opened in between."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indexing import ModelIndex, random_units
from luneta.errors import ArtifactError, ConfigError, ShapeError
from luneta.index import build_index, load_index, open_index, save_index
from luneta.types import Found

DIM = 4
POOL = random_units(12, DIM, seed=1)  # so few that most vectors stand there several times
IDS = st.lists(st.integers(0, 30), unique=True, max_size=12)


def assert_same(found: Found, expected: Found) -> None:
    assert (found.scores.dtype, found.ids.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=3e-7)


class ExactMachine(RuleBasedStateMachine):
    @initialize(ids=IDS, seed=st.integers(0, 99))
    def build(self, ids: list[int], seed: int) -> None:
        vectors = self.some(len(ids), seed)
        self.model = ModelIndex(DIM)
        self.model.add(np.array(ids, dtype=np.int64), vectors)
        self.index = build_index(np.array(ids, dtype=np.int64), vectors, kind="exact")
        self.folder = tempfile.TemporaryDirectory()

    def some(self, n: int, seed: int) -> np.ndarray:
        return POOL[np.random.default_rng(seed).integers(len(POOL), size=n)]

    @rule(ids=IDS, seed=st.integers(0, 99))
    def add(self, ids: list[int], seed: int) -> None:
        new = np.array([i for i in ids if i not in self.model.vectors], dtype=np.int64)
        vectors = self.some(len(new), seed)
        self.model.add(new, vectors)
        self.index.add(new, vectors)

    @rule(ids=IDS)
    def remove(self, ids: list[int]) -> None:
        numbers = np.array(ids, dtype=np.int64)
        assert self.index.remove(numbers) == self.model.remove(numbers)

    @rule()
    def save_and_open(self) -> None:
        save_index(self.index, Path(self.folder.name) / "index")
        self.index = open_index(Path(self.folder.name) / "index")

    @rule(k=st.integers(1, 40), seed=st.integers(0, 99), allowed=st.none() | IDS)
    def search(self, k: int, seed: int, allowed: list[int] | None) -> None:
        queries = np.concatenate([POOL[:2], random_units(2, DIM, seed)])
        chosen = None if allowed is None else np.array(sorted(allowed), dtype=np.int64)
        assert_same(self.index.search(queries, k, allowed=chosen), self.model.search(queries, k, chosen))

    @invariant()
    def holds_the_same(self) -> None:
        if hasattr(self, "index"):
            assert self.index.ids.tolist() == self.model.ids
            assert len(self.index) == len(self.model.ids)
            for number in self.model.ids[:3]:
                vectors = self.index.vectors_of(np.array([number]))
                np.testing.assert_array_equal(vectors, self.model.vectors[number][None])

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestExact = ExactMachine.TestCase
TestExact.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_many_items_few_and_most_allowed() -> None:
    vectors, queries = random_units(3000, 16), random_units(5, 16, seed=2)
    model, ids = ModelIndex(16), np.arange(3000) * 3
    model.add(ids, vectors)
    index = build_index(ids, vectors, kind="exact")
    rng = np.random.default_rng(3)
    for n_allowed in (0, 1, 30, 1500, 2999):
        allowed = np.sort(rng.choice(ids, n_allowed, replace=False))
        assert_same(index.search(queries, 20, allowed=allowed), model.search(queries, 20, allowed))
    assert_same(index.search(queries[:1], 20), model.search(queries[:1], 20))


def test_vectors_it_was_opened_around_are_not_touched(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", random_units(20, DIM))
    before = (tmp_path / "v.npy").read_bytes()
    vectors = np.load(tmp_path / "v.npy", mmap_mode="r")
    index = load_index("exact", None, vectors, np.arange(20))
    index.remove(np.arange(5))
    index.add(np.array([3, 99]), random_units(2, DIM, seed=9))
    assert index.search(random_units(1, DIM), 30).ids.max() == 99
    assert (tmp_path / "v.npy").read_bytes() == before
    index.write(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_blocks_are_as_good_as_one_array() -> None:
    vectors = random_units(50, DIM)
    whole = build_index(np.arange(50), vectors, kind="exact")
    blocks = build_index(np.arange(50), (vectors[start : start + 7] for start in range(0, 50, 7)), kind="exact")
    assert_same(blocks.search(POOL, 9), whole.search(POOL, 9))


def test_an_empty_index_finds_nothing_and_grows() -> None:
    index = build_index(np.empty(0, dtype=np.int64), np.empty((0, DIM), dtype=np.float32))
    found = index.search(POOL[:2], 3)
    assert (found.ids == -1).all()
    assert np.isneginf(found.scores).all()
    index.add(np.array([7]), POOL[:1])
    assert index.search(POOL[:1], 3).ids.tolist() == [[7, -1, -1]]


def test_no_queries_no_answers() -> None:
    index = build_index(np.arange(12), POOL)
    assert index.search(POOL[:0], 3).ids.shape == (0, 3)


@pytest.mark.parametrize("convert", [lambda v: v.astype(np.float64), lambda v: np.repeat(v, 2, axis=0)[::2]])
def test_other_floats_and_strides_are_taken_as_float32(convert: object) -> None:
    index = build_index(np.arange(12), convert(POOL))  # type: ignore[operator]
    assert index.search(convert(POOL), 1).ids[:, 0].tolist() == list(range(12))  # type: ignore[operator]


def broken(value: float) -> np.ndarray:
    vectors = POOL.copy()
    vectors[3, 1] = value
    return vectors


@pytest.mark.parametrize(
    ("queries", "k", "allowed", "message"),
    [
        (POOL[:, :3], 1, None, "queries have 3 dimensions and the index 4"),
        (POOL[0], 1, None, r"queries have shape \(4,\)"),
        (broken(np.nan), 1, None, r"queries hold NaN.* \(the first is row 3\)"),
        (broken(np.inf), 1, None, "queries hold NaN, infinite"),
        (broken(3.0), 1, None, r"not of length 1 in 1 of 12 rows \(row 3 has length 3"),
        (np.zeros((1, DIM), np.float32), 1, None, "row 0 has length 0"),
        (POOL.astype(int), 1, None, "queries have dtype int64"),
        (np.empty((0, 3), np.float32), 1, None, r"shape \(0, 3\)"),
        (POOL, 0, None, "k is 0; expected a whole number of at least 1"),
        (POOL, 1.5, None, "k is 1.5"),
        (POOL, True, None, "k is True"),
        (POOL, 1, np.array([2, 1]), "allowed ids are not ascending"),
        (POOL, 1, np.array([1, 1]), "allowed ids are not ascending"),
        (POOL, 1, np.array([0.5]), "allowed ids have shape"),
    ],
)
def test_searches_that_make_no_sense(queries: np.ndarray, k: int, allowed: np.ndarray | None, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        build_index(np.arange(12), POOL).search(queries, k, allowed=allowed)


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        (np.array([12, 12]), POOL[:2], "id 12 stands twice"),
        (np.array([12, 3]), POOL[:2], "id 3 is there already"),
        (np.array([-1, 12]), POOL[:2], "ids hold -1"),
        (np.array([12]), POOL[:2], "1 ids for 2 vectors"),
        (np.array([12.5]), POOL[:1], "ids have shape"),
        (np.array([12]), POOL[:1, :2] / np.linalg.norm(POOL[:1, :2]), "vectors have 2 dimensions"),
        (np.array([12]), broken(np.nan)[3:4], "vectors hold NaN"),
        (np.array([12]), 2 * POOL[:1], "not of length 1"),
    ],
)
def test_additions_that_make_no_sense_change_nothing(ids: np.ndarray, vectors: np.ndarray, message: str) -> None:
    index = build_index(np.arange(12), POOL)
    with pytest.raises(ShapeError, match=message):
        index.add(ids, vectors)
    assert index.ids.tolist() == list(range(12))


def test_building_refuses_what_adding_refuses() -> None:
    with pytest.raises(ShapeError, match="id 1 stands twice"):
        build_index(np.array([1, 1]), POOL[:2])
    with pytest.raises(ShapeError, match="not of length 1"):
        build_index(np.arange(12), 2 * POOL)
    with pytest.raises(ShapeError, match="no blocks"):
        build_index(np.arange(0), [])
    with pytest.raises(ShapeError, match="2 dimensions"):
        build_index(np.arange(3), [POOL[:2], random_units(1, 2)])
    with pytest.raises(ConfigError, match="Did you mean exact"):
        build_index(np.arange(12), POOL, kind="exakt")


def test_only_vectors_that_are_there_can_be_had() -> None:
    with pytest.raises(ShapeError, match="id 99 is not in the index"):
        build_index(np.arange(12), POOL).vectors_of(np.array([3, 99]))


@pytest.mark.parametrize("file", ["vectors.npy", "ids.npy", "index.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "foreign"])
def test_a_damaged_folder_is_refused(tmp_path: Path, file: str, damage: str) -> None:
    save_index(build_index(np.arange(12), POOL), tmp_path / "index")
    place = tmp_path / "index" / file
    if damage == "missing":
        place.unlink()
    elif damage == "cut":
        place.write_bytes(place.read_bytes()[:-9])
    elif file == "index.json":
        place.write_text('{"schema": "another"}')
    else:
        np.save(place, np.zeros(3))
    with pytest.raises(ArtifactError):
        open_index(tmp_path / "index")
