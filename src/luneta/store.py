"""Embeddings on disk: a folder of Parquet shards and a manifest, addressed by content.

    STORE/
      manifest.json         the encoder, and every shard with its hash; what it does not name does not exist
      image-00000.parquet   key: string, vector: fixed_size_list<float>[embedding_dim], failure: string
      text-00000.parquet    the same
      .lock                 held by the one process that writes

A key is the digest of an item's content, so equal items share a row, and a data set that grew, moved or was
shuffled finds its vectors again. An image that cannot be decoded keeps a row too (no vector, but the reason):
were it left out, the shards after it would hold other items when a run is resumed. No time, host name or path
is written, so that a run which was killed and resumed leaves the very same bytes as one which was not.

A shard takes its final name before the manifest names it. A crash between the two leaves a shard that nobody
names; the next writer removes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from luneta import artifacts
from luneta.errors import ArtifactError, ConfigError, IndexMismatchError, ShapeError
from luneta.types import EncoderSpec, Vectors

Kind = Literal["image", "text"]
KINDS: tuple[Kind, Kind] = ("image", "text")

SCHEMA = "luneta.embeddings/1"
SLOTS: Mapping[Kind, int] = {"image": 512, "text": 4096}
"""How many items a full shard covers: seconds of work for a kill to lose, and still few files."""

MANIFEST = "manifest.json"
LOCK = ".lock"
LOCK_WAIT_S = 5.0

_SHARD = re.compile(r"(image|text)-\d{5,}\.parquet")
_TEMPORARY = re.compile(r"\.(image-\d{5,}|text-\d{5,}|manifest)-.*\.(parquet|json)")


def text_key(text: str) -> str:
    """The key of a text: SHA-256 of its UTF-8 bytes, hex."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def unique(keys: Sequence[str]) -> list[str]:
    """Keys without repeats, each where it first stood."""
    return list(dict.fromkeys(keys))


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a store, as the manifest names it."""

    file: str
    kind: Kind
    n_rows: int
    n_failures: int
    n_bytes: int
    sha256: str


class EmbeddingStore:
    """Vectors of one encoder in a folder. Made by `open` or `open_or_create`.

    Attributes:
        path: the folder.
        embedding_dim: length of its vectors.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        self.path = path
        self._load(manifest)
        self._lock = filelock.FileLock(path / LOCK)

    # ---- opening

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> EmbeddingStore:
        """Open a store for reading; nothing is written, no lock is taken.

        Raises:
            ArtifactError: there is no store, it is not ours, or it is damaged.
        """
        path = Path(path)
        if not path.is_dir():
            raise ArtifactError(f"no embedding store at {path}: no such folder. Make one with `luneta embed`.")
        if not (path / MANIFEST).is_file():
            raise ArtifactError(f"{path} is not an embedding store: it has no {MANIFEST}. Name another folder.")
        return cls(path, artifacts.read_json(path / MANIFEST))

    @classmethod
    def open_or_create(cls, path: str | os.PathLike[str], spec: EncoderSpec) -> EmbeddingStore:
        """Open the store at `path` for this encoder, or make an empty one.

        Raises:
            IndexMismatchError: the store holds another encoder's vectors.
            ArtifactError: the folder is something else, is damaged, or cannot be written.
            ConfigError: the encoder has no fingerprint, so nobody could tell later whose vectors these are.
        """
        path = Path(path)
        if not spec.fingerprint:
            raise ConfigError(
                f"the vectors of {spec.name} cannot be kept: its spec.fingerprint is empty, so nothing would tell them "
                "from another encoder's. Give the spec a fingerprint, or embed without a store."
            )
        if not (path / MANIFEST).is_file():
            _create(path, spec)
        store = cls.open(path)
        store.check(spec)
        return store

    def check(self, spec: EncoderSpec) -> None:
        """Refuse an encoder whose vectors these are not.

        Raises:
            IndexMismatchError: the fingerprints differ; the message names both encoders.
        """
        ours = self._encoder
        if (ours["fingerprint"], ours["embedding_dim"]) != (spec.fingerprint, spec.embedding_dim):
            raise IndexMismatchError(
                f"{self.path} holds vectors of {ours['name']} ({ours['embedding_dim']} numbers each, fingerprint "
                f"{ours['fingerprint'][:16]}), but {spec.name} ({spec.embedding_dim}, {spec.fingerprint[:16]}) was "
                "asked for. Their vectors cannot be mixed: use the first encoder, or another folder."
            )

    def _load(self, manifest: Any) -> None:
        """Take over a manifest, and read the keys (not the vectors) of its shards."""
        try:
            if manifest["schema"] != SCHEMA:
                raise ArtifactError(f"{self.path / MANIFEST} has schema {manifest['schema']!r}, expected {SCHEMA!r}")
            self._encoder: dict[str, Any] = dict(manifest["encoder"])
            self.embedding_dim = int(self._encoder["embedding_dim"])
            self._shards = [Shard(**shard) for shard in manifest["shards"]]
            strange = [shard.file for shard in self._shards if not _SHARD.fullmatch(shard.file)]
            if strange or not all(isinstance(self._encoder[name], str) for name in ("name", "fingerprint")):
                raise ValueError(f"unexpected names {strange}")
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{self.path / MANIFEST} is not the manifest of an embedding store ({type(error).__name__}: {error})"
            ) from error
        self._keys: dict[Kind, list[pa.Array]] = {kind: [] for kind in KINDS}
        self._failures: dict[Kind, dict[str, str]] = {kind: {} for kind in KINDS}
        for shard in self._shards:
            self._take_keys(shard)

    def _take_keys(self, shard: Shard) -> None:
        path = self.path / shard.file
        try:
            if path.stat().st_size != shard.n_bytes:
                raise self._damaged(shard, f"{path.stat().st_size} bytes long instead of {shard.n_bytes}")
            table = pq.read_table(path, columns=["key", "failure"], partitioning=None)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(shard, str(error)) from error
        if table.num_rows != shard.n_rows:
            raise self._damaged(shard, f"{table.num_rows} rows instead of {shard.n_rows}")
        failed = table.filter(pc.is_valid(table["failure"]))
        self._keys[shard.kind].append(table["key"].combine_chunks())
        self._failures[shard.kind].update(zip(failed["key"].to_pylist(), failed["failure"].to_pylist(), strict=True))

    def _damaged(self, shard: Shard, how: str) -> ArtifactError:
        return ArtifactError(
            f"{self.path / shard.file} is damaged: {how}. Delete the folder {self.path} and embed again; "
            "it holds nothing that cannot be computed anew."
        )

    # ---- reading

    def __len__(self) -> int:
        """Number of rows, images and texts together, failures included."""
        return sum(shard.n_rows for shard in self._shards)

    def _positions(self, kind: Kind, keys: Sequence[str]) -> pa.Array:
        """For each key its row number over all shards of the kind, null when it is not stored."""
        stored = pa.chunked_array(self._keys[kind], pa.string())
        return pc.index_in(pa.array(keys, pa.string()), value_set=stored)

    def missing(self, kind: Kind, keys: Sequence[str]) -> list[str]:
        """Keys that have no row yet, in the order given, each once."""
        wanted = unique(keys)
        absent = np.asarray(self._positions(kind, wanted).is_null())
        return [wanted[int(i)] for i in np.flatnonzero(absent)]

    def failures(self, kind: Kind) -> dict[str, str]:
        """Keys of the items that could not be read, and why."""
        return dict(self._failures[kind])

    def vectors(self, kind: Kind, keys: Sequence[str]) -> Vectors:
        """Vectors of the keys, (n, embedding_dim), in the order given; a key may stand twice.

        Reads one shard at a time; every shard that is touched is checked against its hash.

        Raises:
            ArtifactError: a key is not stored or could not be read, or a shard is damaged.
        """
        positions = self._positions(kind, keys)
        if positions.null_count:
            first = keys[int(np.flatnonzero(np.asarray(positions.is_null()))[0])]
            raise ArtifactError(f"{self.path} holds no {kind} {first}: embed the data set into it first")
        rows = positions.to_numpy(zero_copy_only=False).astype(np.int64)
        shards = [shard for shard in self._shards if shard.kind == kind]
        starts = np.cumsum([0, *(shard.n_rows for shard in shards)])
        out = np.empty((len(keys), self.embedding_dim), dtype=np.float32)
        shard_of = np.searchsorted(starts, rows, side="right") - 1
        order = np.argsort(shard_of, kind="stable")
        edges = np.searchsorted(shard_of[order], np.arange(len(shards) + 1))
        for number, shard in enumerate(shards):
            here = order[edges[number] : edges[number + 1]]
            if len(here):
                out[here] = self._read(shard)[rows[here] - starts[number]]
        if np.isnan(out).any():
            first = keys[int(np.flatnonzero(np.isnan(out).any(axis=1))[0])]
            raise ArtifactError(
                f"{kind} {first} has no vector: {self._failures[kind].get(first, 'it is not a number')}"
            )
        return out

    def _read(self, shard: Shard) -> Vectors:
        """Vectors of a shard, (n_rows, embedding_dim); NaN where an item could not be read."""
        try:
            content = (self.path / shard.file).read_bytes()
        except OSError as error:
            raise self._damaged(shard, str(error)) from error
        if hashlib.sha256(content).hexdigest() != shard.sha256:
            raise self._damaged(shard, f"its content no longer has the hash noted in {MANIFEST}")
        try:
            table = pq.read_table(pa.BufferReader(content), columns=["vector"])
            column = table["vector"].combine_chunks()
            values = column.values.to_numpy(zero_copy_only=False)
            return values.reshape(shard.n_rows, self.embedding_dim)  # type: ignore[no-any-return]
        except (pa.ArrowException, KeyError, ValueError, AttributeError) as error:
            raise self._damaged(shard, str(error)) from error

    def verify(self) -> None:
        """Check every shard against the hash in the manifest.

        Raises:
            ArtifactError: a shard is damaged.
        """
        for shard in self._shards:
            self._read(shard)

    # ---- writing

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only process that writes here; takes over what others have written before.

        Removes what a killed writer left: temporary files, and shards the manifest does not name.

        Raises:
            ArtifactError: another process is writing, or the folder cannot be written.
        """
        if self._lock.is_locked:
            yield
            return
        _acquire(self._lock, self.path)
        try:
            self._load(artifacts.read_json(self.path / MANIFEST))
            self._clean()
            yield
        finally:
            self._lock.release()

    def _clean(self) -> None:
        named = {shard.file for shard in self._shards}
        try:
            for path in self.path.iterdir():
                if _TEMPORARY.fullmatch(path.name) or (_SHARD.fullmatch(path.name) and path.name not in named):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise ArtifactError(f"cannot write {self.path}: {error.strerror or error}") from error

    def append(self, kind: Kind, keys: Sequence[str], vectors: Vectors, failures: Mapping[str, str]) -> None:
        """Write one shard, then the manifest that names it; each whole or not at all.

        Args:
            keys: (n) new keys, each once, at most SLOTS[kind] of them.
            vectors: (n, embedding_dim) float32 unit vectors; the rows of failures are ignored.
            failures: the keys that have no vector, and why.

        Raises:
            ShapeError: the vectors do not fit the keys, or are not unit vectors.
            ArtifactError: a key is stored already, or the shard cannot be written.
        """
        ok = np.array([key not in failures for key in keys], dtype=bool)
        self._check_rows(kind, keys, vectors, ok)
        with self.writing():
            if len(self.missing(kind, keys)) != len(keys):
                raise ArtifactError(f"{self.path}: some of these {len(keys)} {kind} keys are stored already")
            file = f"{kind}-{sum(shard.kind == kind for shard in self._shards):05d}.parquet"
            with artifacts.atomic_path(self.path / file) as temporary:
                _write_shard(temporary, keys, vectors, ok, failures)
                shard = Shard(
                    file, kind, len(keys), int((~ok).sum()), temporary.stat().st_size, artifacts.hash_file(temporary)
                )
            artifacts.write_json(self.path / MANIFEST, _manifest(self._encoder, [*self._shards, shard]))
            self._shards.append(shard)
            self._keys[kind].append(pa.array(keys, pa.string()))
            self._failures[kind].update({key: failures[key] for key in keys if key in failures})

    def _check_rows(self, kind: Kind, keys: Sequence[str], vectors: Vectors, ok: Any) -> None:
        if vectors.shape != (len(keys), self.embedding_dim) or vectors.dtype != np.float32:
            raise ShapeError(
                f"{vectors.dtype} vectors of shape {vectors.shape} for {len(keys)} {kind} keys; expected float32 "
                f"of shape {(len(keys), self.embedding_dim)}"
            )
        lengths = np.linalg.norm(vectors[ok].astype(np.float64), axis=1)
        if not np.all(np.abs(lengths - 1) < 1e-3):  # a NaN fails this too
            raise ShapeError(f"a {kind} vector is not of length 1: normalise before storing")


class MemoryStore:
    """The same as a folder, for one run."""

    def __init__(self, embedding_dim: int) -> None:
        self._rows: dict[Kind, dict[str, int]] = {kind: {} for kind in KINDS}
        self._blocks: dict[Kind, list[Vectors]] = {kind: [np.zeros((0, embedding_dim), np.float32)] for kind in KINDS}
        self._failures: dict[Kind, dict[str, str]] = {kind: {} for kind in KINDS}

    def writing(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def missing(self, kind: Kind, keys: Sequence[str]) -> list[str]:
        return [key for key in unique(keys) if key not in self._rows[kind]]

    def append(self, kind: Kind, keys: Sequence[str], vectors: Vectors, failures: Mapping[str, str]) -> None:
        first = len(self._rows[kind])
        self._rows[kind].update({key: first + i for i, key in enumerate(keys)})
        self._blocks[kind].append(vectors)
        self._failures[kind].update(failures)

    def failures(self, kind: Kind) -> dict[str, str]:
        return dict(self._failures[kind])

    def vectors(self, kind: Kind, keys: Sequence[str]) -> Vectors:
        rows = [self._rows[kind][key] for key in keys]
        return np.concatenate(self._blocks[kind])[rows]


def _create(path: Path, spec: EncoderSpec) -> None:
    """Make an empty store, unless the folder holds anything that is not ours."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(path)
    except OSError as error:
        raise ArtifactError(f"cannot make the folder {path}: {error.strerror or error}") from error
    lock = filelock.FileLock(path / LOCK)
    _acquire(lock, path)
    try:
        if not (path / MANIFEST).exists():  # nobody made it while we waited for the lock
            # Of a local checkpoint only the folder's own name: a store says nothing of the machine it was made on.
            name = Path(spec.name).name if os.path.isabs(spec.name) or os.path.isdir(spec.name) else spec.name
            encoder = {
                "name": name,
                "revision": spec.revision,
                "fingerprint": spec.fingerprint,
                "embedding_dim": spec.embedding_dim,
                "backend": spec.backend,
                "dtype": spec.dtype,
            }
            artifacts.write_json(path / MANIFEST, _manifest(encoder, []))
    finally:
        lock.release()


