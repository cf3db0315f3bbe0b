"""What goes into Milvus and comes back, what is refused, and what a kill leaves; in a file of Milvus Lite."""

from __future__ import annotations

import datetime
import decimal
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from luneta import progress
from luneta.errors import ArtifactError, ConfigError, MissingExtraError, ShapeError, UnreachableError
from luneta.filters import parse_filter
from luneta.index.collections import Collection
from luneta.index.milvus import MilvusCollection, MilvusSettings
from luneta.index.milvus_schema import kept_schema
from luneta.types import Found, Vectors

pytest.importorskip("pymilvus", reason="needs pymilvus and milvus-lite: pip install luneta[milvus]")

from pymilvus import MilvusClient, MilvusException

import milvus

AXES = np.eye(4, dtype=np.float32)
SCHEMA = pa.schema([("style", pa.string()), ("year", pa.int64())])
ROWS = pa.table({"style": ["cubism", None, "dada"], "year": [1910, 1920, None]}, schema=SCHEMA)
IDS = np.array([2, 5, 9])


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = str(tmp_path_factory.mktemp("milvus") / "shop.db")
    yield path
    milvus.release(path)


@pytest.fixture
def collection(uri: str) -> Iterator[MilvusCollection]:
    """Items 2, 5 and 9 on the first three axes."""
    made = MilvusCollection.create(uri, "items", 4, SCHEMA)
    made.upsert(IDS, AXES[:3], ROWS)
    yield made
    made.drop()


def test_is_a_collection_that_can_be_opened_again(collection: MilvusCollection, uri: str) -> None:
    assert isinstance(collection, Collection)
    again = MilvusCollection.open(uri, "items")
    assert (len(again), again.dim, again.ids.tolist(), again.schema) == (3, 4, [2, 5, 9], SCHEMA)
    assert MilvusCollection.create(uri, "items", 4, SCHEMA).rows(IDS).equals(ROWS)


TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "Ano de criação": (pa.int16(), [1889, None]),
    "like": (pa.uint64(), [2**63 - 1, 0]),
    "id": (pa.string(), ["a", "b"]),
    "vector": (pa.large_string(), ['é\n\t"\\', None]),
    "half": (pa.float16(), [np.float16(0.5), None]),
    "price": (pa.float32(), [0.1, None]),
    "exact": (pa.float64(), [0.1, 1e300]),
    "cost": (pa.decimal128(6, 2), [decimal.Decimal("1.25"), None]),
    "sold": (pa.bool_(), [True, None]),
    "style": (pa.dictionary(pa.int8(), pa.string()), ["cubism", None]),
    "tags": (pa.large_list(pa.string()), [["a", "é"], None]),
    "none": (pa.list_(pa.string()), [[], None]),
    "day": (pa.date32(), [datetime.date(1889, 6, 18), None]),
    "day64": (pa.date64(), [datetime.date(1889, 6, 18), None]),
    "seen": (pa.timestamp("ns"), [datetime.datetime(1900, 1, 1, 0, 0, 0, 1), None]),
    "sent": (pa.timestamp("us", "America/Sao_Paulo"), [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), None]),
    "all_null": (pa.int64(), [None, None]),
}


def test_cells_of_every_type_come_back_as_they_went_and_can_be_asked_for(uri: str) -> None:
    table = pa.table({name: pa.array(cells, type) for name, (type, cells) in TYPES.items()})
    made = MilvusCollection.create(uri, "types", 4, table.schema)
    made.upsert(np.array([1, 2]), AXES[:2], table)
    assert made.schema == kept_schema(table.schema)
    back = made.rows(np.array([2, 1]))
    assert back.to_pylist() == table.cast(made.schema).to_pylist()[::-1]
    for text in (
        '"Ano de criação" = 1889', '"like" > 5', "id = 'a'", 'vector = \'é\n\t"\\\'', "price = 0.1", "sold = true",
        "tags contains 'é'", "none is not null", "day = '1889-06-18'", "day64 < '1900-01-01'",
        "seen > '1900-01-01' and seen < '1900-01-01T00:00:00.000002'", "sent = '2023-12-31T21:00:00-03:00'",
    ):  # fmt: skip
        assert made.search(AXES[:1], 2, where=parse_filter(text)).ids[0].tolist() == [1, -1], text
    made.drop()


