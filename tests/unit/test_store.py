from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import filelock
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luneta import shards, store
from luneta.errors import ArtifactError, ConfigError, IndexMismatchError, ShapeError
from luneta.store import EmbeddingStore, text_key
from luneta.types import EncoderSpec, Vectors

SPEC = EncoderSpec("toy", 4, "a" * 64, revision="r1")


def keys_of(*names: object) -> list[str]:
    return [hashlib.sha256(str(name).encode()).hexdigest() for name in names]


def vectors_of(keys: Sequence[str], dim: int = 4) -> Vectors:
    """A vector that follows from the key alone."""
    rows = [np.random.default_rng(int(key[:8], 16)).normal(size=dim) for key in keys]
    out = np.array(rows, dtype=np.float32).reshape(len(keys), dim)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def put(target: EmbeddingStore, *names: object, failures: Mapping[str, str] | None = None) -> list[str]:
    keys = keys_of(*names)
    target.append("image", keys, vectors_of(keys), failures or {})
    return keys


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def made(tmp_path: Path) -> EmbeddingStore:
    """Two image shards (one row failed) and one of texts."""
    made = EmbeddingStore.open_or_create(tmp_path / "store", SPEC)
    put(made, *range(5), failures={keys_of(3)[0]: "truncated file"})
    put(made, *range(5, 8))
    texts = [text_key(t) for t in ("um barco", "a boat")]
    made.append("text", texts, vectors_of(texts), {})
    return made


def test_vectors_come_back_in_the_order_asked_for_and_as_often(made: EmbeddingStore) -> None:
    asked = keys_of(7, 0, 7, 4, 1)
    for opened in (made, EmbeddingStore.open(made.path)):
        np.testing.assert_array_equal(opened.vectors("image", asked), vectors_of(asked))
        assert opened.vectors("image", []).shape == (0, 4)
        assert opened.failures("image") == {keys_of(3)[0]: "truncated file"}
        assert opened.missing("image", keys_of(9, 3, 8, 9, 0)) == keys_of(9, 8)
        assert opened.missing("text", keys_of(0)) == keys_of(0)  # kinds are apart


def test_a_key_without_a_vector_is_named(made: EmbeddingStore) -> None:
    with pytest.raises(ArtifactError, match=f"image {keys_of(3)[0]}: truncated file"):
        made.vectors("image", keys_of(1, 3))
    with pytest.raises(ArtifactError, match=f"image {keys_of(99)[0]}: it was never embedded"):
        made.vectors("image", keys_of(1, 99))


@settings(max_examples=25)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), max_size=5), st.randoms(use_true_random=False))
def test_a_store_is_a_dictionary(parts: list[list[bool]], random: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept: list[str] = []
        for number, readable in enumerate(parts):
            opened = EmbeddingStore.open_or_create(folder, SPEC)
            keys = keys_of(*((number, i) for i in range(len(readable))))
            failures = {key: "bad" for key, ok in zip(keys, readable, strict=True) if not ok}
            opened.append("image", keys, vectors_of(keys), failures)
            kept += [key for key in keys if key not in failures]
        asked = kept * 2
        random.shuffle(asked)  # type: ignore[attr-defined]
        final = EmbeddingStore.open_or_create(folder, SPEC)
        np.testing.assert_array_equal(final.vectors("image", asked), vectors_of(asked))
        assert len(final.failures("image")) == sum(not ok for part in parts for ok in part)


def test_pandas_and_arrow_read_the_shards(made: EmbeddingStore) -> None:
    table = pq.read_table(made.path / "image-00000.parquet")
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 4)
    assert table["vector"].null_count == 0  # which older versions of Arrow could not read
    assert np.isnan(table["vector"].to_pylist()[3]).all()
    frame = pd.concat([pd.read_parquet(path) for path in sorted(made.path.glob("image-*.parquet"))])
    assert frame["key"].tolist() == keys_of(*range(8))
    good = frame[frame["failure"].isna()]
    np.testing.assert_array_equal(np.stack(good["vector"].to_list()), vectors_of(good["key"].tolist()))