def _refuse_foreign(path: Path) -> None:
    """Leave a folder alone that holds somebody else's files, before even a lock is put there."""
    ours = (LOCK, MANIFEST)
    strangers = sorted(
        entry.name for entry in path.iterdir() if entry.name not in ours and not _TEMPORARY.fullmatch(entry.name)
    )
    if strangers:
        raise ArtifactError(
            f"{path} is not an embedding store, and not empty: it has no {MANIFEST} but holds {strangers[0]}. "
            "Name an empty or a new folder."
        )


def _acquire(lock: filelock.BaseFileLock, path: Path) -> None:
    try:
        lock.acquire(timeout=LOCK_WAIT_S)
    except filelock.Timeout:
        raise ArtifactError(
            f"another process is writing to {path}. Wait until it ends, or choose another folder."
        ) from None
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror or error}") from error


def _manifest(encoder: Mapping[str, Any], shards: Sequence[Shard]) -> dict[str, Any]:
    return {"schema": SCHEMA, "encoder": dict(encoder), "shards": [asdict(shard) for shard in shards]}


def _write_shard(path: Path, keys: Sequence[str], vectors: Vectors, ok: Any, failures: Mapping[str, str]) -> None:
    """One row group, every writer setting given: equal rows make equal bytes."""
    n, dim = vectors.shape
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
    schema = pa.schema(
        [
            pa.field("key", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dim)),
            pa.field("failure", pa.string()),
        ]
    )
    columns = [
        pa.array(keys, pa.string()),
        pa.FixedSizeListArray.from_arrays(flat, dim, mask=pa.array(~ok)),
        pa.array([failures.get(key) for key in keys], pa.string()),
    ]
    pq.write_table(
        pa.Table.from_arrays(columns, schema=schema),
        path,
        row_group_size=max(n, 1),
        version="2.6",
        data_page_version="1.0",
        compression="none",  # digests and unit vectors do not compress
        use_dictionary=False,
        write_statistics=False,
    )
