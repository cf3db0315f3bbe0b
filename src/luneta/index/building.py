"""Indexes built, written to disk and opened again."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from luneta import artifacts
from luneta.errors import ArtifactError, ConfigError, ShapeError, did_you_mean
from luneta.index import checks, tuning
from luneta.index.base import KeptIndex
from luneta.index.checks import Ids
from luneta.index.choosing import KINDS, Kind, asked, choose, memory_of, surer
from luneta.index.exact import ExactIndex
from luneta.index.rows import Rows
from luneta.types import Vectors

if TYPE_CHECKING:
    from luneta.index.faiss_index import FaissIndex

SCHEMA = "luneta.index/1"
VECTORS, IDS, EXTRA, MANIFEST = "vectors.npy", "ids.npy", "index.bin", "index.json"
_AT_ONCE = 65536  # vectors that are copied at a time


def build_index(
    ids: Ids,
    vectors: Vectors | Iterable[Vectors],
    *,
    kind: str = "auto",
    recall: float = 0.95,
    memory_mib: float | None = None,
    queries: Mapping[str, Vectors] | None = None,
    seed: int = 0,
) -> KeptIndex:
    """An index of vectors under ids, measured against exact search and tuned until it finds enough.

    What was chosen, found and paid stands in `index.report`. With one thread, equal vectors, queries and seeds give
    equal indexes. What is held in memory at most: the index, 2048 bytes a vector for each of up to 131 072 vectors of
    512 dimensions that it learns from, and blocks.

    Args:
        ids: (n,) int64, from 0 on, each once.
        vectors: (n, dim) float32 unit vectors, which are kept, not copied, where ids are ascending; a memory-mapped
            array stays on the disk. Of other floats, or where ids are not ascending, a copy is made. Or blocks of
            them, which are written one by one to a temporary file in `tempfile.gettempdir()`.
        kind: exact, hnsw, ivf-sq8 or ivf-pq; "auto" chooses by size, memory and recall, and a surer one where the
            recall is missed.
        recall: recall@10 against exact search that the worst set of queries shall reach.
        memory_mib: that the index may take; None takes half of what is free.
        queries: (n, dim) unit vectors by the name of the set, such as text and image: the more like those to come, the
            better. None takes mixtures of vectors of the index, which are easier to search for than texts.
        seed: of what is drawn.

    Raises:
        ConfigError: there is no such kind, numbers out of range, too little memory.
        ShapeError: ids, vectors or queries that do not fit.
        ArtifactError: there is no room for the temporary file.
    """
    if kind != "auto":
        check_kind(kind)
    start = time.perf_counter()
    rows = _rows(ids, vectors)
    choice = choose(len(rows), rows.dim, recall=recall, memory_mib=memory_mib)
    if kind != "auto":
        choice = asked(cast(Kind, kind))
    while True:
        index = _built(choice.kind, rows, seed)
        sets = tuning.judged(index, queries, seed=seed) if len(rows) else {}
        if isinstance(index, ExactIndex) or not sets or tuning.tune(cast("FaissIndex", index), sets, recall):
            break
        if kind != "auto":
            break
        next_choice = surer(choice, recall, len(rows), rows.dim, memory_mib)
        if next_choice is None:
            break
        choice = next_choice
    found = tuning.measured(index, sets, seed=seed)
    index.report = tuning.Report(
        choice=choice,
        n=len(rows),
        dim=rows.dim,
        parameters=index.parameters,
        target=recall,
        queries=found,
        memory_mib=round(index.memory_mib, 1),
        disk_mib=round(memory_of("exact", len(rows), rows.dim) + (index.kind != "exact") * index.memory_mib, 1),
        build_s=round(time.perf_counter() - start, 2),
    )
    return index


def _rows(ids: Ids, vectors: Vectors | Iterable[Vectors]) -> Rows:
    """Checked, in the order of ids."""
    array = vectors if isinstance(vectors, np.ndarray) else _spooled(vectors)
    for start in range(0, max(1, len(array) if array.ndim else 1), _AT_ONCE):
        checks.unit_vectors("vectors", array[start : start + _AT_ONCE])
    array = np.ascontiguousarray(array, dtype=np.float32)
    numbers = checks.new_ids(ids, len(array))
    if (numbers[1:] < numbers[:-1]).any():
        order = np.argsort(numbers)
        numbers, array = numbers[order], array[order]
    return Rows(numbers, array)


def _built(kind: Kind, rows: Rows, seed: int) -> KeptIndex:
    return ExactIndex(rows) if kind == "exact" else _faiss_class(kind).build(rows, seed=seed)


def _faiss_class(kind: str) -> type[FaissIndex]:
    from luneta.index import faiss_index  # importing FAISS takes longer than a small search

    classes: tuple[type[FaissIndex], ...] = (faiss_index.HnswIndex, faiss_index.IvfSq8Index, faiss_index.IvfPqIndex)
    return next(each for each in classes if each.kind == kind)


def _spooled(blocks: Iterable[Vectors]) -> Vectors:
    """The blocks in one array that lies in a temporary file, which goes with it.

    Raises:
        ShapeError: one is no table of unit vectors, or of another dimension than the first; there is none.
        ArtifactError: there is no room for the file.
    """
    dim, n = None, 0
    with tempfile.TemporaryFile() as file:
        try:
            for block in blocks:
                block = checks.unit_vectors("vectors", block, dim)
                dim, n = block.shape[1], n + len(block)
                file.write(block.data)
            file.flush()
        except OSError as error:
            raise ArtifactError(
                f"cannot write vectors to a temporary file in {tempfile.gettempdir()}: {error.strerror or error}. Set "
                "TMPDIR to a folder with more space"
            ) from error
        if dim is None:
            raise ShapeError("there are no blocks of vectors; an empty index needs vectors of shape (0, dim)")
        return np.memmap(file, np.float32, "r", shape=(n, dim)) if n else np.empty((0, dim), dtype=np.float32)


def load_index(kind: str, path: str | os.PathLike[str] | None, vectors: Vectors, ids: Ids) -> KeptIndex:
    """An index around vectors that somebody else keeps, which are neither copied nor changed.

    Args:
        kind: as `index.kind` had it.
        path: what `index.write` wrote; not looked at for exact, which writes nothing.
        vectors: (n, dim) float32 unit vectors in the order of their ids; memory-mapped ones stay on the disk.
        ids: (n,) int64, ascending.

    Raises:
        ConfigError: there is no such kind.
        ArtifactError: the file is missing, damaged, or of other vectors than these.
        ShapeError: vectors and ids do not fit together.
    """
    check_kind(kind)
    rows = Rows(np.asarray(ids), _table(vectors))
    if kind == "exact":
        return ExactIndex(rows)
    if path is None:
        raise ArtifactError(f"an index of kind {kind} needs its file beside ids and vectors; there is none")
    return _faiss_class(kind).open(rows, path)


def check_kind(kind: str) -> None:
    """
    Raises:
        ConfigError: there is no such kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no index of kind {kind!r}. {did_you_mean(kind, KINDS)}")


