"""The same calls on every kind of collection give the answers that a dictionary and a matrix product give."""

from __future__ import annotations

import itertools
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import milvus
from filtering import SCHEMA, VALUES, conditions, tables
from luneta.errors import ShapeError
from luneta.filters import parse_filter
from luneta.index import build_index
from luneta.index.collections import Collection, LocalCollection
from luneta.index.milvus import MilvusCollection, MilvusSettings
from luneta.index.milvus_schema import kept_schema
from luneta.types import Found, Vectors

DIM, N_IDS = 6, 12
KEPT = kept_schema(SCHEMA)
DIRECTIONS = np.random.default_rng(0).standard_normal((9, DIM)).astype(np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
"""Fewer than there are ids, so that scores tie."""


@dataclass
class Step:
    """A call of a collection; each test draws some."""

    call: str
    ids: list[int] = field(default_factory=list)
    vectors: list[int] = field(default_factory=list)
    rows: pa.Table = None
    k: int = 1
    where: str | None = None


def plain(table: pa.Table) -> pa.Table:
    """Without what Milvus does not keep as it is: NaN, infinities and nulls in lists."""
    columns = []
    for field_ in KEPT:
        cells = table.column(field_.name).to_pylist()
        if pa.types.is_floating(field_.type):
            cells = [cell if cell is not None and np.isfinite(cell) else None for cell in cells]
        if field_.name == "tags":
            cells = [None if cell is None else [tag for tag in cell if tag is not None] for cell in cells]
        columns.append(pa.array(cells, field_.type))
    return pa.table(columns, schema=KEPT)


asked = conditions.map(lambda pair: pair.ours).filter(lambda ours: "contains" not in ours or "\\" not in ours)
"""Milvus Lite refuses a backslash beside contains; tests/unit/index/test_milvus.py sees to it."""
directions = st.integers(0, len(DIRECTIONS) - 1)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    call = draw(st.sampled_from(["upsert", "upsert", "search", "search", "search", "delete", "rows", "flush"]))
    if call == "search":
        where = draw(st.none() | asked)
        return Step(call, vectors=draw(st.lists(directions, max_size=3)), k=draw(st.integers(1, 15)), where=where)
    ids = draw(st.lists(st.integers(0, N_IDS - 1), unique=call == "upsert", max_size=N_IDS))
    if call != "upsert":
        return Step(call, ids=ids)
    table = plain(draw(tables()))
    ids = ids[: len(table)]
    vectors = draw(st.lists(directions, min_size=len(ids), max_size=len(ids)))
    return Step(call, ids, vectors, table.slice(0, len(ids)))


@dataclass
class Model:
    """What any collection should be."""

    items: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)

    def allowed(self, where: str | None) -> list[int]:
        ids = sorted(self.items)
        if where is None or not ids:
            return ids
        table = pa.Table.from_pylist([self.items[i][1] for i in ids], schema=KEPT)
        return [i for i, chosen in zip(ids, parse_filter(where).mask(table), strict=True) if chosen]


def run(collection: Collection, calls: list[Step]) -> None:
    model = Model()
    for step in calls:
        ids = np.array(step.ids, dtype=np.int64)
        if step.call == "upsert":
            collection.upsert(ids, DIRECTIONS[step.vectors], step.rows)
            model.items.update(zip(step.ids, zip(step.vectors, step.rows.to_pylist(), strict=True), strict=True))
        elif step.call == "delete":
            gone = {i for i in step.ids if model.items.pop(i, None) is not None}
            assert collection.delete(ids) == len(gone)
        elif step.call == "flush":
            if isinstance(collection, MilvusCollection):  # what is in memory and what is on the disk are searched apart
                collection.flush()
        elif step.call == "rows" and set(step.ids) <= set(model.items):
            assert collection.rows(ids).to_pylist() == [model.items[i][1] for i in step.ids]
        elif step.call == "rows":
            with pytest.raises(ShapeError, match="is not in the collection"):
                collection.rows(ids)
        else:
            where = None if step.where is None else parse_filter(step.where)
            found = collection.search(DIRECTIONS[step.vectors], step.k, where=where)
            check(found, DIRECTIONS[step.vectors], step, model)
        assert len(collection) == len(model.items)
    assert collection.ids.tolist() == sorted(model.items)


def check(found: Found, queries: Vectors, step: Step, model: Model) -> None:
    """That an answer holds the best scores, under ids that have them, equal scores by id."""
    allowed = model.allowed(step.where)
    assert found.ids.shape == found.scores.shape == (len(queries), step.k)
    assert (found.ids.dtype, found.scores.dtype) == (np.int64, np.float32)
    for query, ids, scores in zip(queries, found.ids.tolist(), found.scores, strict=True):
        cosines = {i: float(DIRECTIONS[model.items[i][0]] @ query) for i in allowed}
        best = sorted(cosines.values(), reverse=True)[: step.k]
        n = len(best)
        assert ids[n:] == [-1] * (step.k - n)
        assert (scores[n:] == -np.inf).all()
        np.testing.assert_allclose(scores[:n], best, atol=2e-6)
        assert len(set(ids[:n])) == n
        np.testing.assert_allclose([cosines[i] for i in ids[:n]], scores[:n], atol=2e-6)
        assert sorted(zip(-scores[:n], ids[:n], strict=True)) == list(zip(-scores[:n], ids[:n], strict=True))


