"""Approximate search with FAISS: a graph (HNSW), or lists around centres (IVF), over vectors in fewer bits.

What FAISS finds are candidates. They are scored again in float64 from the vectors themselves, so that scores are true
cosines and equal ones stand by id, whatever the bits. Where few ids are allowed, or FAISS finds fewer items than there
are, the vectors are searched exactly.
"""

from __future__ import annotations

import abc
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from luneta.errors import ArtifactError, ConfigError
from luneta.index import indexfile
from luneta.index.base import KeptIndex, Scored, best
from luneta.index.checks import Ids
from luneta.index.exact import nearest
from luneta.index.indexfile import IndexFile
from luneta.index.rows import Rows
from luneta.progress import track
from luneta.types import Vectors

faiss: Any = _faiss  # its type stubs know half of it

SCHEMA = "luneta.index/1"
AT_ONCE = 8192  # vectors that FAISS takes in at a time
QUERIES_AT_ONCE = 1024
SAMPLE = 2**17  # vectors at most that centres and code books are learned from: 256 MiB of 512 dimensions
FEW = 20_000  # allowed ids up to which collecting their vectors is faster than finding them by the graph or the lists
RARE = 0.05  # and the share of all up to which graph and lists would have to be searched too widely
EFFORT = 64  # where nothing was measured
DEAD = 0.3  # share of removed items in a graph from which it is built again
GROWTH = 4  # times as many as it learned from: centres and code books are learned again


