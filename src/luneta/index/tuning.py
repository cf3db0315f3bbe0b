"""How much of what exact search finds an index finds, and at what cost; and how hard it must search to find enough.

Recall@10 is measured for each set of queries on its own, since texts and pictures lie apart in the common space: an
index that finds the neighbours of pictures may miss those of texts. The effort is chosen on half of each set. What is
reported are the other halves, whose only part is that an effort by which they miss the target is raised.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ConfigError
from luneta.index import checks
from luneta.index.base import KeptIndex
from luneta.index.choosing import Choice
from luneta.index.exact import ExactIndex
from luneta.progress import track
from luneta.stats import Interval, bootstrap
from luneta.types import Vectors

if TYPE_CHECKING:
    from luneta.index.faiss_index import FaissIndex

SCHEMA = "luneta.index-report/1"
K = 10
AT_MOST = 1000  # queries of a set: enough for an interval of half a point either way
TIMED = 200  # of them, one at a time
LEAST_EFFORT = 8  # less saves nothing that could be measured
LARGEST_EFFORT = 4096  # a graph that must look at more is slower than a list
LARGEST_FACTOR = 64


@dataclass(frozen=True, slots=True)
class QueryReport:
    """What one set of queries found, and how long it took.

    Attributes:
        n: queries whose recall was measured.
        recall: @10, with its 95 % interval.
        p50_ms, p99_ms: of one query at a time, on the threads there are.
    """

    n: int
    recall: Interval
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """An index, how it was chosen, and what was measured.

    Attributes:
        choice: its kind, and why that one.
        n, dim: of its vectors.
        parameters: of a search, by FAISS's names.
        target: recall@10 that was wanted.
        queries: by the name of the set.
        memory_mib: that searches touch: the index, or for exact search the vectors.
        disk_mib: with vectors and ids.
        build_s: how long it took, with choosing and measuring.
    """

    choice: Choice
    n: int
    dim: int
    parameters: Mapping[str, int]
    target: float
    queries: Mapping[str, QueryReport]
    memory_mib: float
    disk_mib: float
    build_s: float

    @property
    def reached(self) -> bool:
        """Whether every set of queries found what was wanted."""
        return all(report.recall.value >= self.target for report in self.queries.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` reads it."""
        return {"schema": SCHEMA, "why": self.choice.sentence(), "reached": self.reached, **asdict(self)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Report:
        """
        Raises:
            ConfigError: that is no such report.
        """
        if content.get("schema") != SCHEMA:
            raise ConfigError(f"a report of an index has schema {SCHEMA!r}, not {content.get('schema')!r}")
        own = {name: value for name, value in content.items() if name not in ("schema", "why", "reached")}
        queries = {
            name: QueryReport(**{**report, "recall": Interval(**report["recall"])})
            for name, report in own.pop("queries").items()
        }
        return cls(choice=Choice(**own.pop("choice")), queries=queries, **own)


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries, and what exact search finds for them.

    Attributes:
        queries: (n, dim).
        kth: (n,) score of the last of the true first ten.
    """

    queries: Vectors
    kth: NDArray[np.float32]

    def hits(self, index: KeptIndex) -> NDArray[np.float64]:
        """(n,) share of the true first ten that the index finds; an item of equal score is as good as another."""
        found = index.search(self.queries, K).scores
        k = min(K, len(index))
        share: NDArray[np.float64] = (found[:, :k] >= self.kth[:, None]).sum(axis=1) / k
        return share

    def half(self, which: int) -> Judged:
        """The even or the odd queries; all where there is but one."""
        if len(self.queries) < 2:
            return self
        return Judged(self.queries[which::2], self.kth[which::2])


def judged(index: KeptIndex, queries: Mapping[str, Vectors] | None, *, seed: int = 0) -> dict[str, Judged]:
    """Sets of at most 1000 queries each, and their truth by exact search of the index's own vectors.

    Args:
        index: with at least one vector.
        queries: (n, dim) by the name of the set; None takes mixtures of two of its vectors each, as "mixed":
            vectors that are in the index themselves are found far more easily than anything else.

    Raises:
        ShapeError: queries that do not fit the index.
        ConfigError: a set without queries.
    """
    rng, exact, sets = np.random.default_rng(seed), ExactIndex(index.rows), dict[str, Judged]()
    if queries is None:
        queries = {"mixed": _mixed(index, rng)}
    for name, vectors in queries.items():
        vectors = checks.unit_vectors(f"{name} queries", vectors, index.dim)
        if not len(vectors):
            raise ConfigError(f"there are no {name} queries; leave the set out")
        some = vectors[rng.permutation(len(vectors))[: TIMED if index.kind == "exact" else AT_MOST]]
        sets[name] = Judged(some, exact.search(some, K).scores[:, min(K, len(index)) - 1])
    return sets


def _mixed(index: KeptIndex, rng: np.random.Generator) -> Vectors:
    """(n, dim) vectors between two items, nearer to one."""
    ids = index.ids
    near, far = (index.vectors_of(rng.choice(ids, min(AT_MOST, len(ids)), replace=False)) for _ in range(2))
    mixed = near + np.float32(0.5) * far
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def tune(index: FaissIndex, sets: Mapping[str, Judged], target: float) -> bool:
    """Set the least effort at which every set finds what is wanted, and whether there is one.

    On the halves that choose, recall must exceed the target by twice its standard error, so that it holds for others.
    Efforts are tried in powers of two, then in steps of an eighth; at last, the other halves must reach the target too.
    """
    choosing, held = ([queries.half(which) for queries in sets.values()] for which in (0, 1))
    most = max(LEAST_EFFORT, min(index.most_effort, LARGEST_EFFORT))

    def enough(effort: int) -> bool:
        index.set_effort(effort)
        advance(1)
        return all(_surely(queries.hits(index), target) for queries in choosing)

    with track("recall", None) as advance:
        while not enough(most):
            if index.factor >= LARGEST_FACTOR:
                return False
            # what FAISS keeps of a vector is too little to choose among so few candidates
            index.set_effort(most, factor=index.factor * 2)
        low, high = LEAST_EFFORT - 1, LEAST_EFFORT  # too little, and perhaps enough
        while high < most and not enough(high):
            low, high = high, min(2 * high, most)
        while high - low > max(1, high // 8):
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        index.set_effort(high)
        while high < most and any(queries.hits(index).mean() < target for queries in held):
            high = min(most, high + max(1, high // 4))
            index.set_effort(high)
            advance(1)
    return True


def measured(index: KeptIndex, sets: Mapping[str, Judged], *, seed: int = 0) -> dict[str, QueryReport]:
    """Recall and times of the halves that do not choose."""
    reports = {}
    for name, queries in sets.items():
        held = queries.half(1)
        hits = held.hits(index)
        took = []
        for row in range(min(TIMED, len(held.queries))):
            start = time.perf_counter()
            index.search(held.queries[row : row + 1], K)
            took.append(1000 * (time.perf_counter() - start))
        p50, p99 = np.percentile(took, [50, 99])
        reports[name] = QueryReport(len(hits), bootstrap(hits, seed=seed), round(float(p50), 4), round(float(p99), 4))
    return reports


def _surely(hits: NDArray[np.float64], target: float) -> bool:
    spread = hits.std(ddof=1) / len(hits) ** 0.5 if len(hits) > 1 else 0.0
    return bool(hits.mean() - 2 * spread >= target)