def test_duckdb_finds_the_vectors_that_the_store_gives(made: EmbeddingStore) -> None:
    """A row per key, the lost one without numbers; and a search over the files alone, in its own words."""
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        files = f"read_parquet('{made.path}/image-*.parquet')"
        kinds = {name: kind for name, kind, *_ in database.sql(f"DESCRIBE SELECT * FROM {files}").fetchall()}
        assert kinds["vector"] in ("FLOAT[]", "FLOAT[4]")
        rows = database.sql(f"SELECT key, vector, failure FROM {files}").fetchall()
        assert {key: reason for key, vector, reason in rows if np.isnan(vector).all()} == made.failures("image")
        found = {key: np.float32(vector) for key, vector, reason in rows if reason is None}
        assert list(found) == keys_of(0, 1, 2, 4, 5, 6, 7)
        np.testing.assert_array_equal(np.stack(list(found.values())), vectors_of(list(found)))
        query = made.vectors("text", [text_key("um barco")])[0]
        score = "array_inner_product(vector::FLOAT[4], ?::FLOAT[4])"
        nearest = database.execute(
            f"SELECT key FROM {files} WHERE failure IS NULL ORDER BY {score} DESC", [query.tolist()]
        ).fetchall()
    scores = made.vectors("image", list(found)) @ query
    assert [key for (key,) in nearest] == [list(found)[row] for row in np.argsort(-scores)]


def test_the_manifest_tells_nothing_of_the_machine(tmp_path: Path) -> None:
    checkpoint = tmp_path / "models" / "my-clip"
    checkpoint.mkdir(parents=True)
    spec = EncoderSpec(str(checkpoint), 4, "a" * 64)
    put(EmbeddingStore.open_or_create(tmp_path / "store", spec), 1)
    manifest = (tmp_path / "store" / "manifest.json").read_text()
    assert json.loads(manifest)["encoder"]["name"] == "my-clip"
    assert str(tmp_path) not in manifest
    assert os.uname().nodename not in manifest
    assert (tmp_path / "store" / ".lock").read_bytes() == b""


def test_equal_rows_make_equal_bytes_whatever_lies_under_a_failed_row(tmp_path: Path) -> None:
    keys = keys_of(1, 2)
    for name, rubbish in (("a", 0.0), ("b", np.nan)):
        vectors = vectors_of(keys)
        vectors[1] = rubbish
        EmbeddingStore.open_or_create(tmp_path / name, SPEC).append("image", keys, vectors, {keys[1]: "bad"})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_encoder_is_refused_naming_both(made: EmbeddingStore) -> None:
    for other in (EncoderSpec("rival", 4, "b" * 64), EncoderSpec("rival", 8, "a" * 64)):
        with pytest.raises(IndexMismatchError, match=r"vectors of toy \(4.*aaaa.*but rival \("):
            EmbeddingStore.open_or_create(made.path, other)