def save_index(index: KeptIndex, folder: str | os.PathLike[str]) -> None:
    """Write an index with its vectors to a folder, whole or not at all; `open_index` opens it.

    Raises:
        ArtifactError: it cannot be written.
    """
    with artifacts.atomic_folder(folder) as place:
        ids = index.ids
        np.save(place / IDS, ids)
        vectors = np.lib.format.open_memmap(place / VECTORS, "w+", np.float32, (len(ids), index.dim))
        for start in range(0, len(ids), _AT_ONCE):
            vectors[start : start + _AT_ONCE] = index.vectors_of(ids[start : start + _AT_ONCE])
        vectors.flush()
        index.write(place / EXTRA)
        artifacts.write_json(place / MANIFEST, {"schema": SCHEMA, "kind": index.kind})


def open_index(folder: str | os.PathLike[str]) -> KeptIndex:
    """What `save_index` wrote, its vectors memory-mapped.

    Raises:
        ArtifactError: there is none, or it is damaged.
    """
    place = Path(folder)
    manifest = artifacts.read_json(place / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise ArtifactError(f"{place / MANIFEST} is not the manifest of an index ({SCHEMA})")
    try:
        return load_index(
            str(manifest.get("kind")), place / EXTRA, _mapped(place / VECTORS), np.array(_mapped(place / IDS))
        )
    except (ShapeError, ConfigError) as error:
        raise ArtifactError(f"{place} is damaged: {error}") from error


def _mapped(path: Path) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path} cannot be read as an array: {error}") from error
    return array


def _table(vectors: Any) -> Vectors:
    array = np.asarray(vectors)
    if array.ndim != 2 or not array.shape[1] or array.dtype != np.float32:
        raise ShapeError(f"vectors have shape {array.shape} and dtype {array.dtype}; expected float32 (n, dim)")
    return array