def test_nan_is_nothing_and_nulls_within_lists_are_left_out(uri: str) -> None:
    table = pa.table({"price": [np.nan, 1.0], "tags": [[None, "a"], None]})
    made = MilvusCollection.create(uri, "nothing", 4, table.schema)
    made.upsert(np.array([1, 2]), AXES[:2], table)
    assert made.rows(np.array([1])).to_pylist() == [{"price": None, "tags": ["a"]}]
    made.drop()


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (pa.array([2**63], pa.uint64()), "do not fit"),
        (pa.array([np.inf]), "infinity"),
        (pa.array(["é" * 32_768]), "65,536 bytes"),
        (pa.array([["é" * 32_768]]), "65,536 bytes"),
        (pa.array([["a"] * 4_097]), "more than 4,096 texts"),
    ],
)
def test_cells_that_milvus_does_not_take_are_refused(uri: str, cells: pa.Array, said: str) -> None:
    table = pa.table({"cell": cells})
    made = MilvusCollection.create(uri, "cells", 4, table.schema)
    with pytest.raises(ConfigError, match=said):
        made.upsert(np.array([1]), AXES[:1], table)
    assert len(made) == 0
    made.drop()


def test_the_longest_text_and_list_are_taken(uri: str) -> None:
    table = pa.table({"text": ["é" * 32_767 + "a"], "list": [["a"] * 4_096]})
    made = MilvusCollection.create(uri, "long", 4, table.schema)
    made.upsert(np.array([1]), AXES[:1], table)
    made.flush()
    assert made.rows(np.array([1])).equals(table)
    made.drop()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "bad name"}, "cannot be the name"),
        ({"name": "9lives"}, "cannot be the name"),
        ({"schema": pa.schema([])}, "at least one metadata column"),
        ({"schema": pa.schema([("a", pa.int8()), ("a", pa.int8())])}, "stands twice"),
        ({"schema": pa.schema([("blob", pa.binary())])}, "'blob' holds binary"),
        ({"schema": pa.schema([("deep", pa.list_(pa.int64()))])}, "'deep' holds list<"),
        ({"settings": MilvusSettings("IVF_PQ")}, "no index 'IVF_PQ'. Did you mean IVF_"),
        ({"uri": "shop"}, "neither a server"),
        ({"name": "items", "dim": 5}, "there already, for vectors of 4 numbers"),
        ({"name": "items", "schema": pa.schema([("style", pa.string())])}, "there already"),
        ({"name": "items", "settings": MilvusSettings(metric="IP")}, "there already, with the metric COSINE"),
    ],
)
def test_collections_that_cannot_be_are_refused(
    collection: MilvusCollection, uri: str, change: dict[str, Any], said: str
) -> None:
    asked = {"uri": uri, "name": "other", "dim": 4, "schema": SCHEMA, **change}
    with pytest.raises(ConfigError, match=said):
        MilvusCollection.create(**asked)
    assert collection._client.list_collections() == ["items"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"metric": "L2"}, "COSINE or IP"), ({"consistency": "strong"}, "Strong"), ({"timeout_s": 0}, "above 0")],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MilvusSettings(**settings)


