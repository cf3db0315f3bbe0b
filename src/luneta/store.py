"""Embeddings on disk: a folder of Parquet shards and a manifest, addressed by content.

    STORE/
      manifest.json         the encoder, and every shard with its hash; what it does not name does not exist
      image-00000.parquet   key: string, vector: fixed_size_list<float>[embedding_dim], failure: string
      text-00000.parquet    the same
      .lock                 held by the one process that writes

A key is the digest of an item's content, so equal items share a row, and a data set that grew, moved or was
shuffled finds its vectors again. An image that cannot be decoded keeps a row too (NaN for a vector, and the reason):
were it left out, the shards after it would hold other items when a run is resumed. No time, host name or path
is written, so that a run which was killed and resumed leaves the very same bytes as one which was not.

A shard takes its final name before the manifest names it. A crash between the two leaves a shard that nobody
names; the next writer removes it. A shard that the manifest names but that somebody deleted, because it was
damaged, is computed anew by the next writer.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from luneta import artifacts
from luneta.errors import ArtifactError, ConfigError, IndexMismatchError, ShapeError
from luneta.shards import KINDS, Kind, Shard, check_hash, read_keys, read_vectors, shard_kind, shard_name, write_shard
from luneta.types import EncoderSpec, Vectors

logger = logging.getLogger("luneta")

SCHEMA = "luneta.embeddings/1"
SLOTS: Mapping[Kind, int] = {"image": 512, "text": 4096}
"""How many items a full shard covers: seconds of work for a kill to lose, and still few files."""

MANIFEST = "manifest.json"
LOCK = ".lock"
LOCK_WAIT_S = 3600.0
"""Two evaluations of one encoder share a store, and the second waits for the first; a killed process frees its lock."""

_TEMPORARY = re.compile(r"\.(image-\d+|text-\d+|manifest)-.*\.(parquet|json)")  # names made by artifacts.atomic_path


def text_key(text: str) -> str:
    """The key of a text: SHA-256 of its UTF-8 bytes, hex."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