class FaissIndex(KeptIndex):
    """Vectors in a FAISS index, beside the vectors themselves.

    Attributes:
        effort: how much of it a search looks at, 1 to `most_effort`: the higher, the surer and slower.
        factor: candidates that are scored again for each item that is asked for.
        seed: of whatever is drawn while it is built; with one thread, equal vectors and seeds give equal indexes.
    """

    effort_name: ClassVar[str]
    """What FAISS calls the effort."""

    def __init__(self, rows: Rows, *, effort: int = EFFORT, factor: int = 2, seed: int = 0) -> None:
        super().__init__(rows)
        self.effort, self.factor, self.seed = effort, factor, seed
        self._index: Any = None  # none while there is nothing to learn from
        self._learned_from = 0  # vectors there were when it was built
        self._source: IndexFile | None = None  # the file it lies in as it is

    @classmethod
    def build(cls, rows: Rows, *, seed: int = 0) -> Self:
        """An index of what `rows` hold. Needs a sample of up to 131 072 vectors in memory, and what it builds.

        Raises:
            ConfigError: there is not memory enough.
        """
        index = cls(rows, seed=seed)
        index._build()
        return index

    @classmethod
    def open(cls, rows: Rows, path: str | os.PathLike[str]) -> Self:
        """What `write` wrote, around the same vectors, memory-mapped until it is changed.

        Raises:
            ArtifactError: it is missing, damaged, or was written for other ids.
        """
        source = indexfile.read(path)
        facts = source.facts
        about = {"schema": SCHEMA, "kind": cls.kind, "dim": rows.dim, "ids": _hash(rows.ids)}
        for name, value in about.items():
            if facts.get(name) != value:
                raise ArtifactError(
                    f"{path} is an index with {name} {facts.get(name)!r}, not {value!r}: it belongs to other vectors"
                )
        index = cls(rows, effort=facts["effort"], factor=facts["factor"], seed=facts["seed"])
        index._learned_from, index._source = facts["learned_from"], source
        if source.n_bytes:
            with _refusals("open", cls.kind):
                index._index = faiss.read_index(os.fspath(path), cls._mapping)
            index._use_effort()
        return index

    _mapping: ClassVar[int]
    """FAISS's flag that maps the large parts of a file of this kind."""

    @property
    def most_effort(self) -> int:
        """Looks at everything, as far as the kind can."""
        return max(1, len(self))

    def set_effort(self, effort: int, factor: int | None = None) -> None:
        """How much searches look at from now on."""
        self.effort, self.factor = effort, factor or self.factor
        if self._index is not None:
            self._use_effort()

    @property
    def parameters(self) -> dict[str, int]:
        """By FAISS's names."""
        return {self.effort_name: min(self.effort, self.most_effort), "k_factor": self.factor}

    @property
    def memory_mib(self) -> float:
        return 0.0 if self._index is None else self._n_bytes() / 2**20

    def write(self, path: str | os.PathLike[str]) -> None:
        """See `KeptIndex.write`."""
        facts = {
            "schema": SCHEMA, "kind": self.kind, "dim": self.dim, "ids": _hash(self.ids), "effort": self.effort,
            "factor": self.factor, "seed": self.seed, "learned_from": self._learned_from,
        }  # fmt: skip
        indexfile.write(path, facts, self._write_body)

    def _write_body(self, place: Path) -> None:
        if self._index is None:
            place.write_bytes(b"")
        elif self._source is not None:
            self._source.copy_body(place)
        else:
            with _refusals("write", self.kind):
                faiss.write_index(self._index, os.fspath(place))

    # --- searching ----------------------------------------------------------------------------------------------------

    def _search(self, queries: Vectors, k: int, allowed: Ids | None) -> Scored:
        if allowed is not None:
            allowed = allowed[self._rows.holds(allowed)]
        if self._index is None or (allowed is not None and len(allowed) <= max(FEW, RARE * len(self))):
            return nearest(self._rows, queries, k, allowed)
        if len(queries) <= QUERIES_AT_ONCE:
            return self._search_some(queries, k, allowed)
        found = [
            self._search_some(queries[start : start + QUERIES_AT_ONCE], k, allowed)
            for start in range(0, len(queries), QUERIES_AT_ONCE)
        ]
        return np.concatenate([scores for scores, _ in found]), np.concatenate([ids for _, ids in found])

    def _search_some(self, queries: Vectors, k: int, allowed: Ids | None) -> Scored:
        n = len(self) if allowed is None else len(allowed)
        k = min(k, n)
        candidates = self._candidates(queries, min(k * self.factor, n), allowed, len(self) // n)
        enough = candidates[:, k - 1] >= 0  # they stand in front
        if enough.all():
            return self._scored(queries, candidates, k)
        scores, ids = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        if enough.any():
            scores[enough], ids[enough] = self._scored(queries[enough], candidates[enough], k)
        scores[~enough], ids[~enough] = nearest(self._rows, queries[~enough], k, allowed)
        return scores, ids

    def _candidates(self, queries: Vectors, n: int, allowed: Ids | None, thinning: int) -> Ids:
        """(n_queries, n) ids as FAISS orders them; -1 behind the last. One of `thinning` items is allowed."""
        how = None
        selector = self._selector(allowed)
        if selector is not None:
            how = self._parameters(selector, min(self.most_effort, self.effort * thinning))
        with _refusals("search", self.kind):
            return np.asarray(self._index.search(queries, n, params=how)[1])

    def _scored(self, queries: Vectors, candidates: Ids, k: int) -> Scored:
        """The k best of the candidates by their own vectors."""
        return best([(self._rows.scores(queries, candidates), candidates)], k)

    def _selector(self, allowed: Ids | None) -> Any:
        """FAISS's selector of ids; None where it may find all."""
        if allowed is None:
            return None
        top = int(allowed[-1])
        if top < 64 * len(allowed):  # a bit for each number up to the largest is small beside a hash table
            bits = np.zeros(top + 1, dtype=np.bool_)
            bits[allowed] = True
            return faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))
        return faiss.IDSelectorBatch(allowed)

    # --- changing -----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        """Learn from a sample and take in all there is, in blocks."""
        ids = self._rows.ids
        self._index, self._source, self._learned_from = None, None, len(ids)
        if not len(ids):
            return
        drawn = np.random.default_rng(self.seed).choice(len(ids), min(SAMPLE, len(ids)), replace=False)
        with _refusals("build", self.kind):
            index = self._trained(self._rows.vectors_of(ids[np.sort(drawn)]), len(ids))
            with track("index", len(ids)) as advance:
                for start in range(0, len(ids), AT_ONCE):
                    some = ids[start : start + AT_ONCE]
                    index.add_with_ids(self._rows.vectors_of(some), some)
                    advance(len(some))
        self._index = index
        self._use_effort()

    def _added(self, ids: Ids, vectors: Vectors) -> None:
        if self._index is None or len(self) > GROWTH * self._learned_from:
            self.effort = max(self.effort, EFFORT)  # what was measured was another index
            self._build()
            return
        self._into_memory()
        index, self._index = self._index, None  # if this fails, it holds nobody knows what
        with _refusals("add to", self.kind):
            for start in range(0, len(ids), AT_ONCE):
                index.add_with_ids(vectors[start : start + AT_ONCE], ids[start : start + AT_ONCE])
        self._index = index
        self._use_effort()

    def _removed(self, ids: Ids) -> None:
        if not len(self):
            self._build()
        elif self._index is not None:
            self._into_memory()
            index, self._index = self._index, None
            with _refusals("remove from", self.kind):
                self._index = self._without(index, ids)
        if self._n_dead() > DEAD * (len(self) + self._n_dead()):
            self._build()

    def _into_memory(self) -> None:
        """What is mapped cannot be written."""
        if self._source is None:
            return
        self._source.content.seek(0)
        with _refusals("open", self.kind):
            self._index = faiss.read_index(faiss.PyCallbackIOReader(self._source.content.read))
        self._source = None
        self._use_effort()

    def _n_dead(self) -> int:
        """Items that are still in FAISS's index and removed."""
        return 0

    # --- what a kind is -----------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _trained(self, sample: Vectors, n: int) -> Any:
        """An empty FAISS index for n vectors like these, with ids."""

    @abc.abstractmethod
    def _without(self, index: Any, ids: Ids) -> Any:
        """The FAISS index when it finds these no more."""

    @abc.abstractmethod
    def _use_effort(self) -> None:
        """Set FAISS's own parameter."""

    @abc.abstractmethod
    def _parameters(self, selector: Any, effort: int) -> Any:
        """FAISS's parameters of one search."""

    @abc.abstractmethod
    def _n_bytes(self) -> int: ...