Make = Callable[[], Collection]


@pytest.fixture(scope="module")
def pymilvus() -> None:
    pytest.importorskip("pymilvus", reason="needs pymilvus and milvus-lite: pip install luneta[milvus]")


@pytest.fixture(scope="module")
def server(pymilvus: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus.serving(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.fixture(scope="module")
def file(pymilvus: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    uri = str(tmp_path_factory.mktemp("file") / "shop.db")
    yield uri
    milvus.release(uri)


def local(kind: str) -> Make:
    """FAISS indexes are built around vectors that are taken away again, as a bundle's are."""

    def make() -> Collection:
        index = build_index(np.arange(100, 109), DIRECTIONS, kind=kind)
        index.remove(np.arange(100, 109))
        return LocalCollection(index, KEPT.empty_table())

    return make


@pytest.fixture(params=["exact", "hnsw", "ivf-sq8", "milvus file", "milvus server", "milvus server, IP, HNSW"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes an empty collection."""
    kind = request.param
    if not kind.startswith("milvus"):
        yield local(kind)
        return
    uri = request.getfixturevalue("file" if kind == "milvus file" else "server")
    made: list[MilvusCollection] = []
    best = MilvusSettings("HNSW", "IP", search={"ef": 16}) if "HNSW" in kind else None
    count = itertools.count()

    def in_milvus() -> Collection:
        while made:
            made.pop().drop()
        name = f"c_{zlib.crc32(kind.encode())}_{next(count)}"
        made.append(MilvusCollection.create(uri, name, DIM, KEPT, settings=best))
        return made[-1]

    yield in_milvus
    while made:
        made.pop().drop()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(calls=st.lists(steps(), min_size=3, max_size=8))
def test_all_collections_answer_alike(make: Make, calls: list[Step]) -> None:
    run(make(), calls)


@pytest.fixture(scope="module")
def shop(server: str) -> MilvusCollection:
    """Sixty items with cells of all sorts, half of them in memory only, and some replaced."""
    rng = np.random.default_rng(3)
    pool = {name: [None, *values] for name, values in VALUES.items()}
    columns = {name: [pool[name][i] for i in rng.integers(len(pool[name]), size=60)] for name in KEPT.names}
    table = plain(pa.table([pa.array(columns[f.name], f.type) for f in KEPT], schema=KEPT))
    collection = MilvusCollection.create(server, "shop", DIM, KEPT)
    ids, vectors = np.arange(60), DIRECTIONS[np.arange(60) % len(DIRECTIONS)]
    collection.upsert(ids[:40], vectors[:40], table.slice(20, 40))
    collection.flush()
    collection.upsert(ids, vectors, table)
    collection.flush()
    collection.upsert(ids[30:], vectors[30:], table.slice(30))
    return collection


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(condition=asked)
def test_milvus_chooses_the_rows_that_tables_choose(shop: MilvusCollection, condition: str) -> None:
    where = parse_filter(condition)
    expected = np.flatnonzero(where.mask(shop.rows(np.arange(60)))).tolist()
    found = shop.search(DIRECTIONS[:1], 60, where=where).ids[0]
    assert sorted(found[found >= 0].tolist()) == expected


def test_nobody_fails_while_an_alias_is_given_to_a_new_version(server: str) -> None:
    """A reader searches on and on while versions come and are dropped; every answer is a whole one of some version."""
    schema = pa.schema([("version", pa.int64())])

    def version(n: int) -> MilvusCollection:
        made = MilvusCollection.create(server, f"gallery_{n}", DIM, schema)
        made.fill(np.arange(9) + 100 * n, DIRECTIONS, pa.table({"version": [n] * 9}))
        return made

    version(0).publish("gallery")
    reader = MilvusCollection.open(server, "gallery")
    answers: list[list[int]] = []
    failed: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                answers.append(reader.search(DIRECTIONS[:1], 9).ids[0].tolist())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to show it
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(1, 5):
        new = version(n)
        assert new.publish("gallery") == f"gallery_{n - 1}"
        new.drop_others("gallery_", ())
    seen = len(answers)
    while len(answers) < seen + 6 and not failed:
        stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert all(sorted(ids) == list(range(ids[0] // 100 * 100, ids[0] // 100 * 100 + 9)) for ids in answers)
    assert {ids[0] // 100 for ids in answers} >= {4}
    assert [name for name in reader._client.list_collections() if name.startswith("gallery")] == ["gallery_4"]