class EmbeddingStore:
    """Vectors of one encoder in a folder. Made by `open` or `open_or_create`.

    Attributes:
        path: the folder.
        embedding_dim: length of its vectors.
        shards: its files, images before texts.
    """

    def __init__(self, path: Path, *, forget_lost: bool) -> None:
        self.path = path
        self._read_manifest(forget_lost=forget_lost)
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
        return cls(path, forget_lost=False)

    @classmethod
    def open_or_create(cls, path: str | os.PathLike[str], spec: EncoderSpec) -> EmbeddingStore:
        """Open the store at `path` to add to it, or make an empty one.

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
        store = cls(path, forget_lost=True)
        store.check(spec)
        return store

    def check(self, spec: EncoderSpec) -> None:
        """Refuse an encoder whose vectors these are not.

        Raises:
            IndexMismatchError: the fingerprints differ; the message names both encoders.
        """
        ours = self._encoder
        if (ours["fingerprint"], self.embedding_dim) != (spec.fingerprint, spec.embedding_dim):
            raise IndexMismatchError(
                f"{self.path} holds vectors of {ours['name']} ({self.embedding_dim} numbers each, fingerprint "
                f"{ours['fingerprint'][:16]}), but {spec.name} ({spec.embedding_dim}, {spec.fingerprint[:16]}) was "
                "asked for. Their vectors cannot be mixed: use the first encoder, or another folder."
            )

    def _read_manifest(self, *, forget_lost: bool) -> None:
        """Take over the manifest as it stands, and read the keys (not the vectors) of its shards.

        Args:
            forget_lost: whether a shard whose file was deleted counts as never written; a reader wants an error.
        """
        manifest = artifacts.read_json(self.path / MANIFEST)
        try:
            if manifest["schema"] != SCHEMA:
                raise ValueError(f"schema is {manifest['schema']!r}, expected {SCHEMA!r}")
            self._encoder: dict[str, Any] = dict(manifest["encoder"])
            self.embedding_dim = int(self._encoder["embedding_dim"])
            if not all(isinstance(self._encoder[name], str) for name in ("name", "fingerprint")):
                raise ValueError("the encoder has no name or fingerprint")
            shards = [Shard(**shard) for shard in manifest["shards"]]
            if strange := [shard.file for shard in shards if shard_kind(shard.file) != shard.kind]:
                raise ValueError(f"{strange[0]!r} is no name of a shard")
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{self.path / MANIFEST} is not the manifest of an embedding store ({type(error).__name__}: {error}). "
                "Name another folder, or delete this one and embed again."
            ) from error
        if forget_lost:
            shards = [shard for shard in shards if (self.path / shard.file).exists()]
        self.shards: list[Shard] = []
        self._keys: dict[str, pa.Array] = {}
        self._failed: dict[Kind, dict[str, str]] = {kind: {} for kind in KINDS}
        for shard in shards:
            self._take(shard, *read_keys(self.path, shard))

    def _take(self, shard: Shard, keys: pa.Array, failures: Mapping[str, str]) -> None:
        self.shards = sorted([*self.shards, shard], key=_order)
        with_vector = pc.invert(pc.is_in(keys, value_set=pa.array(list(failures), pa.string())))
        self._keys[shard.file] = pc.if_else(with_vector, keys, None)
        self._failed[shard.kind].update(failures)

    # ---- reading

    def _of(self, kind: Kind) -> list[Shard]:
        return [shard for shard in self.shards if shard.kind == kind]

    def _rows(self, kind: Kind, keys: Sequence[str]) -> pa.Array:
        """For each key its row number over all shards of the kind, null when it has no vector."""
        stored = pa.chunked_array([self._keys[shard.file] for shard in self._of(kind)], pa.string())
        return pc.index_in(pa.array(keys, pa.string()), value_set=stored)

    def missing(self, kind: Kind, keys: Sequence[str]) -> list[str]:
        """Keys that have no row yet, in the order given, each once."""
        wanted = list(dict.fromkeys(keys))
        absent = np.flatnonzero(np.asarray(self._rows(kind, wanted).is_null()))
        return [wanted[i] for i in absent if wanted[i] not in self._failed[kind]]

    def failures(self, kind: Kind) -> dict[str, str]:
        """Keys of the items that could not be read when they were tried last, and why."""
        failed = list(self._failed[kind])
        still = np.flatnonzero(np.asarray(self._rows(kind, failed).is_null()))
        return {failed[i]: self._failed[kind][failed[i]] for i in still}

    def vectors(self, kind: Kind, keys: Sequence[str]) -> Vectors:
        """Vectors of the keys, (n, embedding_dim), in the order given; a key may stand twice.

        Reads one shard at a time; every shard that is touched is checked against its hash.

        Raises:
            ArtifactError: a key is not stored or could not be read, or a shard is damaged.
        """
        found = self._rows(kind, keys)
        if found.null_count:
            first = keys[int(np.flatnonzero(np.asarray(found.is_null()))[0])]
            why = self._failed[kind].get(first, "it was never embedded into this store")
            raise ArtifactError(f"{self.path} holds no vector of {kind} {first}: {why}")
        rows = found.to_numpy(zero_copy_only=False).astype(np.int64)
        shards = self._of(kind)
        starts = np.cumsum([0, *(shard.n_rows for shard in shards)])
        shard_of = np.searchsorted(starts, rows, side="right") - 1
        order = np.argsort(shard_of, kind="stable")
        edges = np.searchsorted(shard_of[order], np.arange(len(shards) + 1))
        out = np.empty((len(keys), self.embedding_dim), dtype=np.float32)
        for number, shard in enumerate(shards):
            here = order[edges[number] : edges[number + 1]]
            if len(here):
                out[here] = read_vectors(self.path, shard, self.embedding_dim)[rows[here] - starts[number]]
        return out

    def verify(self) -> None:
        """Check every shard against its hash in the manifest.

        Raises:
            ArtifactError: a shard is damaged.
        """
        for shard in self.shards:
            check_hash(self.path, shard)

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
            self._read_manifest(forget_lost=True)
            self._clean()
            yield
        finally:
            self._lock.release()

    def _clean(self) -> None:
        named = {shard.file for shard in self.shards}
        try:
            for path in self.path.iterdir():
                if _TEMPORARY.fullmatch(path.name) or (shard_kind(path.name) and path.name not in named):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise ArtifactError(f"cannot write {self.path}: {error.strerror or error}") from error

    def append(self, kind: Kind, keys: Sequence[str], vectors: Vectors, failures: Mapping[str, str]) -> None:
        """Write one shard, then the manifest that names it; each whole or not at all.

        Args:
            kind: of the items.
            keys: (n) new keys, each once; nothing is written when there is none.
            vectors: (n, embedding_dim) float32 unit vectors; the rows of failures are ignored.
            failures: the keys that have no vector, and why.

        Raises:
            ShapeError: the vectors do not fit the keys, or are not unit vectors.
            ArtifactError: a key is stored already, or the shard cannot be written.
        """
        self._check_rows(kind, keys, vectors, failures)
        if not keys:
            return
        with self.writing():
            if self._rows(kind, keys).null_count != len(set(keys)):
                raise ArtifactError(f"{self.path}: some of these {len(keys)} {kind} keys are stored already")
            taken = {shard.file for shard in self.shards}
            number = next(n for n in range(len(taken) + 1) if shard_name(kind, n) not in taken)
            shard = write_shard(self.path / shard_name(kind, number), kind, keys, vectors, failures)
            artifacts.write_json(self.path / MANIFEST, _manifest(self._encoder, [*self.shards, shard]))
            self._take(shard, pa.array(keys, pa.string()), {key: failures[key] for key in keys if key in failures})

    def _check_rows(self, kind: Kind, keys: Sequence[str], vectors: Vectors, failures: Mapping[str, str]) -> None:
        if vectors.shape != (len(keys), self.embedding_dim) or vectors.dtype != np.float32:
            raise ShapeError(
                f"{vectors.dtype} vectors of shape {vectors.shape} for {len(keys)} {kind} keys; expected float32 "
                f"of shape {(len(keys), self.embedding_dim)}"
            )
        ok = [row for row, key in enumerate(keys) if key not in failures]
        lengths = np.linalg.norm(vectors[ok].astype(np.float64), axis=1)
        if not np.all(np.abs(lengths - 1) < 1e-3):  # a NaN fails this too
            raise ShapeError(f"{kind} vectors that are not of length 1: normalise before storing")


class MemoryStore:
    """The same for one run, in memory."""

    def __init__(self, embedding_dim: int) -> None:
        self._rows: dict[Kind, dict[str, int]] = {kind: {} for kind in KINDS}
        self._blocks: dict[Kind, list[Vectors]] = {kind: [np.zeros((0, embedding_dim), np.float32)] for kind in KINDS}
        self._failures: dict[Kind, dict[str, str]] = {kind: {} for kind in KINDS}

    def writing(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def missing(self, kind: Kind, keys: Sequence[str]) -> list[str]:
        return [key for key in dict.fromkeys(keys) if key not in self._rows[kind]]

    def append(self, kind: Kind, keys: Sequence[str], vectors: Vectors, failures: Mapping[str, str]) -> None:
        first = len(self._rows[kind])
        self._rows[kind].update({key: first + i for i, key in enumerate(keys)})
        self._blocks[kind].append(vectors)
        self._failures[kind].update(failures)

    def failures(self, kind: Kind) -> dict[str, str]:
        return dict(self._failures[kind])

    def vectors(self, kind: Kind, keys: Sequence[str]) -> Vectors:
        return np.concatenate(self._blocks[kind])[[self._rows[kind][key] for key in keys]]


def _create(path: Path, spec: EncoderSpec) -> None:
    """Make an empty store, unless the folder holds anything that is not ours."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        check_folder(path)
    except OSError as error:
        raise ArtifactError(
            f"cannot make the folder {path}: {error.strerror or error}. Choose another place."
        ) from error
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


def check_folder(path: Path) -> None:
    """Leave a folder alone that holds somebody else's files, before even a lock is put there.

    Raises:
        ArtifactError: it does; a store, an empty folder or none may be written to.
    """
    if not path.is_dir() or (path / MANIFEST).is_file():
        return
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
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=min(1.0, LOCK_WAIT_S))
            return
        logger.warning("another process is writing to %s; waiting for it to end", path)
        lock.acquire(timeout=LOCK_WAIT_S)
    except filelock.Timeout:
        raise ArtifactError(
            f"another process is writing to {path}. Wait until it ends, or choose another folder."
        ) from None
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror or error}. Choose another place.") from error


def _order(shard: Shard) -> tuple[Kind, int, str]:
    return shard.kind, len(shard.file), shard.file


def _manifest(encoder: Mapping[str, Any], shards: Sequence[Shard]) -> dict[str, Any]:
    return {"schema": SCHEMA, "encoder": dict(encoder), "shards": [asdict(s) for s in sorted(shards, key=_order)]}