class HnswIndex(FaissIndex):
    """A graph of near neighbours (Malkov and Yashunin, 2018) over vectors of one byte a dimension.

    A graph cannot forget: what was removed stays in it under the id -1, which no search may find, until it is built
    again.
    """

    kind = "hnsw"
    effort_name = "efSearch"
    _mapping = faiss.IO_FLAG_MMAP_IFC

    LINKS: ClassVar[int] = 16  # a node has twice as many on the lowest level
    CARE: ClassVar[int] = 80  # efConstruction: nodes looked at for the links of a new one

    def _trained(self, sample: Vectors, n: int) -> Any:
        index = faiss.index_factory(self.dim, f"IDMap,HNSW{self.LINKS}_SQ8", faiss.METRIC_INNER_PRODUCT)
        graph = faiss.downcast_index(index.index).hnsw
        graph.efConstruction = self.CARE
        graph.rng = faiss.RandomGenerator(self.seed)
        index.train(sample)
        return index

    def _numbers(self, index: Any) -> NDArray[np.int64]:
        """(n_nodes,) the id of each node, to be written into."""
        n = int(index.id_map.size())
        return np.asarray(faiss.rev_swig_ptr(index.id_map.data(), n)) if n else np.empty(0, dtype=np.int64)

    def _without(self, index: Any, ids: Ids) -> Any:
        numbers = self._numbers(index)
        numbers[np.isin(numbers, ids)] = -1
        return index

    def _n_dead(self) -> int:
        return 0 if self._index is None else int(self._index.ntotal) - len(self)

    def _use_effort(self) -> None:
        faiss.downcast_index(self._index.index).hnsw.efSearch = min(self.effort, self.most_effort)

    def _selector(self, allowed: Ids | None) -> Any:
        if allowed is None and self._n_dead():
            return faiss.IDSelectorRange(0, 2**62)
        return super()._selector(allowed)

    def _parameters(self, selector: Any, effort: int) -> Any:
        return faiss.SearchParametersHNSW(sel=selector, efSearch=effort)

    def _n_bytes(self) -> int:
        inner = faiss.downcast_index(self._index.index)
        links = int(inner.hnsw.neighbors.size()) * 4
        of_node = int(inner.storage.sa_code_size()) + 8 + 8 + 4  # vector, id, place of its links, level
        return links + int(inner.ntotal) * of_node