def test_an_encoder_without_a_fingerprint_cannot_keep_vectors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fingerprint is empty"):
        EmbeddingStore.open_or_create(tmp_path / "store", EncoderSpec("mine", 4, ""))
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"not an embedding store, and not empty.*thesis\.tex"):
        EmbeddingStore.open_or_create(tmp_path, SPEC)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(ArtifactError, match=r"has no manifest\.json"):
        EmbeddingStore.open(tmp_path)
    with pytest.raises(ArtifactError, match="no such folder"):
        EmbeddingStore.open(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="cannot make the folder"):
        EmbeddingStore.open_or_create(tmp_path / "thesis.tex", SPEC)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(schema="luneta.embeddings/9"),
        lambda m: m.pop("shards"),
        lambda m: m["shards"][0].update(file="../../etc/passwd"),
        lambda m: m["shards"][0].update(file="text-00000.parquet"),
        lambda m: m["shards"][0].pop("sha256"),
        lambda m: m["encoder"].pop("fingerprint"),
        lambda m: m.update(encoder=[1]),
        lambda m: m.clear(),
    ],
)
def test_a_strange_manifest_is_refused(made: EmbeddingStore, change: Callable[[dict[str, object]], object]) -> None:
    manifest = json.loads((made.path / "manifest.json").read_text())
    change(manifest)
    (made.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="not the manifest of an embedding store"):
        EmbeddingStore.open(made.path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"'])
def test_a_broken_manifest_is_refused(made: EmbeddingStore, text: str) -> None:
    (made.path / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        EmbeddingStore.open_or_create(made.path, SPEC)


def test_every_flipped_byte_of_a_shard_is_noticed(made: EmbeddingStore) -> None:
    path = made.path / "image-00000.parquet"
    whole = path.read_bytes()
    for offset in range(0, len(whole), 23):
        broken = bytearray(whole)
        broken[offset] ^= 0x10
        path.write_bytes(bytes(broken))
        with pytest.raises(ArtifactError, match=r"image-00000\.parquet is damaged.*Delete that file"):
            EmbeddingStore.open(made.path).verify()
        with pytest.raises(ArtifactError, match=r"damaged or lost|never embedded"):
            EmbeddingStore.open(made.path).vectors("image", keys_of(0, 1, 2))


def test_a_truncated_shard_is_noticed_on_opening(made: EmbeddingStore) -> None:
    path = made.path / "image-00001.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=r"image-00001\.parquet is damaged.*bytes long"):
        EmbeddingStore.open(made.path)


def test_a_deleted_shard_is_an_error_to_readers_and_is_rebuilt_by_writers(made: EmbeddingStore) -> None:
    before = contents(made.path)
    (made.path / "image-00000.parquet").unlink()
    with pytest.raises(ArtifactError, match="damaged or lost"):
        EmbeddingStore.open(made.path)
    again = EmbeddingStore.open_or_create(made.path, SPEC)
    assert again.missing("image", keys_of(*range(8))) == keys_of(*range(5))
    put(again, *range(5), failures={keys_of(3)[0]: "truncated file"})
    assert contents(made.path) == before


def test_a_failure_may_be_mended_later(made: EmbeddingStore) -> None:
    put(made, 3)
    for opened in (made, EmbeddingStore.open(made.path)):
        assert opened.failures("image") == {}
        np.testing.assert_array_equal(opened.vectors("image", keys_of(3, 4)), vectors_of(keys_of(3, 4)))


def test_what_does_not_belong_into_a_store_is_refused(made: EmbeddingStore) -> None:
    before = contents(made.path)
    keys = keys_of(20, 21)
    for vectors in (vectors_of(keys)[:1], vectors_of(keys, 5), vectors_of(keys).astype(np.float64)):
        with pytest.raises(ShapeError, match="expected float32"):
            made.append("image", keys, vectors, {})
    for bad in (2.0, np.nan, np.inf, 0.0):
        vectors = vectors_of(keys)
        vectors[1] *= bad
        with np.errstate(invalid="ignore"), pytest.raises(ShapeError, match="not of length 1"):
            made.append("image", keys, vectors, {})
    for repeated in (keys_of(20, 20), keys_of(20, 1)):
        with pytest.raises(ArtifactError, match="stored already"):
            made.append("image", repeated, vectors_of(repeated), {})
    made.append("image", [], vectors_of([]), {})
    assert contents(made.path) == before


def test_what_a_killed_writer_left_is_cleared_away(made: EmbeddingStore) -> None:
    before = contents(made.path)
    orphan = made.path / "image-00002.parquet"
    orphan.write_bytes(b"a shard the manifest does not name")
    for name in (".image-00002-x1y2.parquet", ".manifest-abc.json", ".text-00001-z.parquet"):
        (made.path / name).write_bytes(b"half")
    (made.path / "notes.txt").write_text("mine")
    with made.writing():
        pass
    assert contents(made.path) == before | {"notes.txt": b"mine"}


def test_a_creation_that_was_killed_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".manifest-abc.json").touch()
    put(EmbeddingStore.open_or_create(tmp_path, SPEC), 1)
    assert sorted(contents(tmp_path)) == [".lock", "image-00000.parquet", "manifest.json"]


def test_a_store_made_by_another_process_meanwhile_is_not_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proper = store._acquire

    def late(lock: filelock.BaseFileLock, path: Path) -> None:
        monkeypatch.setattr(store, "_acquire", proper)
        put(EmbeddingStore.open_or_create(path, SPEC), 1)  # the other one had the lock before us
        proper(lock, path)

    monkeypatch.setattr(store, "_acquire", late)
    assert EmbeddingStore.open_or_create(tmp_path / "store", SPEC).missing("image", keys_of(1, 2)) == keys_of(2)


def test_a_second_writer_waits_a_little_and_is_then_told(made: EmbeddingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOCK_WAIT_S", 0.1)
    holder = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held'); input()"
    command = [sys.executable, "-u", "-c", holder, str(made.path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ArtifactError, match=r"another process is writing.*Wait until it ends"):
            put(made, 30)
        assert EmbeddingStore.open(made.path).missing("image", keys_of(0)) == []  # readers are not kept out
        process.communicate("\n")
    put(made, 30)


def test_another_object_of_the_same_process_is_kept_out_too(
    made: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOCK_WAIT_S", 0.1)
    other = EmbeddingStore.open_or_create(made.path, SPEC)
    with made.writing():
        put(made, 30)  # the writer itself may go on
        with pytest.raises(ArtifactError, match="another process is writing"):
            put(other, 31)
    put(other, 31)  # and sees what was written meanwhile
    assert other.missing("image", keys_of(30, 31, 32)) == keys_of(32)
    assert len(list(made.path.glob("image-*.parquet"))) == 4


@pytest.mark.parametrize("what", ["write_table", "write_json"])
def test_a_full_disk_leaves_the_store_as_it_was(
    made: EmbeddingStore, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(target: object, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = contents(made.path)
    if what == "write_table":
        monkeypatch.setattr(shards.pq, "write_table", full)
    else:
        monkeypatch.setattr("luneta.artifacts.os.fsync", lambda _: full(_) if manifest_is_next(made.path) else None)
    with pytest.raises(ArtifactError, match="No space left"):
        put(made, 40)
    monkeypatch.undo()
    opened = EmbeddingStore.open_or_create(made.path, SPEC)
    with opened.writing():  # the shard that got its name before the disk was full goes
        pass
    assert contents(made.path) == before


def manifest_is_next(folder: Path) -> bool:
    return any(path.name.startswith(".manifest-") for path in folder.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_really_full_and_a_really_read_only_disk(small_disk: Path) -> None:
    spec = EncoderSpec("toy", 64, "a" * 64)
    opened = EmbeddingStore.open_or_create(small_disk / "store", spec)
    first, second = keys_of(*range(64)), keys_of(*range(64, 512))
    opened.append("image", first, vectors_of(first, 64), {})
    before = contents(opened.path)
    with pytest.raises(ArtifactError, match=r"cannot write .*image-00001\.parquet: .*No space left"):
        opened.append("image", second, vectors_of(second, 64), {})
    assert contents(opened.path) == before
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    read_only = EmbeddingStore.open_or_create(opened.path, spec)  # all that is asked for is there: nothing to write
    np.testing.assert_array_equal(read_only.vectors("image", first), vectors_of(first, 64))
    with pytest.raises(ArtifactError, match=r"cannot write .*Read-only"):
        read_only.append("image", second, vectors_of(second, 64), {})
    with pytest.raises(ArtifactError, match=r"cannot make the folder .*Read-only"):
        EmbeddingStore.open_or_create(small_disk / "other", spec)


def test_text_keys_are_of_the_utf8_bytes() -> None:
    assert text_key("maçã") == hashlib.sha256("maçã".encode()).hexdigest()
    assert text_key("\ud800") != text_key("\ud801")  # not even a lone surrogate breaks a run