def test_opening_what_is_not_there_says_what_is(collection: MilvusCollection, uri: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean items"):
        MilvusCollection.open(uri, "itens")
    with pytest.raises(ConfigError, match="there is no file"):
        MilvusCollection.open(str(tmp_path / "none.db"), "items")
    assert not (tmp_path / "none.db").exists()


def test_a_collection_of_somebody_else_is_not_opened(uri: str) -> None:
    client = MilvusClient(uri)
    client.create_collection("foreign", dimension=4)
    with pytest.raises(ArtifactError, match="not made by Luneta"):
        MilvusCollection.open(uri, "foreign")
    client.drop_collection("foreign")


def test_what_does_not_fit_changes_nothing(collection: MilvusCollection) -> None:
    with pytest.raises(ConfigError, match="no column 'year'"):
        collection.upsert(np.array([2]), AXES[3:], pa.table({"style": ["x"]}))
    with pytest.raises(ShapeError, match="length 1"):
        collection.upsert(np.array([2]), AXES[3:] * 2, ROWS.slice(0, 1))
    with pytest.raises(ShapeError, match="twice"):
        collection.upsert(np.array([2, 2]), AXES[2:], ROWS.slice(0, 2))
    with pytest.raises(ShapeError, match="dimension"):
        collection.search(np.eye(3, dtype=np.float32), 2)
    with pytest.raises(ConfigError, match="Did you mean style"):
        collection.search(AXES[:1], 2, where=parse_filter("stile = 'x'"))
    assert collection.rows(IDS).equals(ROWS)


def test_milvus_lite_is_not_asked_what_it_answers_wrongly(uri: str) -> None:
    table = pa.table({"text": ["a_b", "axb"], "tags": [["x"], ["x"]]})
    made = MilvusCollection.create(uri, "wrong", 4, table.schema)
    made.upsert(np.array([1, 2]), AXES[:2], table)
    assert made.search(AXES[:1], 2, where=parse_filter(r"text like 'a\_b'")).ids.tolist() == [[1, -1]]
    with pytest.raises(ConfigError, match="Milvus Lite does not know a backslash in like"):
        made.search(AXES[:1], 2, where=parse_filter(r"text like 'a\_b' and tags contains 'x'"))
    made.drop()


def test_more_queries_than_a_request_has_are_answered_in_order(
    collection: MilvusCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luneta.index.milvus.QUERIES", 2)
    found = collection.search(AXES[[2, 0, 1, 2, 0]], 1)
    assert found.ids[:, 0].tolist() == [9, 2, 5, 9, 2]


def test_a_search_is_repeated_when_its_collection_was_dropped_under_the_alias(
    collection: MilvusCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    proper, failures = collection._client.search, [MilvusException(100, "gone"), MilvusException(101, "released")]

    def failing(*args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return proper(*args, **kwargs)

    monkeypatch.setattr(collection._client, "search", failing)
    assert collection.search(AXES[:1], 1).ids.tolist() == [[2]]
    failures += [MilvusException(100, "gone")] * 100
    with pytest.raises(ArtifactError, match="could not search: gone"):
        collection.search(AXES[:1], 1)


def test_an_alias_moves_to_a_new_version_and_others_go_when_told(collection: MilvusCollection, uri: str) -> None:
    assert collection.publish("gallery") is None
    new = MilvusCollection.create(uri, "items_2", 4, SCHEMA)
    new.fill(IDS[:1], AXES[3:], ROWS.slice(0, 1))
    reader = MilvusCollection.open(uri, "gallery")
    assert len(reader) == 3
    with pytest.raises(ConfigError, match="an alias needs a name of its own"):
        new.publish("items")
    assert [new.publish("gallery"), new.publish("gallery")] == ["items", None]
    assert (len(reader), reader.ids.tolist()) == (1, [2])
    MilvusCollection.create(uri, "items_1", 4, SCHEMA)
    MilvusCollection.create(uri, "other", 4, SCHEMA)
    new.drop_others("items", {"items"})
    assert sorted(new._client.list_collections()) == ["items", "items_2", "other"]
    new.drop_others("items", ())
    assert sorted(new._client.list_collections()) == ["items_2", "other"]
    MilvusCollection.create(uri, "items", 4, SCHEMA).publish("gallery")


def test_filling_sends_only_what_is_not_there(collection: MilvusCollection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luneta.index.milvus.BATCH_ROWS", 2)
    n = 7
    rows = pa.table({"style": [f"s{i}" for i in range(n)], "year": range(n)}, schema=SCHEMA)
    vectors, sent = AXES[np.arange(n) % 4], []
    with progress.watch(lambda stage, done, total: sent.append((stage, done, total))):
        assert collection.fill(np.arange(n), vectors, rows) == 5
    assert sent == [("items", done, 5) for done in (0, 2, 4, 5, 5)]
    assert collection.ids.tolist() == [0, 1, 2, 3, 4, 5, 6, 9]
    assert collection.rows(np.array([2, 3]))["style"].to_pylist() == ["cubism", "s3"]
    assert collection.fill(np.arange(n), vectors, rows) == 0


def test_filling_says_when_the_numbers_are_wrong(collection: MilvusCollection) -> None:
    def meddle(stage: str, done: int, total: int | None) -> None:
        if done:
            collection.delete(IDS[:1])

    with progress.watch(meddle), pytest.raises(ArtifactError, match="holds 3 items after filling and should hold 4"):
        collection.fill(np.array([20]), AXES[:1], ROWS.slice(0, 1))


def test_a_collection_whose_making_was_cut_short_is_finished(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run was killed between the collection and its index."""
    with monkeypatch.context() as patch:
        patch.setattr(MilvusClient, "create_index", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            MilvusCollection.create(uri, "half", 4, SCHEMA)
    made = MilvusCollection.create(uri, "half", 4, SCHEMA)
    made.upsert(IDS, AXES[:3], ROWS)
    assert made.search(AXES[:1], 1).ids.tolist() == [[2]]
    made.drop()


FILLING = """
import sys
import numpy as np
import pyarrow as pa
from luneta import progress
from luneta.index import milvus
milvus.BATCH_ROWS = 50
n = int(sys.argv[2])
made = milvus.MilvusCollection.create(sys.argv[1], "killed", 4, pa.schema([("n", pa.int64())]))
angles = np.arange(n) * np.pi / n
vectors = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=1).astype(np.float32)
with progress.watch(lambda stage, done, total: print(done, flush=True)):
    made.fill(np.arange(n), vectors, pa.table({"n": np.arange(n)}))
print("whole", flush=True)
"""


def killed_at(uri: str, n: int, done: int) -> None:
    """A process that fills a collection is killed when it has sent so many."""
    with subprocess.Popen([sys.executable, "-c", FILLING, uri, str(n)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "whole" or int(line) >= done:
                break
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def half_circle(n: int) -> Vectors:
    angles = np.arange(n) * np.pi / n
    return np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=1).astype(np.float32)


def whole(made: MilvusCollection, n: int) -> None:
    assert (len(made), made.ids.tolist()) == (n, list(range(n)))
    assert made.rows(np.arange(n))["n"].to_pylist() == list(range(n))
    some = np.arange(0, n, 50)
    assert made.search(half_circle(n)[some], 1).ids[:, 0].tolist() == some.tolist()


def test_a_filling_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    uri, n = str(tmp_path / "killed.db"), 1_000
    killed_at(uri, n, 300)
    killed_at(uri, n, 50)
    made = MilvusCollection.open(uri, "killed")
    before = len(made)
    assert 350 <= before < n
    rows = pa.table({"n": np.arange(n)})
    assert made.fill(np.arange(n), half_circle(n), rows) == n - before
    whole(made, n)
    milvus.release(uri)


def test_a_filling_whose_server_is_killed_says_so_and_goes_on_with_the_next(tmp_path: Path) -> None:
    port, n = milvus.free_port(), 400
    uri, settings = f"http://127.0.0.1:{port}", MilvusSettings(timeout_s=2)
    server = milvus.start(tmp_path, port)
    made = MilvusCollection.create(uri, "killed", 4, pa.schema([("n", pa.int64())]), settings=settings)
    patient = MilvusCollection.open(uri, "killed")
    rows, vectors = pa.table({"n": np.arange(n)}), half_circle(n)
    made.upsert(np.arange(150), vectors[:150], rows.slice(0, 150))
    server.send_signal(signal.SIGKILL)
    server.wait()
    with pytest.raises(UnreachableError, match="no Milvus answers"):
        made.fill(np.arange(n), vectors, rows)
    answers: list[Found] = []
    asking = threading.Thread(target=lambda: answers.append(patient.search(vectors[:1], 1)))
    asking.start()
    server = milvus.start(tmp_path, port)
    try:
        again = MilvusCollection.open(uri, "killed")
        asking.join()
        assert answers[0].ids.tolist() == [[0]]  # the searcher waited
        assert again.fill(np.arange(n), vectors, rows) == n - 150
        whole(again, n)
        assert len(made) == n
    finally:
        server.kill()
        server.wait()


def test_a_server_that_is_only_starting_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luneta.index.milvus_client.CONNECT_S", 60.0)
    port, made = milvus.free_port(), []
    uri = f"http://127.0.0.1:{port}"
    opening = threading.Thread(target=lambda: made.append(MilvusCollection.create(uri, "items", 4, SCHEMA)))
    opening.start()
    server = milvus.start(tmp_path, port)
    opening.join()
    server.kill()
    server.wait()
    assert [collection.dim for collection in made] == [4]


def test_a_server_that_is_not_there_is_named_without_its_secrets() -> None:
    uri = f"http://ana:secret@127.0.0.1:{milvus.free_port()}"
    with pytest.raises(UnreachableError, match=r"no Milvus answers at http://127.0.0.1:\d+. Start one") as raised:
        MilvusCollection.open(uri, "items", token="hidden")
    assert "secret" not in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_a_file_that_another_process_has_open_is_not_opened(tmp_path: Path) -> None:
    server = milvus.start(tmp_path / "shop.db", milvus.free_port())
    try:
        with pytest.raises(ArtifactError, match="another process has it open"):
            MilvusCollection.create(str(tmp_path / "shop.db"), "items", 4, SCHEMA)
    finally:
        server.kill()
        server.wait()
    (tmp_path / "text.db").write_text("no database")
    with pytest.raises(ArtifactError, match="no database of Milvus Lite"):
        MilvusCollection.open(str(tmp_path / "text.db"), "items")


FAILING = """
import sys
import numpy as np
import pyarrow as pa
from luneta.errors import ArtifactError
from luneta.index.milvus import MilvusCollection
made = MilvusCollection.create(sys.argv[1], "items", 4, pa.schema([("n", pa.int64())]))
assert made.ids.tolist() == []
try:
    made._call("count", made._client.query, "items", filter="nonsense ((", output_fields=["id"])
except ArtifactError as error:
    print(error)
try:
    MilvusCollection.create(sys.argv[2], "items", 4, pa.schema([("n", pa.int64())]))
except ArtifactError as error:
    print(error)
"""


def test_errors_are_raised_and_not_printed(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database")
    command = [sys.executable, "-c", FAILING, str(tmp_path / "shop.db"), str(tmp_path / "text.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "could not count" in done.stdout
    assert "cannot be opened" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("module", ["pymilvus", "milvus_lite.server_manager"])
def test_a_missing_package_is_named(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r'pip install "luneta\[milvus\]"'):
        MilvusCollection.create(str(tmp_path / "shop.db"), "items", 4, SCHEMA)