class IvfIndex(FaissIndex):
    """Lists of the vectors near each of some centres; a search reads the lists of the nearest centres."""

    effort_name = "nprobe"
    _mapping = faiss.IO_FLAG_MMAP

    def _codes(self) -> str:
        """How FAISS writes the format of the vectors in the lists."""
        raise NotImplementedError

    @property
    def most_effort(self) -> int:
        return 1 if self._index is None else int(self._index.nlist)

    def _trained(self, sample: Vectors, n: int) -> Any:
        n_lists = max(1, min(int(4 * n**0.5), n // 30))
        index = faiss.index_factory(self.dim, f"IVF{n_lists},{self._codes()}", faiss.METRIC_INNER_PRODUCT)
        learning = [index.cp]
        if isinstance(index, faiss.IndexIVFPQ):
            learning.append(index.pq.cp)
            index.do_polysemous_training = False  # for search by Hamming distance, and most of the time
        for each in learning:
            each.seed = self.seed + 1
            each.min_points_per_centroid = 1  # with fewer than 39 FAISS would warn on standard error
        index.train(sample if len(sample) >= 256 else np.resize(sample, (256, self.dim)))  # a code book has 256 entries
        return index

    def _without(self, index: Any, ids: Ids) -> Any:
        index.remove_ids(faiss.IDSelectorBatch(ids))
        return index

    def _use_effort(self) -> None:
        self._index.nprobe = min(self.effort, self.most_effort)

    def _parameters(self, selector: Any, effort: int) -> Any:
        return faiss.SearchParametersIVF(sel=selector, nprobe=effort)

    def _n_bytes(self) -> int:
        index = self._index
        return int(index.ntotal) * (int(index.code_size) + 8) + int(index.nlist) * self.dim * 4


class IvfSq8Index(IvfIndex):
    """Lists of vectors of one byte a dimension."""

    kind = "ivf-sq8"

    def _codes(self) -> str:
        return "SQ8"


class IvfPqIndex(IvfIndex):
    """Lists of vectors of one byte for eight dimensions (product quantisation; Jégou and others, 2011)."""

    kind = "ivf-pq"

    def __init__(self, rows: Rows, *, effort: int = EFFORT, factor: int = 16, seed: int = 0) -> None:
        super().__init__(rows, effort=effort, factor=factor, seed=seed)

    def _codes(self) -> str:
        return f"PQ{max(m for m in range(1, max(1, self.dim // 8) + 1) if self.dim % m == 0)}"


def _hash(ids: Ids) -> str:
    return hashlib.sha256(np.ascontiguousarray(ids, dtype="<i8").data).hexdigest()


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextmanager
def _refusals(what: str, kind: str) -> Iterator[None]:
    """What FAISS says when it cannot do something, as an error of ours."""
    try:
        yield
    except MemoryError as error:
        raise ConfigError(
            f"there is not memory enough to {what} an index of kind {kind}; choose one that needs less (ivf-pq needs "
            "least), or a smaller memory_mib, so that it is chosen"
        ) from error
    except (RuntimeError, AssertionError) as error:
        raise ArtifactError(f"FAISS cannot {what} this {kind} index: {_short(error)}; build it again") from error
